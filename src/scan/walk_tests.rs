//! Walks over trees that change between two steps.

use super::{Item, Walk};
use crate::fs::dir::Dir;
use crate::limits::OPEN_LEVELS;
use crate::scan::selection::Selection;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const DEPTH: usize = 3 * OPEN_LEVELS;

/// `root/d/d/d/...`, with a file before and one behind `d` in each; and the paths of the directories.
fn deep() -> (TempDir, Vec<PathBuf>) {
    let scratch = tempfile::tempdir().unwrap();
    let mut paths = vec![scratch.path().join("root")];
    for level in 0..=DEPTH {
        fs::create_dir(&paths[level]).unwrap();
        fs::write(paths[level].join("a"), "").unwrap();
        fs::write(paths[level].join("z"), "").unwrap();
        paths.push(paths[level].join("d"));
    }
    paths.truncate(DEPTH + 1);
    fs::create_dir(scratch.path().join("outside")).unwrap();
    fs::write(scratch.path().join("outside/z"), "not of this tree").unwrap();
    (scratch, paths)
}

fn walk<'s>(root: &Path, selection: &'s Selection) -> Walk<'s> {
    Walk::new(Arc::new(Dir::open(root).unwrap()), selection, None)
}

fn told(item: &Item) -> String {
    match item {
        Item::Found(found) => found.path.to_string(),
        Item::Unreadable(path, e) => format!("unreadable {path}: {e}"),
        Item::Unlistable(path, e) => format!("unlistable {path}: {e}"),
    }
}

/// The path of what is called `name` in the directory of a level.
fn at(level: usize, name: &str) -> String {
    "d/".repeat(level) + name
}

#[test]
fn what_comes_behind_a_deep_directory_is_found_in_order() {
    let (_scratch, paths) = deep();
    let everything = Selection::everything();
    let found: Vec<String> = walk(&paths[0], &everything).map(|item| told(&item)).collect();
    let mut wanted = vec![".".to_owned()];
    for level in 0..=DEPTH {
        wanted.push(at(level, "a"));
        wanted.extend((level < DEPTH).then(|| at(level, "d")));
    }
    wanted.extend((0..=DEPTH).rev().map(|level| at(level, "z")));
    assert_eq!(found, wanted);
}

/// Walks to the bottom, does something to the tree, and gives what is told from there on. Nothing of what is outside may be.
fn after(meanwhile: impl FnOnce(&[PathBuf], &Path)) -> Vec<String> {
    let (scratch, paths) = deep();
    let everything = Selection::everything();
    let mut walk = walk(&paths[0], &everything);
    walk.by_ref().find(|item| told(item) == at(DEPTH, "a")).unwrap();
    meanwhile(&paths, &scratch.path().join("outside"));
    let told_of = |item: Item| {
        assert!(!matches!(&item, Item::Found(found) if found.stat.size > 0), "read outside: {item:?}");
        told(&item)
    };
    walk.map(told_of).collect()
}

#[test]
fn a_directory_that_is_moved_out_of_the_tree_leads_the_walk_nowhere_else() {
    let found = after(|paths, outside| fs::rename(&paths[3], outside.join("taken")).unwrap());
    // The directory was entered when it was in the tree; above it the tree is as it was.
    assert_eq!(found, (0..=DEPTH).rev().map(|level| at(level, "z")).collect::<Vec<_>>());
}

#[test]
fn a_directory_that_cannot_be_reached_any_more_is_told_and_is_not_empty() {
    let found = after(|paths, outside| {
        fs::rename(&paths[4], outside.join("child")).unwrap();
        fs::rename(&paths[3], outside.join("lost")).unwrap();
        // What stands there now is another one.
        fs::create_dir(&paths[3]).unwrap();
        fs::write(paths[3].join("z"), "not what was entered").unwrap();
    });
    let lost = |level| {
        if level == 3 {
            format!("unlistable {}: it was moved while it was worked on", at(2, "d"))
        } else {
            at(level, "z")
        }
    };
    assert_eq!(found, (0..=DEPTH).rev().map(lost).collect::<Vec<_>>());
}

/// Two directories are moved into each other in turn, always before they are looked at.
#[test]
fn a_directory_that_is_moved_into_itself_is_not_walked_again() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    for name in ["A", "B"] {
        fs::create_dir_all(root.join(name).join("z")).unwrap();
        fs::write(root.join(name).join("a"), "").unwrap();
    }
    let everything = Selection::everything();
    let mut walk = walk(root, &everything);
    walk.by_ref().find(|item| told(item) == "A/a").unwrap();
    fs::rename(root.join("B"), root.join("A/z")).unwrap();
    walk.by_ref().find(|item| told(item) == "A/z/a").unwrap();
    fs::rename(root.join("A/z"), root.join("B")).unwrap();
    fs::rename(root.join("A"), root.join("B/z")).unwrap();
    let found: Vec<String> = walk.take(20).map(|item| told(&item)).collect();
    assert_eq!(found.first().map(String::as_str), Some("A/z/z"));
    assert!(found.get(1).is_some_and(|told| told.contains("unlistable A/z/z: it was moved into itself")), "{found:?}");
    assert!(found.len() < 20, "{found:?}");
}
