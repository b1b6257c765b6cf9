//! Putting staged objects into the tree by rename, and taking old ones out (floor 3).
//!
//! A replaced file is swapped out atomically and looked at before it may go: only what is known to be in the store is unlinked. What turns out to
//! be something else is swapped back and reported; where even that fails it stays in the stage, for the next run to save.

use super::Partial;
use super::aside::Aside;
use super::dirs::Dirs;
use super::stage::Waiting;
use super::trust::{Trust, conflict};
use super::twin::{self, Twins};
use crate::entry::{Entry, Node};
use crate::fs::clock;
use crate::fs::dir::Dir;
use crate::fs::meta::{At, hold};
use crate::fs::stat::Stat;
use crate::fs::sync::Durability;
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;

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
    /// Copies of files that have as many names as they can have.
    pub(super) twins: Twins,
    /// First names of files that could not be put in place: what stands there is something else.
    pub(super) absent: HashSet<RelPath>,
    /// What is moved.
    pub(super) aside: Aside<'a>,
}

/// Why something could not be put in place.
pub(super) struct Refused {
    why: io::Error,
    /// Whether what is in the stage now may be somebody else's: it stays there.
    keep: bool,
}

impl From<io::Error> for Refused {
    fn from(why: io::Error) -> Self {
        Self { why, keep: false }
    }
}

impl Publisher<'_> {
    /// Puts a staged object at the place of `new`. Whatever happens, nothing of ours is left in the stage.
    pub(super) fn put(&mut self, staged: Waiting<'_>, new: &Entry, old: Option<&Entry>) -> io::Result<()> {
        if new.is_directory() && old.is_some_and(Entry::is_directory) {
            staged.discard()?;
            return self.meta(new, old);
        }
        let made = if new.is_directory() { Some(staged.dir.stat(staged.name)?) } else { None };
        self.place(staged, new, old).map_err(|refused| drop_unless_kept(staged, refused))?;
        let Some(made) = made else { return Ok(()) };
        self.dirs.enter_made(&new.path, &made)?;
        self.dirs.want(new.meta.clone())
    }

    pub(super) fn place(&mut self, staged: Waiting<'_>, new: &Entry, old: Option<&Entry>) -> Result<(), Refused> {
        self.dirs.enter_parent(&new.path)?;
        self.dirs.permit([&new.meta])?;
        let dir = self.dirs.enter_parent(&new.path)?;
        match old {
            None => Ok(staged.dir.rename_new(staged.name, dir, new.path.name())?),
            Some(old) => replace(staged, dir, old, &mut self.trust, &mut self.aside),
        }
    }

    /// Makes `new` a further name of its leader; or, where the file system gives that no more, of a copy of it.
    pub(super) fn link(&mut self, staged: Waiting<'_>, new: &Entry, old: Option<&Entry>) -> io::Result<()> {
        let Node::HardLink { leader } = &new.node else { return Ok(()) };
        if self.absent.contains(leader) {
            return Err(io::Error::other(format!("its first name, {leader}, could not be put in place")));
        }
        let twin = self.twins.of(leader);
        match self.link_to(twin.as_ref().unwrap_or(leader), staged, new, old) {
            Err(e) if is_full(&e) => {
                self.copy(leader, staged, new, old)?;
                self.twins.begin(leader, &new.path);
            }
            Ok(()) if twin.is_some() => self.twins.names.note(&new.path),
            other => return other,
        }
        Ok(())
    }

    fn link_to(&mut self, leader: &RelPath, staged: Waiting<'_>, new: &Entry, old: Option<&Entry>) -> io::Result<()> {
        let leader_dir = self.leaders.enter(&leader.parent().unwrap_or_default())?;
        let first = hold(leader_dir, leader.name())?;
        let wanted = Stat::of_open(&first)?;
        let there = self.dirs.enter_parent(&new.path)?.stat_if_any(new.path.name())?;
        if there.is_some_and(|s| (s.device, s.inode) == (wanted.device, wanted.inode)) {
            return Ok(());
        }
        if !self.trust.is_first(&wanted, &new.meta) {
            return Err(first_changed(leader));
        }
        leader_dir.link(leader.name(), staged.dir, staged.name)?;
        let linked = staged.dir.stat(staged.name)?;
        if (linked.device, linked.inode) != (wanted.device, wanted.inode) {
            return Err(drop_unless_kept(staged, first_changed(leader).into()));
        }
        let outcome = self.place(staged, new, old).map_err(|refused| drop_unless_kept(staged, refused));
        self.trust.linked(&first, &wanted);
        outcome
    }

    /// Puts a copy of a leader, which has as many names as it can have, in the place of `new`.
    fn copy(&mut self, leader: &RelPath, staged: Waiting<'_>, new: &Entry, old: Option<&Entry>) -> io::Result<()> {
        let leader_dir = self.leaders.enter(&leader.parent().unwrap_or_default())?;
        let (file, stat) = leader_dir.open_file(leader.name())?;
        if !self.trust.is_first(&stat, &new.meta) {
            return Err(first_changed(leader));
        }
        let is_whole = twin::copy(&file, stat.size, staged, &new.meta, self.trust.fidelity)
            .map_err(|e| drop_unless_kept(staged, e.into()))?;
        if !is_whole {
            self.partial.note(&new.path);
        }
        self.place(staged, new, old).map_err(|refused| drop_unless_kept(staged, refused))
    }

    /// Gives what is there its metadata, if it still is what was seen; a directory gets it when it is left.
    pub(super) fn meta(&mut self, new: &Entry, old: Option<&Entry>) -> io::Result<()> {
        if new.is_directory() {
            match self.dirs.enter(&new.path) {
                // Closed even to us, who are its owner: nothing in it is changed, so it need not be entered.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied && !new.path.is_root() => {}
                Err(e) => return Err(e),
                Ok(_) => return self.dirs.want(new.meta.clone()),
            }
        }
        let (parent, name) = (new.path.parent().unwrap_or_default(), new.path.name());
        self.dirs.enter(&parent)?;
        self.dirs.permit(std::iter::once(&new.meta).chain(old.map(|old| &old.meta)))?;
        let dir = self.dirs.enter(&parent)?;
        // Old times on content that someone has just written would hide it from every later look.
        let check = |stat: &Stat| match old {
            Some(old) if !old.is_directory() && !self.trust.is_seen(stat, old) => Err(conflict()),
            _ => Ok(()),
        };
        if matches!(new.node, Node::File { .. }) {
            let (file, stat) = dir.open_file(name)?;
            check(&stat)?;
            let is_whole = At::file(&file).change(&stat, &new.meta, self.trust.fidelity)?;
            self.changed(new, &stat, &file, is_whole);
            return if self.durability == Durability::EachFile { file.sync_all() } else { Ok(()) };
        }
        let object = hold(dir, name)?;
        let stat = Stat::of_open(&object)?;
        check(&stat)?;
        if new.is_directory() {
            self.dirs.prove(&stat)?;
        }
        let is_whole = At::Held(object.as_fd()).change(&stat, &new.meta, self.trust.fidelity)?;
        self.changed(new, &stat, object, is_whole);
        Ok(())
    }

    fn changed(&mut self, new: &Entry, before: &Stat, object: impl AsFd, is_whole: bool) {
        self.trust.dressed(object, before, &new.meta);
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
        let Some(known) = self.trust.prove(dir, name, old)? else { return Ok(()) };
        dir.rename_new(name, staged.dir, staged.name)?;
        if known.is(&staged.dir.stat(staged.name)?) {
            self.aside.let_go(staged, &old.path, &known, &mut self.trust)
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

    /// Leaves all directories, which sets their times; gives those where that failed, what was given not all of its metadata, and the copies.
    pub(super) fn finish(mut self) -> (Vec<(RelPath, io::Error)>, Partial, Twins) {
        self.dirs.finish();
        (self.dirs.failures, self.partial.and(self.dirs.partial), self.twins)
    }
}

fn first_changed(leader: &RelPath) -> io::Error {
    io::Error::other(format!("its first name, {leader}, was changed by someone else during this run"))
}

/// Whether a file has as many names as it can have.
fn is_full(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::TooManyLinks
}

pub(super) fn drop_unless_kept(staged: Waiting<'_>, refused: Refused) -> io::Error {
    if !refused.keep {
        // What resists is found when the batch ends.
        let _dropped = staged.discard();
    }
    refused.why
}

/// Swaps a staged object with what is there, looks at what came out, and lets it go or swaps it back.
fn replace(
    staged: Waiting<'_>,
    dir: &Dir,
    old: &Entry,
    trust: &mut Trust<'_>,
    aside: &mut Aside<'_>,
) -> Result<(), Refused> {
    let name = old.path.name();
    let Some(known) = trust.prove(dir, name, old)? else {
        return Ok(staged.dir.rename_new(staged.name, dir, name)?);
    };
    if old.is_directory() {
        make_movable(dir, name)?;
    }
    let ours = staged.dir.stat(staged.name)?;
    staged.dir.exchange(staged.name, dir, name)?;
    let uncertain = |why| Refused { why, keep: true };
    let displaced = staged.dir.stat(staged.name).map_err(uncertain)?;
    let gone = if old.is_directory() {
        staged.dir.remove_dir(staged.name)
    } else if known.is(&displaced) {
        aside.let_go(staged, &old.path, &known, trust)
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
fn make_movable(parent: &Dir, name: &[u8]) -> io::Result<()> {
    let dir = parent.child(name)?;
    let stat = dir.stat_self()?;
    if !dir.names()?.is_empty() {
        return Err(io::Error::other("it is to give way to something else and is not empty; it is left as it is"));
    }
    if !clock::is_root() && stat.mode & 0o200 == 0 {
        At::dir(&dir).set_mode(stat.mode | 0o700)?;
    }
    Ok(())
}
