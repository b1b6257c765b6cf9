//! Proving the store (floor 4): are all files of it there and whole, and does every snapshot find all that it needs?
//!
//! `packs` looks at the files, `structure` follows the snapshots. Nothing is written; what is wrong goes to the monitor.

mod packs;
mod structure;

use super::Error;
use crate::monitor::{Monitor, Phase};
use crate::path::RelPath;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Snapshots that were followed to their chunks.
    pub snapshots: u64,
    /// Packs that were read in full.
    pub packs_read: u64,
    /// Bytes of them.
    pub bytes_read: u64,
}

/// Proves a store; with `data`, all content is read and hashed.
pub(super) fn verify(store: &Store, data: bool, monitor: &dyn Monitor) -> Result<Verified, Error> {
    let mut bad = HashSet::new();
    packs::present(store, monitor)?;
    if !data {
        let snapshots = structure::follow(store, &bad, monitor)?;
        return Ok(Verified { snapshots, ..Verified::default() });
    }
    // The snapshots are followed beside. Only where something is wrong that is done again, to tell what is affected.
    let quiet = Tripped::default();
    let none = HashSet::new();
    let (read, followed) =
        rayon::join(|| packs::read_all(store, monitor, &mut bad), || structure::follow(store, &none, &quiet));
    let (packs_read, bytes_read) = read?;
    let is_sound = bad.is_empty() && !quiet.is_tripped();
    let snapshots = if is_sound { followed? } else { structure::follow(store, &bad, monitor)? };
    Ok(Verified { snapshots, packs_read, bytes_read })
}

/// Remembers only whether there was anything to tell.
#[derive(Default)]
struct Tripped(AtomicBool);

impl Tripped {
    fn is_tripped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Monitor for Tripped {
    fn begin(&self, _phase: Phase, _files: Option<u64>, _bytes: Option<u64>) {}
    fn advance(&self, _files: u64, _bytes: u64) {}
    fn problem(&self, _path: &RelPath, _message: &str) {
        self.0.store(true, Ordering::Relaxed);
    }
    fn wrong(&self, _message: &str) {
        self.0.store(true, Ordering::Relaxed);
    }
    fn note(&self, _message: &str) {
        self.0.store(true, Ordering::Relaxed);
    }
}
