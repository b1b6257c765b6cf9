//! The directories from the root of a tree down to where work is being done, of which only the innermost are open (floor 1; reference: fts(3)).
//!
//! However deep a tree is, it takes a handful of descriptors. A directory that was closed is opened again as `..` of the one that is left, or else
//! from the root by its names; and it must be the very directory that it was (device and inode): whoever moves directories about while we
//! work leads us nowhere else, and what cannot be reached any more is an error, never an empty directory.

use super::dir::Dir;
use super::stat::Stat;
use crate::limits::OPEN_LEVELS;
use crate::path::RelPath;
use std::io;
use std::sync::Arc;

/// Directories, outermost first; the first is the root, which stays open. Each has something with it.
#[derive(Debug)]
pub struct Chain<T> {
    levels: Vec<Level<T>>,
    /// Where the innermost is.
    path: RelPath,
}

#[derive(Debug)]
struct Level<T> {
    dir: Option<Arc<Dir>>,
    /// Device and inode.
    identity: (u64, u64),
    with: T,
}

/// A directory that was left.
#[derive(Debug)]
pub struct Left<T> {
    /// Open, if it could be reached once more.
    pub dir: io::Result<Arc<Dir>>,
    /// Where it is.
    pub path: RelPath,
    /// What it had with it.
    pub with: T,
}

impl<T> Chain<T> {
    /// Nothing but the root, which is this.
    pub fn new(root: Arc<Dir>, stat: &Stat, with: T) -> Self {
        let level = Level { dir: Some(root), identity: identity(stat), with };
        Self { levels: vec![level], path: RelPath::root() }
    }

    /// Whether all have been left.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Where the innermost is.
    pub fn path(&self) -> &RelPath {
        &self.path
    }

    /// Where the innermost is, and what is with it.
    pub fn innermost(&mut self) -> Option<(&RelPath, &mut T)> {
        self.levels.last_mut().map(|level| (&self.path, &mut level.with))
    }

    /// The innermost, open.
    pub fn dir(&mut self) -> io::Result<&Arc<Dir>> {
        if self.levels.last().is_some_and(|last| last.dir.is_none()) {
            let dir = Arc::new(self.by_names()?);
            if let Some(last) = self.levels.last_mut() {
                last.dir = Some(dir);
            }
        }
        self.levels.last().and_then(|last| last.dir.as_ref()).ok_or_else(none_left)
    }

    /// Goes down to `dir`, which is `name` in the innermost, and is this.
    pub fn enter(&mut self, name: &[u8], dir: Arc<Dir>, stat: &Stat, with: T) -> io::Result<()> {
        // Whoever moves two directories into each other, in turn, would have us go down for ever.
        if self.levels.iter().any(|level| level.identity == identity(stat)) {
            return Err(io::Error::other("it was moved into itself while it was worked on"));
        }
        self.path.push(name).map_err(io::Error::other)?;
        self.levels.push(Level { dir: Some(dir), identity: identity(stat), with });
        // The root is not closed.
        if let Some(far) = self.levels.len().checked_sub(OPEN_LEVELS + 1).filter(|&far| far > 0)
            && let Some(level) = self.levels.get_mut(far)
        {
            level.dir = None;
        }
        Ok(())
    }

    /// Leaves the innermost; nothing if all have been left.
    pub fn leave(&mut self) -> Option<Left<T>> {
        let dir = self.dir().cloned();
        let Level { with, .. } = self.levels.pop()?;
        let path = self.path.clone();
        self.path.pop();
        if let (Ok(child), Some(level)) = (&dir, self.levels.last_mut())
            && level.dir.is_none()
        {
            // If that leads elsewhere, or nowhere, it is looked for by its names when it is needed.
            // It is opened only when it is proved: what is elsewhere is not even looked into.
            let parent = child.parent().and_then(|parent| proved(parent, level.identity)?.to_list());
            level.dir = parent.ok().map(Arc::new);
        }
        Some(Left { dir, path, with })
    }

    /// Opens the innermost from the root on.
    fn by_names(&self) -> io::Result<Dir> {
        let mut levels = self.levels.iter();
        let root = levels.next().and_then(|root| root.dir.as_ref());
        let mut at = root.ok_or_else(none_left)?.try_clone()?;
        for (name, level) in self.path.names().zip(levels) {
            at = match at.child(name) {
                Err(e) if e.kind() == io::ErrorKind::NotFound || e.kind() == io::ErrorKind::NotADirectory => {
                    return Err(moved());
                }
                below => proved(below?, level.identity)?,
            };
        }
        Ok(at)
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.device, stat.inode)
}

fn proved(dir: Dir, wanted: (u64, u64)) -> io::Result<Dir> {
    if identity(&dir.stat_self()?) == wanted { Ok(dir) } else { Err(moved()) }
}

fn none_left() -> io::Error {
    io::Error::other("no directory is open")
}

fn moved() -> io::Error {
    io::Error::other("it was moved while it was worked on")
}

/// Removes everything in a directory, however deep; symlinks are removed, never followed.
pub fn remove_contents(dir: &Dir) -> io::Result<()> {
    let root = Arc::new(dir.try_clone()?);
    let (stat, names) = (root.stat_self()?, root.names()?);
    let mut chain = Chain::new(root, &stat, names);
    loop {
        let Some((_, names)) = chain.innermost() else { return Ok(()) };
        let Some(name) = names.pop().map(<[u8]>::to_vec) else {
            let left = chain.leave();
            if let Some(left) = left.filter(|left| !left.path.is_root()) {
                chain.dir()?.remove_dir(left.path.name())?;
            }
            continue;
        };
        let dir = chain.dir()?;
        if dir.stat(&name)?.is_directory() {
            let below = Arc::new(dir.child(&name)?);
            let (stat, inside) = (below.stat_self()?, below.names()?);
            chain.enter(&name, below, &stat, inside)?;
        } else {
            dir.unlink(&name)?;
        }
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
