//! All snapshots as one tree, asked by inode number (floor 3).

use super::content::OpenFile;
use super::facts::{Facts, Kind};
use super::history::History;
use super::inside::{Inside, Known};
use super::number::Number;
use super::{Error, around};
use crate::entry::{Node, Time, Xattr};
use crate::path::RelPath;
use crate::store::chunks::ChunkReader;
use std::sync::Arc;

/// The tree.
pub struct Library<'s> {
    history: History<'s>,
    known: Known,
    tell: &'s (dyn Fn(&str) + Sync),
    /// Owner and group of the directories around the snapshots, and their time.
    owner: (u32, u32),
    since: Time,
}

/// One name of a listing.
#[derive(Debug)]
pub struct Name<'n> {
    /// Its bytes.
    pub name: &'n [u8],
    /// The inode number.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// Where the listing goes on after it.
    pub next: u64,
    /// What is known of it, where that was asked for inside of a snapshot. What costs much is left out, and it does not last then.
    pub facts: Option<Facts>,
}

/// A file that is open, and as messages name it.
#[derive(Debug)]
pub struct Opened {
    sequence: u64,
    path: RelPath,
    file: OpenFile,
}

/// Takes the names of a listing, until it says that it has enough: that one is not taken.
pub type Take<'t> = dyn FnMut(&Name<'_>) -> bool + 't;

/// Where the first name of a listing is that is not the directory itself or the one above.
const DOTS: u64 = 2;

impl<'s> Library<'s> {
    /// Over a history. Receives what is wrong and no reason to give no answer; and whom the directories around the snapshots belong to, and since when.
    pub fn new(history: History<'s>, tell: &'s (dyn Fn(&str) + Sync), owner: (u32, u32), since: Time) -> Self {
        Self { history, known: Known::default(), tell, owner, since }
    }

    /// The list of the snapshots.
    pub const fn history(&self) -> &History<'s> {
        &self.history
    }

    /// Tells of something that is wrong.
    pub fn tell(&self, message: &str) {
        (self.tell)(message);
    }

    /// A directory itself, or the one above it: who serves this to other hosts asks for them by name.
    pub fn dots(&self, directory: u64, above: bool, reader: &mut dyn ChunkReader) -> Result<Facts, Error> {
        let (mut inode, wanted) = (directory, if above { 2 } else { 1 });
        self.list((directory, wanted - 1), false, reader, &mut |name| {
            let is_it = name.next == wanted;
            if is_it {
                inode = name.inode;
            }
            !is_it
        })?;
        self.facts(inode, reader)
    }

    fn inside<'i>(&'i self, sequence: u64, reader: &'i mut dyn ChunkReader) -> Result<Inside<'i>, Error> {
        Ok(Inside { snapshot: self.history.get(sequence)?, known: &self.known, reader, tell: self.tell })
    }

    /// All that is known of an inode.
    pub fn facts(&self, inode: u64, reader: &mut dyn ChunkReader) -> Result<Facts, Error> {
        let number = Number::of(inode).ok_or(Error::Absent)?;
        let around = |kind, size, time| Facts::around(inode, kind, size, time, self.owner);
        match number {
            Number::Root | Number::ByDate | Number::Date(_) => Ok(around(Kind::Directory, 0, self.since)),
            Number::Latest | Number::Day(_) => {
                let target = around::target(&self.history, number)?;
                Ok(around(Kind::Symlink, target.len() as u64, self.since))
            }
            Number::Snapshot(sequence) => {
                let mut inside = self.inside(sequence, reader)?;
                let time = inside.snapshot.time;
                Ok(match inside.root()? {
                    Some(entry) => Facts { is_lasting: false, ..Facts::of(&entry, inode, Kind::Directory) },
                    None => around(Kind::Directory, 0, time),
                })
            }
            Number::Entry(sequence, rank) => {
                let mut inside = self.inside(sequence, reader)?;
                let entry = inside.entry(rank)?;
                inside.facts(rank, &entry)
            }
        }
    }

    /// What a name in a directory means.
    pub fn lookup(&self, directory: u64, name: &[u8], reader: &mut dyn ChunkReader) -> Result<Facts, Error> {
        let number = Number::of(directory).ok_or(Error::Absent)?;
        let (sequence, rank) = match number {
            Number::Snapshot(sequence) => (sequence, None),
            Number::Entry(sequence, rank) => (sequence, Some(rank)),
            around => {
                let found = around::find(&self.history, around, name)?;
                return self.facts(found.inode().ok_or(Error::Absent)?, reader);
            }
        };
        let mut inside = self.inside(sequence, reader)?;
        let folder = inside.folder(rank)?;
        let (rank, entry) = inside.named(&folder, name)?;
        inside.facts(rank, &entry)
    }

    /// Lists a directory from an offset on: 0, or the `next` of a name. `in_full` asks for all that is known of each.
    pub fn list(
        &self,
        (directory, offset): (u64, u64),
        in_full: bool,
        reader: &mut dyn ChunkReader,
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        let number = Number::of(directory).ok_or(Error::Absent)?;
        match number {
            Number::Snapshot(sequence) => self.inside(sequence, reader)?.list(None, offset, in_full, take),
            Number::Entry(sequence, rank) => self.inside(sequence, reader)?.list(Some(rank), offset, in_full, take),
            _ => self.list_around(number, offset, take),
        }
    }

    fn list_around(&self, of: Number, offset: u64, take: &mut Take<'_>) -> Result<(), Error> {
        let items = around::items(&self.history, of)?;
        let inode = |number: Number| number.inode().ok_or(Error::Absent);
        if dots(inode(of)?, inode(around::above(of))?, offset, take) {
            return Ok(());
        }
        for item in &items {
            // In the order of the inode numbers, so that a listing goes on where it was whatever came or went.
            let inode = inode(item.number)?;
            let next = inode.saturating_add(DOTS);
            if next > offset.max(DOTS)
                && take(&Name { name: item.name.as_bytes(), inode, kind: item.kind, next, facts: None })
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Where a symlink leads.
    pub fn target(&self, inode: u64, reader: &mut dyn ChunkReader) -> Result<Vec<u8>, Error> {
        match Number::of(inode).ok_or(Error::Absent)? {
            Number::Entry(sequence, rank) => match &self.inside(sequence, reader)?.entry(rank)?.node {
                Node::Symlink { target } => Ok(target.clone()),
                _ => Err(Error::NoFile),
            },
            number => around::target(&self.history, number).map(String::into_bytes),
        }
    }

    /// The extended attributes.
    pub fn xattrs(&self, inode: u64, reader: &mut dyn ChunkReader) -> Result<Vec<Xattr>, Error> {
        let of_root = |mut inside: Inside<'_>| inside.root();
        let entry = match Number::of(inode).ok_or(Error::Absent)? {
            Number::Entry(sequence, rank) => Some(self.inside(sequence, reader)?.entry(rank)?),
            Number::Snapshot(sequence) => of_root(self.inside(sequence, reader)?)?,
            _ => None,
        };
        Ok(entry.map_or_else(Vec::new, |entry| entry.meta.xattrs.clone()))
    }

    /// Opens a file.
    pub fn open(&self, inode: u64, reader: &mut dyn ChunkReader) -> Result<Arc<Opened>, Error> {
        let Some(Number::Entry(sequence, rank)) = Number::of(inode) else { return Err(Error::NoFile) };
        let (path, file) = self.inside(sequence, reader)?.open(rank)?;
        Ok(Arc::new(Opened { sequence, path, file }))
    }

    /// Up to `length` bytes of an open file; fewer only at its end.
    pub fn read(
        &self,
        opened: &Opened,
        at: u64,
        length: usize,
        reader: &mut dyn ChunkReader,
    ) -> Result<Vec<u8>, Error> {
        opened.file.read((at, length), &self.known.pieces, reader).map_err(|source| opened.unreadable(source))
    }

    /// Where data begins in an open file at or after `at`, or a hole.
    pub fn seek(
        &self,
        opened: &Opened,
        at: u64,
        data: bool,
        reader: &mut dyn ChunkReader,
    ) -> Result<Option<u64>, Error> {
        opened.file.seek(at, data, &self.known.pieces, reader).map_err(|source| opened.unreadable(source))
    }
}

impl Opened {
    fn unreadable(&self, source: crate::manifest::Error) -> Error {
        Error::Unreadable { sequence: self.sequence, path: self.path.clone(), source }
    }
}

impl Inside<'_> {
    fn list(&mut self, rank: Option<u64>, offset: u64, in_full: bool, take: &mut Take<'_>) -> Result<(), Error> {
        let folder = self.folder(rank)?;
        if offset < DOTS && dots(self.own(&folder)?, self.above(&folder)?, offset, take) {
            return Ok(());
        }
        let mut rank = if offset > DOTS { offset - DOTS - 1 } else { self.first(&folder)? };
        while let Some(listed) = self.listed(&folder, rank)? {
            let (inode, kind) = self.in_short(listed.rank, &listed.entry)?;
            let facts = in_full.then(|| self.facts_at_hand(listed.rank, &listed.entry)).transpose()?;
            let next = listed.next.saturating_add(DOTS + 1);
            if take(&Name { name: listed.entry.path.name(), inode, kind, next, facts }) {
                break;
            }
            rank = listed.next;
        }
        Ok(())
    }
}

/// Gives the directory itself and the one above; whether that was enough.
fn dots(own: u64, above: u64, offset: u64, take: &mut Take<'_>) -> bool {
    let dots = [(b".".as_slice(), own, 1), (b"..", above, DOTS)];
    let mut left = dots.into_iter().filter(|(_, _, next)| *next > offset);
    left.any(|(name, inode, next)| take(&Name { name, inode, kind: Kind::Directory, next, facts: None }))
}

#[cfg(test)]
#[path = "library_tests.rs"]
mod tests;
