//! The folder where files wait, on the file system of the tree (floor 3).
//!
//! ```text
//! stage/making/   files of a batch, not finished: nothing else ever lies here, so it may be emptied unseen;
//! stage/making-next/ is the same for every second batch, because one is made while the one before it is published, and
//! stage/making-late/ for what is found missing then
//! stage/ready/    the finished batch; what an exchange takes out of the tree comes here until it has been looked at
//! stage/aside/    files that are moved and whose new place has not come yet
//! ```
//!
//! What a run that was killed left in `ready` or `aside` may have belonged to somebody: it is never removed before it is in the store
//! (`mirror/leftover.rs` sees to that).

use super::Error;
use crate::fs::chain::remove_contents;
use crate::fs::dir::Dir;
use crate::fs::meta::clear_default_acl;
use crate::fs::sync::Durability;
use crate::path::{shown, shown_path};
use std::io;
use std::path::Path;

/// The folders of what is being made: of every other batch, of those between, and of what is found missing when one is published.
pub const MAKING: [&str; 3] = [EVEN, ODD, LATE];
const EVEN: &str = "making";
const ODD: &str = "making-next";
const LATE: &str = "making-late";
/// The folder of a batch that is being published.
pub const READY: &str = "ready";
/// The folder of what is moved.
pub const ASIDE: &str = "aside";

/// A stage that is ours alone and empty.
#[derive(Debug)]
pub(super) struct Stage {
    dir: Dir,
    path: String,
    durability: Durability,
}

/// A folder of what is being made.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) dir: Dir,
    folder: &'static str,
}

/// An object in the stage.
#[derive(Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) dir: &'a Dir,
    pub(super) name: &'a [u8],
}

impl Waiting<'_> {
    /// Removes it; a directory must be empty.
    pub(super) fn discard(&self) -> io::Result<()> {
        if self.dir.stat(self.name)?.is_directory() {
            self.dir.remove_dir(self.name)
        } else {
            self.dir.unlink(self.name)
        }
    }

    /// Makes it durable, if it is a file and files are synced one by one.
    pub(super) fn sync(&self, durability: Durability) -> io::Result<()> {
        if durability == Durability::EachFile { self.dir.open_file(self.name)?.0.sync_all() } else { Ok(()) }
    }
}

impl Stage {
    /// Uses this folder. What an interrupted run had not finished goes; what it had displaced must have been saved and forgotten before.
    pub(super) fn open(dir: Dir, path: &Path) -> Result<Self, Error> {
        let path = shown_path(path);
        let unusable = |source| Error::Folder { path: path.clone(), source };
        clear_default_acl(&dir).map_err(unusable)?;
        let durability = Durability::of(&dir).map_err(unusable)?;
        let stage = Self { dir, path, durability };
        MAKING.into_iter().try_for_each(|folder| stage.clear(folder)).map_err(|e| stage.unusable(e))?;
        stage.end()?;
        stage.end_aside()?;
        match stage.dir.names().map_err(|e| stage.unusable(e))?.first() {
            None => Ok(stage),
            Some(name) => Err(stage.unusable(foreign(name))),
        }
    }

    fn unusable(&self, source: io::Error) -> Error {
        Error::Folder { path: self.path.clone(), source }
    }

    /// Where it is, for messages.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// How files are made durable here.
    pub(super) const fn durability(&self) -> Durability {
        self.durability
    }

    /// Begins the batch with this number: the folder to make its objects in. The one before it may not be published yet, but that before that is.
    pub(super) fn begin(&self, number: usize) -> Result<Making, Error> {
        self.make(if number.is_multiple_of(2) { EVEN } else { ODD })
    }

    /// Begins what was found missing while a batch is published.
    pub(super) fn begin_late(&self) -> Result<Making, Error> {
        self.make(LATE)
    }

    fn make(&self, folder: &'static str) -> Result<Making, Error> {
        let name = folder.as_bytes();
        let dir = self.dir.make_dir(name).and_then(|()| self.dir.child(name));
        Ok(Making { dir: dir.map_err(|e| self.unusable(e))?, folder })
    }

    /// All objects of the batch are complete: makes their content durable and the folder known as one that must not be emptied unseen.
    pub(super) fn finish(&self, making: Making, any_file: bool) -> Result<Dir, Error> {
        let Making { dir, folder } = making;
        match self.durability {
            Durability::Whole if any_file => dir.sync_file_system().map_err(Error::Sync)?,
            Durability::Whole => {}
            // The files themselves were synced as they were made.
            Durability::EachFile => dir.sync().map_err(Error::Sync)?,
        }
        self.dir.rename_new(folder.as_bytes(), &self.dir, READY.as_bytes()).map_err(|e| self.unusable(e))?;
        if self.durability == Durability::EachFile {
            self.dir.sync().map_err(Error::Sync)?;
        }
        // The folder was renamed, and is the same.
        Ok(dir)
    }

    /// As [`Stage::finish`], of one object more of a batch that is being published, if it could be made.
    pub(super) fn finish_late(&self, making: &Making, made: Option<&[u8]>, ready: &Dir) -> Result<(), Error> {
        if let Some(name) = made {
            if self.durability == Durability::Whole {
                making.dir.sync_file_system().map_err(Error::Sync)?;
            }
            making.dir.rename_new(name, ready, name).map_err(|e| self.unusable(e))?;
        }
        self.dir.remove_dir(making.folder.as_bytes()).map_err(|e| self.unusable(e))
    }

    /// Ends a batch; what is still there is not ours to remove.
    pub(super) fn end(&self) -> Result<(), Error> {
        self.remove(READY)
    }

    /// The folder of what is moved, made first where it is missing.
    pub(super) fn aside(&self) -> io::Result<Dir> {
        self.dir.child_or_new(ASIDE.as_bytes())
    }

    /// Nothing more is moved; what is still there is not ours to remove.
    pub(super) fn end_aside(&self) -> Result<(), Error> {
        self.remove(ASIDE)
    }

    fn remove(&self, folder: &str) -> Result<(), Error> {
        match self.dir.remove_dir(folder.as_bytes()) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Err(Error::Displaced(format!("{}/{folder}", self.path)))
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.unusable(e)),
            _ => Ok(()),
        }
    }

    /// Removes a folder with what was being made there.
    fn clear(&self, folder: &str) -> io::Result<()> {
        let making = match self.dir.child(folder.as_bytes()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let names = making.names()?;
        if let Some(name) = names.iter().find(|name| !is_ours(name)) {
            return Err(foreign(name));
        }
        names.iter().try_for_each(|name| Waiting { dir: &making, name }.discard())?;
        self.dir.remove_dir(folder.as_bytes())
    }
}

/// Name of the staged object of an action of a batch.
pub(super) fn name(number: usize) -> Vec<u8> {
    format!("{number:x}").into_bytes()
}

fn foreign(name: &[u8]) -> io::Error {
    io::Error::other(format!("{} in it is not of this program: move it away", shown(name)))
}

/// Whether this can be a name that [`name`] gave: nothing else is ever removed.
fn is_ours(name: &[u8]) -> bool {
    name.len() <= 8 && name.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
}

/// The folders of a stage in which an interrupted run left what it had finished, displaced or set aside.
pub fn leftover(stage: &Dir) -> io::Result<Vec<&'static str>> {
    let mut found = Vec::new();
    for folder in [ASIDE, READY] {
        match stage.child(folder.as_bytes()).and_then(|dir| dir.names()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
            Ok(names) if names.is_empty() => {}
            Ok(_) => found.push(folder),
        }
    }
    Ok(found)
}

/// Empties a stage, when what an interrupted run left in it is in the store.
pub fn clear(stage: Dir, path: &Path) -> Result<(), Error> {
    let unusable = |source| Error::Folder { path: shown_path(path), source };
    for folder in leftover(&stage).map_err(unusable)? {
        stage.child(folder.as_bytes()).and_then(|dir| remove_contents(&dir)).map_err(unusable)?;
    }
    Stage::open(stage, path).map(drop)
}
