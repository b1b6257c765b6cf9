//! Random histories: trees change from night to night in every way that trees can, and after every night the mirror, and at the end every snapshot, is
//! what a plain copy kept beside says, as an independent judge (`tests/compare_trees.py`) sees it.
//!
//!     cargo test --release --test histories                                       a part, with a fixed seed
//!     cargo test --release --test histories -- --histories 2000 --seed 1          the whole
//!     cargo test --release --test histories -- --histories 200 --fs xfs           on one file system: tmpfs, ext4, xfs, btrfs
//!     cargo test --release --test histories -- --at 1000003 --fs xfs              one history, as a violation names it
//!
//! It fails on a violation, and when fewer histories were lived through than were to be, or a transition between two kinds never occurred. A history
//! that fails is made shorter and printed; its seed belongs into `seeds.txt`, and every run begins with those. Needs root: it makes devices and
//! mounts small disks.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by a panic, and how far it is by printing"
)]

mod author;
mod campaign;
mod change;
mod disk;
mod judge;
mod program;
mod proof;
#[path = "../faults/random.rs"]
mod random;
mod shrink;
mod step;
mod tally;
mod thing;
mod world;

use campaign::{Campaign, Order};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use step::Fs;

/// The part that is run without words.
const HISTORIES: u64 = 64;
const SEED: u64 = 1;
const WORKERS: usize = 6;
/// Most are in memory, which is faster and has no fewer features.
const MIX: [Fs; 8] = [Fs::Tmpfs, Fs::Tmpfs, Fs::Tmpfs, Fs::Ext4, Fs::Tmpfs, Fs::Xfs, Fs::Tmpfs, Fs::Btrfs];
const SEEDS: &str = include_str!("seeds.txt");

struct Words {
    histories: u64,
    nights: Option<usize>,
    seed: u64,
    workers: usize,
    fs: Option<Fs>,
    at: Option<u64>,
}

fn words() -> Words {
    let mut given = Words { histories: HISTORIES, nights: None, seed: SEED, workers: WORKERS, fs: None, at: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word}: a value is missing"));
        match word.as_str() {
            "--histories" => given.histories = value().parse().expect("a number of histories"),
            "--nights" => given.nights = Some(value().parse().expect("a number of nights")),
            "--seed" => given.seed = value().parse().expect("a seed"),
            "--workers" => given.workers = value().parse().expect("a number of workers"),
            "--fs" => given.fs = Some(Fs::named(&value()).expect("tmpfs, ext4, xfs or btrfs")),
            "--at" => given.at = Some(value().parse().expect("a seed")),
            // What `cargo test` says to every test.
            _ if word.starts_with("--") => {}
            _ => panic!("{word}: --histories, --nights, --seed, --workers, --fs, --at"),
        }
    }
    given
}

/// Histories that failed once, as `seeds.txt` has them.
fn kept() -> impl Iterator<Item = Order> {
    let lines = SEEDS.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| {
        let (seed, fs) = line.split_once(' ').expect("seeds.txt: SEED FILE-SYSTEM");
        Order { seed: seed.parse().expect("a seed"), fs: Fs::named(fs.trim()).expect("a file system") }
    })
}

fn main() -> ExitCode {
    let Words { histories, nights, seed, workers, fs, at } = words();
    disk::withdraw();
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    let folder: PathBuf = root.join(format!("backup-histories-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let order = |n: u64| Order { seed: seed * 1_000_003 + n, fs: fs.unwrap_or(MIX[usize::try_from(n % 8).unwrap()]) };
    let orders: Vec<_> = kept().chain((0..histories).map(order)).collect();
    let at = at.map(|seed| Order { seed, fs: fs.unwrap_or(Fs::Tmpfs) });
    for fs in Fs::ALL {
        if orders.iter().chain(&at).any(|order| order.fs == fs) {
            disk::provide(fs, &folder.join(fs.name()));
        }
    }
    println!("the campaign proves itself");
    proof::prove(&folder.join("proof"));
    let campaign = Campaign::new(&folder, orders, nights);
    let good = at.map_or_else(|| campaign.run(workers), |order| campaign.again(order));
    if good || at.is_none() {
        for fs in Fs::ALL {
            disk::give_back(&folder.join(fs.name()));
        }
        std::fs::remove_dir_all(&folder).ok();
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
