//! The chain of directories from the root of the tree to where work is being done (floor 3).
//!
//! A directory keeps its times and mode while files in it come and go: they are put back, or set to what is wanted, when the chain
//! leaves it. Where the file system is not synced as a whole, a directory that was changed is synced then, too.
//!
//! What must stay true: what is put into a directory is not put into another one that somebody moved to its place. A directory that was moved has a new
//! ctime, and so has one in which somebody made or removed a name: that may go on where it can be told that nobody gains by it.

use super::Partial;
use super::trust::conflict;
use crate::entry::{Meta, Time};
use crate::fs::chain::Chain;
use crate::fs::clock;
use crate::fs::dir::Dir;
use crate::fs::fidelity::Fidelity;
use crate::fs::meta::At;
use crate::fs::stat::Stat;
use crate::fs::sync::Durability;
use crate::path::RelPath;
use std::io;
use std::sync::Arc;

/// What a directory has to be given when it is left.
#[derive(Default)]
struct Due {
    /// As it was before anything in it was changed.
    before: Option<Stat>,
    /// What it shall be when it is left.
    wanted: Option<Meta>,
    /// Whether it may be another one than was seen, which only its owner could have put there: then nothing is done in it but with what is his.
    only_of: Option<u32>,
}

/// Those who may write to a directory besides its owner; a list of rights shows as the group's.
const OTHERS_WRITE: u32 = 0o022;

/// The directories down to where work is being done.
pub(super) struct Dirs<'a> {
    chain: Chain<Due>,
    fidelity: &'a Fidelity,
    durability: Durability,
    /// What has an earlier ctime is what was seen; where nothing is changed, that need not be known.
    before: Option<Time>,
    /// Device and inode of the directory that was just put there.
    made: Option<(u64, u64)>,
    /// Directories whose times or mode could not be set when they were left.
    pub(super) failures: Vec<(RelPath, io::Error)>,
    /// Directories that were given what the tree can hold of their metadata, which is not all.
    pub(super) partial: Partial,
}

impl<'a> Dirs<'a> {
    pub(super) fn new(
        root: Dir,
        durability: Durability,
        before: Option<Time>,
        fidelity: &'a Fidelity,
    ) -> io::Result<Self> {
        let stat = root.stat_self()?;
        let chain = Chain::new(Arc::new(root), &stat, Due::default());
        let (failures, partial) = (Vec::new(), Partial::default());
        Ok(Self { chain, fidelity, durability, before, made: None, failures, partial })
    }

    /// Opens the directory `path`, leaving others.
    pub(super) fn enter(&mut self, path: &RelPath) -> io::Result<&Dir> {
        while !path.is_within(self.chain.path()) {
            self.leave();
        }
        let from = self.chain.path().as_bytes().len();
        for name in path.names_from(from) {
            // What is mounted in a tree is not of the tree.
            let dir = self.chain.dir()?.child_not_mounted(name)?;
            let stat = dir.stat_self()?;
            let only_of = self.prove(&stat)?;
            self.chain.enter(name, Arc::new(dir), &stat, Due { only_of, ..Due::default() })?;
        }
        Ok(self.chain.dir()?)
    }

    /// As [`Dirs::enter`], a directory that was just put there.
    pub(super) fn enter_made(&mut self, path: &RelPath, made: &Stat) -> io::Result<&Dir> {
        self.made = Some((made.device, made.inode));
        let entered = self.enter(path).map(drop);
        self.made = None;
        entered?;
        Ok(self.chain.dir()?)
    }

    /// Proves a directory in the innermost to be the one that was seen; or else tells whose it must be, if nothing but what is his may be changed in it.
    pub(super) fn prove(&mut self, stat: &Stat) -> io::Result<Option<u32>> {
        let Some(before) = self.before else { return Ok(None) };
        let above = self.chain.innermost().and_then(|(_, due)| due.only_of);
        if above.is_none() && (stat.ctime < before || self.made == Some((stat.device, stat.inode))) {
            return Ok(None);
        }
        // Another one can only have been put there by who may write to the directory around it.
        let around = self.chain.dir()?.stat_self()?;
        let is_his = around.uid == stat.uid && above.is_none_or(|owner| owner == stat.uid);
        match around.mode & OTHERS_WRITE {
            0 if above.is_none() && [0, clock::effective_uid()].contains(&around.uid) => Ok(None),
            0 if is_his => Ok(Some(stat.uid)),
            _ => Err(conflict()),
        }
    }

    /// Whether what has these metadata may be put into the innermost, or changed there.
    pub(super) fn permit<'m>(&mut self, metas: impl IntoIterator<Item = &'m Meta>) -> io::Result<()> {
        let Some(owner) = self.chain.innermost().and_then(|(_, due)| due.only_of) else { return Ok(()) };
        let of = |meta: &Meta| if self.fidelity.owners { meta.uid } else { clock::effective_uid() };
        if metas.into_iter().all(|meta| of(meta) == owner) { Ok(()) } else { Err(conflict()) }
    }

    /// Opens the directory that holds `path`, ready to be changed.
    pub(super) fn enter_parent(&mut self, path: &RelPath) -> io::Result<&Dir> {
        let parent = path.parent().ok_or_else(|| io::Error::other("the root of the tree cannot be replaced"))?;
        self.enter(&parent)?;
        let (is_root, dir) = (self.fidelity.owners, Arc::clone(self.chain.dir()?));
        if let Some((_, due)) = self.chain.innermost()
            && due.before.is_none()
        {
            let stat = dir.stat_self()?;
            if !is_root && stat.mode & 0o300 != 0o300 {
                At::dir(&dir).set_mode(stat.mode | 0o700)?;
            }
            due.before = Some(stat);
        }
        Ok(self.chain.dir()?)
    }

    /// Says what the directory that was just entered shall be when it is left.
    pub(super) fn want(&mut self, meta: Meta) -> io::Result<()> {
        self.permit([&meta])?;
        if let Some((_, due)) = self.chain.innermost() {
            due.wanted = Some(meta);
        }
        Ok(())
    }

    fn leave(&mut self) {
        let Some(left) = self.chain.leave() else { return };
        match self.put_right(left.dir, &left.with) {
            Ok(true) => {}
            Ok(false) => self.partial.note(&left.path),
            Err(e) => self.failures.push((left.path, e)),
        }
    }

    fn put_right(&self, dir: io::Result<Arc<Dir>>, due: &Due) -> io::Result<bool> {
        if due.wanted.is_none() && due.before.is_none() {
            return Ok(true);
        }
        let dir = dir?;
        let at = At::dir(&dir);
        let is_whole = match (&due.wanted, &due.before) {
            (Some(meta), _) => at.change(&dir.stat_self()?, meta, self.fidelity)?,
            (None, Some(before)) => {
                if !self.fidelity.owners && before.mode & 0o300 != 0o300 {
                    at.set_mode(before.mode)?;
                }
                at.set_mtime(before.mtime)?;
                true
            }
            (None, None) => true,
        };
        if self.durability == Durability::EachFile {
            dir.sync()?;
        }
        Ok(is_whole)
    }

    /// Leaves everything, the root last.
    pub(super) fn finish(&mut self) {
        while !self.chain.is_empty() {
            self.leave();
        }
    }
}
