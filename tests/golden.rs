//! Golden files: a tiny store of format version 1 that the program must read, and write again byte for byte, for ever.
//!
//! `tests/golden/v1` was written by `write_the_golden_files` (`cargo test --test golden -- --ignored`) and is never edited. The stored
//! bytes of its blocks are copied when it is written again: which bytes a zstd of today makes is no part of the format.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]

use backup::chunk::codec::Codec;
use backup::chunk::cut::Chunker;
use backup::chunk::predict::{Model, predict};
use backup::chunk::shuffle::shuffle;
use backup::entry::{
    CARRIED_FORWARD, CHANGED_WHILE_READ, ChunkRef, Content, Entry, Extent, Identity, Meta, Node, Time, Xattr,
};
use backup::format::config::{Config, StoreId};
use backup::format::index::{BlockRow, ChunkRow, ContainerRow, Counts};
use backup::format::manifest::{Child, Encoder, Items, decode_extents, decode_node, encode_extents};
use backup::format::pack::{BlockKind, Footer, check_header, encode_header, encode_tail};
use backup::format::role::{Role, State};
use backup::format::snapshot::{Kind, Owner, Record, Totals};
use backup::id::Id;
use backup::manifest::cursor::Cursor;
use backup::manifest::{self, extents};
use backup::path::RelPath;
use backup::store::Store;
use backup::store::block::Block;
use backup::store::chunks::{ChunkReader, ChunkSink, ChunkSource};
use backup::store::index::file::IndexFile;
use backup::store::pack::reader::{Decoded, PackReader, Scratch};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const GOLDEN: &str = "tests/golden/v1";
const STORE: StoreId = StoreId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
const NOW: Time = Time { seconds: 1_069_124_400, nanoseconds: 123_456_789 };
const CODECS: [Codec; 6] =
    [Codec::Raw, Codec::Zstd, Codec::Shuffle2, Codec::Shuffle4, Codec::Shuffle8, Codec::Predict2];
const MODEL: Model = Model { odd: true, shift: 3 };
const ROLES: [(&str, State); 4] = [
    ("role.empty", State::Empty),
    ("role", State::Clean(1)),
    ("role.publishing", State::Publishing(1, 2)),
    ("role.promoted", State::Promoted(1)),
];

/// The chunks of each data block, by codec. Two chunks of odd length share a block: planes go through the whole block.
fn content(codec: Codec) -> Vec<Vec<u8>> {
    let noise = |seed: &[u8], len: usize| {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(seed).finalize_xof().fill(&mut bytes);
        bytes
    };
    let text = |n: usize| format!("line {n} of a log that repeats itself\n").repeat(20).into_bytes();
    match codec {
        Codec::Raw => vec![noise(b"raw", 300)],
        Codec::Zstd => vec![text(1), b"x".to_vec(), text(2)],
        Codec::Shuffle2 => (0..1000_u16)
            .flat_map(|n| (1000 + n % 7).to_be_bytes())
            .collect::<Vec<u8>>()
            .chunks(1001)
            .map(<[u8]>::to_vec)
            .collect(),
        Codec::Shuffle4 => vec![
            [(0..500_u16).flat_map(|n| (1.0 + f32::from(n % 9) / 1024.0).to_be_bytes()).collect(), b"end".to_vec()]
                .concat(),
        ],
        Codec::Shuffle8 => vec![
            [(0..300_u16).flat_map(|n| (1.0 + f64::from(n % 5) / 1024.0).to_be_bytes()).collect(), b"the end".to_vec()]
                .concat(),
        ],
        // Up, down, and round from 65,535 to 0.
        Codec::Predict2 => vec![
            b"[".to_vec(),
            (0..1000_u16)
                .flat_map(|n| (n % 11).wrapping_add((n % 300).wrapping_mul(250)).wrapping_sub(9).to_be_bytes())
                .collect(),
            b"]".to_vec(),
        ],
    }
}

fn named(bytes: &[u8]) -> ChunkRef {
    ChunkRef { id: Id::of(bytes), length: u32::try_from(bytes.len()).unwrap() }
}

fn data(codec: Codec, number: usize) -> Extent {
    let ChunkRef { id, length } = named(&content(codec)[number]);
    Extent::Data { id, length }
}

/// The two lists of an indirect content.
fn lists() -> [Vec<Extent>; 2] {
    let hole = Extent::Hole { length: 5 << 30 };
    [vec![data(Codec::Raw, 0), hole], vec![data(Codec::Zstd, 0), data(Codec::Raw, 0)]]
}

fn list_bytes(extents: &[Extent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_extents(extents, &mut bytes).unwrap();
    bytes
}

fn file(extents: Vec<Extent>) -> Node {
    Node::File { size: extents.iter().map(Extent::length).sum(), content: Content::Direct(extents) }
}

fn path(bytes: &[u8]) -> RelPath {
    RelPath::new(bytes).unwrap()
}

/// Every kind of entry, and every width of number.
fn entries() -> Vec<Entry> {
    let indirect = Node::File {
        size: lists().iter().flatten().map(Extent::length).sum(),
        content: Content::Indirect(lists().iter().map(|list| named(&list_bytes(list))).collect()),
    };
    let link = |leader: &[u8]| Node::HardLink { leader: path(leader) };
    let bias = vec![data(Codec::Shuffle2, 0), Extent::Hole { length: 1 << 20 }, data(Codec::Shuffle2, 1)];
    let flat = vec![data(Codec::Shuffle4, 0), data(Codec::Shuffle8, 0)];
    let raw = vec![data(Codec::Predict2, 1), data(Codec::Predict2, 2)];
    let notes = vec![data(Codec::Zstd, 2), data(Codec::Zstd, 1)];
    let rows: [(&[u8], u32, u32, Node); 18] = [
        (b"", 0o755, 0, Node::Directory),
        (b"detrend", 0o2775, 250, Node::Directory),
        (b"detrend/2003", 0o755, 251, Node::Directory),
        (b"detrend/2003/bias.fits", 0o644, 65_535, file(bias)),
        (b"detrend/2003/dark.fits", 0o644, 65_535, link(b"detrend/2003/bias.fits")),
        (b"detrend/2003/empty", 0, 65_536, file(Vec::new())),
        (b"detrend/2003/flat.fits", 0o444, 4_294_967_294, file(flat)),
        (b"detrend/huge.img", 0o600, 1000, indirect),
        (b"detrend.old", 0o777, 1000, Node::Symlink { target: b"d\xe9trend".to_vec() }),
        (b"dev", 0o1777, 0, Node::Directory),
        (b"dev/null", 0o666, 0, Node::CharDevice { major: 1, minor: 3 }),
        (b"dev/pipe", 0o620, 0, Node::Fifo),
        (b"dev/sda", 0o660, 0, Node::BlockDevice { major: 8, minor: 1_048_575 }),
        (b"dev/socket", 0o700, 0, Node::Socket),
        (b"dev/zero", 0o666, 0, link(b"dev/null")),
        (b"notes \xff.txt", 0o4755, 1000, file(notes)),
        (b"raw.fits", 0o640, 1000, file(raw)),
        (b"word", 0o644, 1000, file(vec![data(Codec::Zstd, 1)])),
    ];
    rows.into_iter().map(|(path, mode, uid, node)| entry(path, mode, uid, node)).collect()
}

fn entry(at: &[u8], mode: u32, uid: u32, node: Node) -> Entry {
    let xattr = |name: &[u8], value: &[u8]| Xattr { name: name.to_vec(), value: value.to_vec() };
    let (mtime, xattrs, flags) = match at {
        b"detrend" => (NOW, vec![xattr(b"system.posix_acl_default", &[2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255])], 0),
        b"detrend/2003/flat.fits" => (NOW, vec![xattr(b"user.a", b""), xattr(b"user.b", &[0; 300])], CARRIED_FORWARD),
        b"detrend/huge.img" => (NOW, Vec::new(), CHANGED_WHILE_READ),
        b"notes \xff.txt" => (Time { seconds: -1, nanoseconds: 500_000_000 }, Vec::new(), 0),
        _ => (Time { seconds: NOW.seconds, nanoseconds: 0 }, Vec::new(), 0),
    };
    let inode = if at == b"word" { u64::MAX } else { 40_000_000_000 + at.len() as u64 };
    let identity = Identity { inode, ctime: NOW };
    Entry { path: path(at), meta: Meta { mode, uid, gid: uid, mtime, xattrs }, identity, flags, node }
}

fn segment_bytes(entries: &[Entry]) -> Vec<u8> {
    let mut node = Encoder::new(0);
    entries.iter().try_for_each(|entry| node.entry(entry)).unwrap();
    node.into_bytes()
}

fn inner_bytes(level: u8, children: &[Child]) -> Vec<u8> {
    let mut node = Encoder::new(level);
    children.iter().try_for_each(|child| node.child(child)).unwrap();
    node.into_bytes()
}

/// The nodes of a manifest with `fan` items each, leaves first: bytes, first path, entries below.
fn nodes(entries: &[Entry], fan: usize) -> Vec<Vec<u8>> {
    let segment = |some: &[Entry]| (segment_bytes(some), some[0].path.clone(), some.len() as u64);
    let mut level: Vec<(Vec<u8>, RelPath, u64)> = entries.chunks(fan).map(segment).collect();
    let (mut all, mut number) = (Vec::new(), 0_u8);
    while level.len() > 1 {
        number += 1;
        let inner = |some: &[(Vec<u8>, RelPath, u64)]| {
            let child = |(node, first, entries): &(Vec<u8>, RelPath, u64)| Child {
                first: first.clone(),
                node: named(node),
                entries: *entries,
            };
            let bytes = inner_bytes(number, &some.iter().map(child).collect::<Vec<_>>());
            (bytes, some[0].1.clone(), some.iter().map(|(.., n)| n).sum())
        };
        let above = level.chunks(fan).map(inner).collect();
        all.extend(std::mem::replace(&mut level, above).into_iter().map(|(bytes, ..)| bytes));
    }
    all.extend(level.into_iter().map(|(bytes, ..)| bytes));
    all
}

/// What each snapshot holds: kind, entries, nodes with the root last.
fn snapshots() -> [(Kind, Vec<Entry>, Vec<Vec<u8>>); 3] {
    let (all, some) = (entries(), entries()[1..8].to_vec());
    let (tree, segment) = (nodes(&all, 3), nodes(&some, 100));
    [(Kind::Backup, all, tree), (Kind::Rescue, some, segment), (Kind::Held, Vec::new(), vec![vec![0]])]
}

/// Before a store gives it its number and its parent.
fn record(kind: Kind, entries: &[Entry], root: &[u8]) -> Record {
    let count = |wanted: fn(&Node) -> bool| entries.iter().filter(|e| wanted(&e.node)).count() as u64;
    let (files, directories) = (count(|n| matches!(n, Node::File { .. })), count(|n| *n == Node::Directory));
    let owner = |number, name: &[u8]| Owner { number, name: name.to_vec() };
    Record {
        sequence: 0,
        kind,
        time: NOW,
        parent: None,
        target: b"elixir".to_vec(),
        source: b"uhane:/local/data/elixir".to_vec(),
        dirs: if kind == Kind::Backup { vec![RelPath::root()] } else { vec![path(b"detrend"), path(b"tests")] },
        root: named(root),
        totals: Totals {
            files,
            directories,
            others: entries.len() as u64 - files - directories,
            bytes: entries.iter().map(Entry::size).sum(),
            new_bytes: 70_000,
            problems: u64::from(kind == Kind::Backup) * 2,
        },
        users: vec![owner(0, b"root"), owner(1000, b"\xe9lise")],
        groups: vec![owner(1000, b"staff")],
        note: if kind == Kind::Held { b"97 % would be deleted\n".to_vec() } else { Vec::new() },
    }
}

fn stored(codec: Codec, plain: &[u8]) -> Vec<u8> {
    let mut arranged = plain.to_vec();
    if let Some(stride) = codec.stride() {
        shuffle(stride, plain, &mut arranged);
    }
    if codec == Codec::Predict2 {
        predict(MODEL, plain, &mut arranged);
        return [zstd::bulk::compress(&arranged, 3).unwrap(), vec![MODEL.byte()]].concat();
    }
    if codec == Codec::Raw { arranged } else { zstd::bulk::compress(&arranged, 3).unwrap() }
}

fn block(kind: BlockKind, codec: Codec, chunks: &[Vec<u8>]) -> Block {
    Block { kind, codec, chunks: chunks.iter().map(|c| named(c)).collect(), stored: stored(codec, &chunks.concat()) }
}

fn config() -> Config {
    Config { store: STORE, chunker: Chunker::default() }
}

fn role(state: State) -> Role {
    Role { target: "elixir".to_owned(), store: STORE, state, at: NOW }
}

fn write(root: &Path) {
    fs::create_dir_all(root).unwrap();
    for (name, state) in ROLES {
        fs::write(root.join(name), role(state).encode()).unwrap();
    }
    let store = Store::create(&root.join("store"), config()).unwrap();
    for codec in CODECS {
        store.put(block(BlockKind::Data, codec, &content(codec))).unwrap();
    }
    store.put(block(BlockKind::Manifest, Codec::Raw, &lists().map(|list| list_bytes(&list)))).unwrap();
    for (_, _, nodes) in snapshots() {
        store.put(block(BlockKind::Manifest, Codec::Zstd, &nodes)).unwrap();
    }
    store.settle().unwrap();
    for (kind, entries, nodes) in snapshots() {
        store.commit(record(kind, &entries, nodes.last().unwrap())).unwrap();
    }
}

fn files_below(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let items = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap).filter(|i| i.file_type().is_file());
    items.map(|i| (i.path().strip_prefix(root).unwrap().to_path_buf(), fs::read(i.path()).unwrap())).collect()
}

fn golden_store() -> Store {
    Store::open(&Path::new(GOLDEN).join("store")).unwrap()
}

fn read(reader: &mut dyn ChunkReader, chunk: ChunkRef) -> Vec<u8> {
    reader.read(&chunk).unwrap().to_vec()
}

#[test]
#[ignore = "writes the golden files, once; when they are there, only tries it"]
fn write_the_golden_files() {
    let trial = tempfile::tempdir().unwrap();
    let there = Path::new(GOLDEN).exists();
    let root = if there { trial.path() } else { Path::new(GOLDEN) };
    write(root);
    assert_eq!(files_below(root).len(), 11);
}

#[test]
fn the_config_is_read_and_written_as_it_is() {
    let bytes = fs::read(Path::new(GOLDEN).join("store/config")).unwrap();
    assert_eq!(Config::decode(&bytes), Ok(config()));
    assert_eq!(config().encode(), bytes);
}

#[test]
fn every_role_is_read_and_written_as_it_is() {
    for (name, state) in ROLES {
        let bytes = fs::read(Path::new(GOLDEN).join(name)).unwrap();
        assert_eq!(Role::decode(&bytes), Ok(role(state)), "{name}");
        assert_eq!(role(state).encode(), bytes, "{name}");
    }
}

#[test]
fn every_pack_is_read_and_written_as_it_is() {
    let store = golden_store();
    let (mut codecs, mut chunks) = (BTreeSet::new(), BTreeSet::new());
    let packs = store.packs().unwrap();
    assert_eq!(packs.len(), 2, "one of content, one of manifests");
    for (name, length) in packs {
        let bytes = fs::read(store.layout().pack(&name)).unwrap();
        assert_eq!((Id::of(&bytes), bytes.len() as u64), (name, length));
        check_header(&bytes).unwrap();
        let pack = PackReader::open(store.layout(), &name).unwrap();
        let rows = pack.contents().unwrap();
        let mut again = encode_header().to_vec();
        for row in &rows {
            let (from, span) = (row.offset as usize, row.span());
            let mut block = Decoded::default();
            pack.block(row.offset.into(), span, &mut Scratch::new().unwrap(), &mut block).unwrap();
            let mut plain = block.plain.as_slice();
            for chunk in &row.chunks {
                let (one, rest) = plain.split_at(chunk.length as usize);
                assert_eq!(named(one), *chunk);
                chunks.insert(one.to_vec());
                plain = rest;
            }
            codecs.insert(row.header.codec as u8);
            again.extend(row.header.encode(row.chunks.iter().map(|c| c.length)));
            let stored = from + usize::try_from(row.header.total_len()).unwrap();
            again.extend(&bytes[stored..stored + row.header.stored as usize]);
        }
        let footer = Footer::decode(&bytes[bytes.len() - 64..], length).unwrap();
        assert_eq!((footer.offset, footer.blocks as usize), (again.len() as u64, rows.len()));
        again.extend(encode_tail(again.len() as u64, &rows));
        assert!(again == bytes, "{name}");
    }
    assert_eq!(codecs.into_iter().collect::<Vec<u8>>(), CODECS.map(u8::from));
    for chunk in CODECS.iter().flat_map(|&codec| content(codec)) {
        assert!(chunks.contains(&chunk));
    }
}

#[test]
fn the_index_is_read_and_written_as_it_is() {
    let store = golden_store();
    let folder: Vec<PathBuf> = fs::read_dir(store.layout().indexes()).unwrap().map(|i| i.unwrap().path()).collect();
    assert_eq!(folder.len(), 1);
    let (bytes, index) = (fs::read(&folder[0]).unwrap(), IndexFile::open(&folder[0]).unwrap());
    assert_eq!(store.layout().index(&Id::of(&bytes)), folder[0]);
    let counts = index.counts();
    let expected: usize = 11 + 2 + snapshots().iter().map(|(.., nodes)| nodes.len()).sum::<usize>();
    assert_eq!((counts.containers, counts.blocks, counts.chunks), (2, 10, expected as u64));
    let mut again = Counts::encode(&counts);
    (0..counts.containers).for_each(|n| ContainerRow::encode(&index.container(n).unwrap(), &mut again));
    (0..counts.blocks).for_each(|n| BlockRow::encode(&index.block(n).unwrap(), &mut again));
    for row in (0..counts.chunks).map(|n| index.chunk(n).unwrap()) {
        assert_eq!(index.find_row(&row.id).unwrap(), Some(row));
        ChunkRow::encode(&row, &mut again);
    }
    assert!(again == bytes);
}

#[test]
fn every_manifest_is_read_and_written_as_it_is() {
    let store = golden_store();
    for (number, (_, entries, nodes)) in (1..).zip(snapshots()) {
        let root = store.record(number).unwrap().root;
        let mut cursor = Cursor::new(root, store.reader().unwrap()).unwrap();
        let found: Vec<Entry> = std::iter::from_fn(|| cursor.next_entry().unwrap()).collect();
        assert_eq!(found, entries, "snapshot {number}");
        let mut reader = store.reader().unwrap();
        for node in nodes {
            let bytes = read(reader.as_mut(), named(&node));
            let again = match decode_node(&bytes).unwrap() {
                Items::Segment(entries) => segment_bytes(&entries),
                Items::Inner(level, children) => inner_bytes(level, &children),
            };
            assert_eq!(again, bytes);
        }
    }
    let root = read(store.reader().unwrap().as_mut(), store.record(1).unwrap().root);
    assert!(matches!(decode_node(&root), Ok(Items::Inner(2, _))), "a tree of three levels");
}

#[test]
fn indirect_content_is_read_and_written_as_it_is() {
    let store = golden_store();
    let mut reader = store.reader().unwrap();
    for list in lists() {
        let bytes = read(reader.as_mut(), named(&list_bytes(&list)));
        assert_eq!(decode_extents(&bytes), Ok(list));
    }
    let huge = entries().into_iter().find(|e| e.path == path(b"detrend/huge.img")).unwrap();
    let Node::File { content, .. } = huge.node else { panic!("it is a file") };
    let mut found = Vec::new();
    extents::for_each(&content, reader.as_mut(), &mut |extent, _| {
        found.push(*extent);
        Ok::<_, manifest::Error>(())
    })
    .unwrap();
    assert_eq!(found, lists().concat());
}

#[test]
fn every_record_is_read_and_written_as_it_is() {
    let store = golden_store();
    assert_eq!(store.sequences().unwrap(), [1, 2, 3]);
    let mut parent = None;
    for (sequence, (kind, entries, nodes)) in (1..).zip(snapshots()) {
        let bytes = fs::read(store.layout().snapshot(sequence)).unwrap();
        let expected = Record { sequence, parent, ..record(kind, &entries, nodes.last().unwrap()) };
        let (found, seal) = Record::decode(&bytes).unwrap();
        assert_eq!(found, expected);
        assert_eq!(expected.encode().unwrap(), bytes);
        parent = Some(seal);
    }
}

/// All of the writing code at once: the same blocks and records, put into a new store, make the same files.
#[test]
fn a_store_written_again_has_the_same_files() {
    let (old, folder) = (golden_store(), tempfile::tempdir().unwrap());
    let root = folder.path().join("store");
    let new = Store::create(&root, *old.config()).unwrap();
    for (name, _) in old.packs().unwrap() {
        let bytes = fs::read(old.layout().pack(&name)).unwrap();
        for row in PackReader::open(old.layout(), &name).unwrap().contents().unwrap() {
            let from = row.offset as usize + usize::try_from(row.header.total_len()).unwrap();
            let stored = bytes[from..from + row.header.stored as usize].to_vec();
            new.put(Block { kind: row.header.kind, codec: row.header.codec, chunks: row.chunks, stored }).unwrap();
        }
    }
    new.settle().unwrap();
    for sequence in old.sequences().unwrap() {
        new.commit(old.record(sequence).unwrap()).unwrap();
    }
    let (a, b) = (files_below(&Path::new(GOLDEN).join("store")), files_below(&root));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    assert!(a == b);
}

/// tests/reader.py was written from format-spec.md alone: it and the program must understand the same. Needs python3 with the packages
/// zstandard and blake3: `pip install zstandard blake3`, or `.ci/run`, which makes an environment of its own.
#[test]
fn the_independent_reader_understands_the_same() {
    let reader = |words: &[&str]| {
        let store = format!("{GOLDEN}/store");
        let out = Command::new("python3").args(["tests/reader.py", &store]).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success() && said.is_empty(), "reader.py {words:?}: {}\n{said}", out.status);
        String::from_utf8(out.stdout).unwrap()
    };
    reader(&["verify"]);
    let mut expected = String::new();
    for (number, (kind, entries, nodes)) in (1..).zip(snapshots()) {
        let Record { totals, .. } = record(kind, &entries, nodes.last().unwrap());
        let (kind, note) = match kind {
            Kind::Backup => ("backup", ""),
            Kind::Rescue => ("rescue", ""),
            Kind::Held => ("held", "97 % would be deleted\\x0a"),
        };
        let (files, bytes, new) = (totals.files, totals.bytes, totals.new_bytes);
        let row = format!("{number}\t{kind}\t2003-11-18T03:00:00.123456789Z\t{files}\t{bytes}\t{new}\t{note}\n");
        expected.push_str(&row);
    }
    assert_eq!(reader(&["list"]), expected);
    let listed = reader(&["ls", "1"]);
    let paths: Vec<&str> = listed.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    assert_eq!(paths.len(), entries().len());
    assert_eq!(
        paths[..5],
        [
            ".",
            "detrend",
            "detrend/2003",
            "detrend/2003/bias.fits",
            "detrend/2003/dark.fits link to detrend/2003/bias.fits"
        ]
    );
    assert!(listed.contains("1969-12-31T23:59:59.500000000Z\tnotes \\xff.txt"), "{listed}");
}
