//! Making objects aside, complete with content and metadata, so that a rename puts them into the tree whole (floor 3).

use super::Error;
use super::stage::{Stage, Waiting};
use crate::entry::{Entry, Node};
use crate::fs::content::write_at;
use crate::fs::dir::Dir;
use crate::fs::fidelity::Fidelity;
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
pub(super) struct Maker<'a> {
    pub(super) stage: &'a Stage,
    /// The folder to make them in.
    pub(super) making: &'a Dir,
    /// What the tree can hold.
    pub(super) fidelity: &'a Fidelity,
}

impl Maker<'_> {
    /// Makes the object of an entry under a name; a directory is made empty and bare. What fails leaves nothing. Tells whether it has all of its
    /// metadata.
    pub(super) fn make(&self, name: &[u8], entry: &Entry, reader: &mut dyn ChunkReader) -> Result<bool, Error> {
        let made = match &entry.node {
            Node::File { .. } => self.make_file(name, entry, reader),
            _ => self.make_other(name, entry).map_err(Failure::Write),
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

    fn make_file(&self, name: &[u8], entry: &Entry, reader: &mut dyn ChunkReader) -> Result<bool, Failure> {
        let Node::File { size, content } = &entry.node else { return Ok(true) };
        let file = self.making.create_file(name).map_err(Failure::Write)?;
        // Before the first byte: xfs sets room aside behind a file that grows, and would fill the holes with it.
        if content.may_have_holes() || *size > HUGE {
            file.set_len(*size).map_err(Failure::Write)?;
        }
        let (mut at, mut writeback) = (0_u64, Writeback::default());
        extents::for_each_read(content, reader, &mut |extent, reader| {
            if let Some(chunk) = extent.chunk() {
                let bytes = reader.read(&chunk)?;
                write_at(&file, at, bytes).map_err(Failure::Write)?;
                writeback.reached(&file, at.saturating_add(extent.length()));
            }
            at = at.saturating_add(extent.length());
            Ok::<(), Failure>(())
        })?;
        if at != *size {
            return Err(Failure::Write(io::Error::other("its extents do not make up its size")));
        }
        writeback.ended(&file, at);
        self.finish_file(&file, entry).map_err(Failure::Write)
    }

    fn finish_file(&self, file: &File, entry: &Entry) -> io::Result<bool> {
        let is_whole = At::file(file).give(&entry.meta, false, self.fidelity)?;
        if self.stage.durability() == Durability::EachFile {
            file.sync_all()?;
        }
        Ok(is_whole)
    }

    fn make_other(&self, name: &[u8], entry: &Entry) -> io::Result<bool> {
        let at = At::Name(self.making, name);
        let special = |kind, device| {
            self.making.make_special(name, kind, device)?;
            at.give(&entry.meta, false, self.fidelity)
        };
        match &entry.node {
            // It gets its metadata when it is left.
            Node::Directory => self.making.make_dir(name).map(|()| true),
            Node::Symlink { target } => {
                self.making.make_symlink(target, name)?;
                at.give(&entry.meta, true, self.fidelity)
            }
            Node::Fifo => special(FileType::Fifo, (0, 0)),
            Node::Socket => special(FileType::Socket, (0, 0)),
            Node::CharDevice { major, minor } => special(FileType::CharacterDevice, (*major, *minor)),
            Node::BlockDevice { major, minor } => special(FileType::BlockDevice, (*major, *minor)),
            Node::File { .. } | Node::HardLink { .. } => Ok(true),
        }
    }
}
