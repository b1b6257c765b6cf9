//! The program is killed at every system call that changes something, and given errors at every call that can fail. After each, an independent
//! judge (`tests/judge.py`) says whether the promises hold, and the next run must put all right.
//!
//!     cargo test --release --test faults                                            a part, with fixed seeds
//!     cargo test --release --test faults -- kill --points 20000 --seed 1            the whole: kill, errors, double
//!     cargo test --release --test faults -- errors --points 500 --only rescue       one scene
//!     cargo test --release --test faults -- kill --only links --at 1000003 17 0     one point, as a violation names it
//!
//! It fails on a violation, and when fewer points were run than were to be. States go to /dev/shm where that is, or else to the temporary folder; that
//! of a violation is kept.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by a panic, and how far it is by printing"
)]

mod calls;
mod campaign;
mod filter;
mod judge;
mod plan;
mod point;
mod proof;
mod random;
mod scenes;
mod trace;
mod trees;
mod world;

use campaign::Campaign;
use plan::{Kind, Order};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The part that is run without words: kind and points.
const PART: [(Kind, u64); 3] = [(Kind::Kill, 600), (Kind::Errors, 480), (Kind::Double, 120)];
const SEED: u64 = 1;
const WORKERS: usize = 6;

struct Words {
    orders: Vec<Order>,
    only: Option<String>,
    workers: usize,
}

fn words() -> Words {
    let (mut kinds, mut points, mut seed, mut only, mut workers) = (Vec::new(), None, SEED, None, WORKERS);
    let mut one = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word}: a value is missing"));
        match word.as_str() {
            "kill" => kinds.push(Kind::Kill),
            "errors" => kinds.push(Kind::Errors),
            "double" => kinds.push(Kind::Double),
            "--points" => points = Some(value().parse().expect("a number of points")),
            "--seed" => seed = value().parse().expect("a seed"),
            "--workers" => workers = value().parse().expect("a number of workers"),
            "--at" => {
                let mut number = || value().parse().expect("seed, call, call of the second run or 0");
                one = Some((number(), number(), number()));
            }
            "--only" => only = Some(value()),
            // What `cargo test` says to every test.
            _ if word.starts_with("--") => {}
            _ => panic!("{word}: kill, errors or double, --points, --seed, --only, --at, --workers"),
        }
    }
    let wanted = PART.into_iter().filter(|(kind, _)| kinds.is_empty() || kinds.contains(kind));
    let orders = wanted.map(|(kind, part)| Order { kind, points: points.unwrap_or(part), seed, one }).collect();
    Words { orders, only, workers }
}

fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    root.join(format!("backup-faults-{}", std::process::id()))
}

fn main() -> ExitCode {
    let Words { orders, only, workers } = words();
    let folder = folder();
    proof::prove(&folder.join("proof"));
    let mut good = true;
    for order in orders {
        println!("{:?}: {} points, seed {}", order.kind, order.points, order.seed);
        good &= Campaign::new(order, only.as_deref(), &folder).run(workers);
    }
    if good {
        std::fs::remove_dir_all(&folder).ok();
        ExitCode::SUCCESS
    } else {
        println!("NOT GOOD; what is kept is in {}", folder.display());
        ExitCode::FAILURE
    }
}
