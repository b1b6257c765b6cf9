//! What a client wants to be a snapshot, proved before it is one (floor 4).
//!
//! A manifest that comes over a pipe is walked from its root: every node decodes, stands in order with those beside it, and says rightly what is below it;
//! every entry lies in the DIRs, in a directory that is an entry before it; every chunk of content is in the store and as long as is said. What the newest snapshot of this store has too, node
//! for node and in the same place, was proved with that and is skipped unread, so that a quiet night costs nothing.
//!
//! What must stay true: whoever sees a snapshot can read all of it, and putting it on a tree touches nothing but what lies in its DIRs.

use super::Error;
use super::service::Draft;
use crate::entry::{ChunkRef, Content, Entry, Extent, Node};
use crate::format;
use crate::format::manifest::{Child, Items};
use crate::format::snapshot::Kind;
use crate::manifest::Error as ManifestError;
use crate::manifest::cursor::{find, load};
use crate::manifest::extents;
use crate::manifest::lineage::{Lineage, Parent};
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use crate::store::Store;
use crate::store::chunks::{ChunkReader, ChunkSource};

/// Proves the manifest of a draft, whose chunks have settled.
pub fn prove(store: &Store, draft: &Draft) -> Result<(), Error> {
    let base = store.newest(|kind| kind != Kind::Rescue)?;
    // What was proved to lie in other DIRs was not proved to lie in these.
    let same = base.as_ref().filter(|record| record.dirs == draft.dirs).map(|record| record.root);
    if same == Some(draft.root) {
        return Ok(());
    }
    let known = same.map(|root| Ok::<_, Error>(Known { root, reader: store.reader()?, opened: Vec::new() }));
    let dirs = Selection::new(draft.dirs.iter().cloned(), &[]).map_err(|e| Error::Refused(e.to_string()))?;
    let base = base.map(|record| record.root);
    let (nodes, lists) = (store.reader()?, store.reader()?);
    let (root, lineage, known) = (draft.root, Lineage::default(), known.transpose()?);
    let mut prover = Prover { store, dirs, root, base, known, nodes, lists, lineage };
    let items = load(prover.nodes.as_mut(), draft.root)?;
    prover.items(items, None)
}

/// The nodes of the snapshot before.
struct Known<'a> {
    root: ChunkRef,
    reader: Box<dyn ChunkReader + 'a>,
    /// The inner nodes that were opened last, outermost first.
    opened: Vec<(ChunkRef, u8, Vec<Child>)>,
}

struct Prover<'a> {
    store: &'a Store,
    dirs: Selection,
    root: ChunkRef,
    base: Option<ChunkRef>,
    known: Option<Known<'a>>,
    nodes: Box<dyn ChunkReader + 'a>,
    lists: Box<dyn ChunkReader + 'a>,
    lineage: Lineage,
}

impl Known<'_> {
    /// Whether the snapshot before has this node on this level, and all that is below it lies before `end` there. Nothing means no.
    fn has(&mut self, wanted: &Child, level: u8, end: Option<&RelPath>) -> Option<bool> {
        let (mut node, mut known_end, mut depth) = (self.root, None, 0);
        loop {
            let (at, children) = self.open(depth, node)?;
            let after = children.partition_point(|child| child.first <= wanted.first);
            let child = children.get(after.checked_sub(1)?)?.clone();
            if let Some(next) = children.get(after) {
                known_end = Some(next.first.clone());
            }
            if at == level.checked_add(1)? {
                let is_before = end.is_none_or(|end| known_end.is_some_and(|known| known <= *end));
                return Some(child == *wanted && is_before);
            }
            if at <= level {
                return None;
            }
            node = child.node;
            depth += 1;
        }
    }

    /// An inner node, from memory if it was the last one at this depth. None if it is a segment, or cannot be read: then nothing is known by it.
    fn open(&mut self, depth: usize, node: ChunkRef) -> Option<(u8, &[Child])> {
        if self.opened.get(depth).is_none_or(|(open, ..)| *open != node) {
            self.opened.truncate(depth);
            let Ok(Items::Inner(level, children)) = load(self.reader.as_mut(), node) else { return None };
            self.opened.push((node, level, children));
        }
        self.opened.get(depth).map(|(_, level, children)| (*level, children.as_slice()))
    }
}

impl Prover<'_> {
    /// Proves what a node holds, all of which must lie before `end`.
    fn items(&mut self, items: Items, end: Option<&RelPath>) -> Result<(), Error> {
        let (level, children) = match items {
            Items::Inner(level, children) => (level, children),
            Items::Segment(entries) => return entries.iter().try_for_each(|entry| self.entry(entry, end)),
        };
        let ends = children.iter().skip(1).map(|child| Some(&child.first)).chain([end]);
        children.iter().zip(ends).try_for_each(|(child, end)| self.child(child, level.saturating_sub(1), end))
    }

    fn child(&mut self, child: &Child, level: u8, end: Option<&RelPath>) -> Result<(), Error> {
        if self.known.as_mut().and_then(|known| known.has(child, level, end)) == Some(true) {
            let parent = self.lineage.node(&child.first);
            return self.parent(&child.first, parent);
        }
        let items = load(self.nodes.as_mut(), child.node)?;
        // Levels fall by one each time, so this ends.
        items.are_of(child, level).map_err(|e| refused(&child.first, &e))?;
        self.items(items, end)
    }

    /// Whether what this is in is a directory. It may be in a node that was skipped.
    fn parent(&self, path: &RelPath, parent: Result<Parent, format::Error>) -> Result<(), Error> {
        let parent = parent.map_err(|e| refused(path, &e))?;
        let Some(above) = path.parent().filter(|_| parent == Parent::Unseen) else { return Ok(()) };
        let found = find(self.root, self.store.reader()?, &above)?;
        if found.is_some_and(|entry| entry.is_directory()) { Ok(()) } else { Err(wrong(path, "what it is in")) }
    }

    fn entry(&mut self, entry: &Entry, end: Option<&RelPath>) -> Result<(), Error> {
        let path = &entry.path;
        if end.is_some_and(|end| *path >= *end) {
            return Err(wrong(path, "the order of the paths"));
        }
        if !self.is_meant(path) {
            return Err(wrong(path, "a path outside the DIRs"));
        }
        let parent = self.lineage.entry(entry);
        self.parent(path, parent)?;
        match &entry.node {
            Node::HardLink { leader } if !self.is_meant(leader) => {
                Err(wrong(path, "a link to a path outside the DIRs"))
            }
            Node::File { size, content } => self.content(path, *size, content),
            _ => Ok(()),
        }
    }

    /// Whether a path lies in the DIRs or on the way there, where something else than a folder may stand too.
    fn is_meant(&self, path: &RelPath) -> bool {
        self.dirs.standing(path) != Standing::Outside && !is_never(path)
    }

    fn content(&mut self, path: &RelPath, size: u64, content: &Content) -> Result<(), Error> {
        let mut missing = 0_u64;
        let store = self.store;
        let walked = extents::prove(size, content, self.lists.as_mut(), &mut |extent, _| {
            if let Extent::Data { id, length } = extent {
                let place = store.locate(id).map_err(ManifestError::from)?;
                missing = missing.saturating_add(u64::from(place.is_none_or(|place| place.length != *length)));
            }
            Ok::<(), ManifestError>(())
        });
        // What the store has lost it has lost for the snapshot before too: what could not be read again is carried forward from there.
        let is_fine = walked.is_ok() && missing == 0;
        if !is_fine && self.is_carried(path, content)? {
            return Ok(());
        }
        if missing > 0 {
            return Err(wrong(path, &format!("{missing} of its chunks are not in the store")));
        }
        Ok(walked?)
    }

    /// Whether the snapshot before has this very content there.
    fn is_carried(&self, path: &RelPath, content: &Content) -> Result<bool, Error> {
        let Some(base) = self.base else { return Ok(false) };
        let old = find(base, self.store.reader()?, path).unwrap_or(None);
        Ok(old.is_some_and(|old| matches!(old.node, Node::File { content: old, .. } if old == *content)))
    }
}

/// Whether this is never part of a tree: our own folder and what is in it.
fn is_never(path: &RelPath) -> bool {
    path.names().next().is_some_and(|name| Selection::is_never(&RelPath::root(), name))
}

fn refused(path: &RelPath, error: &format::Error) -> Error {
    wrong(path, &error.to_string())
}

fn wrong(path: &RelPath, what: &str) -> Error {
    Error::Refused(format!("what was sent as a snapshot is none: {path}: {what} (it was not recorded)"))
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
