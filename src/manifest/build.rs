//! Writes a manifest: entries in, nodes out, cut where the content says so (floor 2).

use super::Error;
use crate::entry::{ChunkRef, Entry};
use crate::format::{bin, manifest};
use crate::id::Id;
use crate::limits::{INNER_MODULUS, NODE_CUT, NODE_MIN, SEGMENT_MODULUS};
use crate::path::RelPath;

/// Takes a finished node: its name and its bytes.
pub type NodeSink<'s> = dyn FnMut(ChunkRef, Vec<u8>) -> Result<(), Error> + 's;

/// A manifest that is being written.
#[derive(Debug)]
pub struct Builder {
    levels: Vec<Level>,
}

/// The node of one level that is not full yet.
#[derive(Debug)]
struct Level {
    bytes: Vec<u8>,
    items: u64,
    first: RelPath,
    entries: u64,
}

impl Level {
    fn new(number: usize) -> Self {
        // A level is far below 256: each one is at least hundreds of times smaller than the one under it.
        let bytes = vec![u8::try_from(number).unwrap_or(u8::MAX)];
        Self { bytes, items: 0, first: RelPath::root(), entries: 0 }
    }

    fn note(&mut self, first: &RelPath, entries: u64) {
        if self.items == 0 {
            self.first.clone_from(first);
        }
        self.items += 1;
        self.entries += entries;
    }

    fn is_full(&self, key: u16, modulus: u16) -> bool {
        self.bytes.len() >= NODE_CUT || (self.bytes.len() >= NODE_MIN && key.is_multiple_of(modulus))
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self { levels: vec![Level::new(0)] }
    }
}

impl Builder {
    /// Adds the next entry in path order.
    pub fn push(&mut self, entry: &Entry, sink: &mut NodeSink<'_>) -> Result<(), Error> {
        let Some(level) = self.levels.first_mut() else { return Ok(()) };
        level.note(&entry.path, 1);
        manifest::encode_entry(entry, &mut level.bytes)
            .map_err(|source| Error::Entry { path: entry.path.clone(), source })?;
        let full = level.is_full(Id::of(entry.path.as_bytes()).cut_bits(), SEGMENT_MODULUS);
        if full { self.close(0, sink) } else { Ok(()) }
    }

    /// Ends the node of a level and enters it one level up.
    fn close(&mut self, number: usize, sink: &mut NodeSink<'_>) -> Result<(), Error> {
        let mut closing = number;
        loop {
            let (child, node) = self.take(closing, sink)?;
            closing += 1;
            if self.levels.len() == closing {
                self.levels.push(Level::new(closing));
            }
            let Some(level) = self.levels.get_mut(closing) else { return Ok(()) };
            level.note(&child.first, child.entries);
            bin::encode(&child, &mut level.bytes).map_err(|source| Error::Node { node: node.id, source })?;
            if !level.is_full(node.id.cut_bits(), INNER_MODULUS) {
                return Ok(());
            }
        }
    }

    fn take(&mut self, number: usize, sink: &mut NodeSink<'_>) -> Result<(manifest::Child, ChunkRef), Error> {
        let mut level = Level::new(number);
        if let Some(old) = self.levels.get_mut(number) {
            std::mem::swap(&mut level, old);
        }
        let node = ChunkRef { id: Id::of(&level.bytes), length: u32::try_from(level.bytes.len()).unwrap_or(u32::MAX) };
        sink(node, level.bytes)?;
        Ok((manifest::Child { first: level.first, node, entries: level.entries }, node))
    }

    /// Ends the manifest and gives its root.
    pub fn finish(mut self, sink: &mut NodeSink<'_>) -> Result<ChunkRef, Error> {
        let mut number = 0;
        loop {
            let is_top = number + 1 == self.levels.len();
            let items = self.levels.get(number).map_or(0, |level| level.items);
            if is_top && items == 1 && number > 0 {
                return Ok(self.only_child(number));
            }
            if is_top {
                return self.take(number, sink).map(|(_, node)| node);
            }
            if items > 0 {
                self.close(number, sink)?;
            }
            number += 1;
        }
    }

    /// A top node with one child says nothing that the child does not say: the child is the root.
    fn only_child(&self, number: usize) -> ChunkRef {
        let nowhere = ChunkRef { id: Id::of(b""), length: 0 };
        let Some(mut bytes) = self.levels.get(number).and_then(|level| level.bytes.get(1..)) else { return nowhere };
        bin::decode::<manifest::Child>(&mut bytes, "a node of our own").map_or(nowhere, |child| child.node)
    }
}
