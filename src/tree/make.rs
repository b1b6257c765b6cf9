//! Making objects aside, complete with content and metadata, so that a rename puts them into the tree whole (floor 3).

use super::Error;
use super::share::Sharing;
use super::stage::{Stage, Waiting};
use super::trust::Trust;
use crate::entry::{Content, Entry, Node};
use crate::fs::content::{punch, write_at};
use crate::fs::dir::Dir;
use crate::fs::is_one_of;
use crate::fs::meta::At;
use crate::fs::probe::is_beyond;
use crate::fs::sync::Durability;
use crate::fs::writeback::Writeback;
use crate::manifest::extents;
use crate::store::chunks::ChunkReader;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// Either side of writing a staged file: the store that is read or the disk that is written.
enum Failure {
    Read(Error),
    Write(io::Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(e: E) -> Self {
        Self::Read(e.into())
    }
}

/// What the kernel says of one object that we may not make; anything else, but for what is beyond the file system, is wrong with the disk itself.
const FORBIDDEN: [Errno; 2] = [Errno::PERM, Errno::ACCESS];

/// A file that is longer is tried for its length first: not all of it is to be written before that turns out to be too much.
const HUGE: u64 = 1 << 40;

/// Makes the objects of one batch.
pub(super) struct Maker<'a, 't> {
    pub(super) stage: &'a Stage,
    /// The folder to make them in.
    pub(super) making: &'a Dir,
    /// What is known of the tree, and what it can hold.
    pub(super) trust: &'a Trust<'t>,
    pub(super) sharing: &'a Sharing<'t>,
}

/// What came of making an object.
#[derive(Clone, Copy, Default)]
pub(super) struct Made {
    /// Whether it has all of its metadata.
    pub(super) is_whole: bool,
    /// Bytes of its content that were not written, because it shares them.
    pub(super) shared: u64,
}

impl Maker<'_, '_> {
    /// Makes the object of an entry under a name; a directory is made empty and bare. What fails leaves nothing. It may share content with `old`.
    pub(super) fn make(
        &self,
        name: &[u8],
        entry: &Entry,
        old: Option<&Entry>,
        reader: &mut dyn ChunkReader,
    ) -> Result<Made, Error> {
        let made = match &entry.node {
            Node::File { .. } => self.make_file(name, entry, old, reader),
            _ => self.make_other(name, entry).map(Made::whole).map_err(Failure::Write),
        };
        made.map_err(|failure| {
            // It may not even have been begun; what cannot be removed is in nobody's way: this folder is emptied by the next run.
            let _gone = Waiting { dir: self.making, name }.discard();
            match failure {
                Failure::Read(e) => e,
                Failure::Write(e) if is_beyond(&e) => Error::Beyond(e),
                Failure::Write(e) if is_one_of(&e, &FORBIDDEN) => Error::Object(e),
                Failure::Write(source) => {
                    Error::Stage { stage: self.stage.path().to_owned(), path: entry.path.clone(), source }
                }
            }
        })
    }

    fn make_file(
        &self,
        name: &[u8],
        entry: &Entry,
        old: Option<&Entry>,
        reader: &mut dyn ChunkReader,
    ) -> Result<Made, Failure> {
        let Node::File { size, content } = &entry.node else { return Ok(Made::default()) };
        let file = self.making.create_file(name).map_err(Failure::Write)?;
        let cloned = self.sharing.begin(&file, entry, old, self.trust, reader).map_err(Failure::Write)?;
        // Before the first byte: xfs sets room aside behind a file that grows, and would fill the holes with it.
        if cloned.is_none() && (content.may_have_holes() || *size > HUGE) {
            file.set_len(*size).map_err(Failure::Write)?;
        }
        let (length, shared) = match cloned {
            None => (fill(&file, content, reader)?, 0),
            Some(old) => overwrite(&file, content, old, reader)?,
        };
        if length != *size {
            return Err(Failure::Write(io::Error::other("its extents do not make up its size")));
        }
        let is_whole = self.finish_file(&file, entry).map_err(Failure::Write)?;
        Ok(Made { is_whole, shared })
    }

    fn finish_file(&self, file: &File, entry: &Entry) -> io::Result<bool> {
        let is_whole = At::file(file).give(&entry.meta, false, self.trust.fidelity)?;
        if self.stage.durability() == Durability::EachFile {
            file.sync_all()?;
        }
        Ok(is_whole)
    }

    fn make_other(&self, name: &[u8], entry: &Entry) -> io::Result<bool> {
        let at = At::Name(self.making, name);
        let special = |kind, device| {
            self.making.make_special(name, kind, device)?;
            at.give(&entry.meta, false, self.trust.fidelity)
        };
        match &entry.node {
            // It gets its metadata when it is left.
            Node::Directory => self.making.make_dir(name).map(|()| true),
            Node::Symlink { target } => {
                self.making.make_symlink(target, name)?;
                at.give(&entry.meta, true, self.trust.fidelity)
            }
            Node::Fifo => special(FileType::Fifo, (0, 0)),
            Node::Socket => special(FileType::Socket, (0, 0)),
            Node::CharDevice { major, minor } => special(FileType::CharacterDevice, (*major, *minor)),
            Node::BlockDevice { major, minor } => special(FileType::BlockDevice, (*major, *minor)),
            Node::File { .. } | Node::HardLink { .. } => Ok(true),
        }
    }
}

impl Made {
    const fn whole(is_whole: bool) -> Self {
        Self { is_whole, shared: 0 }
    }
}

/// Writes a content to a new file; gives its length.
fn fill(file: &File, content: &Content, reader: &mut dyn ChunkReader) -> Result<u64, Failure> {
    let (mut at, mut writeback) = (0_u64, Writeback::default());
    extents::for_each_read(content, reader, &mut |extent, reader| {
        if let Some(chunk) = extent.chunk() {
            let bytes = reader.read(&chunk)?;
            write_at(file, at, bytes).map_err(Failure::Write)?;
            writeback.reached(file, at.saturating_add(extent.length()));
        }
        at = at.saturating_add(extent.length());
        Ok::<(), Failure>(())
    })?;
    writeback.ended(file, at);
    Ok(at)
}

/// Writes what a content has that `old` has not at the same place to a file that holds `old`; gives its length, and how much need not be written.
fn overwrite(
    file: &File,
    content: &Content,
    old: &Content,
    reader: &mut dyn ChunkReader,
) -> Result<(u64, u64), Failure> {
    let (mut old, mut at, mut shared) = (extents::Beside::new(old), 0_u64, 0_u64);
    extents::for_each(content, reader, &mut |extent, reader| {
        let is_there = old.has(at, extent, reader)?;
        match extent.chunk() {
            Some(_) if is_there => shared = shared.saturating_add(extent.length()),
            None if is_there => {}
            Some(chunk) => write_at(file, at, reader.read(&chunk)?).map_err(Failure::Write)?,
            None => punch(file, at, extent.length()).map_err(Failure::Write)?,
        }
        at = at.saturating_add(extent.length());
        Ok::<(), Failure>(())
    })?;
    Ok((at, shared))
}
