//! Writes a manifest: entries in, nodes out, cut where the content says so (floor 2).

use super::Error;
use super::lineage::Lineage;
use crate::entry::{ChunkRef, Entry, Node};
use crate::format;
use crate::format::manifest::{Child, Encoder};
use crate::id::Id;
use crate::limits::{INNER_MODULUS, LEVELS_MAX, NODE_CUT, NODE_MIN, SEGMENT_MODULUS};
use crate::path::RelPath;

/// Takes a finished node: its name and its bytes.
pub type NodeSink<'s> = dyn FnMut(ChunkRef, Vec<u8>) -> Result<(), Error> + 's;

/// A manifest that is being written.
#[derive(Debug, Default)]
pub struct Builder {
    lineage: Lineage,
    levels: Vec<Level>,
}

/// The node of one level that is not full yet.
#[derive(Debug)]
struct Level {
    node: Encoder,
    items: u64,
    first: RelPath,
    entries: u64,
    /// What was entered last, above the segments.
    child: Option<ChunkRef>,
}

impl Level {
    fn new(number: u8) -> Self {
        Self { node: Encoder::new(number), items: 0, first: RelPath::root(), entries: 0, child: None }
    }

    fn note(&mut self, first: &RelPath, entries: u64) {
        if self.items == 0 {
            self.first.clone_from(first);
        }
        self.items += 1;
        self.entries += entries;
    }

    fn is_full(&self, key: u16, modulus: u16) -> bool {
        // The first path is written in full, and may be longer than all that follows.
        let length = self.node.bytes().len().saturating_sub(self.first.as_bytes().len());
        length >= NODE_CUT || (length >= NODE_MIN && key.is_multiple_of(modulus))
    }
}

impl Builder {
    /// Adds the next entry in path order.
    pub fn push(&mut self, entry: &Entry, sink: &mut NodeSink<'_>) -> Result<(), Error> {
        let refused = |source| Error::Entry { path: entry.path.clone(), source };
        self.lineage.entry(entry).map_err(refused)?;
        let leader = if let Node::HardLink { leader } = &entry.node { Some(leader) } else { None };
        let level = self.level(0, &entry.path, leader, sink)?;
        level.note(&entry.path, 1);
        level.node.entry(entry).map_err(refused)?;
        let full = level.is_full(Id::of(entry.path.as_bytes()).cut_bits(), SEGMENT_MODULUS);
        if full { self.close(0, sink) } else { Ok(()) }
    }

    /// The open node of a level; the one before it was ended if it has no room for these paths.
    fn level(
        &mut self,
        number: u8,
        path: &RelPath,
        leader: Option<&RelPath>,
        sink: &mut NodeSink<'_>,
    ) -> Result<&mut Level, Error> {
        let index = usize::from(number);
        if self.levels.get(index).is_some_and(|level| !level.node.has_room(path, leader)) {
            self.close(number, sink)?;
        }
        if self.levels.len() == index {
            self.levels.push(Level::new(number));
        }
        let too_many =
            || Error::Entry { path: path.clone(), source: format::Error::Limit("the levels of the manifest") };
        self.levels.get_mut(index).filter(|_| number < LEVELS_MAX).ok_or_else(too_many)
    }

    /// Ends the node of a level and enters it one level up.
    fn close(&mut self, number: u8, sink: &mut NodeSink<'_>) -> Result<(), Error> {
        let child = self.take(number, sink)?;
        let above = number.saturating_add(1);
        let level = self.level(above, &child.first, None, sink)?;
        level.note(&child.first, child.entries);
        level.child = Some(child.node);
        level.node.child(&child).map_err(|source| Error::Node { node: child.node.id, source })?;
        let full = level.is_full(child.node.id.cut_bits(), INNER_MODULUS);
        if full { self.close(above, sink) } else { Ok(()) }
    }

    fn take(&mut self, number: u8, sink: &mut NodeSink<'_>) -> Result<Child, Error> {
        let mut level = Level::new(number);
        if let Some(old) = self.levels.get_mut(usize::from(number)) {
            std::mem::swap(&mut level, old);
        }
        let bytes = level.node.into_bytes();
        let node = ChunkRef { id: Id::of(&bytes), length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) };
        sink(node, bytes)?;
        Ok(Child { first: level.first, node, entries: level.entries })
    }

    /// Ends the manifest and gives its root.
    pub fn finish(mut self, sink: &mut NodeSink<'_>) -> Result<ChunkRef, Error> {
        let mut number = 0;
        loop {
            let open = self.levels.get(usize::from(number));
            let is_top = usize::from(number).saturating_add(1) >= self.levels.len();
            match open {
                // A top node with one child says nothing that the child does not say: the child is the root.
                Some(Level { items: 1, child: Some(child), .. }) if is_top => return Ok(*child),
                _ if is_top => return self.take(number, sink).map(|child| child.node),
                Some(level) if level.items > 0 => self.close(number, sink)?,
                _ => {}
            }
            number = number.saturating_add(1);
        }
    }
}
