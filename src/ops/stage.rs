//! The folder for staged files in a place that is restored to (floor 6). It is ours only for as long as the restore takes, for it must not make a
//! source look like a mirror; and it comes and goes without leaving its mark on the times of the root.
//!
//! What must stay true: others may write to the place, so neither `.backup` nor `stage` is followed where it is a symlink, and what is not ours alone is
//! not used: whatever lies in a stage is removed.

use super::{Context, Error};
use crate::fs::dir::Dir;
use crate::fs::meta::At;
use crate::fs::{Error as FsError, clock};
use crate::mirror::home::{self, Home};
use crate::mirror::leftover::Leftover;
use crate::mirror::service::MirrorService;
use std::io;
use std::path::{Path, PathBuf};

const STAGE: &[u8] = b"stage";

/// Where staged files go in a place.
pub(super) struct PlaceStage<'a> {
    root: &'a Dir,
    place: &'a Path,
}

impl<'a> PlaceStage<'a> {
    /// Of this place, whose root is open.
    pub(super) fn of(root: &'a Dir, place: &'a Path) -> Self {
        Self { root, place }
    }

    /// Where the folder is, for messages.
    pub(super) fn path(&self) -> PathBuf {
        home::folder(self.place).join("stage")
    }

    /// Saves what a restore that was killed had taken out of the tree and the store does not have, and takes its folder away. To be done before the
    /// tree is looked at: a further name of a file in the stage is a further name of that file.
    pub(super) fn tidy(&self, mirror: &dyn MirrorService, context: Context<'_>) -> Result<(), Error> {
        let Some(home) = Home::within(self.root, self.place)? else { return Ok(()) };
        let folder = home.open()?;
        if self.may(folder.stat_if_any(STAGE))?.is_none() {
            return Ok(());
        }
        // A place that was a mirror before a swap has an empty one of its own.
        let is_empty = folder.child(STAGE).and_then(|stage| stage.names()).is_ok_and(|names| names.is_empty());
        if is_empty && home.read_role()?.is_some() {
            return Ok(());
        }
        let stage = self.open()?;
        Leftover { stage: &stage, path: &self.path() }.tidy(mirror, context.now, context.monitor)?;
        self.leave()
    }

    /// Opens the folder, and makes it first.
    pub(super) fn open(&self) -> Result<Dir, Error> {
        self.keeping_mtime(|| {
            let stage = self.may(Home::make(self.root, self.place)?.open()?.child_or_new(STAGE))?;
            let stat = self.may(stage.stat_self())?;
            if stat.uid != clock::effective_uid() || stat.mode & 0o077 != 0 {
                let message = "it is not a folder of this program: remove it, or restore to another place";
                return self.may(Err(io::Error::other(message)));
            }
            if self.may(stage.try_lock())? {
                Ok(stage)
            } else {
                self.may(Err(io::Error::other("another restore is writing to this place")))
            }
        })
    }

    /// Takes the folder away again, unless it was there before: a source that was a mirror before a swap has its history beside it.
    pub(super) fn leave(&self) -> Result<(), Error> {
        let Some(home) = Home::within(self.root, self.place)? else {
            return self.may(Err(io::Error::other("somebody moved it away")));
        };
        if home.has_role()? {
            return Ok(());
        }
        self.keeping_mtime(|| {
            self.may(home.open()?.remove_dir(STAGE))?;
            match self.root.remove_dir(home::NAME.as_bytes()) {
                // What somebody else put there is theirs.
                Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                other => self.may(other),
            }
        })
    }

    fn may<T>(&self, done: io::Result<T>) -> Result<T, Error> {
        Ok(done.map_err(|e| FsError::new("use", &self.path(), e))?)
    }

    /// Does something in the root of the place and gives the root its time back.
    fn keeping_mtime<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let before = self.may(self.root.stat_self())?;
        let done = work()?;
        // Who may not set it has not lost anything.
        let _not_ours = At::dir(self.root).set_mtime(before.mtime);
        Ok(done)
    }
}
