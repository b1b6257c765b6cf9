//! Builder, cursor and diff against plain maps, with trees of several levels.

use super::build::Builder;
use super::cursor::{Cursor, find};
use super::diff::Diff;
use super::extents::{ContentBuilder, for_each, for_each_read, prove};
use crate::entry::{ChunkRef, Content, Entry, Extent, Identity, Meta, Node, Time};
use crate::format::manifest::{Child, Encoder};
use crate::id::Id;
use crate::path::RelPath;
use crate::store;
use crate::store::chunks::ChunkReader;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Mutex;

pub(super) type Chunks = HashMap<Id, Vec<u8>>;
pub(super) type Tree = BTreeMap<RelPath, Entry>;

pub(super) struct Memory<'a>(pub(super) &'a Chunks);

impl ChunkReader for Memory<'_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], store::Error> {
        self.0.get(&chunk.id).map(Vec::as_slice).ok_or(store::Error::MissingChunk(chunk.id))
    }
}

/// What a reader was told: what comes next is in front.
#[derive(Default)]
struct Told {
    next: VecDeque<Id>,
    untold: usize,
    passed_over: usize,
}

struct Listener<'a>(Memory<'a>, &'a Mutex<Told>);

impl ChunkReader for Listener<'_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], store::Error> {
        let mut told = self.1.lock().unwrap();
        match told.next.iter().position(|id| *id == chunk.id) {
            Some(before) => {
                told.next.drain(..=before);
                told.passed_over += before;
            }
            None => told.untold += 1,
        }
        self.0.read(chunk)
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn expect(&mut self, chunks: &[ChunkRef]) {
        chunks.iter().rev().for_each(|chunk| self.1.lock().unwrap().next.push_front(chunk.id));
    }
}

/// What a reader was not told of, was told of and not asked for, and still waits for, when this had been read.
fn told(chunks: &Chunks, read: impl FnOnce(Listener<'_>)) -> (usize, usize, usize) {
    let told = Mutex::default();
    read(Listener(Memory(chunks), &told));
    let told: Told = told.into_inner().unwrap();
    (told.untold, told.passed_over, told.next.len())
}

/// xorshift: the same numbers in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    pub(super) fn path(&mut self) -> RelPath {
        const WORDS: [&str; 6] = ["a", "a.b", "a b", "b", "long-name-of-a-folder", "z"];
        let mut text = String::new();
        for _ in 0..=self.roll(5) {
            text += WORDS[usize::try_from(self.roll(6)).unwrap()];
            text += &self.roll(40).to_string();
            text.push('/');
        }
        RelPath::new(text.trim_end_matches('/')).unwrap()
    }
}

fn entry(path: RelPath, stamp: i64) -> Entry {
    let mtime = Time { seconds: stamp, nanoseconds: 0 };
    let meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime, xattrs: Vec::new() };
    let node = Node::Symlink { target: path.as_bytes().repeat(2) };
    Entry { path, meta, identity: Identity::default(), flags: 0, node }
}

pub(super) fn build(tree: &Tree, chunks: &mut Chunks) -> ChunkRef {
    let mut sink = |node: ChunkRef, bytes: Vec<u8>| {
        chunks.insert(node.id, bytes);
        Ok(())
    };
    let mut builder = Builder::default();
    for entry in tree.values() {
        builder.push(entry, &mut sink).unwrap();
    }
    builder.finish(&mut sink).unwrap()
}

pub(super) fn cursor(root: ChunkRef, chunks: &Chunks) -> Cursor<'_> {
    Cursor::new(root, Box::new(Memory(chunks))).unwrap()
}

pub(super) fn random_tree(dice: &mut Dice, entries: u64) -> Tree {
    with_folders((0..entries).map(|_| dice.path()).map(|path| (path.clone(), entry(path, 1))).collect())
}

/// What something is in is a directory.
pub(super) fn with_folders(mut tree: Tree) -> Tree {
    let parents = |path: &RelPath| std::iter::successors(path.parent(), RelPath::parent);
    let folders: BTreeSet<RelPath> = tree.keys().flat_map(parents).filter(|path| !path.is_root()).collect();
    for path in folders {
        let made = Entry { node: Node::Directory, ..entry(path.clone(), 1) };
        tree.entry(path).or_insert(made).node = Node::Directory;
    }
    tree
}

/// A few changes here and there, and a stretch that goes or comes.
pub(super) fn changed(tree: &Tree, dice: &mut Dice, changes: u64) -> Tree {
    let mut tree = tree.clone();
    for _ in 0..changes {
        let path = dice.path();
        let near = tree.range(path.clone()..).next().map(|(path, _)| path.clone());
        match (dice.roll(3), near) {
            (0, Some(near)) => drop(tree.remove(&near)),
            (1, Some(near)) => drop(tree.insert(near.clone(), entry(near, 2))),
            _ => drop(tree.insert(path.clone(), entry(path, 3))),
        }
    }
    let from = dice.path();
    let stretch = usize::try_from(dice.roll(3000)).unwrap();
    let gone: Vec<RelPath> = tree.range(from..).take(stretch).map(|(path, _)| path.clone()).collect();
    if dice.roll(2) == 0 {
        tree.retain(|path, _| gone.binary_search(path).is_err());
    }
    with_folders(tree)
}

#[test]
fn what_is_built_is_read_back_in_order() {
    let mut dice = Dice(1);
    for entries in [0, 1, 2, 100, 129, 3000, 40_000] {
        let tree = random_tree(&mut dice, entries);
        let mut chunks = Chunks::new();
        let mut cursor = cursor(build(&tree, &mut chunks), &chunks);
        for wanted in tree.values() {
            assert_eq!(cursor.next_entry().unwrap().as_ref(), Some(wanted));
        }
        assert!(cursor.next_entry().unwrap().is_none());
    }
}

#[test]
fn a_seek_finds_the_first_entry_at_or_after_a_path() {
    let mut dice = Dice(2);
    for entries in [0, 3, 500, 30_000] {
        let tree = random_tree(&mut dice, entries);
        let mut chunks = Chunks::new();
        let root = build(&tree, &mut chunks);
        for _ in 0..30 {
            let mut paths: Vec<RelPath> = (0..20).map(|_| dice.path()).collect();
            paths.sort();
            let mut cursor = cursor(root, &chunks);
            for path in paths {
                cursor.seek(&path).unwrap();
                let wanted = tree.range(path..).next().map(|(_, entry)| entry);
                assert_eq!(cursor.peek().unwrap(), wanted);
            }
        }
    }
}

#[test]
fn a_diff_tells_exactly_what_differs() {
    let mut dice = Dice(3);
    for (entries, changes) in [(0, 5), (5, 5), (400, 3), (5000, 0), (5000, 40), (40_000, 1), (40_000, 3000)] {
        let old = random_tree(&mut dice, entries);
        let new = changed(&old, &mut dice, changes);
        let mut chunks = Chunks::new();
        let (from, to) = (build(&old, &mut chunks), build(&new, &mut chunks));
        let mut wanted: Vec<(RelPath, Option<&Entry>, Option<&Entry>)> = Vec::new();
        let all: BTreeSet<&RelPath> = old.keys().chain(new.keys()).collect();
        for path in all {
            if old.get(path) != new.get(path) {
                wanted.push((path.clone(), old.get(path), new.get(path)));
            }
        }
        let found: Vec<_> =
            Diff::new(Some(cursor(from, &chunks)), Some(cursor(to, &chunks))).map(|change| change.unwrap()).collect();
        assert_eq!(found.len(), wanted.len());
        for (change, (path, old, new)) in found.iter().zip(&wanted) {
            assert_eq!((change.old.as_ref(), change.new.as_ref()), (*old, *new), "{path}");
        }
        let nothing = Diff::new(Some(cursor(to, &chunks)), Some(cursor(to, &chunks))).count();
        assert_eq!((nothing, Diff::new(None, Some(cursor(to, &chunks))).count()), (0, new.len()));
    }
}

/// Paths so long that an inner node is full with the first that does not begin like the one before it.
#[test]
fn long_paths_make_deep_trees_that_still_read_back() {
    let long = |n: u32| {
        let names: Vec<String> = (0..16).map(|_| format!("{n:05}{}", "x".repeat(240))).collect();
        RelPath::new(names.join("/")).unwrap()
    };
    let tree = with_folders((0..700).map(long).map(|path| (path.clone(), entry(path, 1))).collect());
    let mut newer = tree.clone();
    newer.remove(&long(300));
    newer.insert(long(301), entry(long(301), 2));
    let mut chunks = Chunks::new();
    let (from, to) = (build(&tree, &mut chunks), build(&newer, &mut chunks));
    let mut all = cursor(from, &chunks);
    for wanted in tree.values() {
        assert_eq!(all.next_entry().unwrap().as_ref(), Some(wanted));
    }
    let changes: Vec<_> =
        Diff::new(Some(cursor(from, &chunks)), Some(cursor(to, &chunks))).map(Result::unwrap).collect();
    assert_eq!(changes.len(), 2);
    for n in [0, 299, 300, 301, 699] {
        let mut cursor = cursor(to, &chunks);
        cursor.seek(&long(n)).unwrap();
        assert_eq!(cursor.peek().unwrap(), newer.range(long(n)..).next().map(|(_, entry)| entry));
    }
}

/// Folders in folders with names of 255 bytes, below this one.
fn chain(top: &str, levels: usize) -> impl Iterator<Item = Entry> {
    let made = |path| Entry { node: Node::Directory, ..entry(path, 1) };
    let inside = |path: &RelPath| Some(path.join(&[b'n'; 255]).unwrap());
    std::iter::successors(Some(RelPath::new(top).unwrap()), inside).take(levels).map(made)
}

/// One path alone is longer than what ends a node.
#[test]
fn deep_folders_with_long_names_take_no_more_than_their_names() {
    let all = || ["a", "b"].into_iter().flat_map(|top| chain(top, 1030));
    let mut chunks = Chunks::new();
    let mut sink = |node: ChunkRef, bytes: Vec<u8>| {
        chunks.insert(node.id, bytes);
        Ok(())
    };
    let mut builder = Builder::default();
    all().for_each(|entry| builder.push(&entry, &mut sink).unwrap());
    let root = builder.finish(&mut sink).unwrap();
    let written: usize = chunks.values().map(Vec::len).sum();
    let named: usize = all().map(|entry| entry.path.as_bytes().len()).sum();
    assert!(written < named / 30, "{written} of {named}");
    let mut cursor = cursor(root, &chunks);
    all().for_each(|wanted| assert!(cursor.next_entry().unwrap() == Some(wanted)));
    assert!(cursor.next_entry().unwrap().is_none());
    let deepest = chain("b", 1030).last().unwrap();
    assert!(find(root, Box::new(Memory(&chunks)), &deepest.path).unwrap() == Some(deepest));
}

#[test]
fn what_a_reader_would_refuse_is_not_written() {
    let at = |text: &str| entry(RelPath::new(text).unwrap(), 1);
    for entries in
        [vec![at("b"), at("a")], vec![at("a"), at("a")], vec![at("a"), at("a/b")], vec![at("a/b")], vec![at("")]]
    {
        let mut builder = Builder::default();
        let mut push = |entry| builder.push(entry, &mut |_, _| Ok(()));
        let (last, before) = entries.split_last().unwrap();
        before.iter().try_for_each(&mut push).unwrap();
        assert!(matches!(push(last), Err(super::Error::Entry { .. })), "{entries:?}");
    }
}

/// Nodes that are good for themselves, and together no manifest.
#[test]
fn nodes_that_contradict_each_other_are_refused_where_they_meet() {
    let mut chunks = Chunks::new();
    let mut put = |node: Encoder| {
        let bytes = node.into_bytes();
        let name = ChunkRef { id: Id::of(&bytes), length: u32::try_from(bytes.len()).unwrap() };
        chunks.insert(name.id, bytes);
        name
    };
    let folder = |text: &str| Entry { node: Node::Directory, ..entry(RelPath::new(text).unwrap(), 1) };
    let link = |text: &str| entry(RelPath::new(text).unwrap(), 1);
    let mut segment = |entries: &[Entry]| {
        let mut node = Encoder::new(0);
        entries.iter().try_for_each(|entry| node.entry(entry)).unwrap();
        put(node)
    };
    let (a, b) = (segment(&[folder("a"), link("a/x")]), segment(&[link("a/y"), link("b")]));
    let (alone, below) = (segment(&[link("a")]), segment(&[link("b/z")]));
    let mut inner = |level, children: &[(&str, ChunkRef, u64)]| {
        let mut node = Encoder::new(level);
        for (first, child, entries) in children {
            let child = Child { first: RelPath::new(*first).unwrap(), node: *child, entries: *entries };
            node.child(&child).unwrap();
        }
        put(node)
    };
    let good = inner(1, &[("a", a, 2), ("a/y", b, 2)]);
    let roots = [
        inner(1, &[("a", a, 3), ("a/y", b, 2)]),
        inner(1, &[("a", a, 2), ("a/y", b, 1)]),
        inner(2, &[("a", good, 3)]),
        inner(2, &[("a", a, 2)]),
        inner(1, &[("a", good, 4)]),
        inner(1, &[("a", a, 2), ("a/x", b, 2)]),
        inner(1, &[("a", alone, 1), ("a/y", b, 2)]),
        inner(1, &[("a/y", b, 2)]),
        inner(1, &[("a", a, 2), ("a/y", b, 2), ("b/z", below, 1)]),
    ];
    let better = inner(2, &[("a", good, 4)]);
    let read = |root| {
        let mut cursor = cursor(root, &chunks);
        std::iter::from_fn(|| cursor.next_entry().transpose()).collect::<Result<Vec<Entry>, _>>().map(|all| all.len())
    };
    assert_eq!((read(good).unwrap(), read(better).unwrap()), (4, 4));
    for (n, root) in roots.into_iter().enumerate() {
        assert!(matches!(read(root), Err(super::Error::Node { .. } | super::Error::Wrong { .. })), "{n}");
    }
}

#[test]
fn the_extents_of_a_file_make_up_its_size() {
    let (chunks, holes) =
        (Chunks::new(), Content::Direct(vec![Extent::Hole { length: 3 }, Extent::Hole { length: 4 }]));
    let of = |size| prove(size, &holes, &mut Memory(&chunks), &mut |_, _| Ok::<_, super::Error>(()));
    assert!(of(7).is_ok());
    assert!(matches!((of(6), of(8)), (Err(super::Error::Length), Err(super::Error::Length))));
}

#[test]
fn a_reader_is_told_of_all_nodes_but_the_root_in_the_order_in_which_they_are_read() {
    let tree = random_tree(&mut Dice(4), 40_000);
    let mut chunks = Chunks::new();
    let root = build(&tree, &mut chunks);
    assert!(chunks.len() > 100);
    let all = |reader: Listener<'_>| {
        let mut cursor = Cursor::new(root, Box::new(reader)).unwrap();
        while cursor.next_entry().unwrap().is_some() {}
    };
    assert_eq!(told(&chunks, all), (1, 0, 0));
    let path = tree.keys().nth(20_000).unwrap();
    let (untold, _, waiting) = told(&chunks, |reader| assert!(find(root, Box::new(reader), path).unwrap().is_some()));
    assert!(untold >= 3 && waiting == 0, "of a node on the way to one path only that is read");
}

#[test]
fn a_reader_is_told_of_the_content_of_a_file_where_that_is_read() {
    for count in [0, 3, 5000] {
        let mut chunks = Chunks::new();
        let mut lists = Chunks::new();
        let mut sink = |list: ChunkRef, bytes: Vec<u8>| {
            lists.insert(list.id, bytes);
            Ok(())
        };
        let mut content = ContentBuilder::default();
        for n in 0..count {
            let bytes = u32::to_le_bytes(n).to_vec();
            let id = Id::of(&bytes);
            chunks.insert(id, bytes);
            content.push(Extent::Hole { length: 1 }, &mut sink).unwrap();
            content.push(Extent::Data { id, length: 4 }, &mut sink).unwrap();
        }
        let content = content.finish(&mut sink).unwrap();
        chunks.extend(lists);
        assert_eq!(matches!(content, Content::Indirect(_)), count > 3);
        let mut found = 0;
        let read_all = |mut reader: Listener<'_>| {
            let mut each = |extent: &Extent, reader: &mut dyn ChunkReader| {
                let Some(chunk) = extent.chunk() else { return Ok(()) };
                found += 1;
                reader.read(&chunk).map(drop).map_err(super::Error::from)
            };
            for_each_read(&content, &mut reader, &mut each).unwrap();
        };
        assert_eq!(told(&chunks, read_all), (0, 0, 0));
        assert_eq!(found, count);
        let count_only =
            |mut reader: Listener<'_>| for_each(&content, &mut reader, &mut |_, _| Ok::<_, super::Error>(())).unwrap();
        assert_eq!(told(&chunks, count_only), (0, 0, 0), "what is only counted is not sent");
    }
}
