//! Single paths and folders against plain maps: what is found, and how little is read for it.

use super::cursor::Cursor;
use super::lookup::find_in_all;
use super::tests::{Chunks, Dice, Memory, Tree, build, changed, random_tree, with_folders};
use crate::entry::{ChunkRef, Entry};
use crate::path::RelPath;
use crate::store;
use crate::store::chunks::{ChunkReader, ChunkSource};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A store that counts what is read.
struct Counting {
    chunks: Chunks,
    reads: AtomicUsize,
}

struct Reader<'a>(Memory<'a>, &'a AtomicUsize);

impl ChunkReader for Reader<'_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], store::Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read(chunk)
    }
}

impl ChunkSource for Counting {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, store::Error> {
        Ok(Box::new(Reader(Memory(&self.chunks), &self.reads)))
    }
}

impl Counting {
    fn new(chunks: Chunks) -> Self {
        Self { chunks, reads: AtomicUsize::new(0) }
    }

    /// What comes of it, and how many nodes it took.
    fn counted<T>(&self, what: impl FnOnce() -> T) -> (T, usize) {
        self.reads.store(0, Ordering::Relaxed);
        let found = what();
        (found, self.reads.load(Ordering::Relaxed))
    }
}

#[test]
fn a_path_is_found_in_all_manifests_and_what_they_share_is_read_once() {
    let (mut dice, mut chunks) = (Dice(91), Chunks::new());
    let mut trees = vec![with_folders(random_tree(&mut dice, 30_000))];
    while trees.len() < 40 {
        let next = with_folders(changed(trees.last().unwrap(), &mut dice, 3));
        trees.push(next);
    }
    let roots: Vec<ChunkRef> = trees.iter().map(|tree| build(tree, &mut chunks)).collect();
    let store = Counting::new(chunks);
    let mut paths: Vec<RelPath> = trees[0].keys().step_by(997).cloned().collect();
    paths.extend((0..20).map(|_| dice.path()));
    for path in &paths {
        let (found, reads) = store.counted(|| find_in_all(&roots, &store, path).unwrap());
        for (tree, found) in trees.iter().zip(&found) {
            assert_eq!(found.as_ref().unwrap().as_deref(), tree.get(path), "{path}");
        }
        assert!(reads <= 3 * roots.len(), "{reads} reads of {path}");
        let (_, reads) = store.counted(|| find_in_all(&[roots[0]; 40], &store, path).unwrap());
        assert!(reads <= 4, "{reads} reads of {path} in one manifest, 40 times");
    }
}

#[test]
fn a_damaged_manifest_is_no_reason_to_say_nothing_of_the_others() {
    let (mut dice, mut chunks) = (Dice(5), Chunks::new());
    let (one, other) = (random_tree(&mut dice, 3000), random_tree(&mut dice, 3000));
    let roots = [build(&one, &mut chunks), build(&other, &mut chunks)];
    chunks.remove(&roots[0].id);
    let (store, path) = (Counting::new(chunks), other.keys().nth(1000).unwrap());
    let found = find_in_all(&roots, &store, path).unwrap();
    assert!(found[0].is_err());
    assert_eq!(found[1].as_ref().unwrap().as_deref(), other.get(path));
}

/// The names in a folder, by leaving each folder that comes.
fn children(cursor: &mut Cursor<'_>, folder: &RelPath) -> Vec<Entry> {
    let mut found = Vec::new();
    cursor.seek(folder).unwrap();
    while let Some(entry) = cursor.next_entry().unwrap().filter(|entry| entry.path.is_within(folder)) {
        if entry.path != *folder {
            if entry.is_directory() {
                cursor.leave(&entry.path).unwrap();
            }
            found.push(entry);
        }
    }
    found
}

#[test]
fn the_names_in_a_folder_are_found_without_what_is_below_them() {
    let (mut dice, mut chunks) = (Dice(17), Chunks::new());
    let tree: Tree = with_folders(random_tree(&mut dice, 40_000));
    let root = build(&tree, &mut chunks);
    let store = Counting::new(chunks);
    let cursor = || Cursor::new(root, store.reader().unwrap()).unwrap();
    let folders: Vec<&RelPath> = tree.values().filter(|e| e.is_directory()).map(|e| &e.path).collect();
    for folder in folders.iter().step_by(folders.len() / 50).copied().chain([&RelPath::root()]) {
        let (found, _) = store.counted(|| children(&mut cursor(), folder));
        let expected = tree.values().filter(|e| !e.path.is_root() && e.path.parent().as_ref() == Some(folder));
        assert!(found.iter().eq(expected), "{folder}");
    }
    let (found, reads) = store.counted(|| children(&mut cursor(), &RelPath::root()));
    assert!(reads <= 4 * (found.len() + 1), "{reads} reads for {} names", found.len());
}
