//! Entries, nodes and extent lists as bytes (format-spec.md, 6 and 7; floor 1).

use super::{Error, bin};
use crate::entry::{ChunkRef, Content, Entry, Extent, Node};
use crate::limits::{ENTRY_MAX, LEVELS_MAX, NODE_MAX};
use crate::path::RelPath;
use serde::{Deserialize, Serialize};

/// A node one level down, as an inner node lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Appends one entry; refuses one that a reader would refuse.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) -> Result<(), Error> {
    let before = out.len();
    bin::encode(entry, out)?;
    if out.len() - before > ENTRY_MAX { Err(Error::Limit("an entry")) } else { Ok(()) }
}

/// Decodes a node and proves what can be proved of it alone: order, levels, sizes.
pub fn decode_node(bytes: &[u8]) -> Result<Items, Error> {
    if bytes.len() > NODE_MAX {
        return Err(Error::Limit("a manifest node"));
    }
    let (&level, mut rest) = bytes.split_first().ok_or(Error::Truncated("a manifest node"))?;
    if level == 0 {
        let entries: Vec<Entry> = decode_all(&mut rest, "an entry")?;
        entries.iter().try_for_each(check_entry)?;
        in_order(entries.iter().map(|e| &e.path))?;
        return Ok(Items::Segment(entries));
    }
    let children: Vec<Child> = decode_all(&mut rest, "an inner node")?;
    in_order(children.iter().map(|c| &c.first))?;
    if level >= LEVELS_MAX || children.is_empty() {
        Err(Error::Invalid("an inner node"))
    } else {
        Ok(Items::Inner(level, children))
    }
}

/// Decodes a chunk of an indirect content.
pub fn decode_extents(mut bytes: &[u8]) -> Result<Vec<Extent>, Error> {
    decode_all(&mut bytes, "an extent list")
}

/// Appends the extents of one list chunk.
pub fn encode_extents(extents: &[Extent], out: &mut Vec<u8>) -> Result<(), Error> {
    extents.iter().try_for_each(|extent| bin::encode(extent, out))
}

fn decode_all<T: serde::de::DeserializeOwned>(rest: &mut &[u8], what: &'static str) -> Result<Vec<T>, Error> {
    let mut items = Vec::new();
    while !rest.is_empty() {
        items.push(bin::decode(rest, what)?);
    }
    Ok(items)
}

fn in_order<'a>(paths: impl Iterator<Item = &'a RelPath> + Clone) -> Result<(), Error> {
    let ordered = paths.clone().zip(paths.skip(1)).all(|(a, b)| a < b);
    if ordered { Ok(()) } else { Err(Error::Invalid("the order of the paths")) }
}

/// Proves what one entry promises on its own.
fn check_entry(entry: &Entry) -> Result<(), Error> {
    let times = [entry.meta.mtime, entry.identity.ctime].iter().all(|t| t.nanoseconds < 1_000_000_000);
    let fits = match &entry.node {
        Node::File { size, content: Content::Direct(extents) } => {
            let total = extents.iter().try_fold(0_u64, |sum, e| sum.checked_add(e.length()));
            total == Some(*size) && extents.iter().all(|e| e.length() > 0)
        }
        Node::HardLink { leader } => *leader < entry.path,
        Node::Symlink { target } => !target.is_empty() && !target.contains(&0),
        _ => true,
    };
    let mode = entry.meta.mode & !0o7777 == 0 && entry.flags & !3 == 0;
    if times && fits && mode { Ok(()) } else { Err(Error::Invalid("an entry")) }
}
