//! Whether entries come in order, each in a directory that came before it (floor 2; format-spec.md, 6).
//!
//! Of what came only the last path is kept, and which of its ancestors were directories: what is in a directory follows it at once, so nothing else
//! can hold what comes next.

use crate::entry::Entry;
use crate::format::Error;
use crate::format::prove::holds;
use crate::path::RelPath;

/// What came so far.
#[derive(Debug, Default)]
pub struct Lineage {
    last: Option<RelPath>,
    /// Whether the last one is known to be no directory.
    is_leaf: bool,
    /// Lengths of those directories that the last path is, or lies in, without the root.
    directories: Vec<usize>,
    /// Whether something between the last one and the next was passed over.
    gap: bool,
}

/// What is known of the directory of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// It came before.
    Known,
    /// It was passed over, if it is there.
    Unseen,
}

impl Lineage {
    /// The entry or the node that came last begins here.
    pub const fn last(&self) -> Option<&RelPath> {
        self.last.as_ref()
    }

    /// The next entry.
    pub fn entry(&mut self, entry: &Entry) -> Result<Parent, Error> {
        let parent = self.step(&entry.path)?;
        self.is_leaf = !entry.is_directory();
        if !self.is_leaf && !entry.path.is_root() {
            self.directories.push(entry.path.as_bytes().len());
        }
        Ok(parent)
    }

    /// A node that is passed over, whose first path is this: what it holds outside of itself are ancestors of that.
    pub fn node(&mut self, first: &RelPath) -> Result<Parent, Error> {
        let parent = self.step(first)?;
        self.is_leaf = false;
        self.gap = true;
        Ok(parent)
    }

    /// Some entries are passed over.
    pub const fn pass_over(&mut self) {
        self.gap = true;
    }

    fn step(&mut self, path: &RelPath) -> Result<Parent, Error> {
        let bytes = path.as_bytes();
        let shared = self.last.as_ref().map_or(0, |last| last.shared_with(path));
        holds(self.last.as_ref().is_none_or(|last| last.is_before(path, shared)), "the order of the paths")?;
        while self.directories.last().is_some_and(|end| *end > shared || bytes.get(*end) != Some(&b'/')) {
            self.directories.pop();
        }
        let known = self.directories.last().copied().unwrap_or(0);
        let holder = bytes.iter().rposition(|b| *b == b'/').unwrap_or(0);
        let is_in_leaf = self.is_leaf && self.last.as_ref().is_some_and(|last| path.is_below(last));
        let parent = if known == holder { Parent::Known } else { Parent::Unseen };
        holds(parent == Parent::Known || (self.gap && !is_in_leaf), "the directory of an entry")?;
        if parent == Parent::Unseen {
            let ends = bytes.iter().zip(0..).filter(|(byte, at)| **byte == b'/' && *at > known);
            self.directories.extend(ends.map(|(_, at)| at));
        }
        self.gap = false;
        self.last.get_or_insert_default().clone_from(path);
        Ok(parent)
    }
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
