//! The walk itself: depth first, names sorted bytewise, which is the order of manifests (floor 2).
//!
//! A directory is opened relative to its parent's descriptor without following symlinks, and must be the one that was looked at.

use super::selection::{Selection, Standing};
use crate::fs::dir::Dir;
use crate::fs::stat::Stat;
use crate::path::RelPath;
use std::io;
use std::sync::Arc;

/// One thing in the tree.
#[derive(Debug)]
pub struct Found {
    /// Where.
    pub path: RelPath,
    /// The directory that holds it, open; for the root, the root itself.
    pub dir: Arc<Dir>,
    /// What it is.
    pub stat: Stat,
    /// A directory on another file system, which is not entered.
    pub foreign: bool,
}

impl Found {
    /// Its name in `dir`; `.` for the root.
    pub fn name(&self) -> &[u8] {
        if self.path.is_root() { b"." } else { self.path.name() }
    }
}

/// What the walk comes upon.
#[derive(Debug)]
pub enum Item {
    /// Something that could be looked at.
    Found(Found),
    /// Something that could not be looked at; whether it is still there is not known.
    Unreadable(RelPath, io::Error),
    /// A directory (given before as found) that could not be listed: nothing is known of what is in it.
    Unlistable(RelPath, io::Error),
}

/// Says of a path whether it is to be looked at; asked in path order.
pub type Filter<'s> = dyn FnMut(&RelPath) -> bool + Send + 's;

/// Goes through the selected part of a tree.
pub struct Walk<'s> {
    selection: &'s Selection,
    stack: Vec<Level>,
    start: Option<Arc<Dir>>,
    /// A directory is given first, and next that it could not be listed.
    failed: Option<(RelPath, io::Error)>,
    filter: Option<Box<Filter<'s>>>,
}

struct Level {
    path: RelPath,
    dir: Arc<Dir>,
    /// Sorted, last first.
    names: Vec<Vec<u8>>,
    standing: Standing,
    device: u64,
}

impl<'s> Walk<'s> {
    /// Below this root, where the filter, if there is one, lets it.
    pub fn new(root: Arc<Dir>, selection: &'s Selection, filter: Option<Box<Filter<'s>>>) -> Self {
        Self { selection, stack: Vec::new(), start: Some(root), failed: None, filter }
    }

    fn begin(&mut self, root: Arc<Dir>) -> Option<Item> {
        let path = RelPath::root();
        let standing = self.selection.standing_on_walk(&path);
        let stat = match root.stat_self() {
            Ok(stat) => stat,
            Err(e) => return Some(Item::Unreadable(path, e)),
        };
        let outcome = self.enter(path.clone(), Arc::clone(&root), standing, stat.device);
        self.failed = outcome.err().map(|e| (path.clone(), e));
        (standing == Standing::Inside).then_some(Item::Found(Found { path, dir: root, stat, foreign: false }))
    }

    fn enter(&mut self, path: RelPath, dir: Arc<Dir>, standing: Standing, device: u64) -> io::Result<()> {
        let names = if standing == Standing::Above { Ok(self.selection.names_below(&path)) } else { dir.names() };
        // On an error the level is entered all the same, empty: the walk goes on behind it.
        let (mut names, outcome) = names.map_or_else(|e| (Vec::new(), Err(e)), |names| (names, Ok(())));
        names.retain(|name| !Selection::is_never(&path, name));
        names.sort_unstable_by(|a, b| b.cmp(a));
        self.stack.push(Level { path, dir, names, standing, device });
        outcome
    }

    /// Looks at the next name of the innermost open directory.
    fn look(&mut self) -> Option<Item> {
        let level = self.stack.last_mut()?;
        let name = level.names.pop()?;
        let (dir, device, above) = (Arc::clone(&level.dir), level.device, level.standing == Standing::Above);
        let path = match level.path.join(&name) {
            Ok(path) => path,
            Err(e) => return Some(Item::Unreadable(level.path.clone(), io::Error::other(e))),
        };
        let standing = self.selection.standing_on_walk(&path);
        if standing == Standing::Outside || self.filter.as_mut().is_some_and(|wanted| !wanted(&path)) {
            return None;
        }
        let stat = match dir.stat(&name) {
            Ok(stat) => stat,
            // A name that nobody listed may be missing; one that was listed has just gone or cannot be seen.
            Err(e) if above && e.kind() == io::ErrorKind::NotFound => return None,
            Err(e) => return Some(Item::Unreadable(path, e)),
        };
        if !stat.is_directory() {
            return Some(Item::Found(Found { path, dir, stat, foreign: false }));
        }
        let mut foreign = !above && stat.device != device;
        let mut outcome = Ok(());
        if !foreign {
            // A DIR may be what is mounted; below it, what is mounted is not entered: a mirror that is bound there would hold itself.
            let child = if above { dir.child(&name) } else { dir.child_not_mounted(&name) };
            outcome = match child.and_then(|child| Ok((child.stat_self()?, child))) {
                Err(e) if !above && e.kind() == io::ErrorKind::CrossesDevices => {
                    foreign = true;
                    Ok(())
                }
                Ok((now, _)) if (now.device, now.inode) != (stat.device, stat.inode) => {
                    Err(io::Error::other("it was replaced while it was looked at"))
                }
                Ok((_, child)) => self.enter(path.clone(), Arc::new(child), standing, stat.device),
                Err(e) => Err(e),
            };
        }
        self.failed = outcome.err().map(|e| (path.clone(), e));
        Some(Item::Found(Found { path, dir, stat, foreign }))
    }
}

impl Iterator for Walk<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some((path, error)) = self.failed.take() {
            return Some(Item::Unlistable(path, error));
        }
        if let Some(root) = self.start.take()
            && let Some(item) = self.begin(root)
        {
            return Some(item);
        }
        loop {
            while self.stack.last().is_some_and(|level| level.names.is_empty()) {
                self.stack.pop();
            }
            if self.stack.is_empty() {
                return None;
            }
            if let Some(item) = self.look() {
                return Some(item);
            }
        }
    }
}
