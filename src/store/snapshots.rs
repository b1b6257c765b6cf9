//! The snapshot records of a store (floor 2). Their order is that of their numbers, never that of clocks.

use super::{Error, Store};
use crate::format::snapshot::{Kind, Record};
use crate::fs::{Error as FsError, durable};
use crate::id::Id;
use crate::limits::RECORD_MAX;
use std::path::Path;
use walkdir::WalkDir;

impl Store {
    /// The numbers of all snapshots, ascending.
    pub fn sequences(&self) -> Result<Vec<u64>, Error> {
        numbers_in(&self.layout.snapshots())
    }

    /// One record, and the seal by which its successor names it.
    pub fn sealed_record(&self, sequence: u64) -> Result<(Record, Id), Error> {
        let path = self.layout.snapshot(sequence);
        let bytes = match durable::read(&path, RECORD_MAX as u64) {
            Err(e) if e.is_missing() => return Err(Error::NoSnapshot(sequence)),
            other => other?,
        };
        let (record, seal) = Record::decode(&bytes).map_err(|e| Error::damaged(&path, e))?;
        if record.sequence == sequence {
            Ok((record, seal))
        } else {
            Err(Error::damaged(&path, crate::format::Error::Invalid("the sequence number of a snapshot record")))
        }
    }

    /// One record.
    pub fn record(&self, sequence: u64) -> Result<Record, Error> {
        self.sealed_record(sequence).map(|(record, _)| record)
    }

    /// The newest record of a kind that `wanted` accepts and that can be read; damaged ones are passed over (`-check` names them).
    pub fn newest(&self, wanted: impl Fn(Kind) -> bool) -> Result<Option<Record>, Error> {
        for sequence in self.sequences()?.into_iter().rev() {
            match self.record(sequence) {
                Ok(record) if wanted(record.kind) => return Ok(Some(record)),
                Ok(_) => {}
                Err(e) if e.is_damage() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    /// Gives a record the next number and its parent's seal, and writes it: from now on the snapshot exists. Everything that it needs must
    /// have been flushed; after an error of that it is not written.
    pub fn commit(&self, mut record: Record) -> Result<Record, Error> {
        let last = self.sequences()?.last().copied();
        record.sequence = last.unwrap_or(0) + 1;
        record.parent = match last.map(|n| self.sealed_record(n)) {
            None | Some(Err(Error::Damaged { .. })) => None,
            Some(sealed) => Some(sealed?.1),
        };
        let bytes = record.encode()?;
        self.writing(|_| Ok(durable::write_new(&self.layout.snapshot(record.sequence), &bytes)?))?;
        Ok(record)
    }
}

/// The names in a folder that are numbers of snapshots, ascending.
pub(super) fn numbers_in(folder: &Path) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    for item in WalkDir::new(folder).min_depth(1).max_depth(1) {
        let item = item.map_err(|e| FsError::new("list", folder, e))?;
        let name = item.file_name().to_string_lossy();
        if let Some(number) = name.parse::<u64>().ok().filter(|n| format!("{n:06}") == name) {
            found.push(number);
        }
    }
    found.sort_unstable();
    Ok(found)
}
