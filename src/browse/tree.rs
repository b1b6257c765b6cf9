//! A manifest in which an entry is found by its path or by its rank (floor 3): how many entries come before it.
//!
//! Inner nodes say how many entries are below each child, so either way opens one node a level. A rank says more than a path: it fits into a number,
//! and nobody needs to remember which it was given for.

use super::damaged;
use super::shared::Shared;
use crate::entry::{ChunkRef, Entry};
use crate::format;
use crate::format::manifest::{Child, Items};
use crate::limits::BROWSED_NODES;
use crate::manifest::Error;
use crate::manifest::cursor::load;
use crate::path::RelPath;
use crate::store::chunks::ChunkReader;
use std::sync::Arc;

/// Memory that a decoded entry or child takes besides its bytes, about.
const ITEM: usize = 448;

/// A decoded node.
#[derive(Debug)]
pub enum Node {
    /// Entries.
    Segment(Vec<Arc<Entry>>),
    /// Nodes below this level, each with how many entries the ones before it have.
    Inner(u8, Vec<(u64, Child)>),
}

impl Node {
    fn of(items: Items) -> (Self, usize) {
        match items {
            Items::Segment(entries) => {
                let items = entries.len();
                (Self::Segment(entries.into_iter().map(Arc::new).collect()), items)
            }
            Items::Inner(level, children) => {
                let items = children.len();
                let mut before = 0_u64;
                let mut placed = |child: Child| {
                    let place = (before, child);
                    before = before.saturating_add(place.1.entries);
                    place
                };
                (Self::Inner(level, children.into_iter().map(&mut placed).collect()), items)
            }
        }
    }

    /// Entries at and below it.
    fn entries(&self) -> u64 {
        match self {
            Self::Segment(entries) => entries.len() as u64,
            Self::Inner(_, children) => children.last().map_or(0, |(before, last)| before.saturating_add(last.entries)),
        }
    }

    /// Whether it is what the node above says of it.
    fn is_of(&self, child: &Child, level: u8) -> bool {
        let (first, found) = match self {
            Self::Segment(entries) => (entries.first().map(|entry| &entry.path), 0),
            Self::Inner(level, children) => (children.first().map(|(_, child)| &child.first), *level),
        };
        first == Some(&child.first) && found == level && self.entries() == child.entries
    }
}

/// The decoded nodes of all manifests.
#[derive(Debug)]
pub struct Nodes(Shared<Node>);

impl Default for Nodes {
    fn default() -> Self {
        Self(Shared::new(BROWSED_NODES))
    }
}

impl Nodes {
    fn get(&self, reader: &mut dyn ChunkReader, node: ChunkRef) -> Result<Arc<Node>, Error> {
        self.0.get_or(&node.id, || {
            let (decoded, items) = Node::of(load(reader, node)?);
            let weight = items.saturating_mul(ITEM).saturating_add((node.length as usize).saturating_mul(2));
            Ok((Arc::new(decoded), weight))
        })
    }

    /// The node that a node of this level lists.
    fn below(&self, reader: &mut dyn ChunkReader, child: &Child, level: u8) -> Result<Arc<Node>, Error> {
        let node = self.get(reader, child.node)?;
        if level.checked_sub(1).is_some_and(|level| node.is_of(child, level)) {
            return Ok(node);
        }
        Err(Error::Node { node: child.node.id, source: format::Error::Invalid("the order of the nodes") })
    }
}

/// One manifest.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'n> {
    /// Its root.
    pub root: ChunkRef,
    /// Where its nodes are kept.
    pub nodes: &'n Nodes,
}

/// Something in a directory.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its rank.
    pub rank: u64,
    /// What it is.
    pub entry: Arc<Entry>,
    /// The rank of what comes after it and all below it.
    pub next: u64,
}

impl Tree<'_> {
    /// How many entries come first that are `before` something; all of those do.
    pub fn rank(&self, reader: &mut dyn ChunkReader, before: &dyn Fn(&RelPath) -> bool) -> Result<u64, Error> {
        let (mut node, mut passed) = (self.nodes.get(reader, self.root)?, 0_u64);
        loop {
            let (level, children) = match node.as_ref() {
                Node::Segment(entries) => {
                    let at = entries.partition_point(|entry| before(&entry.path));
                    return Ok(passed.saturating_add(at as u64));
                }
                Node::Inner(level, children) => (*level, children),
            };
            let at = children.partition_point(|(_, child)| before(&child.first));
            let Some((skipped, child)) = at.checked_sub(1).and_then(|at| children.get(at)) else { return Ok(passed) };
            passed = passed.saturating_add(*skipped);
            let next = self.nodes.below(reader, child, level)?;
            node = next;
        }
    }

    /// The entry of this rank, if there are so many.
    pub fn entry(&self, reader: &mut dyn ChunkReader, rank: u64) -> Result<Option<Arc<Entry>>, Error> {
        let (mut node, mut left) = (self.nodes.get(reader, self.root)?, rank);
        loop {
            let (level, children) = match node.as_ref() {
                Node::Segment(entries) => {
                    return Ok(usize::try_from(left).ok().and_then(|at| entries.get(at)).cloned());
                }
                Node::Inner(level, children) => (*level, children),
            };
            let at = children.partition_point(|(before, _)| *before <= left);
            let Some((before, child)) = at.checked_sub(1).and_then(|at| children.get(at)) else { return Ok(None) };
            left = left.saturating_sub(*before);
            if left >= child.entries {
                return Ok(None);
            }
            let next = self.nodes.below(reader, child, level)?;
            node = next;
        }
    }

    /// The entry at a path, and its rank.
    pub fn find(&self, reader: &mut dyn ChunkReader, path: &RelPath) -> Result<Option<(u64, Arc<Entry>)>, Error> {
        let rank = self.rank(reader, &|other| other < path)?;
        Ok(self.entry(reader, rank)?.filter(|entry| entry.path == *path).map(|entry| (rank, entry)))
    }

    /// The rank of what would come first in a directory.
    pub fn first_in(&self, reader: &mut dyn ChunkReader, directory: &RelPath) -> Result<u64, Error> {
        self.rank(reader, &|other| other <= directory)
    }

    /// What is in a directory at this rank, which is that of its first, or of one after another.
    pub fn listed(
        &self,
        reader: &mut dyn ChunkReader,
        directory: &RelPath,
        rank: u64,
    ) -> Result<Option<Listed>, Error> {
        let below = |entry: &Arc<Entry>| entry.path.is_below(directory);
        let Some(entry) = self.entry(reader, rank)?.filter(below) else { return Ok(None) };
        let is_direct = entry.path.names_from(directory.as_bytes().len()).nth(1).is_none();
        if !is_direct {
            return Err(damaged(&entry.path, "the directory of an entry"));
        }
        let behind = rank.saturating_add(1);
        let next = if entry.is_directory() {
            self.rank(reader, &|other| *other <= entry.path || other.is_within(&entry.path))?
        } else {
            behind
        };
        // Whatever a damaged manifest says, a listing ends.
        Ok(Some(Listed { rank, entry, next: next.max(behind) }))
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
