//! The chain of open directories from the root of the tree to where work is being done (floor 3).
//!
//! A directory keeps its times and mode while files in it come and go: they are put back, or set to what is wanted, when the chain
//! leaves it. Where the file system is not synced as a whole, a directory that was changed is synced then, too.

use super::Partial;
use crate::entry::Meta;
use crate::fs::dir::Dir;
use crate::fs::fidelity::Fidelity;
use crate::fs::meta::At;
use crate::fs::stat::Stat;
use crate::fs::sync::Durability;
use crate::path::RelPath;
use std::io;

struct Open {
    path: RelPath,
    dir: Dir,
    /// As it was before anything in it was changed.
    before: Option<Stat>,
    /// What it shall be when it is left.
    wanted: Option<Meta>,
}

/// Open directories, outermost first; the first is the root.
pub(super) struct Dirs<'a> {
    chain: Vec<Open>,
    fidelity: &'a Fidelity,
    durability: Durability,
    /// Directories whose times or mode could not be set when they were left.
    pub(super) failures: Vec<(RelPath, io::Error)>,
    /// Directories that were given what the tree can hold of their metadata, which is not all.
    pub(super) partial: Partial,
}

impl<'a> Dirs<'a> {
    pub(super) fn new(root: Dir, durability: Durability, fidelity: &'a Fidelity) -> Self {
        let chain = vec![Open { path: RelPath::root(), dir: root, before: None, wanted: None }];
        Self { chain, fidelity, durability, failures: Vec::new(), partial: Partial::default() }
    }

    /// Opens the directory `path`, leaving others.
    pub(super) fn enter(&mut self, path: &RelPath) -> io::Result<&Dir> {
        while self.chain.len() > 1 && self.chain.last().is_some_and(|open| !path.is_within(&open.path)) {
            self.leave();
        }
        let depth = self.chain.len() - 1;
        for name in path.names().skip(depth) {
            let Some(last) = self.chain.last() else { break };
            // What is mounted in a tree is not of the tree.
            let (dir, path) = (last.dir.child_not_mounted(name)?, last.path.join(name).map_err(io::Error::other)?);
            self.chain.push(Open { path, dir, before: None, wanted: None });
        }
        self.last().map(|open| &open.dir)
    }

    fn last(&self) -> io::Result<&Open> {
        self.chain.last().ok_or_else(|| io::Error::other("no directory is open"))
    }

    /// Opens the directory that holds `path`, ready to be changed.
    pub(super) fn enter_parent(&mut self, path: &RelPath) -> io::Result<&Dir> {
        let parent = path.parent().ok_or_else(|| io::Error::other("the root of the tree cannot be replaced"))?;
        self.enter(&parent)?;
        let is_root = self.fidelity.owners;
        let Some(open) = self.chain.last_mut() else { return Err(io::Error::other("no directory is open")) };
        if open.before.is_none() {
            let stat = open.dir.stat_self()?;
            if !is_root && stat.mode & 0o300 != 0o300 {
                At::dir(&open.dir).set_mode(stat.mode | 0o700)?;
            }
            open.before = Some(stat);
        }
        Ok(&open.dir)
    }

    /// Says what the directory that was just entered shall be when it is left.
    pub(super) fn want(&mut self, meta: Meta) {
        if let Some(open) = self.chain.last_mut() {
            open.wanted = Some(meta);
        }
    }

    fn leave(&mut self) {
        let Some(open) = self.chain.pop() else { return };
        match self.put_right(&open) {
            Ok(true) => {}
            Ok(false) => self.partial.note(&open.path),
            Err(e) => self.failures.push((open.path, e)),
        }
    }

    fn put_right(&self, open: &Open) -> io::Result<bool> {
        let at = At::dir(&open.dir);
        let is_whole = match (&open.wanted, &open.before) {
            (Some(meta), _) => at.change(&open.dir.stat_self()?, meta, self.fidelity)?,
            (None, Some(before)) => {
                if !self.fidelity.owners && before.mode & 0o300 != 0o300 {
                    at.set_mode(before.mode)?;
                }
                at.set_mtime(before.mtime)?;
                true
            }
            (None, None) => return Ok(true),
        };
        if self.durability == Durability::EachFile {
            open.dir.sync()?;
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
