//! What is inside of a snapshot (floor 3).

use super::content::{OpenFile, Pieces};
use super::facts::{Facts, Kind};
use super::links::Links;
use super::number::Number;
use super::title::Snapshot;
use super::tree::{Listed, Nodes, Tree};
use super::{Error, damaged};
use crate::entry::{Content, Entry, Node};
use crate::manifest;
use crate::path::RelPath;
use crate::store::chunks::ChunkReader;
use std::sync::Arc;

/// What was read of all snapshots.
#[derive(Default)]
pub struct Known {
    pub(super) nodes: Nodes,
    pub(super) links: Links,
    pub(super) pieces: Pieces,
}

/// One snapshot, and what it is read with.
pub struct Inside<'i> {
    /// Which.
    pub snapshot: Arc<Snapshot>,
    /// What was read before.
    pub known: &'i Known,
    /// What reads.
    pub reader: &'i mut dyn ChunkReader,
    /// Receives what is wrong and no reason to give no answer.
    pub tell: &'i dyn Fn(&str),
}

/// A directory of it: by its path, and the rank of its entry, if it has one.
#[derive(Clone, Debug)]
pub struct Folder {
    path: RelPath,
    /// Of the root, none.
    rank: Option<u64>,
}

impl Folder {
    fn root() -> Self {
        Self { path: RelPath::root(), rank: None }
    }
}

impl<'i> Inside<'i> {
    fn tree(&self) -> Tree<'i> {
        Tree { root: self.snapshot.root, nodes: &self.known.nodes }
    }

    fn wrong(&self, path: &RelPath) -> impl FnOnce(manifest::Error) -> Error + use<'i> {
        let (sequence, path) = (self.snapshot.sequence, path.clone());
        move |source| Error::Unreadable { sequence, path, source }
    }

    fn number(&self, rank: u64) -> Number {
        Number::Entry(self.snapshot.sequence, rank)
    }

    /// The inode number of the entry of a rank.
    fn inode(&self, rank: u64, path: &RelPath) -> Result<u64, Error> {
        let number = if path.is_root() { Number::Snapshot(self.snapshot.sequence) } else { self.number(rank) };
        number.inode().ok_or_else(|| self.wrong(path)(damaged(path, "the number of entries")))
    }

    /// The entry that a number means.
    pub fn entry(&mut self, rank: u64) -> Result<Arc<Entry>, Error> {
        self.tree().entry(self.reader, rank).map_err(self.wrong(&RelPath::root()))?.ok_or(Error::Absent)
    }

    fn find(&mut self, path: &RelPath) -> Result<Option<(u64, Arc<Entry>)>, Error> {
        self.tree().find(self.reader, path).map_err(self.wrong(path))
    }

    /// The root, if it has an entry.
    pub fn root(&mut self) -> Result<Option<Arc<Entry>>, Error> {
        Ok(self.find(&RelPath::root())?.map(|(_, entry)| entry))
    }

    /// The directory of a number; without a rank, the root.
    pub fn folder(&mut self, rank: Option<u64>) -> Result<Folder, Error> {
        let Some(rank) = rank else { return Ok(Folder::root()) };
        let entry = self.entry(rank)?;
        if entry.is_directory() {
            Ok(Folder { path: entry.path.clone(), rank: Some(rank) })
        } else {
            Err(Error::NoDirectory)
        }
    }

    /// What a name in a directory means.
    pub fn named(&mut self, folder: &Folder, name: &[u8]) -> Result<(u64, Arc<Entry>), Error> {
        // A name that no path can have is not there.
        let path = folder.path.join(name).map_err(|_| Error::Absent)?;
        self.find(&path)?.ok_or(Error::Absent)
    }

    /// The inode number of what a directory lies in.
    pub fn above(&mut self, folder: &Folder) -> Result<u64, Error> {
        let Some(above) = folder.path.parent() else { return Number::Root.inode().ok_or(Error::Absent) };
        let rank = if above.is_root() { None } else { self.find(&above)? };
        self.inode(rank.map_or(0, |(rank, _)| rank), &above)
    }

    /// The inode number of a directory.
    pub fn own(&self, folder: &Folder) -> Result<u64, Error> {
        self.inode(folder.rank.unwrap_or(0), &folder.path)
    }

    /// The rank of the first in a directory.
    pub fn first(&mut self, folder: &Folder) -> Result<u64, Error> {
        self.tree().first_in(self.reader, &folder.path).map_err(self.wrong(&folder.path))
    }

    /// What is in a directory at a rank.
    pub fn listed(&mut self, folder: &Folder, rank: u64) -> Result<Option<Listed>, Error> {
        self.tree().listed(self.reader, &folder.path, rank).map_err(self.wrong(&folder.path))
    }

    /// The entry itself, where it is a further name of one.
    pub fn first_name(&mut self, rank: u64, entry: Arc<Entry>) -> Result<(u64, Arc<Entry>), Error> {
        let Node::HardLink { leader } = &entry.node else { return Ok((rank, entry)) };
        let found = self.find(leader)?.filter(|(_, first)| Kind::of(&first.node).is_some());
        found.ok_or_else(|| self.wrong(&entry.path)(damaged(&entry.path, "the first name of a hard link")))
    }

    /// The inode number and the kind of an entry, as a listing has them.
    pub fn in_short(&mut self, rank: u64, entry: &Arc<Entry>) -> Result<(u64, Kind), Error> {
        let (rank, entry) = self.first_name(rank, Arc::clone(entry))?;
        let inode = self.inode(rank, &entry.path)?;
        Ok((inode, Kind::of(&entry.node).unwrap_or(Kind::File)))
    }

    /// All that is known of an entry.
    pub fn facts(&mut self, rank: u64, entry: &Arc<Entry>) -> Result<Facts, Error> {
        let (rank, entry) = self.first_name(rank, Arc::clone(entry))?;
        let inode = self.inode(rank, &entry.path)?;
        let kind = Kind::of(&entry.node).unwrap_or(Kind::File);
        let mut facts = Facts::of(&entry, inode, kind);
        if kind == Kind::Directory {
            return Ok(facts);
        }
        let (sequence, tell) = (self.snapshot.sequence, self.tell);
        let uncounted = |e: &manifest::Error| tell(&format!("snapshot {sequence}: hard links cannot be counted: {e}"));
        facts.links = self.known.links.count(&self.snapshot, &entry.path, &uncounted, self.reader);
        if let Node::File { size, content } = &entry.node {
            facts.allocated = *size;
            if content.may_have_holes() {
                // What cannot be read says so when it is read.
                let open = OpenFile::new(*size, content, &self.known.pieces, self.reader);
                let allocated = open.and_then(|file| file.allocated(&self.known.pieces, self.reader));
                facts.allocated = allocated.unwrap_or(*size);
            }
        }
        Ok(facts)
    }

    /// What is known of an entry, and if to know all of it would read much, all but how many names it has and what room it takes.
    pub fn facts_at_hand(&mut self, rank: u64, entry: &Arc<Entry>) -> Result<Facts, Error> {
        let is_at_hand = match &entry.node {
            Node::Directory => true,
            Node::File { content: Content::Indirect(_), .. } => false,
            _ => self.known.links.is_known(&self.snapshot),
        };
        if is_at_hand {
            return self.facts(rank, entry);
        }
        let (rank, entry) = self.first_name(rank, Arc::clone(entry))?;
        let (inode, kind) = (self.inode(rank, &entry.path)?, Kind::of(&entry.node).unwrap_or(Kind::File));
        Ok(Facts { is_lasting: false, ..Facts::of(&entry, inode, kind) })
    }

    /// Opens a file.
    pub fn open(&mut self, rank: u64) -> Result<(RelPath, OpenFile), Error> {
        let entry = self.entry(rank)?;
        let Node::File { size, content } = &entry.node else { return Err(Error::NoFile) };
        let file = OpenFile::new(*size, content, &self.known.pieces, self.reader);
        Ok((entry.path.clone(), file.map_err(self.wrong(&entry.path))?))
    }
}
