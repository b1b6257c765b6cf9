//! Pins: snapshots that stay whatever KEEP says (floor 2; format-spec.md, 8). One is a file of its own, which is there or not and cannot be damaged.

use super::snapshots::numbers_in;
use super::{Error, Store};
use crate::fs::durable;

impl Store {
    /// The numbers of the pinned snapshots, ascending.
    pub fn pins(&self) -> Result<Vec<u64>, Error> {
        match numbers_in(&self.layout.pins()) {
            // The first pin makes the folder.
            Err(Error::Fs(e)) if e.is_missing() => Ok(Vec::new()),
            pins => pins,
        }
    }

    /// Pins a snapshot, durably; whether it was not before.
    pub fn pin(&self, sequence: u64) -> Result<bool, Error> {
        self.record(sequence)?;
        let path = self.layout.pin(sequence);
        if durable::is_there(&path)? {
            return Ok(false);
        }
        durable::make_folder(&self.layout.pins())?;
        durable::sync_folder(self.layout.root())?;
        durable::write_new(&path, b"")?;
        Ok(true)
    }

    /// Takes a pin away, durably; whether there was one.
    pub fn unpin(&self, sequence: u64) -> Result<bool, Error> {
        let path = self.layout.pin(sequence);
        if !durable::is_there(&path)? {
            return self.record(sequence).map(|_| false);
        }
        durable::remove(&path)?;
        durable::sync_folder(&self.layout.pins())?;
        Ok(true)
    }
}
