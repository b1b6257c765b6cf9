//! The plan: from what a tree holds and what it shall hold to actions, in the order in which they can be done (floor 3). Pure.
//!
//! Actions come in path order, a directory before what is in it; only what removes a directory, or puts something else in its place, waits
//! until everything below it is gone.

use super::need::Tally;
use crate::entry::{Apart, Entry, Node};
use crate::fs::fidelity::Fidelity;
use crate::fs::space::Need;
use crate::manifest;
use crate::manifest::diff::Change;
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use crate::store::chunks::ChunkReader;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

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

    /// Bytes of content that have to be written.
    pub fn bytes(&self) -> u64 {
        if let Self::Put { new, .. } = self { new.size() } else { 0 }
    }

    fn destroys(&self) -> bool {
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
    unmade: HashSet<RelPath>,
}

impl<'a, D: Iterator<Item = Result<Change, manifest::Error>>> Plan<'a, D> {
    /// Of this diff, within this scope.
    pub fn new(diff: D, scope: Scope<'a>) -> Self {
        Self { diff, scope, deferred: Vec::new(), next: None, unmade: HashSet::new() }
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

    /// Names that the tree cannot have, of those that were come by.
    pub fn unmade(&self) -> u64 {
        self.unmade.len() as u64
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
    let has_rights = new.meta.mode & SET_ID != 0 || new.meta.xattrs.iter().any(|xattr| xattr.name == CAPABILITY);
    fidelity.owners && old.meta.uid != new.meta.uid && matches!(new.node, Node::File { .. }) && has_rights
}

/// What a plan amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Steps in all.
    pub actions: u64,
    /// Names that do not exist yet.
    pub created: u64,
    /// Names that get other content or become something else.
    pub replaced: u64,
    /// Names that get other metadata only.
    pub touched: u64,
    /// Names of those replaced, touched and removed whose loss would be one: the times of a directory hold no data.
    pub destroyed: u64,
    /// Names that go.
    pub removed: u64,
    /// Bytes of content to be written.
    pub bytes: u64,
    /// Names that cannot be made there; they are in the store only.
    pub unmade: u64,
    /// The room that it takes while it is carried out, over what there is.
    pub need: Need,
}

impl Survey {
    /// Whether something that exists is overwritten or removed.
    pub const fn destroys(&self) -> bool {
        self.destroyed > 0
    }
}

/// Goes through a plan and counts. The reader is asked for the extents of large files.
pub fn survey(
    plan: impl Iterator<Item = Result<Action, manifest::Error>>,
    reader: &mut dyn ChunkReader,
) -> Result<Survey, manifest::Error> {
    let (mut survey, mut tally) = (Survey::default(), Tally::default());
    for action in plan {
        let action = action?;
        survey.actions += 1;
        survey.bytes = survey.bytes.saturating_add(action.bytes());
        match &action {
            Action::Put { old: None, .. } | Action::Link { old: None, .. } => survey.created += 1,
            Action::Put { .. } | Action::Link { .. } => survey.replaced += 1,
            Action::Meta { .. } => survey.touched += 1,
            Action::Remove { .. } => survey.removed += 1,
        }
        survey.destroyed += u64::from(action.destroys());
        match &action {
            Action::Put { new, old } => tally.add(Some(new), old.as_ref(), reader),
            Action::Link { old, .. } => tally.add(None, old.as_ref(), reader),
            Action::Remove { old } => tally.add(None, Some(old), reader),
            Action::Meta { .. } => tally.add(None, None, reader),
        }
    }
    Ok(Survey { need: tally.peak(), ..survey })
}

#[cfg(test)]
mod tests {
    use super::{Action, Plan, Scope};
    use crate::entry::{Apart, Content, Entry, Identity, Meta, Node, Time};
    use crate::fs::fidelity::Fidelity;
    use crate::manifest::diff::Change;
    use crate::path::RelPath;
    use crate::scan::selection::Selection;
    use std::collections::BTreeSet;

    fn entry(path: &str, node: Node) -> Entry {
        let meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
        Entry { path: RelPath::new(path).unwrap(), meta, identity: Identity::default(), flags: 0, node }
    }

    fn file(path: &str) -> Entry {
        entry(path, Node::File { size: 0, content: Content::Direct(Vec::new()) })
    }

    fn steps(changes: Vec<(Option<Entry>, Option<Entry>)>, delete: bool) -> Vec<String> {
        let selection = Selection::everything();
        let shared = BTreeSet::from([RelPath::new("shared").unwrap()]);
        let (fidelity, apart) = (Fidelity::assumed(), Apart { shared, ..Apart::default() });
        let scope = Scope { selection: &selection, delete, apart: &apart, fidelity: &fidelity };
        let diff = changes.into_iter().map(|(old, new)| Ok(Change { old, new }));
        Plan::new(diff, scope)
            .map(|action| {
                let action = action.unwrap();
                let verb = match &action {
                    Action::Put { old: None, .. } => "make",
                    Action::Put { .. } => "replace",
                    Action::Link { .. } => "link",
                    Action::Meta { .. } => "meta",
                    Action::Remove { .. } => "remove",
                };
                format!("{verb} {}", action.path())
            })
            .collect()
    }

    #[test]
    fn a_directory_goes_after_what_is_in_it() {
        let dir = |path| Some(entry(path, Node::Directory));
        let gone = vec![(dir("a"), None), (dir("a/b"), None), (Some(file("a/b/c")), None), (Some(file("b")), None)];
        assert_eq!(steps(gone, true), ["remove a/b/c", "remove a/b", "remove a", "remove b"]);
    }

    #[test]
    fn a_file_takes_the_place_of_a_directory_when_that_is_empty() {
        let dir = Some(entry("a", Node::Directory));
        let changes = vec![(dir, Some(file("a"))), (Some(file("a/x")), None), (None, Some(file("b")))];
        assert_eq!(steps(changes, true), ["remove a/x", "replace a", "make b"]);
    }

    #[test]
    fn without_delete_nothing_is_removed() {
        assert!(steps(vec![(Some(file("a")), None)], false).is_empty());
    }

    #[test]
    fn the_root_of_a_tree_is_never_made() {
        let root = Some(entry("", Node::Directory));
        assert_eq!(steps(vec![(None, root.clone())], true), ["meta ."]);
        let selection = Selection::new([RelPath::new("a").unwrap()], &[]).unwrap();
        let (fidelity, apart) = (Fidelity::assumed(), Apart::default());
        let scope = Scope { selection: &selection, delete: true, apart: &apart, fidelity: &fidelity };
        let diff = [Ok(Change { old: None, new: root })].into_iter();
        assert_eq!(Plan::new(diff, scope).count(), 0);
    }

    #[test]
    fn what_has_names_elsewhere_becomes_a_file_of_its_own() {
        let touched = |path| Entry { meta: Meta { mode: 0o600, ..file(path).meta }, ..file(path) };
        let changes =
            vec![(Some(file("alone")), Some(touched("alone"))), (Some(file("shared")), Some(touched("shared")))];
        assert_eq!(steps(changes, true), ["meta alone", "replace shared"]);
    }

    #[test]
    fn a_program_that_gets_another_owner_and_rights_becomes_a_new_file() {
        let owned = |path, mode, uid| Entry { meta: Meta { mode, uid, ..file(path).meta }, ..file(path) };
        let change = |path, mode, uid| (Some(owned(path, 0o4755, 1000)), Some(owned(path, mode, uid)));
        let changes = vec![change("plain", 0o755, 0), change("same", 0o6755, 1000), change("set-id", 0o4755, 0)];
        let others_own = Fidelity::assumed().owners;
        let expected = ["meta plain", "meta same", "replace set-id"];
        assert!(!others_own || steps(changes, true) == expected);
    }

    #[test]
    fn what_only_serves_to_notice_changes_asks_for_nothing() {
        let mut touched = file("a");
        touched.identity.inode = 7;
        assert!(steps(vec![(Some(file("a")), Some(touched))], true).is_empty());
    }
}
