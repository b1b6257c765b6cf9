//! How much a snapshot and its mirror will take, by looks only (floor 3): nothing is read, nothing written.
//!
//! It errs towards too little: what was moved or only grew is not counted again, and nobody knows before how well the rest compresses. A run for
//! which there is too little room after all ends safely; one that is refused although it would fit is no backup.

use super::Error;
use super::feed::is_unchanged;
use super::snapshot::Trust;
use crate::entry::{Entry, Node};
use crate::fs::dir::Dir;
use crate::fs::space::Need;
use crate::fs::stat::Stat;
use crate::manifest::cursor::Cursor;
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::scan::walk::{Found, Item, Walk};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// New content is counted with this part of its length in the store: archives that compress better are rare.
const COMPRESSED: u64 = 8;

/// What a run will take at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// In the mirror tree.
    pub tree: Need,
    /// In the store.
    pub store: Need,
}

/// Looks at all of a source that is to be read after this parent, and at the tree that is to be its mirror, where that is not known.
pub fn estimate(
    root: &Arc<Dir>,
    selection: &Selection,
    parent: Option<(Cursor<'_>, Trust)>,
    mirror: Option<Arc<Dir>>,
) -> Result<Estimate, Error> {
    let (parent, trust) = parent.map_or((None, Trust::Nothing), |(cursor, trust)| (Some(cursor), trust));
    let there = mirror.map(|root| Walk::new(root, selection, None));
    let mut sums = Sums {
        trust,
        parent,
        there,
        next: None,
        carried: None,
        seen: HashSet::new(),
        made: Need::default(),
        adopted: Need::default(),
        gone: Need::default(),
        largest: Need::default(),
    };
    for item in Walk::new(Arc::clone(root), selection, None).without_caches() {
        match item {
            Item::Found(found) => sums.found(&found)?,
            Item::Unreadable(path, _) | Item::Unlistable(path, _) => {
                sums.advance(Some(&path))?;
                sums.carried = Some(path);
            }
        }
    }
    sums.advance(None)?;
    Ok(sums.estimate())
}

struct Sums<'a> {
    trust: Trust,
    parent: Option<Cursor<'a>>,
    there: Option<Walk<'a>>,
    /// The next thing on the mirror.
    next: Option<Found>,
    /// What is below this path is carried forward.
    carried: Option<RelPath>,
    /// Inodes with several names.
    seen: HashSet<(u64, u64)>,
    /// What is new or changed on the source.
    made: Need,
    /// That part of it which is on the mirror already.
    adopted: Need,
    /// What was in the parent instead.
    gone: Need,
    /// The largest that has to be made: it is there beside the old one for a while.
    largest: Need,
}

impl Sums<'_> {
    fn found(&mut self, found: &Found) -> Result<(), Error> {
        let previous = self.advance(Some(&found.path))?;
        if found.foreign {
            self.carried = Some(found.path.clone());
        }
        let stat = &found.stat;
        if stat.links > 1 && !stat.is_directory() && !self.seen.insert((stat.device, stat.inode)) {
            return Ok(());
        }
        if previous.as_ref().is_some_and(|old| is_unchanged(found, None, old, self.trust, None)) {
            return Ok(());
        }
        let need = weight(stat);
        if let Some(old) = previous {
            self.gone = self.gone.and(weight_of_old(&old));
            // The times of a directory take no room.
            if old.is_directory() && stat.is_directory() {
                self.made = self.made.and(weight_of_old(&old));
                return Ok(());
            }
        }
        self.made = self.made.and(need);
        if self.is_there(found) {
            self.adopted = self.adopted.and(need);
        } else {
            self.largest = self.largest.most(need);
        }
        Ok(())
    }

    /// Moves the parent to a path and gives its entry there; what it has before is gone.
    fn advance(&mut self, path: Option<&RelPath>) -> Result<Option<Entry>, Error> {
        while let Some(cursor) = &mut self.parent {
            if cursor.peek()?.is_none_or(|next| path.is_some_and(|path| next.path > *path)) {
                break;
            }
            let Some(entry) = cursor.next_entry()? else { break };
            if path == Some(&entry.path) {
                return Ok(Some(entry));
            }
            if !self.carried.as_ref().is_some_and(|top| entry.path.is_below(top)) {
                self.gone = self.gone.and(weight_of_old(&entry));
            }
        }
        Ok(None)
    }

    /// Whether the mirror has this already, as far as a look can tell.
    fn is_there(&mut self, found: &Found) -> bool {
        let Some(walk) = &mut self.there else { return false };
        loop {
            if let Some(next) = self.next.as_ref().filter(|next| next.path >= found.path) {
                let alike = |a: &Stat, b: &Stat| (a.kind, a.mtime) == (b.kind, b.mtime) && a.size == b.size;
                let directories = next.stat.is_directory() && found.stat.is_directory();
                return next.path == found.path && (directories || alike(&next.stat, &found.stat));
            }
            self.next = match walk.next() {
                Some(Item::Found(next)) => Some(next),
                Some(_) => continue,
                None => {
                    self.there = None;
                    return false;
                }
            };
        }
    }

    fn estimate(&self) -> Estimate {
        let tree = self.made.without(self.adopted).without(self.gone).most(self.largest);
        let bytes = self.made.without(self.gone).bytes / COMPRESSED;
        // A few packs and an index.
        Estimate { tree, store: Need { bytes, inodes: 4 } }
    }
}

fn weight(stat: &Stat) -> Need {
    if stat.is_file() {
        Need::of_file(stat.size.min(stat.allocated))
    } else {
        Need::of_file(stat.is_directory().into())
    }
}

fn weight_of_old(entry: &Entry) -> Need {
    if matches!(entry.node, Node::HardLink { .. }) {
        Need::default()
    } else {
        Need::of_file(entry.size().max(entry.is_directory().into()))
    }
}
