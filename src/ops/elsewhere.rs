//! An end of a target that is out of reach of whoever carries out a verb (floor 6): it is named, and says nothing.

use crate::format::role::Role;
use crate::format::snapshot::Record;
use crate::fs::space::Need;
use crate::mirror::Error;
use crate::mirror::end::{Around, End, Room, Turning};
use crate::mirror::service::MirrorService;
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::store::history::History;
use crate::store::import::Imported;
use std::path::{Path, PathBuf};

/// As messages name it.
pub(super) struct Elsewhere(pub(super) String);

impl Elsewhere {
    fn nothing<T>(&self) -> Result<T, Error> {
        Err(Error::Refused(format!("{} is out of reach of this command (nothing was written)", self.0)))
    }
}

impl End for Elsewhere {
    fn name(&self) -> String {
        self.0.clone()
    }

    fn store_name(&self) -> String {
        self.0.clone()
    }

    fn here(&self) -> Option<&Path> {
        None
    }

    fn store_here(&self) -> Option<PathBuf> {
        None
    }

    fn role(&self) -> Result<Option<Role>, Error> {
        self.nothing()
    }

    fn mirror_around(&self) -> Result<Option<Around>, Error> {
        self.nothing()
    }

    fn without_content(&self, _dirs: &[RelPath]) -> Result<Option<String>, Error> {
        self.nothing()
    }

    fn records(&self) -> Result<Vec<Result<Record, String>>, Error> {
        self.nothing()
    }

    fn pins(&self) -> Result<Vec<u64>, Error> {
        self.nothing()
    }

    fn room(&self, _settled: bool) -> Result<Room, Error> {
        self.nothing()
    }

    fn room_for_history(&self, _from: &dyn History) -> Result<Need, Error> {
        self.nothing()
    }

    fn init(&self, _random: u128) -> Result<(), Error> {
        self.nothing()
    }

    fn init_after_swap(&self, _from: &dyn History, _random: u128, _monitor: &dyn Monitor) -> Result<Imported, Error> {
        self.nothing()
    }

    fn open<'a>(&'a self, _monitor: &dyn Monitor) -> Result<Box<dyn MirrorService + 'a>, Error> {
        self.nothing()
    }

    fn open_to_read(&self) -> Result<Box<dyn MirrorService + '_>, Error> {
        self.nothing()
    }

    fn history(&self) -> Result<Box<dyn History + '_>, Error> {
        self.nothing()
    }

    fn begin_turn(&self) -> Result<Box<dyn Turning + '_>, Error> {
        self.nothing()
    }
}
