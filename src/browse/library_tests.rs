use super::{Library, Name};
use crate::browse::Error;
use crate::browse::facts::{Facts, Kind};
use crate::browse::history::{History, Records};
use crate::browse::support_tests::{Memory, directory, entry, file, path};
use crate::entry::{ChunkRef, Entry, Extent, Node, Time, Xattr};
use crate::format::snapshot::{self, Record, Totals};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Roots of the manifests of snapshots, and their kinds.
#[derive(Default)]
struct Shelf(BTreeMap<u64, (ChunkRef, Option<snapshot::Kind>)>);

impl Records for Shelf {
    fn sequences(&self) -> Result<Vec<u64>, String> {
        Ok(self.0.keys().copied().collect())
    }

    fn record(&self, sequence: u64) -> Result<Record, String> {
        let (root, kind) = self.0[&sequence];
        Ok(Record {
            sequence,
            kind: kind.unwrap_or(snapshot::Kind::Backup),
            time: Time { seconds: 0, nanoseconds: 0 },
            parent: None,
            target: Vec::new(),
            source: Vec::new(),
            dirs: Vec::new(),
            root,
            totals: Totals { others: 1, ..Totals::default() },
            users: Vec::new(),
            groups: Vec::new(),
            note: Vec::new(),
        })
    }
}

fn label(_: Time) -> String {
    "2026-11-21T03:00".to_owned()
}

/// One of everything.
fn night(memory: &mut Memory) -> Vec<Entry> {
    let data = memory.data(b"some bytes");
    let mut all = vec![
        directory("d"),
        file("d/a", vec![data]),
        entry("d/b", Node::HardLink { leader: path("d/a") }),
        directory("d/empty"),
        entry("d/fifo", Node::Fifo),
        entry("d/link", Node::Symlink { target: b"a".to_vec() }),
        entry("d/node", Node::BlockDevice { major: 0x123, minor: 0x45678 }),
        file("d/sparse", vec![Extent::Hole { length: 1 << 40 }, data]),
        directory("d/sub"),
        entry("d/sub/c", Node::HardLink { leader: path("d/a") }),
    ];
    all[1].meta.xattrs = vec![Xattr { name: b"user.x".to_vec(), value: b"y".to_vec() }];
    all
}

/// Asks a library of these nights.
fn ask<T>(shelf: &Shelf, work: impl FnOnce(&Library<'_>) -> T) -> (T, Vec<String>) {
    let told = Mutex::new(Vec::new());
    let tell = |message: &str| told.lock().unwrap().push(message.to_owned());
    let library = Library::new(History::new(shelf, &label, &tell), &tell, (1, 2), Time::default());
    let answer = work(&library);
    drop(library);
    (answer, told.into_inner().unwrap())
}

fn names(library: &Library<'_>, inode: u64, memory: &mut Memory) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    // A listing that is cut after every name is the same.
    let mut offset = 0;
    loop {
        let mut one = None;
        let mut take = |name: &Name<'_>| {
            let had = one.is_some();
            one.get_or_insert((String::from_utf8(name.name.to_vec()).unwrap(), name.inode, name.next));
            had
        };
        library.list((inode, offset), false, memory, &mut take).unwrap();
        let Some((name, inode, next)) = one else { return all };
        assert!(next > offset);
        all.push((name, inode));
        offset = next;
    }
}

fn walk(library: &Library<'_>, way: &str, memory: &mut Memory) -> Result<Facts, Error> {
    let mut facts = library.facts(1, memory)?;
    for name in way.split('/') {
        facts = library.lookup(facts.inode, name.as_bytes(), memory)?;
    }
    Ok(facts)
}

#[test]
fn the_tree_is_the_snapshots_and_what_leads_to_them() {
    let mut memory = Memory::default();
    let root = memory.manifest(&night(&mut Memory::default()));
    let shelf = Shelf([(1, (root, None)), (2, (root, Some(snapshot::Kind::Rescue))), (42, (root, None))].into());
    let ((), told) = ask(&shelf, |library| {
        let plain = |names: Vec<(String, u64)>| names.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let titles = ["000001-2026-11-21T03:00", "000002-2026-11-21T03:00-rescue", "000042-2026-11-21T03:00"];
        assert_eq!(plain(names(library, 1, &mut memory)), [&[".", "..", "latest", "by-date"], &titles[..]].concat());
        let latest = walk(library, "latest", &mut memory).unwrap();
        assert_eq!(latest.kind, Kind::Symlink);
        assert_eq!(library.target(latest.inode, &mut memory).unwrap(), titles[2].as_bytes());
        for (way, wanted) in [("by-date", "2026"), ("by-date/2026", "11"), ("by-date/2026/11", "21")] {
            let inode = walk(library, way, &mut memory).unwrap().inode;
            assert_eq!(plain(names(library, inode, &mut memory)), [".", "..", wanted]);
        }
        let day = walk(library, "by-date/2026/11/21", &mut memory).unwrap();
        assert_eq!(plain(names(library, day.inode, &mut memory))[2..], titles);
        let link = walk(library, &format!("by-date/2026/11/21/{}", titles[0]), &mut memory).unwrap();
        let target = library.target(link.inode, &mut memory).unwrap();
        assert_eq!(target, format!("../../../../{}", titles[0]).into_bytes());
        for absent in ["by-date/2025", "000001", "000003-2026-11-21T03:00", "by-date/2026/11/22", "nothing"] {
            assert!(matches!(walk(library, absent, &mut memory), Err(Error::Absent)), "{absent}");
        }
    });
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn every_kind_of_entry_is_there_with_all_that_is_known_of_it() {
    let mut memory = Memory::default();
    let entries = night(&mut memory);
    let root = memory.manifest(&entries);
    let shelf = Shelf([(7, (root, None))].into());
    let ((), told) = ask(&shelf, |library| {
        let mut at = |way: &str| walk(library, &format!("000007-2026-11-21T03:00/{way}"), &mut memory).unwrap();
        let (a, b, c) = (at("d/a"), at("d/b"), at("d/sub/c"));
        assert_eq!((a, a), (b, c));
        assert_eq!((a.links, a.size, a.allocated, a.mode, a.uid, a.gid), (3, 10, 10, 0o640, 7, 8));
        assert_eq!(at("d/sparse").allocated, 10);
        assert_eq!(at("d/sparse").size, (1 << 40) + 10);
        assert_eq!((at("d/link").size, at("d/link").links), (1, 1));
        assert_eq!((at("d/node").kind, at("d/node").device), (Kind::BlockDevice, 0x4561_2378));
        assert_eq!((at("d/fifo").kind, at("d/empty").kind), (Kind::Fifo, Kind::Directory));
        let d = at("d");
        let listed = names(library, d.inode, &mut memory);
        let plain: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(plain, [".", "..", "a", "b", "empty", "fifo", "link", "node", "sparse", "sub"]);
        assert_eq!((listed[2].1, listed[3].1), (a.inode, a.inode));
        for (name, inode) in &listed[2..] {
            let facts = library.lookup(d.inode, name.as_bytes(), &mut memory).unwrap();
            assert_eq!((facts.inode, library.facts(*inode, &mut memory).unwrap()), (*inode, facts), "{name}");
        }
        assert_eq!(library.xattrs(b.inode, &mut memory).unwrap(), entries[1].meta.xattrs);
        let opened = library.open(b.inode, &mut memory).unwrap();
        assert_eq!(library.read(&opened, 5, 100, &mut memory).unwrap(), b"bytes");
        assert!(matches!(library.open(d.inode, &mut memory), Err(Error::NoFile)));
        assert!(matches!(library.lookup(a.inode, b"x", &mut memory), Err(Error::NoDirectory)));
        assert!(matches!(library.lookup(d.inode, b"nothing", &mut memory), Err(Error::Absent)));
        assert!(matches!(library.lookup(d.inode, &[b'x'; 300], &mut memory), Err(Error::Absent)));
        assert!(matches!(library.facts(9 << 40, &mut memory), Err(Error::Gone(9))));
    });
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn names_of_a_second_snapshot_cost_what_differs() {
    let mut memory = Memory::default();
    let mut entries: Vec<Entry> = (0..20_000).map(|n| file(&format!("f{n:06}"), Vec::new())).collect();
    entries.push(entry("g", Node::HardLink { leader: path("f000000") }));
    let one = memory.manifest(&entries);
    entries[10_000] = entry("f010000", Node::HardLink { leader: path("f000000") });
    let two = memory.manifest(&entries);
    let shelf = Shelf([(1, (one, None)), (2, (two, None))].into());
    ask(&shelf, |library| {
        let mut links = |n: u64| {
            memory.reads = 0;
            let facts = walk(library, &format!("00000{n}-2026-11-21T03:00/f000000"), &mut memory).unwrap();
            (facts.links, memory.reads)
        };
        let (first, whole) = links(1);
        let (second, rest) = links(2);
        assert_eq!((first, second), (2, 3));
        assert!(rest < whole / 5, "{rest} nodes after {whole}");
        assert_eq!(links(2).1, 0);
    });
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_there() {
    let mut memory = Memory::default();
    let mut entries: Vec<Entry> = (0..20_000).map(|n| file(&format!("f{n:06}"), Vec::new())).collect();
    let gone = memory.data(b"gone");
    entries[3] = file("f000003", vec![gone]);
    let root = memory.manifest(&entries);
    memory.chunks.remove(&gone.chunk().unwrap().id);
    let shelf = Shelf([(1, (root, None))].into());
    let (inode, _) = ask(&shelf, |library| {
        let facts = walk(library, "000001-2026-11-21T03:00/f000003", &mut memory).unwrap();
        let opened = library.open(facts.inode, &mut memory).unwrap();
        let error = library.read(&opened, 0, 4, &mut memory).unwrap_err();
        assert!(error.is_trouble() && error.to_string().starts_with("snapshot 1, f000003: "), "{error}");
        facts.inode
    });
    // A leaf goes, which is none of those on the way to the file.
    let is_other = |node: &[u8]| node.first() == Some(&0) && !node.windows(7).any(|name| name == b"f000000");
    let leaf = *memory.chunks.iter().find(|(_, node)| is_other(node)).unwrap().0;
    memory.chunks.remove(&leaf);
    let ((), told) = ask(&shelf, |library| {
        let facts = walk(library, "000001-2026-11-21T03:00/f000003", &mut memory).unwrap();
        assert_eq!((facts.inode, facts.links), (inode, 1));
        let root = walk(library, "000001-2026-11-21T03:00", &mut memory).unwrap();
        let list = library.list((root.inode, 0), false, &mut memory, &mut |_| false);
        assert!(matches!(list, Err(Error::Unreadable { .. })));
    });
    assert!(told.iter().any(|line| line.contains("hard links cannot be counted")), "{told:?}");
}

#[test]
fn a_folder_of_many_names_is_listed_in_pieces() {
    let mut memory = Memory::default();
    let entries: Vec<Entry> = (0..100_000).map(|n| file(&format!("f{n:06}"), Vec::new())).collect();
    let root = memory.manifest(&entries);
    let nodes = memory.chunks.len();
    let shelf = Shelf([(1, (root, None))].into());
    ask(&shelf, |library| {
        let inode = walk(library, "000001-2026-11-21T03:00", &mut memory).unwrap().inode;
        memory.reads = 0;
        let (mut found, mut offset, mut pieces) = (0, 0, 0);
        loop {
            let (from, mut room) = (offset, 500);
            let mut take = |name: &Name<'_>| {
                if room > 0 {
                    assert!(found < 2 || name.name == format!("f{:06}", found - 2).as_bytes());
                    (found, offset, room) = (found + 1, name.next, room - 1);
                    return false;
                }
                true
            };
            library.list((inode, from), false, &mut memory, &mut take).unwrap();
            pieces += 1;
            if room > 0 {
                break;
            }
        }
        assert_eq!((found, pieces), (100_002, 201));
        assert!(memory.reads <= nodes, "{} reads of {nodes} nodes", memory.reads);
    });
}
