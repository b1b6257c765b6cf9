//! A copy for the names that are more than the file system gives one file (floor 3): ext4 ends at 65,000.

use super::Partial;
use super::stage::Waiting;
use crate::entry::Meta;
use crate::fs::content::{next_data, read_at, write_at};
use crate::fs::fidelity::Fidelity;
use crate::fs::meta::At;
use crate::path::RelPath;
use std::collections::HashMap;
use std::fs::File;
use std::io;

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// The copies that were made.
#[derive(Default)]
pub(super) struct Twins {
    /// For the first name of a file, that of its copy which takes more names.
    of: HashMap<RelPath, RelPath>,
    /// Names that are not of the file that they should be of.
    pub(super) names: Partial,
}

impl Twins {
    /// The first name of the file that takes more names in place of `leader`.
    pub(super) fn of(&self, leader: &RelPath) -> Option<RelPath> {
        self.of.get(leader).cloned()
    }

    /// `path` became the first name of a copy.
    pub(super) fn begin(&mut self, leader: &RelPath, path: &RelPath) {
        self.of.insert(leader.clone(), path.clone());
        self.names.note(path);
    }
}

/// Makes a copy of a file in the stage, durable and with its metadata; tells whether it has all of them.
pub(super) fn copy(file: &File, size: u64, to: Waiting<'_>, meta: &Meta, fidelity: &Fidelity) -> io::Result<bool> {
    let copy = to.dir.create_file(to.name)?;
    copy.set_len(size)?;
    let (mut buffer, mut at) = (vec![0; PIECE], 0);
    while let Some((start, end)) = next_data(file, at, size)? {
        at = start;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            let read = read_at(file, at, buffer.get_mut(..length).unwrap_or_default())?;
            if read == 0 {
                return Err(super::trust::conflict());
            }
            write_at(&copy, at, buffer.get(..read).unwrap_or_default())?;
            at += read as u64;
        }
    }
    let is_whole = At::file(&copy).give(meta, false, fidelity)?;
    copy.sync_all()?;
    Ok(is_whole)
}
