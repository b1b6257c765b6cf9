//! What an entry promises on its own, whatever stands beside it (floor 1; format-spec.md, 6).
//!
//! Whoever writes an entry and whoever reads one asks here, so no entry is written that would not be read.

use super::Error;
use crate::entry::{CARRIED_FORWARD, CHANGED_WHILE_READ, ChunkRef, Content, Entry, Extent, Meta, Node};
use crate::limits::{CHUNK_MAX, NODE_MAX};

/// Proves one entry.
pub fn entry(entry: &Entry) -> Result<(), Error> {
    let times = [entry.meta.mtime, entry.identity.ctime].iter().all(|time| time.nanoseconds < 1_000_000_000);
    let bits = entry.meta.mode & !0o7777 == 0 && entry.flags & !(CARRIED_FORWARD | CHANGED_WHILE_READ) == 0;
    let top = !entry.path.is_root() || entry.is_directory();
    holds(times, "the time of an entry")?;
    holds(bits, "the mode or the flags of an entry")?;
    holds(top, "the kind of the root")?;
    holds(has_names(&entry.meta), "the extended attributes of an entry")?;
    match &entry.node {
        Node::File { size, content: Content::Direct(all) } => {
            extents(all)?;
            holds(total(all) == Some(*size), "the length of a file")
        }
        Node::File { size, content: Content::Indirect(lists) } => {
            let sound = !lists.is_empty() && *size > 0 && lists.iter().all(is_node);
            holds(sound, "the extent lists of a file")
        }
        Node::Symlink { target } => holds(!target.is_empty() && !target.contains(&0), "the target of a symlink"),
        // What is above an entry is a directory, and no directory leads.
        Node::HardLink { leader } => {
            let leads = *leader < entry.path && !entry.path.is_within(leader);
            holds(leads, "the leader of a hard link")
        }
        _ => Ok(()),
    }
}

/// Proves that each of these extents is one that can be.
pub fn extents(extents: &[Extent]) -> Result<(), Error> {
    let sound = extents.iter().all(|extent| match extent {
        Extent::Data { length, .. } => *length > 0 && *length as usize <= CHUNK_MAX,
        Extent::Hole { length } => *length > 0,
    });
    holds(sound, "an extent")
}

/// Whether this can be a node, or a list of extents.
pub const fn is_node(chunk: &ChunkRef) -> bool {
    chunk.length > 0 && chunk.length as usize <= NODE_MAX
}

/// Bytes that these extents cover, if that is a number.
fn total(extents: &[Extent]) -> Option<u64> {
    extents.iter().try_fold(0_u64, |sum, extent| sum.checked_add(extent.length()))
}

fn has_names(meta: &Meta) -> bool {
    let names = || meta.xattrs.iter().map(|xattr| xattr.name.as_slice());
    names().all(|name| !name.is_empty() && !name.contains(&0)) && names().zip(names().skip(1)).all(|(a, b)| a < b)
}

/// An error that names `what`, unless it holds.
pub const fn holds(condition: bool, what: &'static str) -> Result<(), Error> {
    if condition { Ok(()) } else { Err(Error::Invalid(what)) }
}
