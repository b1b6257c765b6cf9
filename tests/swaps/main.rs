//! An attacker who may write to the trees swaps directories for symlinks, files for fifos, and moves directories away, while the program reads and
//! writes those trees as root. Nothing outside of them may be opened, changed or stored, and afterwards all must be well again.
//!
//!     cargo test --release --test swaps                                      a part
//!     cargo test --release --test swaps -- --swaps 1000000 --seed 2          the whole
//!     cargo test --release --test swaps -- --only 'mirror, files'            one scene
//!     cargo test --release --test swaps -- --on FOLDER                       on another file system, mounted with strictatime
//!
//! Needs root: where no folder is named, it mounts a tmpfs. It fails on an escape, and when fewer swaps were made than were to be.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by a panic, and how far it is by printing"
)]

mod attack;
mod campaign;
mod canary;
mod circle;
#[path = "../faults/judge.rs"]
mod judge;
mod proof;
#[path = "../faults/random.rs"]
mod random;
mod scene;
mod site;
mod spot;
mod vault;
mod world;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The part that is run without words.
const SWAPS: u64 = 100_000;
const SEED: u64 = 1;

struct Words {
    swaps: u64,
    seed: u64,
    only: Option<String>,
    on: Option<PathBuf>,
}

fn words() -> Words {
    let mut given = Words { swaps: SWAPS, seed: SEED, only: None, on: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word}: a value is missing"));
        match word.as_str() {
            "--swaps" => given.swaps = value().parse().expect("a number of swaps"),
            "--seed" => given.seed = value().parse().expect("a seed"),
            "--only" => given.only = Some(value()),
            "--on" => given.on = Some(value().into()),
            // What `cargo test` says to every test.
            _ if word.starts_with("--") => {}
            _ => panic!("{word}: --swaps, --seed, --only, --on"),
        }
    }
    given
}

/// A file system in memory that is given back.
struct Memory(PathBuf);

impl Memory {
    fn new() -> Self {
        let place = std::env::temp_dir().join(format!("backup-swaps-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        mount(Some("swaps"), &place, Some("tmpfs"), MsFlags::MS_STRICTATIME, Some("size=1g,mode=755"))
            .expect("a mount, as root");
        Self(place)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).ok();
        std::fs::remove_dir(&self.0).ok();
    }
}

/// Whether each reading is seen by its time.
fn is_strict(folder: &Path) -> bool {
    let probe = folder.join("probe");
    std::fs::write(&probe, "x").unwrap();
    let read = || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::read(&probe).unwrap();
        let found = probe.metadata().unwrap();
        (found.atime(), found.atime_nsec())
    };
    read() < read()
}

fn main() -> ExitCode {
    let own: Vec<String> = std::env::args().collect();
    if own.get(1).is_some_and(|word| word == "careless") {
        proof::careless(&own[2..]);
        return ExitCode::SUCCESS;
    }
    let Words { swaps, seed, only, on } = words();
    let memory = on.is_none().then(Memory::new);
    let on = on.or_else(|| Some(memory.as_ref()?.0.clone())).unwrap();
    assert!(is_strict(&on), "{}: not mounted with strictatime", on.display());
    let folder = on.join("swaps");
    proof::prove(&folder, seed);
    let good = campaign::run(&folder, swaps, seed, only.as_deref());
    std::fs::remove_dir_all(&folder).ok();
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
