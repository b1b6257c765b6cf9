//! What is really on a mirror tree, and whether someone else changed it (floor 4).
//!
//! A look is a snapshot of the tree: what is as the manifest says and was not changed since we left it keeps the manifest's entry unread;
//! anything else is read, and its content is in the store before anything can happen to it. A tree that nobody touched gives the very manifest that
//! it was made from.

use super::Error;
use crate::entry::{Apart, ChunkRef, Entry, Node, Time, Xattr};
use crate::fs::fidelity::Fidelity;
use crate::manifest::cursor::{Cursor, find};
use crate::manifest::diff::{Change, Diff};
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use crate::source::snapshot::Taken;
use crate::store::chunks::ChunkSource;
use crate::tree::plan::Scope;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of a mirror tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Look {
    /// The tree as it is: its content is in the store.
    pub taken: Taken,
    /// When the look began: what has an earlier ctime is as it says.
    pub began: Time,
    /// What someone else changed.
    pub drift: Drift,
    /// What the tree can hold.
    pub fidelity: Fidelity,
    /// The snapshot in which the tree as it is was recorded, once it was.
    pub recorded: Option<u64>,
}

/// What someone else changed on a mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Names that were added.
    pub added: u64,
    /// Names whose content, kind or metadata is different.
    pub changed: u64,
    /// Names that are gone.
    pub removed: u64,
    /// The first few of them, each with what happened.
    pub samples: Vec<(RelPath, Difference)>,
}

/// How something on a mirror is not as it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Difference {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is something else, or has other content.
    Content,
    /// Its content is as it was.
    Metadata,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Content => "other content",
            Self::Metadata => "other owner, mode, time or attributes",
        })
    }
}

impl Look {
    /// How far a plan for this tree may go.
    pub fn scope<'a>(&'a self, selection: &'a Selection) -> Scope<'a> {
        scope(selection, &self.taken.apart, &self.fidelity)
    }
}

/// The bits of a mode that a new owner clears.
const SET_ID: u32 = 0o6000;
/// The attribute that holds the access list.
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";

/// How a look that reports every difference begins to tell of one.
pub const NOT_AS_LEFT: &str = "the mirror is not as it was left";

/// Samples that a [`Drift`] keeps.
const SAMPLES: usize = 20;

impl Drift {
    /// Whether nobody changed anything.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Names in all.
    pub fn count(&self) -> u64 {
        self.added + self.changed + self.removed
    }

    fn note(&mut self, path: RelPath, what: Difference) {
        match what {
            Difference::Added => self.added += 1,
            Difference::Removed => self.removed += 1,
            _ => self.changed += 1,
        }
        if self.samples.len() < SAMPLES {
            self.samples.push((path, what));
        }
    }
}

/// A mirror is made to hold all of its target, and nothing else.
pub(super) fn scope<'a>(selection: &'a Selection, apart: &'a Apart, fidelity: &'a Fidelity) -> Scope<'a> {
    Scope { selection, delete: true, apart, fidelity }
}

/// The manifests that tell whose doing it is what is on a tree.
#[derive(Clone, Copy, Debug)]
pub struct Roots {
    /// What it was left with.
    pub left: Option<ChunkRef>,
    /// What it is on its way to.
    pub coming: Option<ChunkRef>,
    /// Whether a run that was bringing it there was interrupted: then there are states between the two.
    pub interrupted: bool,
    /// What is there.
    pub found: ChunkRef,
}

/// What was changed by someone else: what is as in the manifest that the tree was left with, or in the one that is coming, is our own doing.
pub fn drift(
    chunks: &dyn ChunkSource,
    Roots { left, coming, interrupted, found }: Roots,
    scope: Scope<'_>,
    tell: &mut dyn FnMut(&RelPath, Difference),
) -> Result<Drift, Error> {
    let mut drift = Drift::default();
    if left == Some(found) {
        return Ok(drift);
    }
    let cursor = |root| Ok::<_, Error>(Cursor::new(root, chunks.reader()?)?);
    let side = |root| Side { chunks, root };
    let (was, will, is) = (left.map(side), coming.map(side), side(found));
    for change in Diff::new(left.map(cursor).transpose()?, Some(cursor(found)?)) {
        let Change { old, new } = change?;
        let Some(path) = new.as_ref().or(old.as_ref()).map(|entry| entry.path.clone()) else { continue };
        if scope.selection.standing(&path) != Standing::Inside || is_same(old.as_ref(), new.as_ref(), scope.fidelity) {
            continue;
        }
        // It may be there for what EXCLUDE names in it; what else is in it comes by itself.
        if old.is_none() && scope.selection.has_excludes() && new.as_ref().is_some_and(Entry::is_directory) {
            continue;
        }
        let wanted = will.map(|will| will.find(&path)).transpose()?.flatten();
        if will.is_some() && is_same(wanted.as_ref(), new.as_ref(), scope.fidelity)
            || interrupted && is_between(old.as_ref(), wanted.as_ref(), new.as_ref(), scope.fidelity)
        {
            continue;
        }
        if let Some(new) = &new
            && (is.is_file_of(new, was, old.as_ref(), scope.fidelity)?
                || is.is_file_of(new, will, wanted.as_ref(), scope.fidelity)?)
        {
            continue;
        }
        let what = match (old, new) {
            (None, _) => Difference::Added,
            (_, None) => Difference::Removed,
            (Some(old), Some(new)) if old.node == new.node => Difference::Metadata,
            _ => Difference::Content,
        };
        tell(&path, what);
        drift.note(path, what);
    }
    Ok(drift)
}

/// A manifest in which single paths are looked up.
#[derive(Clone, Copy)]
struct Side<'a> {
    chunks: &'a dyn ChunkSource,
    root: ChunkRef,
}

impl Side<'_> {
    fn find(&self, path: &RelPath) -> Result<Option<Entry>, Error> {
        Ok(find(self.root, self.chunks.reader()?, path)?)
    }

    /// A further name of a file as that file.
    fn file(&self, entry: &Entry) -> Result<Option<Entry>, Error> {
        match &entry.node {
            Node::HardLink { leader } => self.find(leader),
            _ => Ok(Some(entry.clone())),
        }
    }

    /// Whether `entry`, of this side, is the file that `known` is on another, whichever of its names stand here and there: between two nights a
    /// group of names is taken apart name by name. What a further name has in common with its first is looked at there.
    fn is_file_of(
        &self,
        entry: &Entry,
        other: Option<Side<'_>>,
        known: Option<&Entry>,
        fidelity: &Fidelity,
    ) -> Result<bool, Error> {
        let is_link = |entry: &Entry| matches!(entry.node, Node::HardLink { .. });
        let (Some(other), Some(known)) = (other, known) else { return Ok(false) };
        if !is_link(entry) && !is_link(known) {
            return Ok(false);
        }
        let (Some(here), Some(there)) = (self.file(entry)?, other.file(known)?) else { return Ok(false) };
        Ok(here.node == there.node && (is_link(entry) || is_same(Some(&here), Some(&there), fidelity)))
    }
}

/// Whether both make the same thing in a tree. A directory's own times and mode hold no data: they are put right without a word.
fn is_same(a: Option<&Entry>, b: Option<&Entry>, fidelity: &Fidelity) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let both_directories = a.is_directory() && b.is_directory();
            both_directories || fidelity.is_same(a, b)
        }
        _ => false,
    }
}

/// Whether the metadata of `found` were on their way from one to the other: they are set one by one, and changing the owner clears some.
fn is_between(from: Option<&Entry>, to: Option<&Entry>, found: Option<&Entry>, fidelity: &Fidelity) -> bool {
    let (Some(from), Some(to), Some(found)) = (from, to, found) else { return false };
    let hold = |entry: &Entry| fidelity.hold(&entry.meta, entry.is_directory());
    let (was, will, is) = (hold(from), hold(to), hold(found));
    let cleared = was.mode & !SET_ID;
    let known = |xattr: &Xattr| {
        // A new mode is also a new mask in the access list.
        xattr.name == ACCESS_LIST || was.xattrs.contains(xattr) || will.xattrs.contains(xattr)
    };
    from.node == to.node
        && to.node == found.node
        && was != will
        && [was.mode, will.mode, cleared].contains(&is.mode)
        && [was.mtime, will.mtime].contains(&is.mtime)
        && [was.uid, will.uid].contains(&is.uid)
        && [was.gid, will.gid].contains(&is.gid)
        && is.xattrs.iter().all(known)
}

#[cfg(test)]
mod tests {
    use super::is_between;
    use crate::entry::{Entry, Identity, Meta, Node, Time, Xattr};
    use crate::fs::fidelity::Fidelity;
    use crate::path::RelPath;

    fn entry(mode: u32, seconds: i64, uid: u32, xattr: &str) -> Entry {
        let xattrs = vec![Xattr { name: b"user.x".to_vec(), value: xattr.as_bytes().to_vec() }];
        let meta = Meta { mode, uid, gid: 0, mtime: Time { seconds, nanoseconds: 0 }, xattrs };
        let path = RelPath::new("a").unwrap();
        Entry { path, meta, identity: Identity::default(), flags: 0, node: Node::Fifo }
    }

    #[test]
    fn metadata_set_one_by_one_are_known_at_every_step() {
        let (from, to) = (entry(0o4755, 1, 10, "old"), entry(0o640, 2, 11, "new"));
        let between = |found: &Entry| is_between(Some(&from), Some(&to), Some(found), &Fidelity::assumed());
        assert!(between(&entry(0o755, 1, 11, "old")), "the owner is set, which cleared the set-user bit");
        assert!(between(&entry(0o640, 1, 11, "old")) && between(&entry(0o640, 1, 11, "new")));
        assert!(!between(&entry(0o600, 1, 11, "old")), "a mode that is neither's");
        assert!(!between(&entry(0o640, 3, 11, "new")) && !between(&entry(0o640, 2, 12, "new")));
        assert!(!between(&entry(0o640, 2, 11, "somebody's")));
        assert!(!is_between(Some(&from), None, Some(&from), &Fidelity::assumed()));
    }
}
