//! Manifests that a client may send, and that are none.

use super::prove;
use crate::chunk::codec::Encoder;
use crate::chunk::cut::Chunker;
use crate::entry::{ChunkRef, Content, Entry, Extent, Identity, Meta, Node, Time};
use crate::format::config::{Config, StoreId};
use crate::format::manifest::{Child, Encoder as NodeEncoder, encode_extents};
use crate::format::pack::BlockKind;
use crate::format::snapshot::{Kind, Record, Totals};
use crate::id::Id;
use crate::manifest::build::Builder;
use crate::mirror::service::Draft;
use crate::path::RelPath;
use crate::store::Store;
use crate::store::block::Block;
use crate::store::chunks::ChunkSink;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn put(store: &Store, kind: BlockKind, bytes: &[u8]) -> ChunkRef {
    let chunk = ChunkRef { id: Id::of(bytes), length: u32::try_from(bytes.len()).unwrap() };
    if store.locate(&chunk.id).unwrap().is_some() {
        return chunk;
    }
    store.put(Block::encode(kind, vec![chunk], bytes, &mut Encoder::new().unwrap()).unwrap()).unwrap();
    chunk
}

struct World {
    store: Store,
    content: ChunkRef,
    _scratch: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let config = Config { store: StoreId(7), chunker: Chunker::default() };
        let store = Store::create(&scratch.path().join("s"), config).unwrap();
        let content = put(&store, BlockKind::Data, b"content");
        store.settle().unwrap();
        Self { store, content, _scratch: scratch }
    }

    fn file(&self, at: &str) -> Entry {
        let extent = Extent::Data { id: self.content.id, length: self.content.length };
        entry(at, Node::File { size: 7, content: Content::Direct(vec![extent]) })
    }

    fn node(&self, bytes: &[u8]) -> ChunkRef {
        put(&self.store, BlockKind::Manifest, bytes)
    }

    fn segment(&self, entries: &[Entry]) -> ChunkRef {
        let mut node = NodeEncoder::new(0);
        entries.iter().try_for_each(|entry| node.entry(entry)).unwrap();
        self.node(node.bytes())
    }

    fn inner(&self, level: u8, children: &[Child]) -> ChunkRef {
        let mut node = NodeEncoder::new(level);
        children.iter().try_for_each(|child| node.child(child)).unwrap();
        self.node(node.bytes())
    }

    fn build(&self, entries: &[Entry]) -> ChunkRef {
        let mut builder = Builder::default();
        let mut sink = |_, bytes: Vec<u8>| {
            self.node(&bytes);
            Ok(())
        };
        for entry in entries {
            builder.push(entry, &mut sink).unwrap();
        }
        builder.finish(&mut sink).unwrap()
    }

    fn try_in(&self, root: ChunkRef, dirs: &[&str]) -> Result<(), String> {
        self.store.settle().unwrap();
        prove(&self.store, &draft(root, dirs)).map_err(|e| e.to_string())
    }

    fn attempt(&self, root: ChunkRef) -> Result<(), String> {
        self.try_in(root, &[""])
    }

    /// Refused, with these words.
    fn refuses(&self, root: ChunkRef, words: &str) {
        let refused = self.attempt(root).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }

    fn commit(&self, root: ChunkRef) {
        self.store.settle().unwrap();
        let d = draft(root, &[""]);
        let (target, note, parent) = (b"elixir".to_vec(), Vec::new(), None);
        let Draft { kind, time, source, dirs, root, totals, users, groups, .. } = d;
        let record =
            Record { sequence: 0, kind, time, parent, target, source, dirs, root, totals, users, groups, note };
        self.store.commit(record).unwrap();
    }
}

fn draft(root: ChunkRef, dirs: &[&str]) -> Draft {
    Draft {
        kind: Kind::Backup,
        time: Time::default(),
        source: Vec::new(),
        dirs: dirs.iter().map(|dir| path(dir)).collect(),
        root,
        totals: Totals::default(),
        users: Vec::new(),
        groups: Vec::new(),
        note: String::new(),
    }
}

fn entry(at: &str, node: Node) -> Entry {
    let meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
    Entry { path: path(at), meta, identity: Identity::default(), flags: 0, node }
}

fn child(first: &str, node: ChunkRef, entries: u64) -> Child {
    Child { first: path(first), node, entries }
}

/// Enough of them for a manifest of three levels.
fn many(world: &World, count: usize) -> Vec<Entry> {
    (0..count).map(|n| world.file(&format!("file-{n:06}-with-a-name-that-takes-some-room"))).collect()
}

#[test]
fn what_a_builder_makes_is_admitted_and_with_one_chunk_less_it_is_not() {
    let world = World::new();
    let mut entries = many(&world, 3000);
    entries.insert(0, entry("", Node::Directory));
    assert_eq!(world.attempt(world.build(&entries)), Ok(()));
    let lacking = Extent::Data { id: Id::of(b"lacking"), length: 7 };
    entries[1777].node = Node::File { size: 7, content: Content::Direct(vec![lacking]) };
    world.refuses(world.build(&entries), "1 of its chunks are not in the store");
    let other_length = Extent::Data { id: world.content.id, length: 6 };
    entries[1777].node = Node::File { size: 6, content: Content::Direct(vec![other_length]) };
    world.refuses(world.build(&entries), "1 of its chunks are not in the store");
}

#[test]
fn what_the_snapshot_before_has_is_skipped_and_what_is_new_beside_it_is_not() {
    let world = World::new();
    let mut entries = many(&world, 3000);
    world.commit(world.build(&entries));
    entries[1500].meta.uid = 7;
    entries.insert(900, world.file("file-000899-z"));
    entries.remove(2000);
    assert_eq!(world.attempt(world.build(&entries)), Ok(()));
    let lacking = Extent::Data { id: Id::of(b"lacking"), length: 7 };
    entries[2500].node = Node::File { size: 7, content: Content::Direct(vec![lacking]) };
    world.refuses(world.build(&entries), "1 of its chunks are not in the store");
}

#[test]
fn nodes_that_lie_of_what_is_below_them_are_refused_be_they_known_or_not() {
    for known in [false, true] {
        let world = World::new();
        let (a, b) =
            (world.segment(&[world.file("a"), world.file("m")]), world.segment(&[world.file("p"), world.file("z")]));
        let good = world.inner(1, &[child("a", a, 2), child("p", b, 2)]);
        if known {
            world.commit(good);
        }
        assert_eq!(world.attempt(good), Ok(()));
        let other = world.segment(&[world.file("k")]);
        for (children, words) in [
            (vec![child("a", a, 3), child("p", b, 2)], "the number of entries"),
            (vec![child("a", a, 2), child("n", b, 2)], "the order of the nodes"),
            (vec![child("0", a, 2), child("p", b, 2)], "the order of the nodes"),
            (vec![child("p", b, 2), child("a", a, 2)], "the order of the paths"),
            (vec![child("a", a, 2), child("a", a, 2)], "the order of the paths"),
            // Known or not, it reaches into the next one.
            (vec![child("a", a, 2), child("k", other, 1), child("p", b, 2)], "the order of the paths"),
            (vec![child("a", ChunkRef { length: a.length + 1, ..a }, 2), child("p", b, 2)], "not in the store"),
            (vec![child("a", ChunkRef { id: Id::of(b"?"), ..a }, 2)], "not in the store"),
            (vec![child("a", a, u64::MAX), child("p", b, 2)], "the number of entries"),
        ] {
            world.refuses(world.inner(1, &children), words);
        }
        world.refuses(world.inner(2, &[child("a", a, 2)]), "the order of the nodes");
        world.refuses(world.inner(2, &[child("a", good, 3)]), "the number of entries");
        assert_eq!(world.attempt(world.inner(2, &[child("a", good, 4)])), Ok(()));
        world.refuses(world.inner(1, &[child("a", good, 4)]), "the order of the nodes");
        world.refuses(world.inner(16, &[child("a", a, 2)]), "an inner node");
        world.refuses(world.node(b"\x01"), "an inner node");
        world.refuses(world.node(b"\x00garbage"), "a path");
        world.refuses(world.content, "a path");
        world.refuses(world.segment(&[world.file("b"), world.file("a")]), "the order of the paths");
        world.refuses(world.segment(&[world.file("a"), world.file("a")]), "the order of the paths");
    }
}

#[test]
fn nothing_lies_outside_the_dirs_nor_in_our_own_folder() {
    let world = World::new();
    let dir = |at| entry(at, Node::Directory);
    let link = |at, leader| entry(at, Node::HardLink { leader: path(leader) });
    let dirs: &[&str] = &["a/b", "c"];
    let ok = world.segment(&[dir(""), dir("a"), dir("a/b"), world.file("a/b/x"), link("a/b/y", "a/b/x"), dir("c")]);
    assert_eq!(world.try_in(ok, dirs), Ok(()));
    for entries in [
        vec![world.file("x")],
        vec![dir("a"), world.file("a/x")],
        vec![world.file("a/bb")],
        vec![dir("c"), link("c/d", "b")],
        vec![dir("c"), link("c/d", ".backup/role")],
    ] {
        let refused = world.try_in(world.segment(&entries), dirs).unwrap_err();
        assert!(refused.contains("outside the DIRs"), "{refused}");
    }
    for entries in [
        vec![dir(".backup")],
        vec![world.file(".backup/role")],
        vec![link("x", ".backup/role")],
        vec![dir("lost+found")],
    ] {
        world.refuses(world.segment(&entries), "outside the DIRs");
    }
    let deeper = world.segment(&[dir("sub"), dir("sub/.backup"), world.file("sub/.backup/role")]);
    assert_eq!(world.attempt(deeper), Ok(()));
    assert!(world.try_in(world.segment(&[world.file(".backup/role")]), &[".backup"]).is_err());
}

#[test]
fn nothing_lies_below_what_is_no_directory_wherever_that_is_said() {
    let world = World::new();
    let (folder, link) = (entry("d", Node::Directory), entry("d", Node::Symlink { target: b"/etc".to_vec() }));
    let (inside, z) = (world.segment(&[world.file("d/x")]), world.segment(&[world.file("z")]));
    let root = |d: &Entry, inside, z| {
        let d = world.segment(std::slice::from_ref(d));
        world.inner(1, &[child("d", d, 1), child("d/x", inside, 1), child("z", z, 1)])
    };
    world.refuses(world.segment(&[world.file("d/x")]), "the directory of an entry");
    world.refuses(world.segment(&[link.clone(), world.file("d/x")]), "the directory of an entry");
    world.refuses(root(&link, inside, z), "the directory of an entry");
    world.refuses(world.inner(1, &[child("d/x", inside, 1), child("z", z, 1)]), "the directory of an entry");
    assert_eq!(world.attempt(root(&folder, inside, z)), Ok(()));
    world.commit(root(&folder, inside, z));
    let moved = [child("d/x", inside, 1), child("z", z, 1)];
    world.refuses(world.inner(1, &moved), "the directory of an entry");
    world.refuses(root(&link, inside, z), "the directory of an entry");
    // What holds it would be in a node that is skipped.
    let (outer, both) = (entry("a", Node::Directory), [entry("a", Node::Directory), entry("a/b", Node::Directory)]);
    let new = world.segment(&[world.file("a/b/m")]);
    for (skipped, count, old, refused) in [
        (world.segment(&[outer]), 1, world.segment(&[entry("a/b", Node::Directory)]), true),
        (world.segment(&both), 2, world.segment(&[world.file("a/b/k")]), false),
    ] {
        let first = if refused { "a/b" } else { "a/b/k" };
        world.commit(world.inner(1, &[child("a", skipped, count), child(first, old, 1)]));
        let root = world.inner(1, &[child("a", skipped, count), child("a/b/m", new, 1)]);
        let said = world.attempt(root);
        assert_eq!(said.is_err_and(|said| said.contains("what it is in")), refused);
    }
}

#[test]
fn a_node_that_was_proved_in_other_dirs_is_proved_again() {
    let world = World::new();
    let root = world.segment(&[world.file("a"), world.file("b")]);
    world.commit(root);
    assert!(world.try_in(root, &["a"]).unwrap_err().contains("outside the DIRs"));
}

#[test]
fn the_lists_of_large_files_are_followed() {
    let world = World::new();
    let list = |extents: &[Extent]| {
        let mut bytes = Vec::new();
        encode_extents(extents, &mut bytes).unwrap();
        world.node(&bytes)
    };
    let data = Extent::Data { id: world.content.id, length: 7 };
    let lacking = Extent::Data { id: Id::of(b"lacking"), length: 7 };
    let of = |size, lists| world.segment(&[entry("x", Node::File { size, content: Content::Indirect(lists) })]);
    let (good, holes) = (list(&[data, data]), list(&[Extent::Hole { length: 100 }]));
    assert_eq!(world.attempt(of(114, vec![good, holes])), Ok(()));
    world.refuses(of(113, vec![good, holes]), "the length of the file");
    world.refuses(of(14, vec![list(&[data, data, Extent::Hole { length: 0 }])]), "an extent");
    let endless = Extent::Hole { length: u64::MAX };
    world.refuses(of(6, vec![list(&[endless, data])]), "the length of the file");
    world.refuses(of(14, vec![list(&[data, lacking])]), "1 of its chunks are not in the store");
    world.refuses(of(7, vec![ChunkRef { id: Id::of(b"no list"), length: 7 }]), "not in the store");
    world.refuses(of(7, vec![world.content]), "an extent list");
}
