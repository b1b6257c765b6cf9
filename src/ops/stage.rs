//! The folder for staged files in a place that is restored to (floor 6). It is ours only for as long as the restore takes, for it must not make a
//! source look like a mirror; and it comes and goes without leaving its mark on the times of the root.

use super::{Context, Error};
use crate::fs::dir::Dir;
use crate::fs::meta::At;
use crate::fs::{Error as FsError, clock, durable};
use crate::mirror::home::Home;
use crate::mirror::leftover::Leftover;
use crate::mirror::service::MirrorService;
use std::io;
use std::path::{Path, PathBuf};

/// Where staged files go in a place.
pub(super) struct PlaceStage<'a> {
    root: &'a Dir,
    home: Home,
}

impl<'a> PlaceStage<'a> {
    /// Of this place, whose root is open.
    pub(super) fn of(root: &'a Dir, place: &Path) -> Self {
        Self { root, home: Home::of(place) }
    }

    /// Where the folder is.
    pub(super) fn path(&self) -> PathBuf {
        self.home.stage()
    }

    /// Saves what a restore that was killed had taken out of the tree and the store does not have, and takes its folder away. To be done before the
    /// tree is looked at: a further name of a file in the stage is a further name of that file.
    pub(super) fn tidy(&self, mirror: &dyn MirrorService, context: Context<'_>) -> Result<(), Error> {
        let path = self.path();
        if !durable::exists(&path)? {
            return Ok(());
        }
        // A place that was a mirror before a swap has an empty one of its own.
        let is_empty = Dir::open(&path).and_then(|stage| stage.names()).is_ok_and(|names| names.is_empty());
        if is_empty && self.home.read_role()?.is_some() {
            return Ok(());
        }
        let stage = self.open()?;
        Leftover { stage: &stage, path: &path }.tidy(mirror, context.now, context.monitor)?;
        self.leave()
    }

    /// Opens the folder, and makes it first. Others may write to the place: neither name is followed where it is a symlink, and what is not ours
    /// alone is not used, for whatever lies in a stage is removed.
    pub(super) fn open(&self) -> Result<Dir, Error> {
        let opened = self.keeping_mtime(|| {
            let stage = self.root.child_or_new(b".backup")?.child_or_new(b"stage")?;
            let stat = stage.stat_self()?;
            if stat.uid != clock::effective_uid() || stat.mode & 0o077 != 0 {
                let message = "it is not a folder of this program: remove it, or restore to another place";
                return Err(io::Error::other(message));
            }
            if stage.try_lock()? {
                Ok(stage)
            } else {
                Err(io::Error::other("another restore is writing to this place"))
            }
        });
        Ok(opened.map_err(|e| FsError::new("use", &self.path(), e))?)
    }

    /// Takes the folder away again, unless it was there before: a source that was a mirror before a swap has its history beside it.
    pub(super) fn leave(&self) -> Result<(), Error> {
        let path = self.path();
        if durable::exists(&self.home.role())? {
            return Ok(());
        }
        let removed = self.keeping_mtime(|| {
            std::fs::remove_dir(&path)?;
            match std::fs::remove_dir(self.home.root()) {
                // What somebody else put there is theirs.
                Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                other => other,
            }
        });
        Ok(removed.map_err(|e| FsError::new("remove the folder", &path, e))?)
    }

    /// Does something in the root of the place and gives the root its time back.
    fn keeping_mtime<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let before = self.root.stat_self()?;
        let done = work()?;
        // Who may not set it has not lost anything.
        let _not_ours = At::dir(self.root).set_mtime(before.mtime);
        Ok(done)
    }
}
