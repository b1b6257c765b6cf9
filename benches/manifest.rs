//! Micro-benchmark of manifests of 100,000 entries, in memory: `cargo bench --bench manifest`.
#![allow(missing_docs, reason = "a bench has no readers")]
#![allow(clippy::unwrap_used, reason = "a bench may stop")]

mod common;

use backup::entry::{Content, Entry, Extent, Identity, Meta, Node, Time};
use backup::id::Id;
use backup::manifest::diff::Diff;
use backup::path::RelPath;
use common::Memory;
use divan::{Bencher, counter::ItemsCount};

const ENTRIES: u64 = 100_000;
const PER_FOLDER: u64 = 100;
const FOLDERS: u64 = 1 + ENTRIES / PER_FOLDER;
const SOUGHT: u64 = 1000;

fn main() {
    divan::main();
}

fn path(number: u64) -> RelPath {
    RelPath::new(format!("detrend/{:05}/image{:07}.fits", number / PER_FOLDER, number)).unwrap()
}

/// Files of one chunk; those that `changed` names have another mtime and content.
fn entries(changed: impl Fn(u64) -> bool) -> Vec<Entry> {
    let entry = |n: u64| {
        let version = u8::from(changed(n));
        let mut name = n.to_le_bytes().to_vec();
        name.push(version);
        let extent = Extent::Data { id: Id::of(&name), length: 300_000 };
        let mtime = Time { seconds: 1_069_124_400 + i64::from(version), nanoseconds: 123_456_789 };
        Entry {
            path: path(n),
            meta: Meta { mode: 0o644, uid: 1000, gid: 1000, mtime, xattrs: Vec::new() },
            identity: Identity { inode: 1_000_000 + n, ctime: mtime },
            flags: 0,
            node: Node::File { size: 300_000, content: Content::Direct(vec![extent]) },
        }
    };
    let folder = |path| Entry { path, node: Node::Directory, ..entry(0) };
    let folders = (0..ENTRIES).step_by(usize::try_from(PER_FOLDER).unwrap()).map(|n| path(n).parent().unwrap());
    let top = RelPath::new("detrend").unwrap();
    let mut all: Vec<Entry> = folders.chain([top]).map(folder).chain((0..ENTRIES).map(entry)).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

#[divan::bench(sample_count = 10)]
fn build(bencher: Bencher) {
    let entries = entries(|_| false);
    bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| Memory::default().build(&entries));
}

#[divan::bench(sample_count = 10)]
fn read_all(bencher: Bencher) {
    let mut memory = Memory::default();
    let root = memory.build(&entries(|_| false));
    bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| {
        let mut cursor = memory.cursor(root);
        let mut count = 0;
        while cursor.next_entry().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, ENTRIES + FOLDERS);
    });
}

/// Against a manifest in which 1 % of the entries changed, in a few folders (a night's work) or all over the tree (the worst case).
#[divan::bench(args = ["in_folders", "all_over"], sample_count = 20)]
fn diff_one_percent(bencher: Bencher, changed: &str) {
    let mut memory = Memory::default();
    let old = memory.build(&entries(|_| false));
    let new = memory.build(&if changed == "all_over" {
        entries(|n| n % 100 == 7)
    } else {
        entries(|n| n / PER_FOLDER % 100 == 7)
    });
    bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| {
        let found = Diff::new(Some(memory.cursor(old)), Some(memory.cursor(new))).map(Result::unwrap).count();
        assert_eq!(found as u64, ENTRIES / 100);
    });
}

/// From the root to an entry, each time anew.
#[divan::bench(sample_count = 20)]
fn seek(bencher: Bencher) {
    let mut memory = Memory::default();
    let root = memory.build(&entries(|_| false));
    let sought: Vec<RelPath> = (0..SOUGHT).map(|n| path(n * 7_919 % ENTRIES)).collect();
    bencher.counter(ItemsCount::new(SOUGHT)).bench_local(|| {
        for path in &sought {
            let mut cursor = memory.cursor(root);
            cursor.seek(path).unwrap();
            assert_eq!(cursor.peek().unwrap().map(|entry| &entry.path), Some(path));
        }
    });
}
