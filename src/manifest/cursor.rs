//! Reads a manifest in path order, node by node, and proves on the way what holds across nodes (floor 2): the order, what is said of each node one
//! level up, and that every entry is in a directory that came before it. Of what is passed over it takes that as given.

use super::Error;
use super::lineage::Lineage;
use crate::entry::{ChunkRef, Entry};
use crate::format;
use crate::format::manifest::{self, Child, Items};
use crate::path::RelPath;
use crate::store::chunks::ChunkReader;
use std::collections::VecDeque;

/// What comes next: a whole subtree that was not opened yet, or an entry.
#[derive(Debug)]
pub enum Head<'c> {
    /// Everything from `first` on, below this node of the level `.1`.
    Node(&'c Child, u8),
    /// The next entry.
    Entry(&'c Entry),
    /// Nothing.
    End,
}

/// A position in a manifest.
pub struct Cursor<'a> {
    reader: Box<dyn ChunkReader + 'a>,
    /// Whether the reader is told of the nodes to come.
    tells: bool,
    /// Unopened nodes of each opened inner node, outermost first, with their level.
    stack: Vec<(u8, VecDeque<Child>)>,
    entries: VecDeque<Entry>,
    lineage: Lineage,
}

impl<'a> Cursor<'a> {
    /// At the beginning of the manifest with this root.
    pub fn new(root: ChunkRef, reader: Box<dyn ChunkReader + 'a>) -> Result<Self, Error> {
        let tells = reader.looks_ahead();
        Self::at(root, reader, tells)
    }

    fn at(root: ChunkRef, mut reader: Box<dyn ChunkReader + 'a>, tells: bool) -> Result<Self, Error> {
        let items = load(reader.as_mut(), root)?;
        let mut cursor =
            Self { reader, tells, stack: Vec::new(), entries: VecDeque::new(), lineage: Lineage::default() };
        cursor.enter(items);
        Ok(cursor)
    }

    fn enter(&mut self, items: Items) {
        match items {
            Items::Segment(entries) => self.entries = entries.into(),
            Items::Inner(level, children) => {
                if self.tells {
                    let nodes: Vec<ChunkRef> = children.iter().map(|child| child.node).collect();
                    ChunkReader::expect(self.reader.as_mut(), &nodes);
                }
                self.stack.push((level, children.into()));
            }
        }
    }

    /// What comes next, without opening it.
    pub fn head(&mut self) -> Head<'_> {
        while self.entries.is_empty() && self.stack.last().is_some_and(|(_, children)| children.is_empty()) {
            self.stack.pop();
        }
        if let Some(entry) = self.entries.front() {
            return Head::Entry(entry);
        }
        match self.stack.last().and_then(|(level, children)| Some((*level, children.front()?))) {
            Some((level, child)) => Head::Node(child, level.saturating_sub(1)),
            None => Head::End,
        }
    }

    /// Opens the node that comes next.
    pub fn open(&mut self) -> Result<(), Error> {
        let Head::Node(child, level) = self.head() else { return Ok(()) };
        let child = child.clone();
        self.drop_head();
        let items = load(self.reader.as_mut(), child.node)?;
        let wrong = |source| Error::Node { node: child.node.id, source };
        items.are_of(&child, level).map_err(wrong)?;
        if self.lineage.last().is_some_and(|last| child.first <= *last) {
            return Err(wrong(format::Error::Invalid("the order of the nodes")));
        }
        self.enter(items);
        Ok(())
    }

    /// Passes over what comes next: a whole node or one entry.
    pub fn skip(&mut self) {
        self.lineage.pass_over();
        self.drop_head();
    }

    fn drop_head(&mut self) {
        if self.entries.pop_front().is_none()
            && let Some((_, children)) = self.stack.last_mut()
        {
            children.pop_front();
        }
    }

    /// Takes the next entry, opening nodes as needed.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        while matches!(self.head(), Head::Node(..)) {
            self.open()?;
        }
        let entry = self.entries.pop_front();
        if let Some(entry) = &entry {
            let wrong = |source| Error::Wrong { path: entry.path.clone(), source };
            self.lineage.entry(entry).map_err(wrong)?;
        }
        Ok(entry)
    }

    /// The path of the next entry.
    pub fn peek(&mut self) -> Result<Option<&Entry>, Error> {
        while matches!(self.head(), Head::Node(..)) {
            self.open()?;
        }
        Ok(self.entries.front())
    }

    /// Moves to the first entry at or after `path`, opening only the nodes on the way there.
    pub fn seek(&mut self, path: &RelPath) -> Result<(), Error> {
        self.pass(&|at| at < path, &|first| first <= path)
    }

    /// Passes over all that is below a directory which came before, opening only the nodes on the way.
    pub fn leave(&mut self, directory: &RelPath) -> Result<(), Error> {
        let is_before = |at: &RelPath| at.is_within(directory) || at < directory;
        self.pass(&is_before, &is_before)
    }

    /// Moves to the first entry that is not before where it shall go; whatever comes ahead of a node whose first path may go there is before that.
    fn pass(&mut self, is_before: &dyn Fn(&RelPath) -> bool, may_go: &dyn Fn(&RelPath) -> bool) -> Result<(), Error> {
        self.lineage.pass_over();
        loop {
            // The outermost node that is not too late, and still closed: what was opened within the one before it is passed.
            let closed = self.stack.iter().position(|(_, c)| c.front().is_some_and(|next| may_go(&next.first)));
            if let Some(level) = closed {
                self.stack.truncate(level.saturating_add(1));
                self.entries.clear();
            }
            while self.entries.front().is_some_and(|entry| is_before(&entry.path)) {
                self.entries.pop_front();
            }
            if let Some((_, children)) = self.stack.last_mut().filter(|_| self.entries.is_empty()) {
                while children.get(1).is_some_and(|next| may_go(&next.first)) {
                    children.pop_front();
                }
            }
            match self.head() {
                Head::Node(child, _) if may_go(&child.first) => self.open()?,
                _ => return Ok(()),
            }
        }
    }
}

/// The entry at a path of the manifest with this root, if it has one.
pub fn find<'a>(root: ChunkRef, reader: Box<dyn ChunkReader + 'a>, path: &RelPath) -> Result<Option<Entry>, Error> {
    // Of each inner node it opens one child.
    let mut cursor = Cursor::at(root, reader, false)?;
    cursor.seek(path)?;
    Ok(cursor.next_entry()?.filter(|entry| entry.path == *path))
}

/// Reads and decodes a node.
pub fn load(reader: &mut dyn ChunkReader, node: ChunkRef) -> Result<Items, Error> {
    let bytes = reader.read(&node)?;
    manifest::decode_node(bytes).map_err(|source| Error::Node { node: node.id, source })
}
