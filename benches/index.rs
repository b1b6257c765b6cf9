//! Micro-benchmark of the index with 1,000,000 chunks (1 TB of archive): `cargo bench --bench index`.
#![allow(missing_docs, reason = "a bench has no readers")]
#![allow(clippy::unwrap_used, reason = "a bench may stop")]

use backup::chunk::codec::Codec;
use backup::entry::ChunkRef;
use backup::format::index::{BlockRow as IndexBlock, ChunkRow, ContainerRow};
use backup::format::pack::{BlockHeader, BlockKind, BlockRow};
use backup::id::Id;
use backup::store::index::build::{Pending, Sorted, write};
use backup::store::index::file::IndexFile;
use backup::store::index::merge::merge;
use backup::store::layout::Layout;
use backup::store::pack::writer::FinishedPack;
use divan::{Bencher, counter::ItemsCount};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

const CHUNKS: u32 = 1_000_000;
const PER_PACK: u32 = 64;
const ASKED: u32 = 10_000;
const PARTS: u32 = 8;

/// Rows sorted by id, as an index has them.
static ROWS: LazyLock<Vec<ChunkRow>> = LazyLock::new(|| {
    let mut rows: Vec<ChunkRow> =
        (0..CHUNKS).map(|n| ChunkRow { id: id(n), block: n, offset: 0, length: 1 << 20 }).collect();
    rows.sort_unstable();
    rows
});

fn main() {
    divan::main();
}

fn id(number: u32) -> Id {
    Id::of(&number.to_le_bytes())
}

/// A folder on a disk, not in memory, for indexes.
fn folder() -> (TempDir, Layout) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(target).unwrap();
    let folder = tempfile::tempdir_in(target).unwrap();
    let layout = Layout::new(folder.path());
    fs::create_dir(layout.indexes()).unwrap();
    (folder, layout)
}

/// Writes an index of these rows, one chunk a block.
fn written(layout: &Layout, rows: &[ChunkRow]) -> PathBuf {
    let containers: Vec<ContainerRow> =
        (0..=CHUNKS / PER_PACK).map(|n| ContainerRow { name: id(n), length: 64 << 20 }).collect();
    let blocks: Vec<IndexBlock> = (0..CHUNKS)
        .map(|n| IndexBlock {
            offset: u64::from(n % PER_PACK) << 20,
            container: n / PER_PACK,
            stored: 1 << 19,
            plain: 1 << 20,
            chunks: 1,
        })
        .collect();
    write(layout, &Sorted { containers, blocks, chunks: rows.to_vec() }).unwrap()
}

fn look_up(bencher: Bencher, ids: &[Id], there: bool) {
    let (_folder, layout) = folder();
    let index = IndexFile::open(&written(&layout, &ROWS)).unwrap();
    bencher.counter(ItemsCount::new(ids.len())).bench_local(|| {
        for id in ids {
            assert_eq!(index.find(id).unwrap().is_some(), there);
        }
    });
}

/// Chunks that are there, in no order.
#[divan::bench(sample_count = 50)]
fn hit(bencher: Bencher) {
    let ids: Vec<Id> = (0..ASKED).map(|n| id(n.wrapping_mul(2_654_435_761) % CHUNKS)).collect();
    look_up(bencher, &ids, true);
}

/// Chunks that are not there: what a first backup asks for.
#[divan::bench(sample_count = 50)]
fn miss(bencher: Bencher) {
    let ids: Vec<Id> = (0..ASKED).map(|n| id(CHUNKS + n)).collect();
    look_up(bencher, &ids, false);
}

/// Writing the file, durably, from sorted rows.
#[divan::bench(sample_count = 5)]
fn write_million(bencher: Bencher) {
    let (_folder, layout) = folder();
    let rows = &*ROWS;
    bencher.counter(ItemsCount::new(CHUNKS)).bench_local(|| written(&layout, rows));
}

/// One pack after the other into memory, sorted, and written: what a backup does, here with eight times as many as it lets gather.
#[divan::bench(sample_count = 3)]
fn build_million_from_packs(bencher: Bencher) {
    let (_folder, layout) = folder();
    let packs: Vec<FinishedPack> = (0..CHUNKS / PER_PACK).map(pack).collect();
    bencher.counter(ItemsCount::new(CHUNKS)).bench_local(|| {
        let mut pending = Pending::default();
        packs.iter().try_for_each(|pack| pending.add(pack)).unwrap();
        pending.write(&layout).unwrap()
    });
}

fn pack(number: u32) -> FinishedPack {
    let header = BlockHeader { codec: Codec::Zstd, kind: BlockKind::Data, chunks: 1, plain: 1 << 20, stored: 1 << 19 };
    let row = |n: u32| BlockRow {
        offset: n << 19,
        header,
        chunks: vec![ChunkRef { id: id(number * PER_PACK + n), length: 1 << 20 }],
    };
    FinishedPack { name: id(number), length: 64 << 20, rows: (0..PER_PACK).map(row).collect() }
}

/// Eight indexes into one.
#[divan::bench(sample_count = 2)]
fn merge_million(bencher: Bencher) {
    let (_folder, layout) = folder();
    let part = |n: u32| {
        let rows: Vec<ChunkRow> = ROWS.iter().filter(|row| row.block % PARTS == n).copied().collect();
        IndexFile::open(&written(&layout, &rows)).unwrap()
    };
    let files: Vec<IndexFile> = (0..PARTS).map(part).collect();
    bencher.counter(ItemsCount::new(CHUNKS)).bench_local(|| merge(&layout, &files, &|_| false).unwrap());
}
