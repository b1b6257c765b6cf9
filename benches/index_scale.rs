//! An index of very many chunks, on a disk: `cargo bench --bench index_scale -- FOLDER CHUNKS` writes one as a store leaves it after many nights, several
//! files of which each is a few times as large as the one before it, and says how long it takes to open, to search warm and cold, and to merge.
//! What is in FOLDER/index is used again. 100,000,000 chunks take 5 GB, and as much while they are merged.
#![allow(missing_docs, reason = "a bench has no readers")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench may stop, and prints"
)]

use backup::format::index::{BlockRow, ChunkRow, ContainerRow, Counts};
use backup::id::Id;
use backup::store::Error;
use backup::store::index::build::{Tables, write};
use backup::store::index::file::IndexFile;
use backup::store::index::merge::merge;
use backup::store::index::set::IndexSet;
use backup::store::layout::Layout;
use fastrand::Rng;
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Chunks of one block, as small files have them, and blocks of one pack.
const PER_BLOCK: u64 = 16;
const PER_PACK: u32 = 64;
/// Shares of the files in thousandths.
const SHARES: [u64; 5] = [750, 180, 50, 15, 5];
/// Ids are made in parts, so that they come sorted and need not be in memory.
const PARTS: u64 = 1 << 14;

/// The ids of one file; which ones is a matter of arithmetic.
#[derive(Clone, Copy)]
struct Ids {
    file: u64,
    chunks: u64,
}

impl Ids {
    /// How many are in a part: as many as chance would have there.
    fn in_part(self, part: u64) -> u64 {
        let mean = self.chunks as f64 / PARTS as f64;
        let mut rng = Rng::with_seed(self.file << 32 | part);
        let spread: f64 = (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a small number above zero")]
        let count = (mean + spread * mean.sqrt()).max(0.0) as u64;
        count
    }

    fn id(self, part: u64, number: u64) -> Id {
        let seed = [self.file.to_le_bytes(), part.to_le_bytes(), number.to_le_bytes()].concat();
        let mut bytes = *Id::of(&seed).as_bytes();
        let first = u16::from_be_bytes([bytes[0], bytes[1]]) & 3 | u16::try_from(part << 2).unwrap();
        bytes[..2].copy_from_slice(&first.to_be_bytes());
        Id::from_bytes(bytes)
    }

    /// One of them, or none of any file's.
    fn any(self, rng: &mut Rng, there: bool) -> Id {
        loop {
            let part = rng.u64(..PARTS);
            let count = self.in_part(part);
            if count > 0 {
                return self.id(part, rng.u64(..count) + if there { 0 } else { 1 << 40 });
            }
        }
    }
}

impl Tables for Ids {
    fn counts(&self) -> Result<Counts, Error> {
        let chunks = (0..PARTS).map(|part| self.in_part(part)).sum();
        let blocks = u32::try_from(self.chunks / PER_BLOCK + 1).unwrap();
        Ok(Counts { containers: blocks / PER_PACK + 1, blocks, chunks })
    }

    fn containers(&self) -> impl Iterator<Item = Result<ContainerRow, Error>> {
        let file = self.file;
        let name = move |n: u32| Id::of(&[file, u64::from(n)].map(u64::to_le_bytes).concat());
        (0..self.counts().unwrap().containers).map(move |n| Ok(ContainerRow { name: name(n), length: 64 << 20 }))
    }

    fn blocks(&self) -> impl Iterator<Item = Result<BlockRow, Error>> {
        let row = |n: u32| BlockRow {
            offset: u64::from(n % PER_PACK) << 20,
            container: n / PER_PACK,
            stored: 1 << 18,
            plain: 1 << 20,
            chunks: u32::try_from(PER_BLOCK).unwrap(),
        };
        (0..self.counts().unwrap().blocks).map(move |n| Ok(row(n)))
    }

    fn chunks(&self) -> Result<impl Iterator<Item = Result<ChunkRow, Error>>, Error> {
        let (ids, blocks) = (*self, self.counts()?.blocks);
        Ok((0..PARTS).flat_map(move |part| {
            let mut rng = Rng::with_seed(part);
            let row = |n| ChunkRow { id: ids.id(part, n), block: rng.u32(..blocks), offset: 0, length: 1 << 16 };
            let mut rows: Vec<ChunkRow> = (0..ids.in_part(part)).map(row).collect();
            rows.sort_unstable();
            rows.into_iter().map(Ok)
        }))
    }
}

fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    format!("{} {}", field("VmRSS"), field("VmHWM")).replace(['\t', ' '], "")
}

fn forget(files: &[PathBuf]) {
    for path in files {
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
}

/// Asks for so many ids in each of so many threads.
fn ask(what: &str, set: &IndexSet, ids: &[Ids], there: bool, threads: u64, each: u64) {
    let asked: Vec<Vec<Id>> = (0..threads)
        .map(|thread| {
            let mut rng = Rng::with_seed(1000 * each + thread);
            // Three of four are in the largest.
            let of = |n: u64| ids.iter().cycle().nth(usize::try_from(n % 20).unwrap().saturating_sub(15)).unwrap();
            (0..each).map(|n| of(n).any(&mut rng, there)).collect()
        })
        .collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for ids in &asked {
            scope.spawn(move || ids.iter().for_each(|id| assert_eq!(set.contains(id).unwrap(), there)));
        }
    });
    let rate = (threads * each) as f64 / start.elapsed().as_secs_f64();
    println!("{what}, {threads} threads: {rate:.0}/s; {}", resident());
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (Some(folder), Some(chunks)) = (arguments.next(), arguments.next().and_then(|n| n.parse::<u64>().ok())) else {
        println!("index_scale: FOLDER CHUNKS are needed; see its head");
        return;
    };
    let layout = Layout::new(Path::new(&folder));
    let all: Vec<Ids> = (0..).zip(SHARES).map(|(file, share)| Ids { file, chunks: chunks * share / 1000 }).collect();
    let list =
        || -> Vec<PathBuf> { fs::read_dir(layout.indexes()).unwrap().map(|item| item.unwrap().path()).collect() };
    if !layout.indexes().exists() {
        fs::create_dir_all(layout.indexes()).unwrap();
        let start = Instant::now();
        assert!(all.iter().all(|ids| write(&layout, ids).unwrap().exists()));
        println!("written in {:.1} s", start.elapsed().as_secs_f64());
    }
    println!("{chunks} chunks; {}", resident());
    forget(&list());
    for state in ["cold", "warm"] {
        let start = Instant::now();
        let set = IndexSet::open(&layout).unwrap();
        println!("opened {state} in {:.3} ms: {} files", start.elapsed().as_secs_f64() * 1e3, set.files().len());
    }
    let set = IndexSet::open(&layout).unwrap();
    forget(&list());
    ask("hits, cold", &set, &all, true, 1, 2000);
    ask("misses, cold", &set, &all, false, 1, 2000);
    ask("misses, cold", &set, &all, false, 2, 2000);
    for threads in [1, 2] {
        for there in [true, false] {
            let what = if there { "hits" } else { "misses" };
            ask(&format!("{what}, first time"), &set, &all, there, threads, 100_000);
            ask(&format!("{what}, warm"), &set, &all, there, threads, 100_000);
        }
    }
    let files: Vec<IndexFile> = list().iter().map(|path| IndexFile::open(path).unwrap()).collect();
    let start = Instant::now();
    let merged = merge(&layout, &files, &|_| false).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    fs::remove_file(merged).unwrap();
    println!("merged in {seconds:.1} s: {:.0} chunks/s; {}", chunks as f64 / seconds, resident());
}
