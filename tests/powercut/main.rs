//! Power cuts at the level of blocks, on ext4, xfs and btrfs.
//!
//! A file system of the recorder's own lies below a real one and logs each write and each flush. The program works on that, while somebody else syncs
//! files all the time. Then the power is cut, on paper: at every flush, and between flushes with some of the writes that were not flushed. Each such
//! disk is mounted, judged, recovered from by the next run, and judged again; some recoveries are cut, too.
//!
//! ```text
//! cargo test --release --test powercut                              a part, with fixed seeds, under two minutes
//! cargo test --release --test powercut -- --states 20000 --seed 7   a campaign; --fs xfs,btrfs and --jobs N narrow it
//! ```
//!
//! Needs root, /dev/fuse, loop devices and the tools of the three file systems; without them it fails. The mounts are in a namespace of its own, so
//! they go when it goes, however that is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a test prints, and says what is wrong by a panic"
)]

mod antagonist;
mod careless;
mod cuts;
mod disk;
mod due;
mod judge;
mod options;
mod recorder;
mod site;
mod steps;
mod tally;
mod trial;
mod volume;
mod workload;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use options::Options;
use recorder::Shelf;
use site::Site;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use steps::STEPS;
use tally::{STOP, Tally};
use trial::{Share, Trial};
use volume::Fs;

/// States of the careless writer that are tried, and how many of them must be bad at the least.
const CARELESS: (usize, usize) = (60, 8);

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("powercut: {why}");
            return ExitCode::from(64);
        }
    };
    if let Err(why) = prepare() {
        eprintln!("powercut: {why}. It needs root, /dev/fuse, loop devices, and what .ci/run installs");
        return ExitCode::FAILURE;
    }
    volume::release_leftovers();
    let folder = tempfile::Builder::new().prefix("backup-powercut-").tempdir().unwrap();
    let none = None::<&str>;
    mount(Some("powercut"), folder.path(), Some("tmpfs"), MsFlags::empty(), none).expect("a tmpfs can be mounted");
    let is_well = std::panic::catch_unwind(|| run(&options, folder.path()));
    let _unheeded: Result<(), _> = nix::mount::umount2(folder.path(), nix::mount::MntFlags::MNT_DETACH);
    if is_well.unwrap_or(false) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A namespace of mounts for this process and its children; Ctrl-C only asks to stop.
fn prepare() -> Result<(), String> {
    for needed in ["/dev/fuse", "/dev/loop-control"] {
        if !Path::new(needed).exists() {
            return Err(format!("there is no {needed}"));
        }
    }
    unshare(CloneFlags::CLONE_NEWNS).map_err(|e| format!("no namespace of mounts: {e}"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(|e| format!("/ cannot be made private: {e}"))?;
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block().map_err(|e| format!("signals cannot be held: {e}"))?;
    std::thread::spawn(move || {
        let signal = signals.wait();
        eprintln!("powercut: {signal:?}: stopping");
        STOP.store(true, Ordering::Relaxed);
    });
    Ok(())
}

fn run(options: &Options, folder: &Path) -> bool {
    std::fs::create_dir(folder.join("shelf")).unwrap();
    let shelf = Arc::new(Shelf::mount(&folder.join("shelf")).unwrap_or_else(|e| panic!("FUSE cannot be mounted: {e}")));
    let target = Path::new(env!("CARGO_BIN_EXE_backup")).ancestors().nth(2).unwrap();
    let tally = Tally::new(options.wanted(), target.join("powercut"));
    let next = AtomicUsize::new(0);
    let is_proved = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..options.jobs).map(|_| scope.spawn(|| work(options, folder, &shelf, &tally, &next))).collect();
        let proved = options.systems.contains(&Fs::Xfs).then(|| scope.spawn(|| can_fail(folder, &shelf)));
        let died = workers.into_iter().map(std::thread::ScopedJoinHandle::join).filter(Result::is_err).count();
        let proved = proved.is_none_or(|thread| thread.join().unwrap_or(false));
        proved && died == 0
    });
    let syncs = antagonist::SYNCS.load(Ordering::Relaxed);
    println!("the antagonist synced {syncs} times");
    tally.report(&options.systems, options.second_wanted()) && is_proved && syncs > 1000
}

/// Takes one site after the other until there are enough states of each file system.
fn work(options: &Options, folder: &Path, shelf: &Arc<Shelf>, tally: &Tally, next: &AtomicUsize) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let fs = options.systems[number % options.systems.len()];
        if options.systems.iter().all(|fs| tally.is_over(*fs)) || options.sites.is_some_and(|sites| number >= sites) {
            return;
        }
        if tally.is_over(fs) {
            continue;
        }
        let seed = options.seed + number as u64;
        let mut site = Site::new(&folder.join(number.to_string()), shelf, fs, seed);
        for step in STEPS {
            if tally.is_over(fs) {
                break;
            }
            let step = step(&mut site);
            let share = Share { states: options.states_a_step, double: options.double };
            if !(Trial { site: &mut site, step: &step, seed, tally }.run(share)) {
                break;
            }
        }
        drop(site);
        let _unheeded: Result<(), _> = std::fs::remove_dir_all(folder.join(number.to_string()));
    }
}

/// Whether the harness finds what a careless writer breaks, and nothing with a careful one.
fn can_fail(folder: &Path, shelf: &Arc<Shelf>) -> bool {
    let (states, least) = CARELESS;
    let bad = [false, true].map(|careful| {
        let folder = folder.join(if careful { "careful" } else { "careless" });
        careless::bad_states(&mut Site::new(&folder, shelf, Fs::Xfs, 1), careful, states)
    });
    println!("xfs, renames without a sync: {} of {states} states are bad; with one: {}", bad[0], bad[1]);
    bad[0] >= least && bad[1] == 0
}
