//! A source, a mirror and a place to restore to, a canary beside them, and runs of the program that are attacked.

use crate::attack::{Attack, Signals};
use crate::canary::Canary;
use crate::judge::Judge;
use crate::random::Random;
use crate::site::{self, DIRS};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_backup");
/// The trees that can be attacked.
pub(crate) const TREES: [&str; 3] = ["src", "mir", "to"];
/// Seconds, longer than any run takes.
const PATIENCE: i64 = 60;
/// Nights until all must be well again.
const NIGHTS: usize = 8;
const HELD: i32 = 3;
/// How the program says that something was not what it had seen before.
const NOTICED: [&str; 6] = [
    "replaced while it was looked at",
    "changed by someone else",
    "no regular file any more",
    "cannot be put in place",
    "could not be read",
    "cannot be listed",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Nothing where it was killed, by itself or because it took too long.
    pub(crate) code: Option<i32>,
    /// Swaps that were made while it ran.
    pub(crate) swaps: u64,
    /// Whether it has seen any of them.
    pub(crate) noticed: bool,
    pub(crate) took: Duration,
}

pub(crate) struct World {
    root: PathBuf,
    pub(crate) canary: Canary,
    pub(crate) random: Random,
}

impl World {
    /// In a new folder: a canary, and a source.
    pub(crate) fn new(root: &Path, seed: u64) -> Self {
        if root.exists() {
            fs::remove_dir_all(root).unwrap();
        }
        let mut random = Random::new(seed);
        for folder in TREES {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let canary = Canary::plant(&root.join("canary"), Attack::pens(TREES.len()), &mut random);
        let place = |tree| root.join(tree).display().to_string();
        let table = format!("TARGET data\n  SOURCE {}\n  MIRROR {}\n", place("src"), place("mir"));
        fs::write(root.join("backup.tab"), DIRS.iter().fold(table, |table, dir| table + "  DIR " + dir + "\n"))
            .unwrap();
        site::plant(&root.join("src"), &mut random);
        Self { root: root.to_owned(), canary, random }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.at("said")).unwrap_or_default()).trim().to_owned()
    }

    fn program(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["--tab", "backup.tab"]).args(words.split(' ')).current_dir(&self.root);
        command.env_clear().env("RAYON_NUM_THREADS", "2").env("TZ", "UTC");
        command
    }

    /// Runs the program while it is attacked.
    pub(crate) fn run(&mut self, words: &str, attack: Option<(&Attack, bool)>) -> Result<Outcome, String> {
        let command = self.program(words);
        let outcome = self.run_command(command, attack);
        let said = self.said();
        match outcome.code {
            _ if said.contains("panicked") => return Err(format!("{words}: it panicked: {said}")),
            Some(0..=4) => {}
            code => return Err(format!("{words}: it ended with {code:?}: {said}")),
        }
        let taken = attack.map_or(Ok(()), |(attack, _)| attack.is_nothing_taken());
        let safe = self.canary.is_untouched().and(taken);
        safe.map(|()| outcome).map_err(|why| format!("ESCAPE: {words}: {why}\n    it said: {said}"))
    }

    /// Runs any command while it is attacked.
    pub(crate) fn run_command(&mut self, mut command: Command, attack: Option<(&Attack, bool)>) -> Outcome {
        let said = File::create(self.at("said")).unwrap();
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        let signals = Signals::default();
        let mut work = || {
            let mut child = command.spawn().unwrap();
            signals.running.store(true, Relaxed);
            let began = Instant::now();
            let code = wait(&mut child, || signals.running.store(false, Relaxed));
            (code, signals.swaps.load(Relaxed), began.elapsed())
        };
        let (code, swaps, took) = match attack {
            Some((attack, late)) => {
                attack.settle();
                let done = attack.during(&signals, late, &mut self.random, &mut work);
                attack.settle();
                done
            }
            None => work(),
        };
        let said = self.said();
        Outcome { code, swaps, noticed: NOTICED.iter().any(|text| said.contains(text)), took }
    }

    /// A run that nobody attacks; it may be held.
    fn quiet(&mut self, words: &str) -> Result<i32, String> {
        Ok(self.run(words, None)?.code.unwrap_or(-1))
    }

    /// A run that must do what it is to.
    pub(crate) fn must(&mut self, words: &str) -> Result<(), String> {
        match self.quiet(words)? {
            0 => Ok(()),
            code => Err(format!("{words}, which nobody attacked, ended with {code}: {}", self.said())),
        }
    }

    /// Nights without attacker until the mirror is what the source is. What was held is approved.
    pub(crate) fn converge(&mut self) -> Result<(), String> {
        site::plant(&self.at("src"), &mut self.random);
        let mut codes = Vec::new();
        while codes.last() != Some(&0) {
            if codes.len() >= NIGHTS {
                return Err(format!("the nights after it ended with {codes:?}: {}", self.said()));
            }
            let code = self.quiet("-backup data")?;
            codes.push(code);
            if code == HELD {
                let code = self.quiet("-approve data")?;
                codes.push(code);
            }
        }
        self.are_alike("src", "mir")
    }

    /// What `tests/compare_trees.py` says.
    pub(crate) fn are_alike(&self, one: &str, other: &str) -> Result<(), String> {
        let mut command = Command::new("python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare_trees.py"));
        command.args(DIRS.iter().flat_map(|dir| ["--dir", dir])).arg(self.at(one)).arg(self.at(other));
        let done = command.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        if done.status.success() { Ok(()) } else { Err(format!("{one} and {other} are not alike: {said}")) }
    }

    /// Nothing is left of a restore.
    pub(crate) fn is_tidy(&self) -> Result<(), String> {
        let left = ["src/.backup", "to/.backup"].into_iter().find(|name| self.at(name).exists());
        left.map_or(Ok(()), |name| Err(format!("{name} is left")))
    }

    /// The canary is whole, and nothing of it is on a tree or in the store.
    pub(crate) fn is_safe(&self, judge: &mut Judge) -> Result<(), String> {
        let safe = || {
            self.canary.is_whole()?;
            TREES.iter().try_for_each(|tree| self.canary.is_not_in(&self.at(tree)))
        };
        safe().map_err(|why| format!("ESCAPE: {why}"))?;
        // A first night that was refused leaves none.
        if self.at("mir/.backup/store").exists() { self.is_free(judge) } else { Ok(()) }
    }

    /// The store is whole, and nothing of the canary is in it.
    pub(crate) fn is_free(&self, judge: &mut Judge) -> Result<(), String> {
        let store = self.at("mir/.backup/store").display().to_string();
        let question = json!({"op": "free", "store": store, "of": self.canary.marks(), "uid": crate::canary::OWNER});
        judge.ask(&question).map(drop).map_err(|why| format!("ESCAPE into the store: {why}"))
    }
}

/// Waits for the end, tells of it at once, and gives the exit code if there is one. Who takes too long is killed.
fn wait(child: &mut Child, ended: impl FnOnce()) -> Option<i32> {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let limit = Timespec { tv_sec: PATIENCE, tv_nsec: 0 };
    let mut waited = [PollFd::new(&descriptor, PollFlags::IN)];
    let is_over = rustix::io::retry_on_intr(|| poll(&mut waited, Some(&limit))).unwrap() > 0;
    ended();
    if !is_over {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(status.signal().is_none() || status.code().is_none());
    status.code()
}
