//! A chain of directories, of which some are moved, replaced or lost while it stands in them.

use super::{Chain, remove_contents};
use crate::fs::dir::Dir;
use crate::limits::OPEN_LEVELS;
use crate::path::RelPath;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const DEPTH: usize = 4 * OPEN_LEVELS;

/// A tree `root/0/1/2/...`, the chain down to its bottom, and the paths of its levels; beside the root there is a folder that is none of its business.
fn deep() -> (TempDir, Chain<usize>, Vec<PathBuf>) {
    let scratch = tempfile::tempdir().unwrap();
    let mut paths = vec![scratch.path().join("root")];
    for level in 0..DEPTH {
        paths.push(paths[level].join(level.to_string()));
    }
    fs::create_dir_all(&paths[DEPTH]).unwrap();
    fs::create_dir(scratch.path().join("outside")).unwrap();
    let root = Arc::new(Dir::open(&paths[0]).unwrap());
    let stat = root.stat_self().unwrap();
    let mut chain = Chain::new(root, &stat, 0);
    for level in 0..DEPTH {
        let name = level.to_string().into_bytes();
        let dir = Arc::new(chain.dir().unwrap().child(&name).unwrap());
        let stat = dir.stat_self().unwrap();
        chain.enter(&name, dir, &stat, level + 1).unwrap();
    }
    (scratch, chain, paths)
}

fn open(chain: &Chain<usize>) -> usize {
    chain.levels.iter().filter(|level| level.dir.is_some()).count()
}

fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).unwrap().ino()
}

#[test]
fn only_the_root_and_the_innermost_are_open_and_the_others_are_found_again() {
    let (_scratch, mut chain, paths) = deep();
    assert_eq!(open(&chain), OPEN_LEVELS + 1);
    for level in (0..=DEPTH).rev() {
        let path = RelPath::new((0..level).map(|n| n.to_string()).collect::<Vec<_>>().join("/")).unwrap();
        assert_eq!(chain.path(), &path);
        assert_eq!(chain.dir().unwrap().stat_self().unwrap().inode, inode(&paths[level]));
        assert!(open(&chain) <= OPEN_LEVELS + 1);
        let left = chain.leave().unwrap();
        assert_eq!((left.path, left.with), (path, level));
        assert_eq!(left.dir.unwrap().stat_self().unwrap().inode, inode(&paths[level]));
    }
    assert!(chain.is_empty() && chain.leave().is_none() && chain.dir().is_err());
}

/// What has been moved out of the tree is still itself, as it is to whoever holds it open; the directory that it is in by then is not of the tree.
#[test]
fn a_directory_that_was_moved_leads_back_into_the_tree() {
    let (scratch, mut chain, paths) = deep();
    let (moved, above) = (3, inode(&paths[2]));
    fs::rename(&paths[moved], scratch.path().join("outside/taken")).unwrap();
    while chain.levels.len() > moved + 1 {
        chain.leave().unwrap().dir.unwrap();
    }
    assert_eq!(chain.dir().unwrap().stat_self().unwrap().inode, inode(&scratch.path().join("outside/taken")));
    chain.leave().unwrap().dir.unwrap();
    assert_eq!(chain.dir().unwrap().stat_self().unwrap().inode, above);
}

#[test]
fn what_cannot_be_reached_any_more_is_an_error_and_what_is_above_it_is_not() {
    for put in ["nothing", "directory", "symlink"] {
        let (scratch, mut chain, paths) = deep();
        let outside = scratch.path().join("outside");
        // The way up ends outside, and the way down ends where the lost one was.
        let lost = 5;
        fs::rename(&paths[lost + 1], outside.join("child")).unwrap();
        fs::rename(&paths[lost], outside.join("lost")).unwrap();
        match put {
            "directory" => fs::create_dir(&paths[lost]).unwrap(),
            "symlink" => symlink(outside.join("lost"), &paths[lost]).unwrap(),
            _ => {}
        }
        while chain.levels.len() > lost + 2 {
            chain.leave().unwrap().dir.unwrap();
        }
        chain.leave().unwrap().dir.unwrap();
        for _ in 0..2 {
            assert!(chain.dir().unwrap_err().to_string().contains("moved"), "{put}");
        }
        assert!(chain.leave().unwrap().dir.is_err());
        assert_eq!(chain.dir().unwrap().stat_self().unwrap().inode, inode(&paths[lost - 1]));
    }
}

#[test]
fn everything_in_a_directory_is_removed_however_deep() {
    let (scratch, chain, paths) = deep();
    drop(chain);
    for path in &paths {
        fs::write(path.join("a"), "").unwrap();
        symlink(scratch.path().join("outside"), path.join("z")).unwrap();
        fs::create_dir(path.join("empty")).unwrap();
    }
    fs::write(scratch.path().join("outside/file"), "").unwrap();
    remove_contents(&Dir::open(&paths[0]).unwrap()).unwrap();
    assert_eq!(fs::read_dir(&paths[0]).unwrap().count(), 0);
    assert!(scratch.path().join("outside/file").exists());
}
