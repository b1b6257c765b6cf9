//! A store that is far away: many questions are under way at once, and it is told what will be read before it is asked for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use backup::chunk::cut::Chunker;
use backup::entry::{ChunkRef, Time};
use backup::format::config::{Config, StoreId};
use backup::format::pack::BlockKind;
use backup::fs::clock::TICK;
use backup::fs::dir::Dir;
use backup::fs::fidelity::Fidelity;
use backup::id::Id;
use backup::limits::{SMALL_FILE, STAGE_GROUP};
use backup::manifest::cursor::Cursor;
use backup::manifest::diff::Diff;
use backup::monitor::Silent;
use backup::scan::selection::Selection;
use backup::source::snapshot::{Request, Taken, Trust, take};
use backup::store::block::Block;
use backup::store::chunks::{Answer, ChunkReader, ChunkSink, ChunkSource, ChunkStore};
use backup::store::{Error, Store};
use backup::tree::apply::{Target, apply};
use backup::tree::moves::Moves;
use backup::tree::plan::{Plan, Scope};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ROUND_TRIP: Duration = Duration::from_millis(100);

fn store(dir: &TempDir) -> Store {
    Store::create(&dir.path().join("store"), Config { store: StoreId(7), chunker: Chunker::default() }).unwrap()
}

/// Answers about content as of when it is asked, and a round trip later; about the manifest at once.
struct Far {
    store: Store,
    asked: Mutex<u32>,
    /// How often each chunk of content came.
    came: Mutex<HashMap<Id, u32>>,
}

impl Far {
    fn new(dir: &TempDir) -> Self {
        Self { store: store(dir), asked: Mutex::default(), came: Mutex::default() }
    }
}

impl ChunkSource for Far {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
        self.store.reader()
    }
}

impl ChunkSink for Far {
    fn ask(&self, kind: BlockKind, ids: Vec<Id>) -> Result<Answer<'_>, Error> {
        let (missing, at) = (self.store.missing(kind, &ids)?, Instant::now() + ROUND_TRIP);
        if kind == BlockKind::Manifest {
            return Ok(Box::new(move || Ok(missing)));
        }
        *self.asked.lock().unwrap() += 1;
        Ok(Box::new(move || {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            Ok(missing)
        }))
    }

    fn put(&self, block: Block) -> Result<(), Error> {
        if block.kind == BlockKind::Data {
            block.chunks.iter().for_each(|chunk| *self.came.lock().unwrap().entry(chunk.id).or_default() += 1);
        }
        self.store.put(block)
    }

    fn settle(&self) -> Result<(), Error> {
        self.store.settle()
    }
}

/// Bytes that no other seed has, and that cannot be compressed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Files that are a parcel each, every fourth like the one before it; and some small ones between them.
fn make_tree(root: &Path, files: u64) {
    for n in 0..files {
        let seed = if n % 4 == 3 { n - 1 } else { n };
        fs::write(root.join(format!("{n:03}")), noise(seed, usize::try_from(SMALL_FILE).unwrap() + 1)).unwrap();
        fs::write(root.join(format!("{n:03} small")), noise(seed + files, 100)).unwrap();
    }
    // Or each file would be left to age by itself.
    std::thread::sleep(2 * TICK);
}

fn snapshot(root: &Path, store: &dyn ChunkStore) -> Taken {
    let request = Request {
        root: Arc::new(Dir::open(root).unwrap()),
        selection: &Selection::everything(),
        parent: None,
        trust: Trust::Nothing,
        of_mirror: None,
        filter: None,
        without_caches: false,
        chunker: Chunker::default(),
    };
    let taken = take(request, store, &Silent).unwrap();
    store.settle().unwrap();
    taken
}

#[test]
fn a_round_trip_costs_little_and_the_manifest_is_the_same() {
    let (tree, near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_tree(tree.path(), 30);
    let (near, far) = (store(&near), Far::new(&far));
    let expected = snapshot(tree.path(), &near);

    let began = Instant::now();
    let taken = snapshot(tree.path(), &far);
    let took = began.elapsed();
    assert_eq!((taken.root, taken.totals), (expected.root, expected.totals));
    let asked = *far.asked.lock().unwrap();
    assert!(asked >= 60, "{asked} questions are too few to tell");
    assert!(took < asked * ROUND_TRIP / 2, "{asked} questions took {took:?}");

    let again: Vec<u32> = far.came.lock().unwrap().values().copied().filter(|times| *times > 1).collect();
    assert!(again.is_empty(), "content was sent more than once: {again:?}");
    assert_eq!(snapshot(tree.path(), &far).totals.new_bytes, 0, "all of it is there");
}

/// Listens to what it is told, and notes what is read.
struct Listener {
    store: Store,
    told: Mutex<Vec<ChunkRef>>,
    read: Mutex<Vec<ChunkRef>>,
}

struct Reading<'a>(Box<dyn ChunkReader + 'a>, &'a Mutex<Vec<ChunkRef>>);

impl ChunkSource for Listener {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
        Ok(Box::new(Reading(self.store.reader()?, &self.read)))
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn expect(&self, chunks: Vec<ChunkRef>) {
        self.told.lock().unwrap().extend(chunks);
    }
}

impl ChunkReader for Reading<'_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
        self.1.lock().unwrap().push(*chunk);
        self.0.read(chunk)
    }
}

#[test]
fn what_a_tree_is_made_of_is_read_about_in_the_order_that_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let [tree, made, stage] = ["tree", "made", "stage"].map(|name| dir.path().join(name));
    for path in [&tree, &made, &stage] {
        fs::create_dir(path).unwrap();
    }
    let at_a_time = STAGE_GROUP * rayon::current_num_threads();
    let files = 4 * at_a_time;
    for n in 0..files {
        fs::write(tree.join(format!("{n:06}")), n.to_string()).unwrap();
    }
    std::thread::sleep(2 * TICK);
    let store = store(&dir);
    let taken = snapshot(&tree, &store);

    let listener = Listener { store, told: Mutex::default(), read: Mutex::default() };
    let selection = Selection::everything();
    let cursor = Cursor::new(taken.root, listener.store.reader().unwrap()).unwrap();
    let fidelity = Fidelity::assumed();
    let scope = Scope { selection: &selection, delete: true, apart: &taken.apart, fidelity: &fidelity };
    let plan = Plan::new(Diff::new(None, Some(cursor)), scope);
    let root = Dir::open(&made).unwrap();
    let target = Target {
        root: &root,
        stage: Dir::open(&stage).unwrap(),
        stage_path: &stage,
        selection: &selection,
        fidelity: &fidelity,
        trusted: Time::default(),
        moves: &Moves::default(),
    };
    let done = apply(plan, target, &listener, &Silent).unwrap();
    assert_eq!((done.failed, done.bytes), (0, taken.totals.bytes));

    let (told, read) = (listener.told.into_inner().unwrap(), listener.read.into_inner().unwrap());
    assert_eq!((told.len(), read.len()), (files, files));
    for (turn, chunk) in read.iter().enumerate() {
        let place = told.iter().position(|told| told == chunk).unwrap();
        assert!(place <= turn + at_a_time, "number {place} was read when {turn} had been");
    }
}
