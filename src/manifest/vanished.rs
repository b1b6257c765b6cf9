//! Whether a manifest is the last to have something (floor 2). Equal nodes of it and the next one are skipped unread.

use super::Error;
use super::cursor::{Cursor, find};
use super::diff::Diff;
use crate::entry::{ChunkRef, Entry, Node};
use crate::path::RelPath;
use crate::store::chunks::ChunkSource;

/// A manifest among its neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Neighbours {
    /// The manifest.
    pub of: ChunkRef,
    /// The next one, in which things of it may have vanished.
    pub next: ChunkRef,
    /// One before it, which may have them too.
    pub before: Option<ChunkRef>,
    /// The newest: what it has did not vanish.
    pub newest: ChunkRef,
}

/// The first path of a manifest that is neither in the next nor in the newest, and that the one before it does not have with the same content.
/// Directories do not count: there is nothing in them.
pub fn last_copy(around: Neighbours, chunks: &dyn ChunkSource) -> Result<Option<RelPath>, Error> {
    let cursor = |root| Cursor::new(root, chunks.reader()?);
    let mut newest = if around.next == around.newest { None } else { Some(cursor(around.newest)?) };
    let mut before = around.before.map(cursor).transpose()?;
    for change in Diff::new(Some(cursor(around.of)?), Some(cursor(around.next)?)) {
        let change = change?;
        let (Some(old), None) = (change.old, change.new) else { continue };
        if old.is_directory() || at(newest.as_mut(), &old.path)?.is_some() {
            continue;
        }
        let known = at(before.as_mut(), &old.path)?;
        let is_known = match (known, around.before) {
            (Some(known), Some(root)) => content(known, root, chunks)? == content(old.clone(), around.of, chunks)?,
            _ => false,
        };
        if !is_known {
            return Ok(Some(old.path));
        }
    }
    Ok(None)
}

/// The entry at a path, which is not before those that were asked for earlier.
fn at(cursor: Option<&mut Cursor<'_>>, path: &RelPath) -> Result<Option<Entry>, Error> {
    let Some(cursor) = cursor else { return Ok(None) };
    cursor.seek(path)?;
    Ok(cursor.peek()?.filter(|entry| entry.path == *path).cloned())
}

/// What an entry holds; for a further name of a file, what that file holds.
fn content(entry: Entry, root: ChunkRef, chunks: &dyn ChunkSource) -> Result<Node, Error> {
    match &entry.node {
        Node::HardLink { leader } => Ok(find(root, chunks.reader()?, leader)?.map_or(entry.node.clone(), |e| e.node)),
        _ => Ok(entry.node),
    }
}
