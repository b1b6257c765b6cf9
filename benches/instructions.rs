//! The inner loops, each so often as is asked, for benches/instructions.py to count their instructions: a number that depends on no other load.
//!
//!     instructions              the names of the jobs
//!     instructions NAME TIMES   gets ready, and does the job so many times
//!
//! What getting ready costs goes away when the count of one time is taken from that of two. Everything is made from fixed seeds, and no map hashes with a key
//! of its own. `cargo bench` does each job once.
#![allow(missing_docs, reason = "a bench has no readers")]
#![allow(clippy::unwrap_used, reason = "a bench may stop")]
#![allow(clippy::print_stdout, reason = "a bench says what it has")]

mod common;

use backup::chunk::codec::{Codec, Decoder, Encoder};
use backup::chunk::cut::{Chunker, Cutter};
use backup::entry::{Apart, Content, Entry, Extent, Identity, Meta, Node, Time};
use backup::format::index::{BlockRow, ChunkRow, ContainerRow};
use backup::format::pack::BlockKind;
use backup::fs::dir::Dir;
use backup::fs::fidelity::Fidelity;
use backup::id::Id;
use backup::manifest::diff::Diff;
use backup::monitor::Silent;
use backup::path::RelPath;
use backup::scan::selection::Selection;
use backup::scan::walk::{Found, Item, Walk};
use backup::source::snapshot::{Request, Trust, take};
use backup::store::Error;
use backup::store::block::Block;
use backup::store::chunks::{Answer, ChunkSink};
use backup::store::index::build::{Sorted, write};
use backup::store::index::file::IndexFile;
use backup::store::layout::Layout;
use backup::tree::plan::{Plan, Scope};
use common::Memory;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

const LONG: usize = 8 << 20;
const BLOCK: usize = 1 << 20;
const INDEXED: u32 = 50_000;
const ASKED: u32 = 10_000;
const ENTRIES: usize = 10_000;
const PER_FOLDER: usize = 100;
const FILES: usize = 5000;

static SELECTION: LazyLock<Selection> = LazyLock::new(Selection::everything);

type Job = Box<dyn FnMut()>;
type Ready = fn() -> Job;

/// Name, of how many of what, and how to get ready.
const JOBS: [(&str, usize, &str, Ready); 16] = [
    ("cut_random", LONG, "byte", || cut(random(LONG, 1))),
    ("cut_text", LONG, "byte", || cut(text(LONG))),
    ("hash_and_look_up", LONG, "byte", hash_and_look_up),
    ("encode_sky16", BLOCK, "byte", || encode(sky16())),
    ("encode_flat32", BLOCK, "byte", || encode(flat32())),
    ("encode_text", BLOCK, "byte", || encode(text(BLOCK))),
    ("encode_random", BLOCK, "byte", || encode(random(BLOCK, 2))),
    ("decode_sky16", BLOCK, "byte", || decode(&sky16())),
    ("decode_flat32", BLOCK, "byte", || decode(&flat32())),
    ("decode_text", BLOCK, "byte", || decode(&text(BLOCK))),
    ("index_hit", ASKED as usize, "chunk", || look_up(0)),
    ("index_miss", ASKED as usize, "chunk", || look_up(INDEXED)),
    ("manifest_build", ENTRIES, "entry", manifest_build),
    ("manifest_read", ENTRIES, "entry", manifest_read),
    ("plan_one_percent", ENTRIES, "entry", plan),
    ("snapshot_no_change", FILES, "file", snapshot_no_change),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_cargo = words.iter().any(|word| word == "--bench");
    for (name, count, what, ready) in JOBS {
        match words.as_slice() {
            _ if is_cargo => ready()(),
            [wanted, times] if wanted == name => repeat(ready(), times.parse().unwrap()),
            [] => println!("{name} {count} {what}"),
            _ => {}
        }
    }
}

fn repeat(mut job: Job, times: usize) {
    for _ in 0..times {
        job();
    }
}

fn random(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Lines of source code that repeat themselves with changes.
fn text(len: usize) -> Vec<u8> {
    let lines =
        (0_u64..).map(|n| format!("\tif (dev->state[{}] != {:>5}) return {};\n", n % 13, n * n % 97_777, n % 7));
    lines.flat_map(String::into_bytes).take(len).collect()
}

/// Normal noise, near enough: sums of four bytes, about 510, with a sigma of 148.
fn noise(len: usize) -> Vec<i32> {
    random(4 * len, 3).chunks(4).map(|four| four.iter().map(|&byte| i32::from(byte)).sum()).collect()
}

/// Big-endian int16, as a raw image of the sky.
#[expect(clippy::cast_possible_truncation, reason = "small by construction")]
fn sky16() -> Vec<u8> {
    noise(BLOCK / 2).into_iter().flat_map(|n| ((n / 7 + 1500 - 32768) as i16).to_be_bytes()).collect()
}

/// Big-endian float32, 1 +- 0.003.
#[expect(clippy::cast_precision_loss, reason = "small by construction")]
fn flat32() -> Vec<u8> {
    noise(BLOCK / 4).into_iter().flat_map(|n| (1.0 + (n - 510) as f32 * 2e-5).to_be_bytes()).collect()
}

/// Calls `each` for every chunk.
fn chunks(bytes: &[u8], mut each: impl FnMut(&[u8])) {
    let cutter = Cutter::new(Chunker::default());
    let mut rest = bytes;
    while !rest.is_empty() {
        let window = rest.get(..cutter.window()).unwrap_or(rest);
        let (chunk, behind) = rest.split_at(cutter.next(window));
        each(chunk);
        rest = behind;
    }
}

fn cut(bytes: Vec<u8>) -> Job {
    Box::new(move || chunks(&bytes, |chunk| _ = black_box(chunk)))
}

/// Cut, hash, and ask an index that has nothing of it: what a first backup does with every byte.
fn hash_and_look_up() -> Job {
    let (folder, index) = indexed();
    let bytes = random(LONG, 1);
    Box::new(move || {
        let _folder = &folder;
        chunks(&bytes, |chunk| assert!(index.find(&Id::of(chunk)).unwrap().is_none()));
    })
}

/// A block of a kind that the encoder has not seen, so that it has to choose.
fn encode(plain: Vec<u8>) -> Job {
    Box::new(move || {
        let mut encoder = Encoder::new().unwrap();
        black_box(encoder.encode(&plain).unwrap().1.len());
    })
}

fn decode(plain: &[u8]) -> Job {
    let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new().unwrap());
    let (codec, stored): (Codec, &[u8]) = encoder.encode(plain).unwrap();
    let (stored, mut out) = (stored.to_vec(), Vec::new());
    Box::new(move || decoder.decode(codec, &stored, BLOCK, &mut out).unwrap())
}

fn id(number: u32) -> Id {
    Id::of(&number.to_le_bytes())
}

fn folder() -> TempDir {
    fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).unwrap();
    tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

fn indexed() -> (TempDir, IndexFile) {
    let folder = folder();
    let layout = Layout::new(folder.path());
    fs::create_dir(layout.indexes()).unwrap();
    let mut rows: Vec<ChunkRow> =
        (0..INDEXED).map(|n| ChunkRow { id: id(n), block: n, offset: 0, length: 1 << 20 }).collect();
    rows.sort_unstable();
    let block = |_| BlockRow { offset: 0, container: 0, stored: 1 << 19, plain: 1 << 20, chunks: 1 };
    let blocks: Vec<BlockRow> = (0..INDEXED).map(block).collect();
    let containers = vec![ContainerRow { name: id(0), length: 1 << 40 }];
    let path = write(&layout, &Sorted { containers, blocks, chunks: rows }).unwrap();
    let index = IndexFile::open(&path).unwrap();
    (folder, index)
}

/// Chunks from this number on, in no order.
fn look_up(first: u32) -> Job {
    let (folder, index) = indexed();
    let ids: Vec<Id> = (0..ASKED).map(|n| id(first + n * 7_919 % INDEXED)).collect();
    Box::new(move || {
        let _folder = &folder;
        for id in &ids {
            assert_eq!(index.find(id).unwrap().is_some(), first == 0);
        }
    })
}

/// Folders of a hundred files of one chunk; of those with a number that is `changed` the content and mtime are others.
fn entries(changed: fn(usize) -> bool) -> Vec<Entry> {
    let file = |n: usize| {
        let version = u8::from(changed(n));
        let extent = Extent::Data { id: Id::of(&[&n.to_le_bytes()[..], &[version]].concat()), length: 300_000 };
        let mtime = Time { seconds: 1_069_124_400 + i64::from(version), nanoseconds: 123_456_789 };
        Entry {
            path: RelPath::new(format!("detrend{:03}/image{n:07}.fits", n / PER_FOLDER)).unwrap(),
            meta: Meta { mode: 0o644, uid: 1000, gid: 1000, mtime, xattrs: Vec::new() },
            identity: Identity { inode: 1_000_000 + n as u64, ctime: mtime },
            flags: 0,
            node: Node::File { size: 300_000, content: Content::Direct(vec![extent]) },
        }
    };
    let folder =
        |n: usize| Entry { path: RelPath::new(format!("detrend{n:03}")).unwrap(), node: Node::Directory, ..file(0) };
    let mut all: Vec<Entry> = (0..ENTRIES / PER_FOLDER).map(folder).chain((0..ENTRIES).map(file)).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

fn manifest_build() -> Job {
    let entries = entries(|_| false);
    Box::new(move || _ = Memory::default().build(&entries))
}

fn manifest_read() -> Job {
    let mut memory = Memory::default();
    let root = memory.build(&entries(|_| false));
    Box::new(move || {
        let mut cursor = memory.cursor(root);
        while black_box(cursor.next_entry().unwrap()).is_some() {}
    })
}

/// What there is to do after a night in which every hundredth file changed.
fn plan() -> Job {
    let mut memory = Memory::default();
    let (old, new) = (memory.build(&entries(|_| false)), memory.build(&entries(|n| n % 100 == 7)));
    Box::new(move || {
        let (apart, fidelity) = (Apart::default(), Fidelity::assumed());
        let scope = Scope { selection: &SELECTION, delete: true, apart: &apart, fidelity: &fidelity };
        let diff = Diff::new(Some(memory.cursor(old)), Some(memory.cursor(new)));
        assert_eq!(Plan::new(diff, scope).map(Result::unwrap).count(), ENTRIES / 100);
    })
}

/// As a store that has all, and is given nothing.
impl ChunkSink for Memory {
    fn ask(&self, _kind: BlockKind, ids: Vec<Id>) -> Result<Answer<'_>, Error> {
        Ok(Box::new(move || Ok(ids.iter().map(|id| !self.0.contains_key(id)).collect())))
    }

    fn put(&self, _block: Block) -> Result<(), Error> {
        Err(Error::Gone("nothing is new"))
    }

    fn settle(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What a snapshot has of something that it found; nothing is read, because valgrind 3.19 does not let rustix ask the time.
fn entry(item: Item) -> Option<Entry> {
    let Item::Found(Found { path, stat, .. }) = item else { return None };
    let extent = Extent::Data { id: Id::of(path.name()), length: u32::try_from(stat.size).unwrap() };
    let file = Node::File { size: stat.size, content: Content::Direct(vec![extent]) };
    let meta = Meta { mode: stat.mode, uid: stat.uid, gid: stat.gid, mtime: stat.mtime, xattrs: Vec::new() };
    let node = if stat.is_directory() { Node::Directory } else { file };
    Some(Entry { path, meta, identity: stat.identity(), flags: 0, node })
}

/// A tree is walked and compared with the manifest of the last snapshot, and a manifest made that is the same.
fn snapshot_no_change() -> Job {
    let tree = folder();
    for n in 0..FILES {
        let folder = tree.path().join(format!("{:02}", n / 100));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{n:04}.c")), text(100 + n)).unwrap();
    }
    let walk = Walk::new(Arc::new(Dir::open(tree.path()).unwrap()), &SELECTION, None);
    let mut memory = Memory::default();
    let root = memory.build(&walk.filter_map(entry).collect::<Vec<_>>());
    Box::new(move || {
        let request = Request {
            root: Arc::new(Dir::open(tree.path()).unwrap()),
            selection: &SELECTION,
            parent: Some(root),
            trust: Trust::Identity(Time { seconds: 1 << 40, nanoseconds: 0 }),
            of_mirror: None,
            filter: None,
            without_caches: true,
            chunker: Chunker::default(),
        };
        assert_eq!(take(request, &memory, &Silent).unwrap().root, root);
    })
}
