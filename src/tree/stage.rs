//! Making files aside, complete with content and metadata, so that a rename puts them into the tree whole (floor 3).

use super::Error;
use crate::entry::{Entry, Extent, Node};
use crate::fs::clock;
use crate::fs::content::write_at;
use crate::fs::dir::Dir;
use crate::fs::meta::{At, clear_default_acl};
use crate::manifest::extents;
use crate::path::{RelPath, shown_path};
use crate::store::chunks::ChunkReader;
use rustix::fs::FileType;
use std::fs::File;
use std::io;
use std::path::Path;

/// The folder where files wait, on the file system of the tree.
#[derive(Debug)]
pub(super) struct Stage {
    dir: Dir,
    path: String,
}

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

impl Stage {
    /// Uses this folder, which must be ours alone; what an interrupted run left in it goes: each such file was made from the store, or was
    /// displaced from the tree after it had been found in the store.
    pub(super) fn open(dir: Dir, path: &Path) -> Result<Self, Error> {
        clear_default_acl(&dir).map_err(Error::Folder)?;
        let stage = Self { dir, path: shown_path(path) };
        stage.clear()?;
        Ok(stage)
    }

    /// Removes what is left: files that could not be put in place, which were all made from the store.
    pub(super) fn clear(&self) -> Result<(), Error> {
        let names = self.dir.names().map_err(Error::Folder)?;
        if let Some(foreign) = names.iter().find(|name| !Self::is_ours(name)) {
            let message = format!("{} in it is not of this program", crate::path::shown(foreign));
            return Err(Error::Folder(io::Error::other(message)));
        }
        names.iter().try_for_each(|name| self.discard(name)).map_err(Error::Folder)
    }

    pub(super) const fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Name of the staged file of an action.
    pub(super) fn name(number: usize) -> Vec<u8> {
        format!("{number:x}").into_bytes()
    }

    /// Whether this can be a name that [`Stage::name`] gave: nothing else is ever removed.
    fn is_ours(name: &[u8]) -> bool {
        name.len() <= 8 && name.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
    }

    /// Removes a staged file, or a directory that is empty.
    pub(super) fn discard(&self, name: &[u8]) -> io::Result<()> {
        if self.dir.stat(name)?.is_directory() { self.dir.remove_dir(name) } else { self.dir.unlink(name) }
    }

    /// Makes the object of an entry under a name; a directory is made empty and bare.
    pub(super) fn make(&self, name: &[u8], entry: &Entry, reader: &mut dyn ChunkReader) -> Result<(), Error> {
        let made = match &entry.node {
            Node::File { .. } => self.make_file(name, entry, reader),
            _ => self.make_other(name, entry).map_err(Failure::Write),
        };
        made.map_err(|failure| match failure {
            Failure::Read(e) => e,
            Failure::Write(source) => Error::Stage { stage: self.path.clone(), path: entry.path.clone(), source },
        })
    }

    fn make_file(&self, name: &[u8], entry: &Entry, reader: &mut dyn ChunkReader) -> Result<(), Failure> {
        let Node::File { size, content } = &entry.node else { return Ok(()) };
        let file = self.dir.create_file(name).map_err(Failure::Write)?;
        let (mut at, mut hole_last) = (0_u64, false);
        extents::for_each(content, reader, &mut |extent, reader| {
            hole_last = matches!(extent, Extent::Hole { .. });
            if let Extent::Data { id, length } = *extent {
                let bytes = reader.read(&crate::entry::ChunkRef { id, length })?;
                write_at(&file, at, bytes).map_err(Failure::Write)?;
            }
            at = at.saturating_add(extent.length());
            Ok::<(), Failure>(())
        })?;
        if at != *size {
            return Err(Failure::Write(io::Error::other("its extents do not make up its size")));
        }
        finish_file(&file, entry, hole_last.then_some(*size)).map_err(Failure::Write)
    }

    fn make_other(&self, name: &[u8], entry: &Entry) -> io::Result<()> {
        let is_root = clock::is_root();
        let at = At::Name(&self.dir, name);
        let special = |kind, device| {
            self.dir.make_special(name, kind, device)?;
            at.give(&entry.meta, false, is_root)
        };
        match &entry.node {
            Node::Directory => self.dir.make_dir(name),
            Node::Symlink { target } => {
                self.dir.make_symlink(target, name)?;
                at.give(&entry.meta, true, is_root)
            }
            Node::Fifo => special(FileType::Fifo, (0, 0)),
            Node::Socket => special(FileType::Socket, (0, 0)),
            Node::CharDevice { major, minor } => special(FileType::CharacterDevice, (*major, *minor)),
            Node::BlockDevice { major, minor } => special(FileType::BlockDevice, (*major, *minor)),
            Node::File { .. } | Node::HardLink { .. } => Ok(()),
        }
    }

    /// Makes a further name of a file in the tree.
    pub(super) fn link(&self, leader_dir: &Dir, leader: &RelPath, name: &[u8]) -> io::Result<()> {
        leader_dir.link(leader.name(), &self.dir, name)
    }
}

fn finish_file(file: &File, entry: &Entry, length: Option<u64>) -> io::Result<()> {
    if let Some(length) = length {
        file.set_len(length)?;
    }
    At::file(file).give(&entry.meta, false, clock::is_root())
}
