//! The plan: from what a tree holds and what it shall hold to actions, in the order in which they can be done (floor 3). Pure.
//!
//! Actions come in path order, a directory before what is in it; only what removes a directory, or puts something else in its place, waits
//! until everything below it is gone.

use crate::entry::{Apart, Entry, Node};
use crate::fs::fidelity::Fidelity;
use crate::manifest;
use crate::manifest::diff::Change;
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use std::collections::{BTreeSet, HashSet};

/// The bits of a mode and the attribute that give rights to whoever runs a program.
const SET_ID: u32 = 0o6000;
const CAPABILITY: &[u8] = b"security.capability";

/// One step.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Make `new`, where there is nothing or `old`, of whatever kind.
    Put {
        /// What shall be there.
        new: Entry,
        /// What is there and is in the store.
        old: Option<Entry>,
    },
    /// Make this a further name of its leader, unless it is one.
    Link {
        /// The hard link.
        new: Entry,
        /// What is there and is in the store.
        old: Option<Entry>,
    },
    /// Give what is there other owner, mode, times, attributes; its content is right.
    Meta {
        /// What it shall be.
        new: Entry,
        /// What is there; nothing where that is a directory that has just been made.
        old: Option<Entry>,
    },
    /// Remove a file, or a directory that is empty by then.
    Remove {
        /// What is there and is in the store.
        old: Entry,
    },
}

impl Action {
    /// Where it takes place.
    pub fn path(&self) -> &RelPath {
        match self {
            Self::Put { new, .. } | Self::Link { new, .. } | Self::Meta { new, .. } => &new.path,
            Self::Remove { old } => &old.path,
        }
    }

    /// What goes, or gives way.
    pub(super) const fn old(&self) -> Option<&Entry> {
        match self {
            Self::Put { old, .. } | Self::Link { old, .. } => old.as_ref(),
            Self::Remove { old } => Some(old),
            Self::Meta { .. } => None,
        }
    }

    /// Bytes of content that have to be written.
    pub fn bytes(&self) -> u64 {
        if let Self::Put { new, .. } = self { new.size() } else { 0 }
    }

    pub(super) fn destroys(&self) -> bool {
        match self {
            Self::Put { old, .. } | Self::Link { old, .. } => old.is_some(),
            Self::Meta { new, .. } => !new.is_directory(),
            Self::Remove { .. } => true,
        }
    }

    fn displaces_directory(&self) -> bool {
        match self {
            Self::Put { new, old: Some(old) } => old.is_directory() && !new.is_directory(),
            Self::Link { old: Some(old), .. } | Self::Remove { old } => old.is_directory(),
            _ => false,
        }
    }
}

/// How far a plan may go.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Only here; above it only missing directories are made.
    pub selection: &'a Selection,
    /// Whether what the wanted manifest does not have is removed.
    pub delete: bool,
    /// What the entries of what is there do not say.
    pub apart: &'a Apart,
    /// What the tree can hold: what it cannot is no difference.
    pub fidelity: &'a Fidelity,
}

/// The actions that turn the old side of a diff into the new side.
pub struct Plan<'a, D> {
    diff: D,
    scope: Scope<'a>,
    /// Actions that wait until everything below their paths is done, innermost last.
    deferred: Vec<Action>,
    /// Read from the diff, not given out yet.
    next: Option<Action>,
    /// What cannot be made here.
    pub(super) unmade: HashSet<RelPath>,
}

impl<'a, D: Iterator<Item = Result<Change, manifest::Error>>> Plan<'a, D> {
    /// Of this diff, within this scope.
    pub fn new(diff: D, scope: Scope<'a>) -> Self {
        Self { diff, scope, deferred: Vec::new(), next: None, unmade: HashSet::new() }
    }

    /// First names of what has further names elsewhere.
    pub(super) const fn shared(&self) -> &'a BTreeSet<RelPath> {
        &self.scope.apart.shared
    }

    fn read(&mut self) -> Option<Result<Action, manifest::Error>> {
        loop {
            match self.diff.next()? {
                Ok(mut change) => {
                    if change.old.as_ref().is_some_and(|old| self.scope.apart.absent.contains(&old.path)) {
                        change.old = None;
                    }
                    if self.is_unmakeable(&change) {
                        change.new = None;
                    }
                    if let Some(action) = decide(change, self.scope) {
                        return Some(Ok(action));
                    }
                }
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

impl<D> Plan<'_, D> {
    /// Whether the tree cannot get what it shall be given: the manifest alone has that.
    fn is_unmakeable(&mut self, change: &Change) -> bool {
        let Some(new) = &change.new else { return false };
        let is = match &new.node {
            Node::HardLink { leader } => self.unmade.contains(leader),
            node => !self.scope.fidelity.makes(node) && change.old.as_ref().is_none_or(|old| old.node != *node),
        };
        if is {
            self.unmade.insert(new.path.clone());
        }
        is
    }
}

impl<D: Iterator<Item = Result<Change, manifest::Error>>> Iterator for Plan<'_, D> {
    type Item = Result<Action, manifest::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.next.is_none() {
                match self.read() {
                    Some(Ok(action)) => self.next = Some(action),
                    Some(Err(e)) => return Some(Err(e)),
                    None => return self.deferred.pop().map(Ok),
                }
            }
            let outside = |top: &Action| self.next.as_ref().is_none_or(|next| !next.path().is_below(top.path()));
            if self.deferred.last().is_some_and(outside) {
                return self.deferred.pop().map(Ok);
            }
            let action = self.next.take()?;
            if !action.displaces_directory() {
                return Some(Ok(action));
            }
            self.deferred.push(action);
        }
    }
}

/// What one difference asks for.
fn decide(change: Change, scope: Scope<'_>) -> Option<Action> {
    let path = &change.new.as_ref().or(change.old.as_ref())?.path;
    let standing = scope.selection.standing(path);
    match (change.old, change.new) {
        _ if standing == Standing::Outside => None,
        (None, None) => None,
        // The root is always there: above the selection it is none of our business, inside it gets its metadata.
        (None, Some(new)) if new.path.is_root() => {
            (standing == Standing::Inside).then_some(Action::Meta { new, old: None })
        }
        (None, Some(new)) => Some(put(new, None)),
        // Above the selection only missing directories are ours to make.
        (Some(_), _) if standing == Standing::Above => None,
        (Some(old), None) => scope.delete.then_some(Action::Remove { old }),
        (Some(old), Some(new)) => replace(old, new, scope),
    }
}

fn put(new: Entry, old: Option<Entry>) -> Action {
    if matches!(new.node, Node::HardLink { .. }) { Action::Link { new, old } } else { Action::Put { new, old } }
}

fn replace(old: Entry, new: Entry, scope: Scope<'_>) -> Option<Action> {
    if old.node != new.node || matches!(new.node, Node::HardLink { .. }) {
        return Some(put(new, Some(old)));
    }
    if scope.fidelity.is_same(&old, &new) {
        return None;
    }
    // Further names elsewhere keep the metadata that they have.
    let is_shared = !new.is_directory() && scope.apart.shared.contains(&old.path);
    Some(if is_shared || is_raised(&old, &new, scope.fidelity) {
        put(new, Some(old))
    } else {
        Action::Meta { new, old: Some(old) }
    })
}

/// Whether a program is to run with the rights of another owner than it has: that one may have it open, and still write to it.
fn is_raised(old: &Entry, new: &Entry, fidelity: &Fidelity) -> bool {
    fidelity.owners && old.meta.uid != new.meta.uid && matches!(new.node, Node::File { .. }) && has_rights(new)
}

/// Whether a program gives rights to whoever runs it.
pub(super) fn has_rights(entry: &Entry) -> bool {
    entry.meta.mode & SET_ID != 0 || entry.meta.xattrs.iter().any(|xattr| xattr.name == CAPABILITY)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
