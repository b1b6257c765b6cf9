//! Entries that cannot come where they do.

use super::{Lineage, Parent};
use crate::entry::{Entry, Identity, Meta, Node, Time};
use crate::path::RelPath;

/// A directory if it ends with `/`, and else a symlink.
fn entry(text: &str) -> Entry {
    let node = if text.ends_with('/') { Node::Directory } else { Node::Symlink { target: b"x".to_vec() } };
    let meta = Meta { mode: 0o755, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
    let path = RelPath::new(text.trim_end_matches('/')).unwrap();
    Entry { path, meta, identity: Identity::default(), flags: 0, node }
}

/// Takes all of these but the last, and says what it is told of that. `...` passes something over, `>p` a node that begins with p.
fn last(texts: &[&str]) -> Option<Parent> {
    let mut lineage = Lineage::default();
    let mut take = |text: &str| match (text, text.strip_prefix('>')) {
        ("...", _) => {
            lineage.pass_over();
            Ok(Parent::Known)
        }
        (_, Some(first)) => lineage.node(&RelPath::new(first).unwrap()),
        _ => lineage.entry(&entry(text)),
    };
    let (last, before) = texts.split_last().unwrap();
    assert!(before.iter().all(|text| take(text).is_ok()), "{texts:?}");
    take(last).ok()
}

#[test]
fn what_came_in_order_in_directories_is_known() {
    for texts in [
        &["/"][..],
        &["a"],
        &["/", "a/", "a/b/", "a/b/c", "a/d"],
        &["a/", "a/b/", "a/b/c/", "a/b/c/d/", "a/e"],
        &["a/", "a/b", "a b"],
        &["a/", "a.b/", "a.b/c"],
        &["a/", "a/b/", "b/", "b/b/", "b/b/c"],
        &["a/", "...", "a/b"],
        &["a/", ">a/b", "a/c"],
    ] {
        assert_eq!(last(texts), Some(Parent::Known), "{texts:?}");
    }
}

#[test]
fn what_is_in_no_directory_that_came_before_it_is_refused() {
    for texts in [
        &["a/b"][..],
        &["a", "a/b"],
        &["/", "a/b"],
        &["a/", "a/b", "a/b/c"],
        &["a/", "a/b/c"],
        &["a/", "b/c"],
        &["a/", "a/b/", "ab/c"],
        &["a/", "a.b/c"],
        &["a/", "a/b/", "a.b", "a.b/c"],
        // Passing something over excuses what may have been there, and no more.
        &["a", "...", "a/b"],
        &["a", ">a/b"],
        &["...", "a/b/c", "a/b/c/d"],
        &["...", "a/b/c", "a/d/e"],
        &["...", "a/b/c", "b/c"],
    ] {
        assert_eq!(last(texts), None, "{texts:?}");
    }
}

#[test]
fn what_comes_out_of_order_is_refused() {
    for texts in [&["b", "a"][..], &["a", "a"], &["a/", "/"], &["a.b", "a/"], &["b", "...", "a"], &[">b", "b"]] {
        assert_eq!(last(texts), None, "{texts:?}");
    }
}

#[test]
fn behind_a_gap_the_directory_may_be_one_that_was_not_seen_but_only_for_the_first() {
    assert_eq!(last(&["...", "a/b/c"]), Some(Parent::Unseen));
    assert_eq!(last(&["a/", "...", "a/b/c"]), Some(Parent::Unseen));
    assert_eq!(last(&["...", "a/b/c", "a/b/d"]), Some(Parent::Known));
    assert_eq!(last(&["...", "a/b/c", "a/d"]), Some(Parent::Known));
    assert_eq!(last(&[">a", "a/b"]), Some(Parent::Unseen), "a may be a directory");
    assert_eq!(last(&["a/", ">a/b", "a/c/d"]), Some(Parent::Unseen));
}
