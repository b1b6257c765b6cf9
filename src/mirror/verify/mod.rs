//! Proving the store (floor 4): are all files of it there and whole, and does every snapshot find all that it needs?
//!
//! `packs` looks at the files, `structure` follows the snapshots. Nothing is written; what is wrong goes to the monitor.

mod packs;
mod structure;

use super::Error;
use crate::monitor::Monitor;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

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
    let mut verified = Verified::default();
    let mut bad = HashSet::new();
    packs::present(store, monitor)?;
    if data {
        (verified.packs_read, verified.bytes_read) = packs::read_all(store, monitor, &mut bad)?;
    }
    verified.snapshots = structure::follow(store, &bad, monitor)?;
    Ok(verified)
}
