//! What is known to be as it was seen, in a tree that others may write to (floor 3).
//!
//! Nobody but the kernel sets a ctime, and whoever moves, links or changes an object gives it a new one. So what has an earlier ctime than the look is
//! what was seen. A file with several names gets a new one whenever we change it or one of its names: that is remembered of each such file, and
//! with any other it is somebody else's doing.

use crate::entry::{Entry, Meta, Node, Time};
use crate::fs::clock;
use crate::fs::dir::Dir;
use crate::fs::fidelity::Fidelity;
use crate::fs::meta::hold;
use crate::fs::stat::Stat;
use rustix::fs::FileType;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// What is known to be as it was seen.
pub(super) struct Trust<'a> {
    pub(super) fidelity: &'a Fidelity,
    /// What has an earlier ctime.
    before: Time,
    /// Files with several names, by device and inode, as we left them; the other names are met later.
    left: HashMap<(u64, u64), Left>,
}

/// How we left an inode.
#[derive(Clone, Copy)]
struct Left {
    ctime: Time,
    dress: Dress,
    /// Whether it got other metadata from us than it had.
    is_set: bool,
}

/// What stays when a name of an inode comes or goes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Dress {
    kind: FileType,
    size: u64,
    mtime: Time,
    mode: u32,
    owner: (u32, u32),
}

impl Dress {
    fn of(stat: &Stat) -> Self {
        let Stat { kind, size, mtime, mode, uid, gid, .. } = *stat;
        Self { kind, size, mtime, mode, owner: (uid, gid) }
    }
}

impl Left {
    fn is(&self, stat: &Stat) -> bool {
        self.ctime == stat.ctime && self.dress == Dress::of(stat)
    }
}

/// What is in a place, proved to be what was seen there. If it has several names it is held, to see afterwards what we made of it.
pub(super) struct Known {
    stat: Stat,
    held: Option<OwnedFd>,
}

impl Known {
    /// Whether this is the same, after it was moved.
    pub(super) fn is(&self, moved: &Stat) -> bool {
        inode(&self.stat) == inode(moved) && Dress::of(&self.stat) == Dress::of(moved)
    }

    /// Whether it had no other name.
    pub(super) const fn has_one_name(&self) -> bool {
        self.held.is_none()
    }
}

impl<'a> Trust<'a> {
    pub(super) fn before(time: Time, fidelity: &'a Fidelity) -> Self {
        Self { fidelity, before: time, left: HashMap::new() }
    }

    /// What is in the place of `old`, if anything is; an error if that is not what was seen.
    pub(super) fn prove(&self, dir: &Dir, name: &[u8], old: &Entry) -> io::Result<Option<Known>> {
        let Some(mut stat) = dir.stat_if_any(name)? else { return Ok(None) };
        let mut held = None;
        if stat.links > 1 && !stat.is_directory() {
            let object = hold(dir, name)?;
            stat = Stat::of_open(&object)?;
            held = Some(object);
        }
        // A directory is proved by what is in it, which is nothing by then.
        let is_known = if old.is_directory() { stat.is_directory() } else { self.is_known(&stat, old) };
        if is_known { Ok(Some(Known { stat, held })) } else { Err(conflict()) }
    }

    /// Whether this is the very inode that was looked at, unchanged since.
    pub(super) fn is_seen(&self, stat: &Stat, old: &Entry) -> bool {
        let is_linked = stat.links > 1 || matches!(old.node, Node::HardLink { .. });
        is_of_kind(stat, old)
            && stat.mtime == self.fidelity.time(old.meta.mtime)
            && (stat.identity() == old.identity || stat.ctime < self.before)
            && (!is_linked || self.is_dressed(stat, &old.meta))
    }

    /// As [`Trust::is_seen`], or a further name of what we changed: whoever moved that after us, even before we looked at it again, had to have an
    /// inode that looks like this one.
    fn is_known(&self, stat: &Stat, old: &Entry) -> bool {
        let is_ours = |left: &Left| left.is(stat) && (left.is_set || self.is_dressed(stat, &old.meta));
        self.is_seen(stat, old) || (is_of_kind(stat, old) && self.left.get(&inode(stat)).is_some_and(is_ours))
    }

    /// Whether this is the file that a further name is to be of. What it holds cannot be seen by its times: it may have been put there just now.
    /// But it has the owner that it shall have, and who else can make such a file?
    pub(super) fn is_first(&self, stat: &Stat, meta: &Meta) -> bool {
        let is_owners = self.fidelity.owners || stat.uid == clock::effective_uid();
        let is_left = self.left.get(&inode(stat)).is_none_or(|left| left.is(stat));
        !stat.is_directory() && is_owners && is_left && self.is_dressed(stat, meta)
    }

    /// Whether owner, mode and time are these, as far as the tree can hold them.
    fn is_dressed(&self, stat: &Stat, meta: &Meta) -> bool {
        let found = Meta { mode: stat.mode, uid: stat.uid, gid: stat.gid, mtime: stat.mtime, xattrs: Vec::new() };
        let held = |meta: &Meta| self.fidelity.hold(meta, stat.is_directory());
        Meta { xattrs: Vec::new(), ..held(meta) } == held(&found)
    }

    /// One name of what is known came or went, by our doing.
    pub(super) fn renamed(&mut self, known: &Known) {
        if let Some(held) = &known.held {
            self.linked(held, &known.stat);
        }
    }

    /// As [`Trust::renamed`], of what is held for another reason.
    pub(super) fn linked(&mut self, object: &OwnedFd, before: &Stat) {
        let is_set = self.left.get(&inode(before)).is_some_and(|left| left.is_set);
        self.note(object, is_set, |now, _| Dress::of(now) == Dress::of(before));
    }

    /// What was `before` was given its metadata.
    pub(super) fn dressed(&mut self, object: impl AsFd, before: &Stat, meta: &Meta) {
        if before.links > 1 {
            self.note(object, true, |now, trust| now.size == before.size && trust.is_dressed(now, meta));
        }
    }

    /// Remembers how we left what lies in a folder of ours alone.
    pub(super) fn leave(&mut self, now: &Stat) {
        self.left.insert(inode(now), Left { ctime: now.ctime, dress: Dress::of(now), is_set: false });
    }

    /// Whether this is as we left it.
    pub(super) fn is_left(&self, stat: &Stat) -> bool {
        self.left.get(&inode(stat)).is_some_and(|left| left.is(stat))
    }

    /// It is not met again.
    pub(super) fn forget(&mut self, stat: &Stat) {
        self.left.remove(&inode(stat));
    }

    /// Remembers what we left, unless that is not what we did.
    fn note(&mut self, object: impl AsFd, is_set: bool, is_ours: impl FnOnce(&Stat, &Self) -> bool) {
        let Ok(now) = Stat::of_open(object) else { return };
        if now.links > 0 && is_ours(&now, self) {
            self.left.insert(inode(&now), Left { ctime: now.ctime, dress: Dress::of(&now), is_set });
        } else {
            self.left.remove(&inode(&now));
        }
    }
}

fn inode(stat: &Stat) -> (u64, u64) {
    (stat.device, stat.inode)
}

pub(super) fn conflict() -> io::Error {
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
