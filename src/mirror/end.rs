//! One end of a target as the verbs see it, on this host or behind a pipe (floor 4).
//!
//! An [`End`] is a place that is, was or shall be a mirror. It answers for itself, and opens what is worked with under its lock: the
//! [`MirrorService`], the [`Turning`] of a swap, the [`History`] that the other end takes over. [`super::near::Near`] is one on this host; one behind a
//! pipe must give the same answers.

use super::Error;
use super::service::MirrorService;
use crate::format::role::{Role, State};
use crate::format::snapshot::Record;
use crate::fs::space::{Need, Space};
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::store::history::History;
use crate::store::import::Imported;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// An active mirror that a place is, or lies in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Around {
    /// Its root, as it was named.
    pub root: String,
    /// Its root without symlinks.
    #[serde(with = "serde_bytes")]
    pub real: Vec<u8>,
    /// Whether that is the place itself.
    pub is_place: bool,
    /// Its role.
    pub role: Role,
}

/// What there is to write on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// The file system of the mirror tree.
    pub tree: Space,
    /// That of the store.
    pub store: Space,
    /// What an interrupted run left in the stage: it goes before anything new is staged.
    pub staged: Need,
}

/// A place of a target.
pub trait End: Sync {
    /// As messages name it: its path, and behind a pipe the host before it.
    fn name(&self) -> String;

    /// As messages name its store.
    fn store_name(&self) -> String;

    /// Where it is, if that is on this host.
    fn here(&self) -> Option<&Path>;

    /// Where its store is, if that is on this host.
    fn store_here(&self) -> Option<PathBuf>;

    /// What it says of itself; nothing if it was never a mirror.
    fn role(&self) -> Result<Option<Role>, Error>;

    /// The active mirror that it is or lies in.
    fn mirror_around(&self) -> Result<Option<Around>, Error>;

    /// Opens it and lists these folders of it: why it does not look like the source of these DIRs, if it does not. An error if it cannot be opened.
    fn without_content(&self, dirs: &[RelPath]) -> Result<Option<String>, Error>;

    /// All its snapshots, oldest first; in place of a record that cannot be read, why. Needs no lock: records are never changed.
    fn records(&self) -> Result<Vec<Result<Record, String>>, Error>;

    /// The numbers of its pinned snapshots.
    fn pins(&self) -> Result<Vec<u64>, Error>;

    /// What there is to write on; with `settled`, after everything is on the medium: some file systems count only then what removed files gave back.
    fn room(&self, settled: bool) -> Result<Room, Error>;

    /// The room that the history takes which [`End::init_after_swap`] copies.
    fn room_for_history(&self, from: &dyn History) -> Result<Need, Error>;

    /// Makes a new mirror, or leaves one of this target that exists as it is.
    fn init(&self, random: u128) -> Result<(), Error>;

    /// Makes a mirror that takes over the history of the end that was promoted.
    fn init_after_swap(&self, from: &dyn History, random: u128, monitor: &dyn Monitor) -> Result<Imported, Error>;

    /// Opens the mirror, under its lock.
    fn open<'a>(&'a self, monitor: &dyn Monitor) -> Result<Box<dyn MirrorService + 'a>, Error>;

    /// Opens the history of a place, for reading only: a mirror, or one that was promoted. Takes no lock and writes nothing; what is put is remembered
    /// by who opened it, and what would change the place is refused.
    fn open_to_read(&self) -> Result<Box<dyn MirrorService + '_>, Error>;

    /// The history of a place that was promoted, under its lock.
    fn history(&self) -> Result<Box<dyn History + '_>, Error>;

    /// Takes the lock of a place that has a role.
    fn begin_turn(&self) -> Result<Box<dyn Turning + '_>, Error>;
}

/// A place with a role, under its lock: what a swap does to the end that it promotes.
pub trait Turning {
    /// What the place says of its tree.
    fn state(&self) -> State;

    /// The number with which it would be promoted. A mirror that was made after a swap and that nothing was put on yet is refused: its tree is not
    /// what its history says.
    fn number(&self) -> Result<u64, Error>;

    /// Ends what an interrupted run was doing to the tree, if nobody touched the tree since: its content is all in the store. If that cannot be
    /// done, the tree stays a mixture, and the operator is told.
    fn finish_publishing(&mut self, selection: &Selection, monitor: &dyn Monitor) -> Result<(), Error>;

    /// Makes sure that the history is found from the place alone: a store elsewhere gets a link, which is given if it was made.
    fn link_store(&self) -> Result<Option<String>, Error>;

    /// From now on the tree is live data.
    fn promote(&mut self, number: u64) -> Result<(), Error>;

    /// The place is a mirror again; what was changed on it since the swap is found by the next look.
    fn take_back(&mut self, number: u64) -> Result<(), Error>;
}
