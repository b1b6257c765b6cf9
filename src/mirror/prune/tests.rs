//! What a sweep must not be led astray by: equal bytes in two parts, places of which one is bad, orders that must not be.

use super::{Most, Order, Pruned, prune};
use crate::chunk::codec::Encoder;
use crate::chunk::cut::Chunker;
use crate::entry::{ChunkRef, Content, Entry, Extent, Identity, Meta, Node, Time};
use crate::format::config::{Config, StoreId};
use crate::format::pack::BlockKind;
use crate::format::role::State;
use crate::format::snapshot::{Kind, Record, Totals};
use crate::id::Id;
use crate::manifest::build::Builder;
use crate::mirror::verify::verify;
use crate::monitor::{Monitor, Phase, Silent};
use crate::path::RelPath;
use crate::store::Store;
use crate::store::block::Block;
use crate::store::chunks::{ChunkSink, ChunkSource};
use std::path::PathBuf;
use std::sync::Mutex;

struct World {
    store: Store,
    scratch: tempfile::TempDir,
}

/// Remembers what is wrong.
#[derive(Default)]
struct Wrong(Mutex<Vec<String>>);

impl Monitor for Wrong {
    fn begin(&self, _phase: Phase, _files: Option<u64>, _bytes: Option<u64>) {}
    fn advance(&self, _files: u64, _bytes: u64) {}
    fn problem(&self, path: &RelPath, message: &str) {
        self.wrong(&format!("{path}: {message}"));
    }
    fn wrong(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
    fn note(&self, _message: &str) {}
}

fn name(bytes: &[u8]) -> ChunkRef {
    ChunkRef { id: Id::of(bytes), length: u32::try_from(bytes.len()).unwrap() }
}

fn file(path: String, content: &[ChunkRef]) -> Entry {
    let extents = content.iter().map(|chunk| Extent::Data { id: chunk.id, length: chunk.length }).collect();
    let size = content.iter().map(|chunk| u64::from(chunk.length)).sum();
    let meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
    let node = Node::File { size, content: Content::Direct(extents) };
    Entry { path: RelPath::new(path).unwrap(), meta, identity: Identity::default(), flags: 0, node }
}

impl World {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let config = Config { store: StoreId(7), chunker: Chunker::default() };
        Self { store: Store::create(&scratch.path().join("s"), config).unwrap(), scratch }
    }

    /// The store, opened once more for writing, as a next run does.
    fn again(mut self) -> Self {
        self.store = Store::open(&self.scratch.path().join("s")).unwrap();
        self.store.recover().unwrap();
        self
    }

    /// Puts chunks into one block, those too that are there.
    fn put(&self, kind: BlockKind, chunks: &[Vec<u8>]) -> Vec<ChunkRef> {
        let names: Vec<ChunkRef> = chunks.iter().map(|bytes| name(bytes)).collect();
        let block = Block::encode(kind, names.clone(), &chunks.concat(), &mut Encoder::new().unwrap()).unwrap();
        self.store.put(block).unwrap();
        names
    }

    fn snapshot(&self, files: &[(&str, &[ChunkRef])]) -> ChunkRef {
        let mut builder = Builder::default();
        let mut sink = |node: ChunkRef, bytes: Vec<u8>| {
            if self.store.missing(BlockKind::Manifest, &[node.id]).unwrap()[0] {
                self.put(BlockKind::Manifest, &[bytes]);
            }
            Ok(())
        };
        for (path, content) in files {
            builder.push(&file((*path).to_owned(), content), &mut sink).unwrap();
        }
        let root = builder.finish(&mut sink).unwrap();
        self.store.settle().unwrap();
        let (target, source, note, dirs) = (b"t".to_vec(), b"/s".to_vec(), Vec::new(), vec![RelPath::root()]);
        let (users, groups, time, totals) = (Vec::new(), Vec::new(), Time::default(), Totals::default());
        let (kind, parent, sequence) = (Kind::Backup, None, 0);
        let record = Record { sequence, kind, time, parent, target, source, dirs, root, totals, users, groups, note };
        self.store.commit(record).unwrap();
        root
    }

    fn packs(&self) -> Vec<PathBuf> {
        let packs = self.store.packs().unwrap();
        packs.into_iter().map(|(pack, _)| self.store.layout().pack(&pack)).collect()
    }

    fn drop(&self, drop: &[u64], wrong: &Wrong) -> Pruned {
        let order = Order { drop: drop.to_vec(), most: Most::All, dry: false };
        prune(&self.store, State::Empty, &order, wrong).unwrap()
    }

    fn is_whole(&self) {
        let wrong = Wrong::default();
        verify(&self.store, true, &wrong).unwrap();
        assert_eq!(wrong.0.into_inner().unwrap(), Vec::<String>::new());
    }
}

/// Bytes that do not compress.
fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn a_node_whose_bytes_are_also_content_of_a_file_is_followed_all_the_same() {
    let world = World::new();
    let content = world.put(BlockKind::Data, &[noise(1, 5000)]);
    let root = world.snapshot(&[("inner", &content)]);
    // Whoever backs up the nodes of a store as files: that comes first, and is content.
    world.snapshot(&[("copy", &[root])]);
    let junk = world.put(BlockKind::Data, &[noise(2, 5000)]);
    world.snapshot(&[("junk", &junk)]);
    world.snapshot(&[("copy", &[root]), ("inner", &content)]);
    let again = world.snapshot(&[("inner", &content)]);
    assert_eq!(again, root);
    let wrong = Wrong::default();
    assert_eq!(world.drop(&[1, 3, 4], &wrong).snapshots, 3);
    world.is_whole();
    assert!(world.store.locate(&content[0].id).unwrap().is_some());
    assert!(world.store.locate(&junk[0].id).unwrap().is_none());
}

#[test]
fn of_a_chunk_that_is_there_twice_one_place_stays() {
    let world = World::new();
    let twice = world.put(BlockKind::Data, &[noise(1, 5000), noise(2, 5000), noise(1, 5000)]);
    world.store.settle().unwrap();
    // In a pack of its own, and twice in one.
    world.put(BlockKind::Data, &[noise(1, 5000)]);
    world.store.settle().unwrap();
    world.put(BlockKind::Data, &[noise(1, 5000)]);
    world.put(BlockKind::Data, &[noise(1, 5000), noise(3, 5000)]);
    world.store.settle().unwrap();
    world.snapshot(&[("gone", &twice[1..2])]);
    world.snapshot(&[("kept", &twice[..1])]);
    let world = world.again();
    let wrong = Wrong::default();
    let pruned = world.drop(&[1], &wrong);
    assert!(pruned.left == 0 && pruned.unused + pruned.rewritten >= 3, "{pruned:?}");
    world.is_whole();
    let world = world.again();
    world.is_whole();
    let bytes: u64 = world.store.packs().unwrap().iter().map(|(_, length)| length).sum();
    assert!(bytes < 6000, "{bytes}");
    assert_eq!(world.drop(&[], &wrong).freed, 0);
}

#[test]
fn the_last_good_copy_of_something_is_not_removed() {
    let world = World::new();
    let chunk = world.put(BlockKind::Data, &[noise(1, 5000)]);
    world.store.settle().unwrap();
    world.snapshot(&[("file", &chunk)]);
    world.put(BlockKind::Data, &[noise(1, 5000), noise(2, 100)]);
    world.store.settle().unwrap();
    let world = world.again();
    // The place that is chosen is bad, wherever it is.
    let chosen = world.store.locate(&chunk[0].id).unwrap().unwrap();
    let path = world.store.layout().pack(&chosen.pack);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let packs = world.packs();
    let wrong = Wrong::default();
    let pruned = world.drop(&[], &wrong);
    assert_eq!((pruned.left, pruned.unused), (1, 0));
    let said = wrong.0.into_inner().unwrap();
    assert!(said[0].contains("it is left as it is") && said[0].contains(&path.display().to_string()), "{said:?}");
    assert!(packs.iter().all(|pack| pack.exists()));
}

#[test]
fn packs_that_are_gone_and_that_nobody_needs_are_lost_no_more() {
    let world = World::new();
    let gone = world.put(BlockKind::Data, &[noise(1, 5000)]);
    world.store.settle().unwrap();
    let lost = world.packs()[0].clone();
    let kept = world.put(BlockKind::Data, &[noise(2, 5000)]);
    world.snapshot(&[("gone", &gone)]);
    world.snapshot(&[("kept", &kept)]);
    std::fs::remove_file(&lost).unwrap();
    let world = world.again();
    assert!(world.store.has_lost());
    // The first needs it.
    let order = Order { drop: Vec::new(), most: Most::All, dry: false };
    let refused = prune(&world.store, State::Empty, &order, &Silent).unwrap_err().to_string();
    assert!(refused.contains("snapshot 1 cannot be read in full") && refused.contains("gone: "), "{refused}");
    world.drop(&[1], &Wrong::default());
    assert!(!world.store.has_lost());
    world.is_whole();
    assert!(!world.again().store.has_lost());
}

#[test]
fn an_order_that_must_not_be_is_refused() {
    let world = World::new();
    let content = world.put(BlockKind::Data, &[noise(1, 5000)]);
    (0..5).for_each(|_| _ = world.snapshot(&[("file", &content)]));
    world.store.pin(2).unwrap();
    for (drop, state, words) in [
        (5, State::Empty, "has the last number"),
        (2, State::Empty, "is pinned"),
        (9, State::Empty, "is not there"),
        (3, State::Clean(3), "is on the mirror"),
        (3, State::Publishing(1, 3), "is on the mirror"),
        (1, State::Publishing(1, 3), "is on the mirror"),
    ] {
        for dry in [false, true] {
            let order = Order { drop: vec![drop], most: Most::All, dry };
            let refused = prune(&world.store, state, &order, &Silent).unwrap_err().to_string();
            assert!(refused.contains(words) && refused.contains(&format!("snapshot {drop} ")), "{refused}");
        }
    }
    assert_eq!(world.store.sequences().unwrap(), [1, 2, 3, 4, 5]);
}

#[test]
fn who_reads_without_the_lock_finds_what_was_moved_meanwhile() {
    let world = World::new();
    let content = world.put(BlockKind::Data, &[noise(1, 3000), noise(2, 50_000)]);
    world.snapshot(&[("gone", &content[1..])]);
    world.snapshot(&[("kept", &content[..1])]);
    let reading = Store::open(&world.scratch.path().join("s")).unwrap().only_read();
    assert_eq!(world.drop(&[1], &Wrong::default()).rewritten, 1);
    let mut reader = reading.reader().unwrap();
    assert_eq!(reader.read(&content[0]).unwrap(), noise(1, 3000));
    let gone = reader.read(&content[1]).unwrap_err().to_string();
    assert!(gone.contains("is not in the store"), "{gone}");
}
