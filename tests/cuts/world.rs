//! One state: a source, a mirror and a table in a folder, with hosts in front of the places, and what must be true of them.

use crate::cutter::Plan;
use crate::judge::Judge;
use crate::random::Random;
use crate::trees::{self, DIRS};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_backup");
/// The trees; a place "to" is not there at first.
const TREES: [&str; 3] = ["src", "mir", "to"];
/// Longer than any run takes, and than a silence is borne.
const PATIENCE: Duration = Duration::from_mins(3);
/// How soon an agent must have ended.
const LINGER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) struct World<'a> {
    root: PathBuf,
    pub(crate) random: Random,
    judge: &'a mut Judge,
    /// Snapshots that were acknowledged, with the name of the listing that each must give.
    acknowledged: Vec<(String, u64)>,
    /// The hosts of the source, the mirror and the place to restore to; "" is here.
    hosts: [&'static str; 3],
    /// The tree that is the mirror now.
    pub(crate) mirror: &'static str,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exit(i32),
    Signal(i32),
    /// It did not, in all the time that it was given.
    Never,
}

impl<'a> World<'a> {
    pub(crate) fn new(root: PathBuf, seed: u64, hosts: [&'static str; 3], judge: &'a mut Judge) -> Self {
        if root.exists() {
            fs::remove_dir_all(&root).unwrap();
        }
        for folder in ["src", "nothing", "log"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let mut world = Self { root, random: Random::new(seed), judge, acknowledged: Vec::new(), hosts, mirror: "mir" };
        fs::write(world.at("backup.tab"), world.table("src", "mir")).unwrap();
        let source = world.at("src");
        trees::plant(&source, &mut world.random);
        world
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.at(name).to_string_lossy().into_owned()
    }

    /// A tree as the table and the command line name it.
    fn place(&self, tree: &str) -> String {
        let host = TREES.iter().zip(self.hosts).find(|(name, _)| **name == tree).map_or("", |(_, host)| host);
        if host.is_empty() { self.text(tree) } else { format!("{host}:{}", self.text(tree)) }
    }

    fn table(&self, source: &str, mirror: &str) -> String {
        let [one, other] = DIRS;
        let (source, mirror) = (self.place(source), self.place(mirror));
        format!("TARGET data\n  SOURCE {source}\n  MIRROR {mirror}\n  DIR {one}\n  DIR {other}\n")
    }

    /// Whether the two places have changed their parts; the table must say the one or the other.
    pub(crate) fn is_swapped(&self) -> Result<bool, String> {
        let table = fs::read_to_string(self.at("backup.tab")).unwrap_or_default();
        match (table == self.table("mir", "src"), table == self.table("src", "mir")) {
            (swapped, other) if swapped != other => Ok(swapped),
            _ => Err(format!("the table is damaged: {table:?}")),
        }
    }

    fn command(&self, words: &str, plan: Option<&Plan>) -> Command {
        let said = File::create(self.at("said")).unwrap();
        let own = std::env::current_exe().unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["--tab", "backup.tab"]).current_dir(&self.root);
        command.args(words.split(' ').map(|word| if word == "TO" { self.place("to") } else { word.to_owned() }));
        command.env_clear().env("RAYON_NUM_THREADS", "2").env("TZ", "UTC");
        command.env("BACKUP_RSH", format!("\"{}\" rsh", own.display())).env("CUTTER_LOG", self.at("log"));
        command.env("CUTTER_PATH", Path::new(PROGRAM).parent().unwrap());
        if let Some(plan) = plan {
            command.env("CUTTER", plan.shown());
        }
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        command
    }

    /// Runs it; how it ended, and whether what was planned did happen.
    pub(crate) fn run(&self, words: &str, plan: Option<&Plan>) -> (Ended, bool) {
        let log = self.at("log");
        fs::remove_dir_all(&log).unwrap();
        fs::create_dir(&log).unwrap();
        let mut child = self.command(words, plan).spawn().unwrap();
        let end = Instant::now() + PATIENCE;
        let ended = loop {
            match child.try_wait().unwrap() {
                Some(status) => {
                    break status.code().map_or_else(|| Ended::Signal(status.signal().unwrap_or(0)), Ended::Exit);
                }
                None if Instant::now() > end => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break Ended::Never;
                }
                None => std::thread::sleep(PAUSE),
            }
        };
        (ended, log.join("hit").exists())
    }

    /// Bytes and frames to each host and from it, in the run that has just ended.
    pub(crate) fn counts(&self) -> Vec<(String, [u64; 4])> {
        let read = |item: std::io::Result<fs::DirEntry>| {
            let text = fs::read_to_string(item.ok()?.path()).ok()?;
            let (host, numbers) = text.split_once(' ')?;
            let numbers: Vec<u64> = numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
            Some((host.to_owned(), numbers.try_into().ok()?))
        };
        let mut counts: Vec<_> = fs::read_dir(self.at("log")).unwrap().filter_map(read).collect();
        counts.sort();
        counts
    }

    /// Everything that the run started has ended, or does soon.
    pub(crate) fn is_alone(&self) -> Result<(), String> {
        let mark = format!("CUTTER_LOG={}", self.text("log")).into_bytes();
        let end = Instant::now() + LINGER;
        loop {
            let left = processes(&mark);
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("alive after {} s: {}", LINGER.as_secs(), left.join("; ")));
            }
            std::thread::sleep(PAUSE);
        }
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.at("said")).unwrap_or_default()).trim().to_owned()
    }

    /// A run that is part of the preparations.
    pub(crate) fn must(&self, words: &str) {
        let (ended, _) = self.run(words, None);
        assert_eq!(ended, Ended::Exit(0), "{words}, undisturbed: {}", self.said());
        self.is_alone().unwrap();
    }

    /// A night that is acknowledged: its snapshot must give what the source is now, from here on.
    pub(crate) fn night(&mut self, words: &str, name: &str) {
        self.must(words);
        self.remember(name, "src");
        let sequence = self.newest().unwrap().expect("a snapshot");
        self.acknowledged.push((name.to_owned(), sequence));
    }

    fn ask(&mut self, question: &Value) -> Result<Value, String> {
        self.judge.ask(question)
    }

    fn there(&self, tree: &str) -> String {
        self.text(if self.at(tree).exists() { tree } else { "nothing" })
    }

    pub(crate) fn remember(&mut self, name: &str, tree: &str) {
        let tree = self.there(tree);
        self.ask(&json!({"op": "remember", "name": name, "tree": tree, "dirs": DIRS})).unwrap();
    }

    fn store_of(&self, tree: &str) -> String {
        self.text(tree) + "/.backup/store"
    }

    /// The newest night of the mirror. Proves the whole store.
    fn newest(&mut self) -> Result<Option<u64>, String> {
        let store = self.store_of(self.mirror);
        let answer = self.ask(&json!({"op": "verify", "store": store}))?;
        let rows = answer["snapshots"].as_array().cloned().unwrap_or_default();
        Ok(rows.iter().rev().find(|row| row["kind"] == "backup").and_then(|row| row["sequence"].as_u64()))
    }

    fn snapshot_is(&mut self, tree: &str, sequence: u64, name: &str) -> Result<(), String> {
        let store = self.store_of(tree);
        let question = json!({"op": "snapshot", "store": store, "sequence": sequence, "equals": name});
        self.ask(&question).map(drop).map_err(|why| format!("{tree}, snapshot {sequence}: {why}"))
    }

    /// The newest night of the mirror is this listing.
    pub(crate) fn newest_is(&mut self, name: &str) -> Result<(), String> {
        let newest = self.newest()?.ok_or("there is no snapshot")?;
        self.snapshot_is(self.mirror, newest, name)
    }

    /// The stores are whole, and what was acknowledged is in that of this tree.
    pub(crate) fn acknowledged_are_in(&mut self, tree: &str) -> Result<(), String> {
        self.newest()?;
        for (name, sequence) in self.acknowledged.clone() {
            self.snapshot_is(tree, sequence, &name).map_err(|why| format!("a night is lost: {why}"))?;
        }
        Ok(())
    }

    /// What was on the trees is still somewhere.
    pub(crate) fn nothing_is_lost(&mut self) -> Result<(), String> {
        let trees: Vec<_> = ["src", "mir"].into_iter().map(|tree| self.there(tree)).collect();
        let question = json!({"op": "kept", "of": ["src", "mir"], "trees": trees,
            "stores": [self.store_of("mir"), self.store_of("src")]});
        self.ask(&question).map(drop)
    }

    /// Each file of the tree is that of one listing or of the other.
    pub(crate) fn is_mixture(&mut self, tree: &str, of: &[&str]) -> Result<(), String> {
        let question = json!({"op": "mixture", "tree": self.there(tree), "dirs": DIRS, "of": of});
        self.ask(&question).map(drop).map_err(|why| format!("{tree} is torn: {why}"))
    }

    pub(crate) fn tree_is(&mut self, tree: &str, name: &str) -> Result<(), String> {
        let question = json!({"op": "tree", "tree": self.there(tree), "dirs": DIRS, "equals": name});
        self.ask(&question).map(drop).map_err(|why| format!("{tree} is not {name}: {why}"))
    }

    /// Nothing of a run is left: the stages are empty.
    pub(crate) fn is_tidy(&self) -> Result<(), String> {
        for tree in TREES {
            let stage = self.at(tree).join(".backup/stage");
            if fs::read_dir(&stage).is_ok_and(|mut items| items.next().is_some()) {
                return Err(format!("something is left in {}", stage.display()));
            }
        }
        Ok(())
    }
}

/// Command lines of all processes with these words in their environment.
fn processes(mark: &[u8]) -> Vec<String> {
    let of = |item: std::io::Result<fs::DirEntry>| {
        let at = item.ok()?.path();
        at.file_name()?.to_str()?.parse::<u32>().ok()?;
        let environment = fs::read(at.join("environ")).ok()?;
        environment.split(|byte| *byte == 0).find(|word| *word == mark)?;
        let line = fs::read(at.join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    };
    fs::read_dir("/proc").unwrap().filter_map(of).collect()
}
