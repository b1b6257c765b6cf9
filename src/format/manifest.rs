//! Nodes and extent lists as bytes (format-spec.md, 6 and 7; floor 1).

use super::front::{Front, Room};
use super::{Error, bin, prove};
use crate::entry::{ChunkRef, Entry, Extent, Node};
use crate::limits::{ENTRY_MAX, LEVELS_MAX, NODE_MAX};
use crate::path::RelPath;

/// The number of the kind `hard link`, whose path is coded like those of the entries.
const HARD_LINK: u32 = 7;

/// A node one level down, as an inner node lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The first path below it.
    pub first: RelPath,
    /// The node.
    pub node: ChunkRef,
    /// Entries below it.
    pub entries: u64,
}

/// A decoded node of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Items {
    /// Level 0.
    Segment(Vec<Entry>),
    /// Any other level, and its number.
    Inner(u8, Vec<Child>),
}

impl Items {
    /// Whether this is what a node one level up, where the children are of this level, says of its child.
    pub fn are_of(&self, child: &Child, level: u8) -> Result<(), Error> {
        let (first, found, entries) = match self {
            Self::Segment(entries) => (entries.first().map(|e| &e.path), 0, u64::try_from(entries.len()).ok()),
            Self::Inner(level, children) => (
                children.first().map(|child| &child.first),
                *level,
                children.iter().try_fold(0_u64, |sum, child| sum.checked_add(child.entries)),
            ),
        };
        prove::holds(first == Some(&child.first) && found == level, "the order of the nodes")?;
        prove::holds(entries == Some(child.entries), "the number of entries")
    }
}

/// A node that is being written.
#[derive(Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
    paths: Front,
    leaders: Front,
    room: Room,
}

impl Encoder {
    /// An empty node of this level.
    pub fn new(level: u8) -> Self {
        Self { bytes: vec![level], paths: Front::default(), leaders: Front::default(), room: Room::default() }
    }

    /// Whether an item with this path, and with this leader if it is a hard link, fits.
    pub fn has_room(&self, path: &RelPath, leader: Option<&RelPath>) -> bool {
        self.room.has(length(path).saturating_add(leader.map_or(0, length)))
    }

    /// Appends an entry; refuses one that a reader would refuse.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), Error> {
        prove::entry(entry)?;
        let before = self.bytes.len();
        self.room.take(length(&entry.path))?;
        let mut left_out = self.paths.encode(&entry.path, &mut self.bytes)?;
        bin::encode(&(&entry.meta, &entry.identity, entry.flags), &mut self.bytes)?;
        if let Node::HardLink { leader } = &entry.node {
            self.room.take(length(leader))?;
            bin::encode(&HARD_LINK, &mut self.bytes)?;
            left_out += self.leaders.encode(leader, &mut self.bytes)?;
        } else {
            bin::encode(&entry.node, &mut self.bytes)?;
        }
        fits(self.bytes.len() - before, left_out)
    }

    /// Appends a child.
    pub fn child(&mut self, child: &Child) -> Result<(), Error> {
        self.room.take(length(&child.first))?;
        self.paths.encode(&child.first, &mut self.bytes)?;
        bin::encode(&(child.node, child.entries), &mut self.bytes)
    }

    /// The node so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The node.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn length(path: &RelPath) -> usize {
    path.as_bytes().len()
}

/// An entry counts as if its paths were written in full, so that whether it can be written does not depend on those before it.
fn fits(written: usize, left_out: usize) -> Result<(), Error> {
    if written.saturating_add(left_out) <= ENTRY_MAX { Ok(()) } else { Err(Error::Limit("an entry")) }
}

/// Decodes a node and proves what can be proved of it alone: order, levels, sizes.
pub fn decode_node(bytes: &[u8]) -> Result<Items, Error> {
    if bytes.len() > NODE_MAX {
        return Err(Error::Limit("a manifest node"));
    }
    let (&level, rest) = bytes.split_first().ok_or(Error::Truncated("a manifest node"))?;
    let mut decoder = Decoder { rest, paths: Front::default(), leaders: Front::default(), room: Room::default() };
    if level == 0 {
        let entries = decoder.all(Decoder::entry)?;
        in_order(entries.iter().map(|e| &e.path))?;
        return Ok(Items::Segment(entries));
    }
    let children = decoder.all(Decoder::child)?;
    in_order(children.iter().map(|c| &c.first))?;
    prove::holds(level < LEVELS_MAX && !children.is_empty(), "an inner node")?;
    Ok(Items::Inner(level, children))
}

/// What is left of a node.
struct Decoder<'b> {
    rest: &'b [u8],
    paths: Front,
    leaders: Front,
    room: Room,
}

impl<'b> Decoder<'b> {
    fn all<T>(&mut self, one: fn(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while !self.rest.is_empty() {
            items.push(one(self)?);
        }
        Ok(items)
    }

    fn entry(&mut self) -> Result<Entry, Error> {
        const WHAT: &str = "an entry";
        let before = self.rest.len();
        let (path, mut left_out) = self.paths.decode(&mut self.rest, &mut self.room)?;
        let (meta, identity, flags) = bin::decode(&mut self.rest, WHAT)?;
        let mut ahead: &'b [u8] = self.rest;
        let node = if bin::decode::<u32>(&mut ahead, WHAT)? == HARD_LINK {
            self.rest = ahead;
            let (leader, more) = self.leaders.decode(&mut self.rest, &mut self.room)?;
            left_out = left_out.saturating_add(more);
            Node::HardLink { leader }
        } else {
            bin::decode(&mut self.rest, WHAT)?
        };
        fits(before.saturating_sub(self.rest.len()), left_out)?;
        let entry = Entry { path, meta, identity, flags, node };
        prove::entry(&entry).map(|()| entry)
    }

    fn child(&mut self) -> Result<Child, Error> {
        const WHAT: &str = "an inner node";
        let (first, _) = self.paths.decode(&mut self.rest, &mut self.room)?;
        let (node, entries): (ChunkRef, u64) = bin::decode(&mut self.rest, WHAT)?;
        prove::holds(prove::is_node(&node) && entries > 0, WHAT)?;
        Ok(Child { first, node, entries })
    }
}

/// Decodes a chunk of an indirect content.
pub fn decode_extents(mut bytes: &[u8]) -> Result<Vec<Extent>, Error> {
    const WHAT: &str = "an extent list";
    prove::holds(!bytes.is_empty() && bytes.len() <= NODE_MAX, WHAT)?;
    let mut extents = Vec::new();
    while !bytes.is_empty() {
        extents.push(bin::decode(&mut bytes, WHAT)?);
    }
    prove::extents(&extents).map(|()| extents)
}

/// Appends the extents of one list chunk.
pub fn encode_extents(extents: &[Extent], out: &mut Vec<u8>) -> Result<(), Error> {
    extents.iter().try_for_each(|extent| bin::encode(extent, out))
}

fn in_order<'a>(paths: impl Iterator<Item = &'a RelPath> + Clone) -> Result<(), Error> {
    let ordered = paths.clone().zip(paths.skip(1)).all(|(a, b)| a < b);
    prove::holds(ordered, "the order of the paths")
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
