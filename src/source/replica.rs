//! A tree that we made from a manifest, looked at again (floor 3): what is in it as far as it can be there is what it was made from.

use crate::entry::{Entry, Node};
use crate::fs::dir::Dir;
use crate::fs::fidelity::Fidelity;
use crate::fs::probe;
use crate::fs::stat::Stat;

/// A mirror.
#[derive(Debug)]
pub(super) struct Replica<'a> {
    /// What it can hold.
    pub(super) fidelity: &'a Fidelity,
    /// A folder of ours on its file system.
    pub(super) folder: &'a Dir,
    /// Whether its files are only to be proved.
    pub(super) proves: bool,
}

impl Replica<'_> {
    /// What was found, or, if that is all that can be there of it, the entry that it was made from.
    pub(super) fn settle(&self, found: Entry, made_from: Option<Entry>) -> Entry {
        made_from.filter(|old| self.is_all_of(old, &found)).unwrap_or(found)
    }

    fn is_all_of(&self, old: &Entry, found: &Entry) -> bool {
        if self.fidelity.is_same(old, found) {
            return true;
        }
        // Fewer attributes than the tree may have: perhaps these were too many, or too long.
        let is_part = found.meta.xattrs.len() < old.meta.xattrs.len()
            && found.meta.xattrs.iter().all(|xattr| old.meta.xattrs.contains(xattr));
        if !is_part {
            return false;
        }
        let mut held = old.clone();
        held.meta.xattrs = probe::xattrs(self.folder, &old.meta.xattrs, self.fidelity).unwrap_or_default();
        self.fidelity.is_same(&held, found)
    }

    /// Whether it can have this at all.
    pub(super) fn makes(&self, node: &Node) -> bool {
        self.fidelity.makes(node) && probe::makes(self.folder, node)
    }

    /// Whether mode and time of what is there are as they can be.
    pub(super) fn is_dressed(&self, stat: &Stat, old: &Entry) -> bool {
        stat.mode == self.fidelity.mode(&old.meta, old.is_directory())
            && stat.mtime == self.fidelity.time(old.meta.mtime)
    }
}
