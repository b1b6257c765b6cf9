//! Hard links whose leader lies outside what is restored (floor 3): the first of them that is restored takes the leader's place.

use crate::entry::{ChunkRef, Entry, Node};
use crate::manifest;
use crate::manifest::cursor::find;
use crate::manifest::diff::Change;
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use crate::store::chunks::ChunkSource;
use std::collections::HashMap;

/// Changes in which every hard link has its leader inside the selection.
pub struct Relink<'a, D> {
    changes: D,
    selection: &'a Selection,
    chunks: &'a dyn ChunkSource,
    wanted: ChunkRef,
    /// For each leader outside, the name that stands in for it.
    substitutes: HashMap<RelPath, RelPath>,
}

impl<'a, D> Relink<'a, D> {
    /// Over the changes towards the manifest `wanted`.
    pub fn new(changes: D, selection: &'a Selection, chunks: &'a dyn ChunkSource, wanted: ChunkRef) -> Self {
        Self { changes, selection, chunks, wanted, substitutes: HashMap::new() }
    }

    fn settle(&mut self, entry: &mut Entry) -> Result<(), manifest::Error> {
        let Node::HardLink { leader } = &entry.node else { return Ok(()) };
        let inside = |path: &RelPath| self.selection.standing(path) == Standing::Inside;
        if inside(leader) || !inside(&entry.path) {
            return Ok(());
        }
        if let Some(substitute) = self.substitutes.get(leader) {
            entry.node = Node::HardLink { leader: substitute.clone() };
            return Ok(());
        }
        if let Some(found) = find(self.wanted, self.chunks.reader()?, leader)? {
            self.substitutes.insert(leader.clone(), entry.path.clone());
            entry.node = found.node;
        }
        Ok(())
    }
}

impl<D: Iterator<Item = Result<Change, manifest::Error>>> Iterator for Relink<'_, D> {
    type Item = Result<Change, manifest::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let change = self.changes.next()?.and_then(|mut change| {
            change.new.as_mut().map_or(Ok(()), |entry| self.settle(entry))?;
            Ok(change)
        });
        Some(change)
    }
}
