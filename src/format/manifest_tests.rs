//! Bytes that break one rule each, and bytes that break any.

use super::{Child, Encoder, Error, Items, decode_extents, decode_node, encode_extents};
use crate::entry::{ChunkRef, Content, Entry, Extent, Identity, Meta, Node, Time, Xattr};
use crate::format::bin;
use crate::id::Id;
use crate::limits::{CHUNK_MAX, ENTRY_MAX, NODE_MAX, NODE_PATHS_MAX, REL_PATH_MAX};
use crate::path::RelPath;
use proptest::prelude::*;
use serde_bytes::Bytes;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn entry(at: &str, node: Node) -> Entry {
    let meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
    Entry { path: path(at), meta, identity: Identity::default(), flags: 0, node }
}

fn chunk(length: usize) -> ChunkRef {
    ChunkRef { id: Id::of(b""), length: u32::try_from(length).unwrap() }
}

/// The bytes that an entry has when nobody proves it, behind `shared` bytes of the one before it.
fn raw(entry: &Entry, shared: usize, out: &mut Vec<u8>) {
    let part = |shared: usize, path: &RelPath, out: &mut Vec<u8>| {
        bin::encode(&(shared as u64, Bytes::new(&path.as_bytes()[shared..])), out).unwrap();
    };
    part(shared, &entry.path, out);
    bin::encode(&(&entry.meta, &entry.identity, entry.flags), out).unwrap();
    match &entry.node {
        Node::HardLink { leader } => {
            out.push(7);
            part(0, leader, out);
        }
        node => bin::encode(node, out).unwrap(),
    }
}

fn decoded(entry: &Entry) -> Result<Items, Error> {
    let mut bytes = vec![0];
    raw(entry, 0, &mut bytes);
    decode_node(&bytes)
}

/// Neither read nor written.
fn refused(entry: &Entry, what: &'static str) {
    assert_eq!(decoded(entry), Err(Error::Invalid(what)), "{entry:?}");
    assert_eq!(Encoder::new(0).entry(entry), Err(Error::Invalid(what)), "{entry:?}");
}

fn taken(entry: &Entry) {
    let mut node = Encoder::new(0);
    node.entry(entry).unwrap();
    let mut bytes = vec![0];
    raw(entry, 0, &mut bytes);
    assert_eq!(node.bytes(), bytes);
    assert_eq!(decode_node(&bytes), Ok(Items::Segment(vec![entry.clone()])));
}

#[test]
fn times_modes_and_flags_have_bounds() {
    let file = entry("f", Node::Fifo);
    for (nanoseconds, good) in [(999_999_999, true), (1_000_000_000, false)] {
        let (mut a, mut b) = (file.clone(), file.clone());
        a.meta.mtime.nanoseconds = nanoseconds;
        b.identity.ctime.nanoseconds = nanoseconds;
        let check: fn(&Entry) = if good { taken } else { |entry| refused(entry, "the time of an entry") };
        check(&a);
        check(&b);
    }
    let mut mode = file.clone();
    mode.meta.mode = 0o7777;
    taken(&mode);
    mode.meta.mode = 0o10000;
    refused(&mode, "the mode or the flags of an entry");
    taken(&Entry { flags: 3, ..file.clone() });
    refused(&Entry { flags: 4, ..file }, "the mode or the flags of an entry");
}

#[test]
fn extended_attributes_have_names_in_order() {
    let with = |names: &[&[u8]]| {
        let mut entry = entry("f", Node::Socket);
        entry.meta.xattrs = names.iter().map(|name| Xattr { name: name.to_vec(), value: Vec::new() }).collect();
        entry
    };
    taken(&with(&[b"user.a", b"user.a.b", b"user.b"]));
    for names in [&[&b"user.b"[..], b"user.a"][..], &[b"user.a", b"user.a"], &[b""], &[b"user.\0"]] {
        refused(&with(names), "the extended attributes of an entry");
    }
}

#[test]
fn the_root_is_a_directory() {
    taken(&entry("", Node::Directory));
    refused(&entry("", Node::Fifo), "the kind of the root");
    refused(&entry("", Node::HardLink { leader: path("a") }), "the kind of the root");
}

#[test]
fn links_point_somewhere() {
    let symlink = |target: &[u8]| entry("f", Node::Symlink { target: target.to_vec() });
    taken(&symlink(b"/"));
    refused(&symlink(b""), "the target of a symlink");
    refused(&symlink(b"a\0"), "the target of a symlink");
    let link = |leader| entry("m/n", Node::HardLink { leader: path(leader) });
    taken(&link("m/a"));
    taken(&link("a/very/deep/one"));
    for leader in ["", "m", "m/n", "m/o", "m/n/o", "z"] {
        refused(&link(leader), "the leader of a hard link");
    }
}

#[test]
fn extents_make_up_a_file() {
    let file = |size, extents: &[Extent]| entry("f", Node::File { size, content: Content::Direct(extents.to_vec()) });
    let data = |length: usize| Extent::Data { id: Id::of(b""), length: chunk(length).length };
    let hole = |length| Extent::Hole { length };
    taken(&file(0, &[]));
    taken(&file(CHUNK_MAX as u64 + 5, &[data(CHUNK_MAX), hole(5)]));
    taken(&file(u64::MAX, &[hole(u64::MAX)]));
    refused(&file(1, &[]), "the length of a file");
    refused(&file(6, &[data(5), hole(2)]), "the length of a file");
    refused(&file(4, &[data(5), hole(u64::MAX)]), "the length of a file");
    refused(&file(CHUNK_MAX as u64 + 1, &[data(CHUNK_MAX + 1)]), "an extent");
    refused(&file(5, &[data(5), hole(0)]), "an extent");
    refused(&file(5, &[data(0), hole(5)]), "an extent");
    let listed = |size, lists: &[ChunkRef]| entry("f", Node::File { size, content: Content::Indirect(lists.to_vec()) });
    taken(&listed(1, &[chunk(NODE_MAX), chunk(1)]));
    for (size, lists) in [(1, &[][..]), (0, &[chunk(1)]), (1, &[chunk(0)]), (1, &[chunk(1), chunk(NODE_MAX + 1)])] {
        refused(&listed(size, lists), "the extent lists of a file");
    }
    let lists = |extents: &[Extent]| {
        let mut bytes = Vec::new();
        encode_extents(extents, &mut bytes).unwrap();
        decode_extents(&bytes)
    };
    assert_eq!(lists(&[data(5), hole(1)]), Ok(vec![data(5), hole(1)]));
    for (bad, what) in [
        (&[][..], "an extent list"),
        (&[hole(0)], "an extent"),
        (&[data(0)], "an extent"),
        (&[data(CHUNK_MAX + 1)], "an extent"),
    ] {
        assert_eq!(lists(bad), Err(Error::Invalid(what)));
    }
    assert_eq!(decode_extents(&vec![1; NODE_MAX + 1]), Err(Error::Invalid("an extent list")));
}

/// A node whose paths are these, of which so much is said to be shared.
fn coded(paths: &[(usize, &str)]) -> Result<Items, Error> {
    let mut bytes = vec![0];
    for (shared, rest) in paths {
        bin::encode(&(*shared as u64, Bytes::new(rest.as_bytes())), &mut bytes).unwrap();
        let fifo = entry("x", Node::Fifo);
        bin::encode(&(&fifo.meta, &fifo.identity, fifo.flags, &fifo.node), &mut bytes).unwrap();
    }
    decode_node(&bytes)
}

#[test]
fn paths_leave_out_all_that_they_share_with_the_one_before_and_are_proved_as_a_whole() {
    let Ok(Items::Segment(found)) = coded(&[(0, "ab/cd"), (4, "e"), (5, ".x"), (2, " "), (0, "b")]) else { panic!() };
    let found: Vec<&[u8]> = found.iter().map(|entry| entry.path.as_bytes()).collect();
    assert_eq!(found, [&b"ab/cd"[..], b"ab/ce", b"ab/ce.x", b"ab ", b"b"]);
    let name = "n".repeat(200);
    for bad in [
        // More than there is, or nothing to share with.
        &[(1, "a")][..],
        &[(0, "ab"), (3, "c")],
        &[(0, "a"), (100, "c")],
        // Less than there is.
        &[(0, "ab/cd"), (3, "ce")],
        &[(0, "ab/cd"), (0, "ab/ce")],
        // Names that begin in what is shared.
        &[(0, "a/.x"), (3, "/b")],
        &[(0, "a/.x"), (3, ".")],
        &[(0, "a/.x"), (2, "")],
        &[(0, "a/b"), (3, "/")],
        &[(0, "a/b"), (3, "/../c")],
        &[(0, "a/b"), (3, "\0")],
        &[(0, "a/b"), (3, "//c")],
        &[(0, &name), (200, "n".repeat(56).as_str())],
    ] {
        assert_eq!(coded(bad), Err(Error::Invalid("a path")), "{bad:?}");
    }
    assert_eq!(coded(&[(0, "a"), (usize::MAX, "c")]), Err(Error::Limit("the paths of a manifest node")));
    for bad in [&[(0, "b"), (0, "a")][..], &[(0, "ab"), (1, "")], &[(0, "ab"), (2, "")], &[(0, "a.b"), (1, "/b")]] {
        assert_eq!(coded(bad), Err(Error::Invalid("the order of the paths")), "{bad:?}");
    }
}

#[test]
fn leaders_leave_out_what_they_share_with_the_leader_before() {
    let link = |at: &str, leader| entry(at, Node::HardLink { leader: path(leader) });
    let entries = vec![
        link("z/1", "a/long/leader"),
        link("z/2", "a/long/leader"),
        entry("z/3", Node::Fifo),
        link("z/4", "a/long/way"),
        link("z/5", "a/lo"),
        link("z/6", "b"),
    ];
    let mut node = Encoder::new(0);
    entries.iter().try_for_each(|entry| node.entry(entry)).unwrap();
    assert_eq!(decode_node(node.bytes()), Ok(Items::Segment(entries)));
    let count = |text: &[u8]| node.bytes().windows(text.len()).filter(|found| *found == text).count();
    assert_eq!((count(b"long"), count(b"leader"), count(b"way"), count(b"z/")), (1, 1, 1, 1));
}

#[test]
fn inner_nodes_name_nodes() {
    let encoded = |level, children: &[(&str, usize, u64)]| {
        let mut node = Encoder::new(level);
        for (first, length, entries) in children {
            node.child(&Child { first: path(first), node: chunk(*length), entries: *entries }).unwrap();
        }
        decode_node(node.bytes())
    };
    assert!(matches!(encoded(15, &[("", 1, 1), ("a", NODE_MAX, u64::MAX)]), Ok(Items::Inner(15, _))));
    for (level, children) in [
        (16, &[("a", 1, 1)][..]),
        (1, &[]),
        (1, &[("a", 0, 1)]),
        (1, &[("a", NODE_MAX + 1, 1)]),
        (1, &[("a", 1, 1), ("b", 1, 0)]),
    ] {
        assert_eq!(encoded(level, children), Err(Error::Invalid("an inner node")), "{children:?}");
    }
    for children in [&[("b", 1, 1), ("a", 1, 1)][..], &[("a", 1, 1), ("a", 1, 1)]] {
        assert_eq!(encoded(1, children), Err(Error::Invalid("the order of the paths")), "{children:?}");
    }
    assert_eq!(decode_node(&[]), Err(Error::Truncated("a manifest node")));
    assert_eq!(decode_node(&vec![0; NODE_MAX + 1]), Err(Error::Limit("a manifest node")));
}

#[test]
fn a_node_is_what_its_parent_says() {
    let segment = Items::Segment(vec![entry("a", Node::Fifo), entry("b", Node::Fifo)]);
    let child = |first, entries| Child { first: path(first), node: chunk(1), entries };
    let inner = Items::Inner(3, vec![child("a", 2), child("b", 5)]);
    assert_eq!(segment.are_of(&child("a", 2), 0), Ok(()));
    assert_eq!(inner.are_of(&child("a", 7), 3), Ok(()));
    for (items, first, entries, level) in [(&segment, "b", 2, 0), (&segment, "a", 2, 1), (&inner, "a", 7, 2)] {
        assert_eq!(items.are_of(&child(first, entries), level), Err(Error::Invalid("the order of the nodes")));
    }
    for (items, entries, level) in [(&segment, 1, 0), (&segment, 3, 0), (&inner, 6, 3)] {
        assert_eq!(items.are_of(&child("a", entries), level), Err(Error::Invalid("the number of entries")));
    }
    let endless = Items::Inner(1, vec![child("a", u64::MAX), child("b", 2)]);
    assert_eq!(endless.are_of(&child("a", 1), 1), Err(Error::Invalid("the number of entries")));
}

/// A path of so many bytes.
fn long(bytes: usize, last: &str) -> RelPath {
    let names = "n".repeat(255) + "/";
    let start = names.repeat(bytes / 256 + 1);
    path(&(start[..bytes - 2 - last.len()].trim_end_matches('/').to_owned() + "/" + last))
}

#[test]
fn entries_and_paths_have_bounds_that_the_longest_can_meet() {
    let (leader, own) = (long(REL_PATH_MAX, "a"), long(REL_PATH_MAX, "b"));
    let mut link = entry("x", Node::HardLink { leader });
    link.path = own;
    taken(&link);
    let with = |value: usize| {
        let mut entry = entry("x", Node::Fifo);
        entry.meta.xattrs = vec![Xattr { name: b"user.x".to_vec(), value: vec![0; value] }];
        entry
    };
    taken(&with(ENTRY_MAX - 100));
    assert_eq!(decoded(&with(ENTRY_MAX)), Err(Error::Limit("an entry")));
    assert_eq!(Encoder::new(0).entry(&with(ENTRY_MAX)), Err(Error::Limit("an entry")));
    // What it leaves out counts, too.
    let (mut first, mut second) = (entry("x", Node::Fifo), with(ENTRY_MAX - REL_PATH_MAX / 2));
    (first.path, second.path) = (long(REL_PATH_MAX, "a"), long(REL_PATH_MAX, "b"));
    let mut node = Encoder::new(0);
    node.entry(&first).unwrap();
    assert_eq!(node.entry(&second), Err(Error::Limit("an entry")));
    assert!(RelPath::new(vec![b'n'; REL_PATH_MAX + 1]).is_err());
    let almost = long(REL_PATH_MAX - 2, "a");
    assert!(almost.join(b"n").is_ok() && almost.join(b"nnnnn").is_err());
}

#[test]
fn few_bytes_do_not_become_many_paths() {
    let start = long(REL_PATH_MAX / 2, "a");
    let fits = NODE_PATHS_MAX / (REL_PATH_MAX / 2 + 300);
    let bytes = |count: usize| {
        let (mut bytes, mut last) = (vec![0], 0);
        for n in 0..count {
            let mut next = entry("x", Node::Fifo);
            next.path = path(&format!("{}{}", std::str::from_utf8(start.as_bytes()).unwrap(), "b".repeat(n)));
            raw(&next, last, &mut bytes);
            last = next.path.as_bytes().len();
        }
        bytes
    };
    let Ok(Items::Segment(entries)) = decode_node(&bytes(fits)) else { panic!() };
    assert_eq!(entries.len(), fits);
    assert_eq!(decode_node(&bytes(fits + 2)), Err(Error::Limit("the paths of a manifest node")));
}

/// What a decoded node holds: its paths together, and everything else that has a length.
fn held(items: &Items) -> (usize, usize) {
    let (mut paths, mut others) = (0, 0);
    match items {
        Items::Inner(_, children) => paths = children.iter().map(|child| child.first.as_bytes().len()).sum(),
        Items::Segment(entries) => {
            for entry in entries {
                paths += entry.path.as_bytes().len();
                others += entry.meta.xattrs.iter().map(|x| x.name.len() + x.value.len()).sum::<usize>();
                match &entry.node {
                    Node::HardLink { leader } => paths += leader.as_bytes().len(),
                    Node::Symlink { target } => others += target.len(),
                    Node::File { content: Content::Direct(extents), .. } => others += extents.len(),
                    Node::File { content: Content::Indirect(lists), .. } => others += lists.len(),
                    _ => {}
                }
            }
        }
    }
    (paths, others)
}

/// Nodes as they are written, with entries of all kinds.
fn nodes() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof!["[a-c]{1,3}", "[a-c]/[a-c]", "(long-name/){1,40}x"];
    let one = (name, 0..7_u8, prop::collection::vec(any::<u8>(), 1..20));
    prop::collection::btree_map("[a-z]{1,2}", one, 1..30).prop_map(|items| {
        let (mut segment, mut inner) = (Encoder::new(0), Encoder::new(1));
        let kind = items.values().next().is_some_and(|(_, kind, _)| *kind == 6);
        for (top, (name, kind, bytes)) in items {
            let at = format!("{top}/{name}");
            let hole = Extent::Hole { length: bytes.len() as u64 };
            let node = match kind {
                0 => Node::File { size: bytes.len() as u64, content: Content::Direct(vec![hole]) },
                1 => Node::File { size: 7, content: Content::Indirect(vec![chunk(bytes.len())]) },
                2 => Node::HardLink { leader: path("A/leader").join(format!("l{}", bytes.len()).as_bytes()).unwrap() },
                3 => Node::Symlink { target: bytes.iter().map(|b| b | 1).collect() },
                4 => Node::CharDevice { major: 1, minor: bytes.len().try_into().unwrap() },
                _ => Node::Directory,
            };
            let mut entry = entry(&at, node);
            entry.meta.xattrs.push(Xattr { name: b"user.x".to_vec(), value: bytes });
            segment.entry(&entry).unwrap();
            inner.child(&Child { first: entry.path, node: chunk(9), entries: 1 }).unwrap();
        }
        if kind { inner } else { segment }.into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Damaged nodes end in an error or in a node that keeps the bounds and would be written again byte for byte.
    #[test]
    fn damaged_nodes_never_panic_nor_grow(
        mut bytes in nodes(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6),
    ) {
        let whole = hits.is_empty();
        for (at, byte, how) in hits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, byte),
            }
        }
        let items = decode_node(&bytes);
        prop_assert!(!whole || items.is_ok());
        if let Ok(items) = items {
            let (paths, others) = held(&items);
            prop_assert!(paths <= NODE_PATHS_MAX && others <= bytes.len());
            let mut again = Encoder::new(if let Items::Inner(level, _) = &items { *level } else { 0 });
            match &items {
                Items::Segment(entries) => entries.iter().try_for_each(|entry| again.entry(entry)).unwrap(),
                Items::Inner(_, children) => children.iter().try_for_each(|child| again.child(child)).unwrap(),
            }
            prop_assert_eq!(decode_node(again.bytes()), Ok(items));
            prop_assert!(again.bytes().len() <= bytes.len());
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for level in [0, 1, 15] {
            let _any = decode_node(&[&[level], bytes.as_slice()].concat());
        }
        let _any = decode_extents(&bytes);
    }
}
