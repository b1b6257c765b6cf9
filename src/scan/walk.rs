//! The walk itself: depth first, names sorted bytewise, which is the order of manifests (floor 2).
//!
//! A directory is opened relative to its parent's descriptor without following symlinks, and must be the one that was looked at. Only the innermost
//! are open, and nothing here grows with the depth but a few words a level: trees of any depth can be walked.

use super::cache::{TAG, is_cache};
use super::selection::{Selection, Standing};
use crate::fs::chain::Chain;
use crate::fs::dir::Dir;
use crate::fs::names::Names;
use crate::fs::stat::Stat;
use crate::path::{RelPath, shown};
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
    /// A cache: nothing in it is given but the tag that says so.
    pub cache: bool,
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
    /// A directory (given before as found) that could not be listed, or not to its end: of what is in it and is not given as found nothing is known.
    Unlistable(RelPath, io::Error),
}

/// Says of a path whether it is to be looked at; asked in path order.
pub type Filter<'s> = dyn FnMut(&RelPath) -> bool + Send + 's;

/// Goes through the selected part of a tree.
pub struct Walk<'s> {
    selection: &'s Selection,
    start: Option<Arc<Dir>>,
    chain: Option<Chain<Level>>,
    /// A directory is given first, and next that it could not be listed.
    failed: Option<(RelPath, io::Error)>,
    filter: Option<Box<Filter<'s>>>,
    /// Whether caches are passed over.
    without_caches: bool,
}

#[derive(Debug)]
struct Level {
    /// Those that were not looked at yet.
    names: Names,
    standing: Standing,
    device: u64,
    cache: bool,
}

impl<'s> Walk<'s> {
    /// Below this root, where the filter, if there is one, lets it.
    pub fn new(root: Arc<Dir>, selection: &'s Selection, filter: Option<Box<Filter<'s>>>) -> Self {
        Self { selection, start: Some(root), chain: None, failed: None, filter, without_caches: false }
    }

    /// Passes over what is in caches, wherever they are below the subtrees that are meant.
    #[must_use]
    pub fn without_caches(self) -> Self {
        Self { without_caches: true, ..self }
    }

    fn begin(&mut self, root: Arc<Dir>) -> Option<Item> {
        let path = RelPath::root();
        let standing = self.selection.standing_on_walk(&path);
        let stat = match root.stat_self() {
            Ok(stat) => stat,
            Err(e) => return Some(Item::Unreadable(path, e)),
        };
        let (level, outcome) = self.level(&path, &root, standing, stat.device);
        self.chain = Some(Chain::new(Arc::clone(&root), &stat, level));
        self.failed = outcome.err().map(|e| (path.clone(), e));
        (standing == Standing::Inside).then_some(Item::Found(Found {
            path,
            dir: root,
            stat,
            foreign: false,
            cache: false,
        }))
    }

    /// What there is to do in a directory. On an error it is entered all the same: the walk goes on with what was listed of it, and behind it.
    fn level(&self, path: &RelPath, dir: &Dir, standing: Standing, device: u64) -> (Level, io::Result<()>) {
        let names = match standing {
            Standing::Above => Names::of(self.selection.names_below(path).iter().map(Vec::as_slice)),
            _ => dir.names(),
        };
        let (mut names, mut outcome) = names.map_or_else(|e| (Names::default(), Err(e)), |names| (names, Ok(())));
        if let Some(refused) = names.refused() {
            outcome =
                Err(io::Error::other(format!("something in it has no name that can be kept: {}", shown(refused))));
        }
        if path.is_root() {
            names.retain(|name| !Selection::is_never(path, name));
        }
        // What the operator named is not passed over whatever it says.
        let may_be_cache = self.without_caches && standing == Standing::Inside && !self.selection.tops().contains(path);
        let cache = may_be_cache && is_cache(dir, &names);
        if cache {
            names.retain(|name| name == TAG);
        }
        (Level { names, standing, device, cache }, outcome)
    }

    /// Looks at the next name of the innermost directory.
    fn look(&mut self) -> Option<Item> {
        let chain = self.chain.as_mut()?;
        let dir = chain.dir().cloned();
        let (at, level) = chain.innermost()?;
        let dir = match dir {
            Ok(dir) => dir,
            Err(e) => {
                level.names = Names::default();
                return Some(Item::Unlistable(at.clone(), e));
            }
        };
        let (device, above) = (level.device, level.standing == Standing::Above);
        let path = match at.join(level.names.pop()?) {
            Ok(path) => path,
            Err(e) => return Some(Item::Unlistable(at.clone(), io::Error::other(e))),
        };
        let standing = self.selection.standing_on_walk(&path);
        if standing == Standing::Outside || self.filter.as_mut().is_some_and(|wanted| !wanted(&path)) {
            return None;
        }
        let name = path.name();
        let stat = match dir.stat(name) {
            Ok(stat) => stat,
            // A name that nobody listed may be missing; one that was listed has just gone or cannot be seen.
            Err(e) if above && e.kind() == io::ErrorKind::NotFound => return None,
            Err(e) => return Some(Item::Unreadable(path, e)),
        };
        if !stat.is_directory() {
            return Some(Item::Found(Found { path, dir, stat, foreign: false, cache: false }));
        }
        let (mut foreign, mut cache) = (!above && stat.device != device, false);
        let mut outcome = Ok(());
        if !foreign {
            // A DIR may be what is mounted; below it, what is mounted is not entered: a mirror that is bound there would hold itself.
            let child = if above { dir.child(name) } else { dir.child_not_mounted(name) };
            outcome = match child.and_then(|child| Ok((child.stat_self()?, child))) {
                Err(e) if !above && e.kind() == io::ErrorKind::CrossesDevices => {
                    foreign = true;
                    Ok(())
                }
                Ok((now, _)) if (now.device, now.inode) != (stat.device, stat.inode) => {
                    Err(io::Error::other("it was replaced while it was looked at"))
                }
                Ok((now, child)) => self.enter(&path, child, &now, standing).map(|is_cache| cache = is_cache),
                Err(e) => Err(e),
            };
        }
        self.failed = outcome.err().map(|e| (path.clone(), e));
        Some(Item::Found(Found { path, dir, stat, foreign, cache }))
    }

    /// Goes down into a directory; tells whether it is a cache.
    fn enter(&mut self, path: &RelPath, dir: Dir, stat: &Stat, standing: Standing) -> io::Result<bool> {
        let (level, outcome) = self.level(path, &dir, standing, stat.device);
        let cache = level.cache;
        if let Some(chain) = &mut self.chain {
            chain.enter(path.name(), Arc::new(dir), stat, level)?;
        }
        outcome.map(|()| cache)
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
            let chain = self.chain.as_mut()?;
            let (_, level) = chain.innermost()?;
            if level.names.is_empty() {
                chain.leave();
            } else if let Some(item) = self.look() {
                return Some(item);
            }
        }
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
