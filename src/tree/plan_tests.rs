//! Tests of [`super`].

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
    let changes = vec![(Some(file("alone")), Some(touched("alone"))), (Some(file("shared")), Some(touched("shared")))];
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
