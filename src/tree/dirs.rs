//! The chain of directories from the root of the tree to where work is being done (floor 3).
//!
//! A directory keeps its times and mode while files in it come and go: they are put back, or set to what is wanted, when the chain
//! leaves it. Where the file system is not synced as a whole, a directory that was changed is synced then, too.

use super::Partial;
use crate::entry::Meta;
use crate::fs::chain::Chain;
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
}

/// The directories down to where work is being done.
pub(super) struct Dirs<'a> {
    chain: Chain<Due>,
    fidelity: &'a Fidelity,
    durability: Durability,
    /// Directories whose times or mode could not be set when they were left.
    pub(super) failures: Vec<(RelPath, io::Error)>,
    /// Directories that were given what the tree can hold of their metadata, which is not all.
    pub(super) partial: Partial,
}

impl<'a> Dirs<'a> {
    pub(super) fn new(root: Dir, durability: Durability, fidelity: &'a Fidelity) -> io::Result<Self> {
        let stat = root.stat_self()?;
        let chain = Chain::new(Arc::new(root), &stat, Due::default());
        Ok(Self { chain, fidelity, durability, failures: Vec::new(), partial: Partial::default() })
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
            self.chain.enter(name, Arc::new(dir), &stat, Due::default())?;
        }
        Ok(self.chain.dir()?)
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
    pub(super) fn want(&mut self, meta: Meta) {
        if let Some((_, due)) = self.chain.innermost() {
            due.wanted = Some(meta);
        }
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
