//! Putting staged files into the tree by rename, and taking old ones out (floor 3).
//!
//! A replaced file is swapped out atomically and looked at before it may go: only what is known to be in the store is unlinked. What turns out to
//! be something else is swapped back and reported.

use super::dirs::Dirs;
use super::stage::Stage;
use crate::entry::{Entry, Node, Time};
use crate::fs::clock;
use crate::fs::dir::Dir;
use crate::fs::meta::At;
use crate::fs::stat::Stat;
use crate::path::RelPath;
use rustix::fs::FileType;
use std::io;

pub(super) struct Publisher<'a> {
    pub(super) stage: &'a Stage,
    pub(super) dirs: Dirs,
    /// A second chain, for the leaders of hard links.
    pub(super) leaders: Dirs,
    /// What has an earlier ctime is as it was seen.
    pub(super) trusted: Time,
}

fn conflict() -> io::Error {
    io::Error::other("it was changed by someone else during this run; it is left as it is")
}

/// Whether what is on disk is what the entry says, as far as a look can tell.
fn is_as_known(stat: &Stat, entry: &Entry) -> bool {
    let kind = match &entry.node {
        Node::File { size, .. } => stat.is_file() && stat.size == *size,
        Node::Directory => return stat.is_directory(),
        Node::Symlink { .. } => stat.kind == FileType::Symlink,
        Node::HardLink { .. } => !stat.is_directory(),
        _ => !stat.is_file() && !stat.is_directory(),
    };
    kind && stat.mtime == entry.meta.mtime
}

impl Publisher<'_> {
    /// Puts the staged object `staged` at the place of `new`.
    pub(super) fn put(&mut self, staged: &[u8], new: &Entry, old: Option<&Entry>) -> io::Result<()> {
        if new.is_directory() && old.is_some_and(Entry::is_directory) {
            return self.meta(new);
        }
        let dir = self.dirs.enter_parent(&new.path)?;
        match old {
            None => self.stage.dir().rename_new(staged, dir, new.path.name())?,
            Some(old) => replace(self.stage, dir, staged, old, self.trusted)?,
        }
        if new.is_directory() { self.meta(new) } else { Ok(()) }
    }

    /// Makes `new` a further name of its leader.
    pub(super) fn link(&mut self, staged: &[u8], new: &Entry, old: Option<&Entry>) -> io::Result<()> {
        let Node::HardLink { leader } = &new.node else { return Ok(()) };
        let parent = leader.parent().unwrap_or_default();
        let leader_dir = self.leaders.enter(&parent)?;
        let wanted = leader_dir.stat(leader.name())?;
        let dir = self.dirs.enter_parent(&new.path)?;
        let there = dir.stat_if_any(new.path.name())?;
        if there.is_some_and(|s| (s.device, s.inode) == (wanted.device, wanted.inode)) {
            return Ok(());
        }
        self.stage.link(leader_dir, leader, staged)?;
        match old {
            None => self.stage.dir().rename_new(staged, dir, new.path.name()),
            Some(old) => replace(self.stage, dir, staged, old, self.trusted),
        }
    }

    /// Gives what is there its metadata; a directory gets it when it is left.
    pub(super) fn meta(&mut self, new: &Entry) -> io::Result<()> {
        if new.is_directory() {
            match self.dirs.enter(&new.path) {
                // Closed even to us, who are its owner: nothing in it is changed, so it need not be entered.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied && !new.path.is_root() => {}
                Err(e) => return Err(e),
                Ok(_) => {
                    self.dirs.want(new.meta.clone());
                    return Ok(());
                }
            }
        }
        let parent = new.path.parent().unwrap_or_default();
        let dir = self.dirs.enter(&parent)?;
        let name = new.path.name();
        let is_symlink = matches!(new.node, Node::Symlink { .. });
        if matches!(new.node, Node::File { .. }) {
            let (file, stat) = dir.open_file(name)?;
            return At::file(&file).change(&stat, &new.meta, false, clock::is_root());
        }
        At::Name(dir, name).change(&dir.stat(name)?, &new.meta, is_symlink, clock::is_root())
    }

    /// Takes `old` out of the tree.
    pub(super) fn remove(&mut self, staged: &[u8], old: &Entry) -> io::Result<()> {
        let dir = self.dirs.enter_parent(&old.path)?;
        let name = old.path.name();
        if old.is_directory() {
            return dir.remove_dir(name);
        }
        let Some(stat) = dir.stat_if_any(name)? else { return Ok(()) };
        if !is_safe(&stat, old, self.trusted) {
            return Err(conflict());
        }
        dir.rename_new(name, self.stage.dir(), staged)?;
        if is_same_after_rename(&self.stage.dir().stat(staged)?, &stat) {
            self.stage.dir().unlink(staged)
        } else {
            self.stage.dir().rename_new(staged, dir, name)?;
            Err(conflict())
        }
    }

    /// Leaves all directories, which sets their times; gives those where that failed.
    pub(super) fn finish(mut self) -> Vec<(RelPath, io::Error)> {
        self.dirs.finish();
        self.dirs.failures
    }
}

/// As known, and the very inode that was looked at, unchanged since. A file with several names changes its ctime whenever one of them comes or
/// goes, which may have been our own doing: there size and mtime must do.
fn is_safe(stat: &Stat, old: &Entry, trusted: Time) -> bool {
    let linked = stat.links > 1 || matches!(old.node, Node::HardLink { .. });
    is_as_known(stat, old) && (stat.identity() == old.identity || stat.ctime < trusted || linked)
}

fn is_same_after_rename(now: &Stat, before: &Stat) -> bool {
    (now.inode, now.size, now.mtime, now.kind) == (before.inode, before.size, before.mtime, before.kind)
}

/// Swaps the staged object with what is there, looks at what came out, and lets it go or swaps it back.
fn replace(stage: &Stage, dir: &Dir, staged: &[u8], old: &Entry, trusted: Time) -> io::Result<()> {
    let name = old.path.name();
    let Some(before) = dir.stat_if_any(name)? else {
        return stage.dir().rename_new(staged, dir, name);
    };
    if !old.is_directory() && !is_safe(&before, old, trusted) {
        return Err(conflict());
    }
    stage.dir().exchange(staged, dir, name)?;
    let displaced = stage.dir().stat(staged)?;
    let gone = if old.is_directory() {
        stage.dir().remove_dir(staged)
    } else if is_same_after_rename(&displaced, &before) {
        stage.dir().unlink(staged)
    } else {
        Err(conflict())
    };
    if gone.is_err() {
        stage.dir().exchange(staged, dir, name)?;
    }
    gone
}
