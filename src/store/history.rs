//! The history of one store as another takes it over (floor 2): what there is, and the bytes of it.

use super::layout::Layout;
use super::{Error, Store};
use crate::format::config::Config;
use crate::format::snapshot::Record;
use crate::fs::{Error as FsError, durable};
use crate::id::Id;
use crate::limits::{PACK_MAX, RECORD_MAX};
use crate::path::shown_path;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use walkdir::WalkDir;

/// Bytes of a pack handed over at a time.
const STEP: usize = 1 << 20;

/// What a history consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The numbers of all snapshots, ascending, each with the seal of its record, or why there is none: it is damaged.
    pub seals: Vec<(u64, Result<Id, String>)>,
    /// The packs, and their lengths.
    pub packs: BTreeMap<Id, u64>,
    /// Packs that should be there and are not, in words.
    pub lost: Vec<String>,
    /// The pinned snapshots.
    pub pins: Vec<u64>,
}

/// Where a history comes from. Whoever has one sees to it that nobody changes it meanwhile.
pub trait History: Sync {
    /// As messages name it.
    fn name(&self) -> String;

    /// How messages name one of its packs.
    fn pack_name(&self, pack: &Id) -> String;

    /// Name and parameters of the store.
    fn config(&self) -> Config;

    /// The packs that are there, and their lengths: enough to tell how much it is.
    fn lengths(&self) -> Result<BTreeMap<Id, u64>, Error>;

    /// What there is. What cannot be read now is [`Error::Unreadable`]: that may pass.
    fn past(&self) -> Result<Past, Error>;

    /// A record as it is, sealed.
    fn record_bytes(&self, sequence: u64) -> Result<Vec<u8>, Error>;

    /// Hands over the bytes of a pack, piece by piece. An error of `take` is given back as it is; one of reading is [`Error::Unreadable`].
    fn read_pack(&self, pack: &Id, take: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error>;
}

impl History for Store {
    fn name(&self) -> String {
        shown_path(self.layout.root())
    }

    fn pack_name(&self, pack: &Id) -> String {
        shown_path(&self.layout.pack(pack))
    }

    fn config(&self) -> Config {
        *Self::config(self)
    }

    fn lengths(&self) -> Result<BTreeMap<Id, u64>, Error> {
        packs_in(&self.layout)
    }

    fn past(&self) -> Result<Past, Error> {
        let mut seals = Vec::new();
        for sequence in self.sequences()? {
            seals.push((sequence, self.seal(sequence)?));
        }
        let packs = packs_in(&self.layout)?;
        let lost = self.packs()?.into_iter().filter(|(name, _)| !packs.contains_key(name));
        let lost = lost.map(|(name, _)| format!("{}: it is missing", self.pack_name(&name))).collect();
        Ok(Past { seals, packs, lost, pins: self.pins()? })
    }

    fn record_bytes(&self, sequence: u64) -> Result<Vec<u8>, Error> {
        let read = || durable::read(&self.layout.snapshot(sequence), RECORD_MAX as u64);
        read().or_else(|_| read()).map_err(|e| Error::Unreadable(e.to_string()))
    }

    fn read_pack(&self, pack: &Id, take: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let path = self.layout.pack(pack);
        let unreadable = |doing, e| Error::Unreadable(FsError::new(doing, &path, e).to_string());
        let mut input = File::open(&path).map_err(|e| unreadable("open", e))?.take(PACK_MAX + 1);
        let mut buffer = vec![0; STEP];
        loop {
            let read = match input.read(&mut buffer) {
                Ok(read) => read,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(unreadable("read", e)),
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            take(bytes)?;
        }
    }
}

impl Store {
    /// The seal of a record; or, if its bytes are there and wrong, what is wrong.
    fn seal(&self, sequence: u64) -> Result<Result<Id, String>, Error> {
        let read = || self.sealed_record(sequence);
        let sealed: Result<(Record, Id), Error> = match read() {
            Err(Error::Fs(_)) => read(),
            other => other,
        };
        match sealed {
            Ok((_, seal)) => Ok(Ok(seal)),
            Err(Error::Fs(e)) => Err(Error::Unreadable(e.to_string())),
            Err(e) => Ok(Err(e.to_string())),
        }
    }
}

/// Every pack of a store that nobody is writing to, and its length.
pub(super) fn packs_in(layout: &Layout) -> Result<BTreeMap<Id, u64>, Error> {
    let mut found = BTreeMap::new();
    for item in WalkDir::new(layout.packs()).min_depth(2).max_depth(2) {
        let failed = |e| FsError::new("list", &layout.packs(), e);
        let item = item.map_err(failed)?;
        if let Some(name) = Layout::id_of(item.path(), "pack") {
            found.insert(name, item.metadata().map_err(failed)?.len());
        }
    }
    Ok(found)
}
