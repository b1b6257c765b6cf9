//! The connection to a host is cut at every end of a frame and at random bytes, stalled and corrupted; agents and operators are killed. After each, an
//! independent judge (`tests/judge.py`) says whether the promises hold, and the next run must put all right.
//!
//!     cargo test --release --test cuts                                            a part, with a fixed seed
//!     cargo test --release --test cuts -- --cuts 5000 --seed 1                    the whole
//!     cargo test --release --test cuts -- --only history --cuts 500               one scene
//!     cargo test --release --test cuts -- --only edits --at 1000003 'b in cut frame 7'     one cut, as a violation names it
//!
//! The hosts are names only: this program is its own remote shell (`cutter.rs`). It fails on a violation, and when
//! fewer cuts were made than were to be. States go to /dev/shm where that is, or else to the temporary folder; those of violations are kept.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by a panic, and how far it is by printing"
)]

mod campaign;
mod cutter;
mod framer;
#[path = "../faults/judge.rs"]
mod judge;
mod proof;
#[path = "../faults/random.rs"]
mod random;
mod scene;
#[path = "../faults/trees.rs"]
#[expect(dead_code, reason = "the scenes of faults use the rest")]
mod trees;
mod trial;
mod world;

use campaign::Campaign;
use cutter::Plan;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use trial::Trial;

/// The part that is run without words.
const CUTS: usize = 440;
const SEED: u64 = 1;
const WORKERS: usize = 6;

struct Words {
    cuts: usize,
    seed: u64,
    workers: usize,
    only: Option<String>,
    at: Option<(u64, Plan)>,
}

fn words() -> Words {
    let mut given = Words { cuts: CUTS, seed: SEED, workers: WORKERS, only: None, at: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word}: a value is missing"));
        match word.as_str() {
            "--cuts" => given.cuts = value().parse().expect("a number of cuts"),
            "--seed" => given.seed = value().parse().expect("a seed"),
            "--workers" => given.workers = value().parse().expect("a number of workers"),
            "--only" => given.only = Some(value()),
            "--at" => {
                let seed = value().parse().expect("a seed");
                given.at = Some((seed, Plan::parse(&value()).expect("HOST WAY WHAT UNIT N")));
            }
            // What `cargo test` says to every test.
            _ if word.starts_with("--") => {}
            _ => panic!("{word}: --cuts, --seed, --only, --at, --workers"),
        }
    }
    given
}

fn main() -> ExitCode {
    let own: Vec<String> = std::env::args().collect();
    if own.get(1).is_some_and(|word| word == "rsh") {
        std::process::exit(cutter::run(&own[2..]));
    }
    let Words { cuts, seed, workers, only, at } = words();
    framer::prove();
    proof::prove();
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    let folder: PathBuf = root.join(format!("backup-cuts-{}", std::process::id()));
    let campaign = Campaign::new(cuts, seed, only.as_deref(), &folder);
    let good = match at {
        Some((seed, plan)) => {
            let scene = scene::SCENES.iter().find(|scene| Some(scene.name) == only.as_deref());
            campaign.again(&Trial { scene: scene.expect("--only SCENE"), seed, plan })
        }
        None => campaign.run(workers),
    };
    if good {
        std::fs::remove_dir_all(&folder).ok();
        ExitCode::SUCCESS
    } else {
        println!("NOT GOOD; what is kept is in {}", folder.display());
        ExitCode::FAILURE
    }
}
