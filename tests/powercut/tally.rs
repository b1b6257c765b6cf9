//! What was tried and what was found, by all threads together; and when to stop.

use super::cuts::{Cut, Kind};
use super::disk::Disk;
use super::volume::Fs;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Set by Ctrl-C, and by a thread that died.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// More violations than these need not be looked for.
const ENOUGH: usize = 20;
/// States kept as images.
const KEPT: usize = 4;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    Cut(Cut),
    SecondCut(Cut),
    /// There was no cut at all.
    Undisturbed,
}

#[derive(Debug, Default)]
struct Counts {
    states: BTreeMap<(Fs, Kind), usize>,
    second: BTreeMap<Fs, usize>,
    /// States in which the file system itself was lost.
    lost: BTreeMap<Fs, usize>,
    violations: Vec<String>,
}

impl Counts {
    fn of(&self, fs: Fs) -> usize {
        Kind::ALL.iter().filter_map(|kind| self.states.get(&(fs, *kind))).sum()
    }
}

#[derive(Debug)]
pub(crate) struct Tally {
    /// States wanted of each file system.
    wanted: usize,
    /// Where the images of bad states go.
    folder: PathBuf,
    began: Instant,
    counts: Mutex<Counts>,
}

impl Tally {
    pub(crate) fn new(wanted: usize, folder: PathBuf) -> Self {
        Self { wanted, folder, began: Instant::now(), counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no more states of a file system are wanted.
    pub(crate) fn is_over(&self, fs: Fs) -> bool {
        let counts = self.counts();
        STOP.load(Ordering::Relaxed) || counts.of(fs) >= self.wanted || counts.violations.len() >= ENOUGH
    }

    pub(crate) fn note(&self, fs: Fs, found: Found, verdict: Result<(), String>, disk: &Disk) {
        // What is killed by Ctrl-C finds nothing.
        if STOP.load(Ordering::Relaxed) {
            return;
        }
        let mut counts = self.counts();
        match found {
            Found::Cut(cut) => *counts.states.entry((fs, cut.kind)).or_default() += 1,
            Found::SecondCut(_) => *counts.second.entry(fs).or_default() += 1,
            Found::Undisturbed => {}
        }
        let done: usize = counts.states.values().sum();
        if let Err(what) = verdict {
            let number = counts.violations.len();
            let mut text = format!("VIOLATION on {what}");
            if number < KEPT {
                let path = self.folder.join(format!("{number}.{fs}.img"));
                let saved = std::fs::create_dir_all(&self.folder).and_then(|()| disk.save(&path));
                match saved {
                    Ok(()) => write!(text, "\n    the disk after it: {}", path.display()).unwrap(),
                    Err(e) => write!(text, "\n    the disk could not be saved: {e}").unwrap(),
                }
            }
            eprintln!("{text}");
            counts.violations.push(text);
        }
        if done.is_multiple_of(100) && matches!(found, Found::Cut(_)) {
            let seconds = self.began.elapsed().as_secs_f64();
            println!("{done} states, {seconds:.0} s, {} violations", counts.violations.len());
        }
    }

    pub(crate) fn note_lost(&self, fs: Fs) {
        *self.counts().lost.entry(fs).or_default() += 1;
    }

    /// The last lines; whether all is well.
    pub(crate) fn report(&self, systems: &[Fs], second_wanted: usize) -> bool {
        let counts = self.counts();
        let mut is_well = counts.violations.is_empty() && !STOP.load(Ordering::Relaxed);
        for &fs in systems {
            let (states, second) = (counts.of(fs), counts.second.get(&fs).copied().unwrap_or(0));
            let kinds = Kind::ALL.map(|kind| {
                let count = counts.states.get(&(fs, kind)).copied().unwrap_or(0);
                is_well &= count > 0;
                format!("{} {count}", kind.name())
            });
            let lost = counts.lost.get(&fs).copied().unwrap_or(0);
            is_well &= states >= self.wanted && second >= second_wanted && lost <= states / 50;
            println!(
                "{fs:5}: {states} states of {} wanted ({}), {second} of {second_wanted} cuts during recovery; {lost} could not be mounted",
                self.wanted,
                kinds.join(", ")
            );
        }
        let (states, seconds) = (counts.states.values().sum::<usize>(), self.began.elapsed().as_secs_f64());
        let second: usize = counts.second.values().sum();
        println!(
            "powercut: {states} states and {second} cuts during recovery in {seconds:.0} s, {:.1} a second; {} violations",
            (states + second) as f64 / seconds,
            counts.violations.len()
        );
        is_well
    }
}
