//! Putting staged objects into the tree by rename, and taking old ones out (floor 3).
//!
//! A replaced file is swapped out atomically and looked at before it may go: only what is known to be in the store is unlinked. What turns out to
//! be something else is swapped back and reported; where even that fails it stays in the stage, for the next run to save.

use super::Partial;
use super::dirs::Dirs;
use super::stage::Waiting;
use crate::entry::{Entry, Node, Time};
use crate::fs::clock;
use crate::fs::dir::Dir;
use crate::fs::fidelity::Fidelity;
use crate::fs::meta::At;
use crate::fs::stat::Stat;
use crate::fs::sync::Durability;
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use rustix::fs::FileType;
use std::collections::{HashMap, HashSet};
use std::io;

pub(super) struct Publisher<'a> {
    pub(super) dirs: Dirs<'a>,
    /// A second chain, for the leaders of hard links.
    pub(super) leaders: Dirs<'a>,
    pub(super) selection: &'a Selection,
    pub(super) trust: Trust<'a>,
    pub(super) durability: Durability,
    /// Names whose metadata were changed, and not all of them could be.
    pub(super) partial: Partial,
    /// Directories that should have gone and stay, because EXCLUDE names all that is in them.
    pub(super) kept: HashSet<RelPath>,
    /// First names of files that could not be put in place: what stands there is something else.
    pub(super) absent: HashSet<RelPath>,
}

/// What is known to be as it was seen.
pub(super) struct Trust<'a> {
    fidelity: &'a Fidelity,
    /// What has an earlier ctime.
    before: Time,
    /// Files with several names that got other times from us under one of them; the others are met later.
    retimed: HashMap<(u64, u64), Time>,
}

impl<'a> Trust<'a> {
    pub(super) fn before(time: Time, fidelity: &'a Fidelity) -> Self {
        Self { fidelity, before: time, retimed: HashMap::new() }
    }

    fn note(&mut self, stat: &Stat, mtime: Time) {
        if stat.links > 1 {
            self.retimed.insert((stat.device, stat.inode), mtime);
        }
    }

    /// As known, and the very inode that was looked at, unchanged since. A file with several names changes its ctime whenever one of them comes
    /// or goes, and its mtime when one of them gets another, which may have been our own doing: there size and mtime must do.
    fn is_safe(&self, stat: &Stat, old: &Entry) -> bool {
        let linked = stat.links > 1 || matches!(old.node, Node::HardLink { .. });
        let mtime = self.retimed.get(&(stat.device, stat.inode)).unwrap_or(&old.meta.mtime);
        is_of_kind(stat, old)
            && (old.is_directory() || stat.mtime == self.fidelity.time(*mtime))
            && (stat.identity() == old.identity || stat.ctime < self.before || linked)
    }
}

/// Why something could not be put in place.
struct Refused {
    why: io::Error,
    /// Whether what is in the stage now may be somebody else's: it stays there.
    keep: bool,
}

impl From<io::Error> for Refused {
    fn from(why: io::Error) -> Self {
        Self { why, keep: false }
    }
}

fn conflict() -> io::Error {
    io::Error::other("it was changed by someone else during this run; it is left as it is")
}

/// Whether what is on disk is of the kind and the size that the entry says.
fn is_of_kind(stat: &Stat, entry: &Entry) -> bool {
    match &entry.node {
        Node::File { size, .. } => stat.is_file() && stat.size == *size,
        Node::Directory => stat.is_directory(),
        Node::Symlink { .. } => stat.kind == FileType::Symlink,
        Node::HardLink { .. } => !stat.is_directory(),
        _ => !stat.is_file() && !stat.is_directory(),
    }
}

impl Publisher<'_> {
    /// Puts a staged object at the place of `new`. Whatever happens, nothing of ours is left in the stage.
    pub(super) fn put(&mut self, staged: Waiting<'_>, new: &Entry, old: Option<&Entry>) -> io::Result<()> {
        if new.is_directory() && old.is_some_and(Entry::is_directory) {
            staged.discard()?;
            return self.meta(new, old);
        }
        self.place(staged, new, old).map_err(|refused| drop_unless_kept(staged, refused))?;
        if new.is_directory() { self.meta(new, None) } else { Ok(()) }
    }

    fn place(&mut self, staged: Waiting<'_>, new: &Entry, old: Option<&Entry>) -> Result<(), Refused> {
        let dir = self.dirs.enter_parent(&new.path)?;
        match old {
            None => Ok(staged.dir.rename_new(staged.name, dir, new.path.name())?),
            Some(old) => replace(staged, dir, old, &self.trust),
        }
    }

    /// Makes `new` a further name of its leader.
    pub(super) fn link(&mut self, staged: Waiting<'_>, new: &Entry, old: Option<&Entry>) -> io::Result<()> {
        let Node::HardLink { leader } = &new.node else { return Ok(()) };
        if self.absent.contains(leader) {
            return Err(io::Error::other(format!("its first name, {leader}, could not be put in place")));
        }
        let leader_dir = self.leaders.enter(&leader.parent().unwrap_or_default())?;
        let wanted = leader_dir.stat(leader.name())?;
        let there = self.dirs.enter_parent(&new.path)?.stat_if_any(new.path.name())?;
        if there.is_some_and(|s| (s.device, s.inode) == (wanted.device, wanted.inode)) {
            return Ok(());
        }
        leader_dir.link(leader.name(), staged.dir, staged.name)?;
        self.place(staged, new, old).map_err(|refused| drop_unless_kept(staged, refused))
    }

    /// Gives what is there its metadata, if it still is what was seen; a directory gets it when it is left.
    pub(super) fn meta(&mut self, new: &Entry, old: Option<&Entry>) -> io::Result<()> {
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
        let dir = self.dirs.enter(&new.path.parent().unwrap_or_default())?;
        let name = new.path.name();
        // Old times on content that someone has just written would hide it from every later look.
        let check = |stat: &Stat| match old {
            Some(old) if !old.is_directory() && !self.trust.is_safe(stat, old) => Err(conflict()),
            _ => Ok(()),
        };
        if matches!(new.node, Node::File { .. }) {
            let (file, stat) = dir.open_file(name)?;
            check(&stat)?;
            let is_whole = At::file(&file).change(&stat, &new.meta, self.trust.fidelity)?;
            self.changed(new, &stat, is_whole);
            return if self.durability == Durability::EachFile { file.sync_all() } else { Ok(()) };
        }
        let stat = dir.stat(name)?;
        check(&stat)?;
        let is_whole = At::Name(dir, name).change(&stat, &new.meta, self.trust.fidelity)?;
        self.changed(new, &stat, is_whole);
        Ok(())
    }

    fn changed(&mut self, new: &Entry, before: &Stat, is_whole: bool) {
        self.trust.note(before, new.meta.mtime);
        if !is_whole {
            self.partial.note(&new.path);
        }
    }

    /// Takes `old` out of the tree.
    pub(super) fn remove(&mut self, staged: Waiting<'_>, old: &Entry) -> io::Result<()> {
        if old.is_directory() {
            return self.remove_dir(old);
        }
        let dir = self.dirs.enter_parent(&old.path)?;
        let name = old.path.name();
        let Some(stat) = dir.stat_if_any(name)? else { return Ok(()) };
        if !self.trust.is_safe(&stat, old) {
            return Err(conflict());
        }
        dir.rename_new(name, staged.dir, staged.name)?;
        if is_same_after_rename(&staged.dir.stat(staged.name)?, &stat) {
            staged.dir.unlink(staged.name)
        } else {
            staged.dir.rename_new(staged.name, dir, name)?;
            Err(conflict())
        }
    }

    /// Takes an empty directory out of the tree; one that is left with nothing but what EXCLUDE names, which is not ours, stays.
    fn remove_dir(&mut self, old: &Entry) -> io::Result<()> {
        let dir = self.dirs.enter_parent(&old.path)?;
        let outcome = dir.remove_dir(old.path.name());
        match outcome {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {
                for name in dir.child(old.path.name())?.names()?.iter() {
                    let path = old.path.join(name).map_err(io::Error::other)?;
                    if self.selection.standing(&path) != Standing::Outside && !self.kept.contains(&path) {
                        return Err(e);
                    }
                }
                self.kept.insert(old.path.clone());
                Ok(())
            }
            other => other,
        }
    }

    /// Leaves all directories, which sets their times; gives those where that failed, and what was given not all of its metadata.
    pub(super) fn finish(mut self) -> (Vec<(RelPath, io::Error)>, Partial) {
        self.dirs.finish();
        (self.dirs.failures, self.partial.and(self.dirs.partial))
    }
}

fn drop_unless_kept(staged: Waiting<'_>, refused: Refused) -> io::Error {
    if !refused.keep {
        // What resists is found when the batch ends.
        let _dropped = staged.discard();
    }
    refused.why
}

fn is_same_after_rename(now: &Stat, before: &Stat) -> bool {
    (now.inode, now.size, now.mtime, now.kind) == (before.inode, before.size, before.mtime, before.kind)
}

/// Swaps a staged object with what is there, looks at what came out, and lets it go or swaps it back.
fn replace(staged: Waiting<'_>, dir: &Dir, old: &Entry, trust: &Trust<'_>) -> Result<(), Refused> {
    let name = old.path.name();
    let Some(before) = dir.stat_if_any(name)? else {
        return Ok(staged.dir.rename_new(staged.name, dir, name)?);
    };
    if old.is_directory() {
        make_movable(dir, name, &before)?;
    } else if !trust.is_safe(&before, old) {
        return Err(conflict().into());
    }
    let ours = staged.dir.stat(staged.name)?;
    staged.dir.exchange(staged.name, dir, name)?;
    let uncertain = |why| Refused { why, keep: true };
    let displaced = staged.dir.stat(staged.name).map_err(uncertain)?;
    let gone = if old.is_directory() {
        staged.dir.remove_dir(staged.name)
    } else if is_same_after_rename(&displaced, &before) {
        staged.dir.unlink(staged.name)
    } else {
        Err(conflict())
    };
    let Err(why) = gone else { return Ok(()) };
    staged.dir.exchange(staged.name, dir, name).map_err(uncertain)?;
    let back = staged.dir.stat(staged.name).map_err(uncertain)?;
    Err(Refused { why, keep: (back.device, back.inode) != (ours.device, ours.inode) })
}

/// A directory that is to give way must be one, and empty by now: else it does not even begin to move. An ordinary user must be able to write to
/// a directory to move it.
fn make_movable(parent: &Dir, name: &[u8], stat: &Stat) -> io::Result<()> {
    if !stat.is_directory() {
        return Err(conflict());
    }
    let dir = parent.child(name)?;
    if !dir.names()?.is_empty() {
        return Err(io::Error::other("it is to give way to something else and is not empty; it is left as it is"));
    }
    if !clock::is_root() && stat.mode & 0o200 == 0 {
        At::dir(&dir).set_mode(stat.mode | 0o700)?;
    }
    Ok(())
}
