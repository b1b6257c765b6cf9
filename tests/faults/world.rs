//! One state: a source, a mirror and a table in a folder, and what must be true of them.

use crate::judge::Judge;
use crate::random::Random;
use crate::trees::{self, DIRS};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_backup");

pub(crate) struct World<'a> {
    pub(crate) root: PathBuf,
    pub(crate) random: Random,
    pub(crate) judge: &'a mut Judge,
    /// Snapshots that were acknowledged, with the name of the listing that each must give.
    acknowledged: Vec<(String, u64)>,
    /// The tree that is the mirror now.
    pub(crate) mirror: &'static str,
    /// What a prune must come to: how many snapshots, and at most so many bytes of packs.
    pruned: Option<(usize, u64)>,
}

impl<'a> World<'a> {
    pub(crate) fn new(root: PathBuf, seed: u64, judge: &'a mut Judge) -> Self {
        if root.exists() {
            fs::remove_dir_all(&root).unwrap();
        }
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir(root.join("nothing")).unwrap();
        let [one, other] = DIRS;
        let table = format!("TARGET data\n  SOURCE src\n  MIRROR mir\n  DIR {one}\n  DIR {other}\n");
        fs::write(root.join("backup.tab"), table).unwrap();
        let mut world =
            Self { root, random: Random::new(seed), judge, acknowledged: Vec::new(), mirror: "mir", pruned: None };
        trees::plant(&world.src(), &mut world.random);
        world
    }

    pub(crate) fn src(&self) -> PathBuf {
        self.root.join("src")
    }

    pub(crate) fn mir(&self) -> PathBuf {
        self.root.join("mir")
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.root.join(name).to_string_lossy().into_owned()
    }

    fn store_of(&self, tree: &str) -> String {
        self.at(tree) + "/.backup/store"
    }

    /// Whether the two places have changed their parts; the table must say the one or the other.
    pub(crate) fn is_swapped(&self) -> Result<bool, String> {
        let table = fs::read_to_string(self.root.join("backup.tab")).unwrap_or_default();
        let starts = |line: &str| table.starts_with(&format!("TARGET data\n{line}"));
        let whole = table.ends_with(&format!("  DIR {}\n", DIRS[1]));
        match (starts("  SOURCE mir\n  MIRROR src\n"), starts("  SOURCE src\n  MIRROR mir\n")) {
            (swapped, other) if whole && swapped != other => Ok(swapped),
            _ => Err(format!("the table is damaged: {table:?}")),
        }
    }

    /// The program with these words; what it says goes to a file.
    pub(crate) fn command(&self, words: &str) -> Command {
        let said = File::create(self.root.join("said")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["--tab", "backup.tab"]).args(words.split(' ')).current_dir(&self.root);
        command.env_clear().env("RAYON_NUM_THREADS", "2").env("TZ", "UTC");
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        command
    }

    /// Runs undisturbed; the exit code, -1 after a signal.
    pub(crate) fn run(&self, words: &str) -> i32 {
        self.command(words).status().unwrap().code().unwrap_or(-1)
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.root.join("said")).unwrap_or_default()).trim().to_owned()
    }

    /// A run that is part of the preparations.
    pub(crate) fn must(&self, words: &str, code: i32) {
        let ended = self.run(words);
        assert_eq!(ended, code, "{words}, undisturbed: {}", self.said());
    }

    /// A night that is acknowledged: its snapshot must give what the source is now, from here on.
    pub(crate) fn night(&mut self, words: &str, name: &str) {
        self.must(words, 0);
        self.remember(name, "src");
        let sequence = self.newest("backup").unwrap().expect("a snapshot");
        self.acknowledged.push((name.to_owned(), sequence));
    }

    pub(crate) fn remember(&mut self, name: &str, tree: &str) {
        if self.root.join(tree).exists() {
            self.judge.ask(&json!({"op": "remember", "name": name, "tree": self.at(tree), "dirs": DIRS})).unwrap();
        } else {
            self.remember(name, "nothing");
        }
    }

    /// Puts a KEEP into the table.
    pub(crate) fn keep(&self, rules: &str) {
        let table = fs::read_to_string(self.root.join("backup.tab")).unwrap();
        fs::write(self.root.join("backup.tab"), table.replacen("  DIR", &format!("  KEEP {rules}\n  DIR"), 1)).unwrap();
    }

    /// From here on only the last so many nights must be there. Their room is what a new store of only those takes, and a tenth of it.
    pub(crate) fn expect_pruned(&mut self, count: usize) {
        let gone = self.acknowledged.len() - count;
        self.acknowledged.drain(..gone);
        let fresh = self.root.join("fresh");
        fs::remove_dir_all(&fresh).ok();
        fs::create_dir_all(fresh.join("src")).unwrap();
        let table =
            format!("TARGET fresh\n  SOURCE src\n  MIRROR mir\n  DIR {}\n  DIR {}\n  HOLD 100%\n", DIRS[0], DIRS[1]);
        fs::write(fresh.join("backup.tab"), table).unwrap();
        for (n, (_, sequence)) in self.acknowledged.clone().into_iter().enumerate() {
            // Onto nothing: what is overwritten would become a snapshot.
            fs::remove_dir_all(fresh.join("src")).unwrap();
            fs::create_dir(fresh.join("src")).unwrap();
            self.must(&format!("-restore data --snapshot {sequence} --to fresh/src"), 0);
            let night = if n == 0 { "-backup --init fresh" } else { "-backup fresh" };
            let mut command = self.command(night);
            assert!(command.current_dir(&fresh).status().unwrap().success(), "{}", self.said());
        }
        let bytes = bytes_in(&fresh.join("mir/.backup/store/packs"));
        fs::remove_dir_all(&fresh).unwrap();
        self.pruned = Some((count, bytes + bytes / 10 + SMALL));
    }

    /// Exactly those are there, and their room is no more than that.
    pub(crate) fn is_pruned(&mut self) -> Result<(), String> {
        let Some((count, most)) = self.pruned else { return Ok(()) };
        let there = self.snapshots()?.len();
        if there != count {
            return Err(format!("there are {there} snapshots, and not {count}"));
        }
        let bytes = bytes_in(&self.root.join("mir/.backup/store/packs"));
        if bytes > most { Err(format!("there are {bytes} bytes in packs, and not {most}")) } else { Ok(()) }
    }

    /// People work on the source.
    pub(crate) fn edit(&mut self) {
        trees::edit(&self.src(), &mut self.random);
        self.remember("src", "src");
    }

    fn snapshots(&mut self) -> Result<Vec<Value>, String> {
        let answer = self.judge.ask(&json!({"op": "verify", "store": self.store_of(self.mirror)}))?;
        Ok(answer["snapshots"].as_array().cloned().unwrap_or_default())
    }

    /// Number of the newest snapshot of a kind. Proves the whole store.
    pub(crate) fn newest(&mut self, kind: &str) -> Result<Option<u64>, String> {
        let rows = self.snapshots()?;
        Ok(rows.iter().rev().find(|row| row["kind"] == kind).and_then(|row| row["sequence"].as_u64()))
    }

    /// P1: what was acknowledged can be given back; and the store is whole.
    pub(crate) fn acknowledged_are_there(&mut self) -> Result<(), String> {
        self.snapshots()?;
        self.acknowledged_are_in("mir")
    }

    /// Names of the listings of all acknowledged nights.
    pub(crate) fn nights(&self) -> Vec<String> {
        self.acknowledged.iter().map(|(name, _)| name.clone()).collect()
    }

    /// All of them are in the store of this tree: the first mirror has them, and who takes its place when its run is done.
    pub(crate) fn acknowledged_are_in(&mut self, tree: &str) -> Result<(), String> {
        for (name, sequence) in self.acknowledged.clone() {
            let there = self.snapshot_is(tree, sequence, &name);
            there.map_err(|why| format!("P1, {tree}, snapshot {sequence}: {why}"))?;
        }
        Ok(())
    }

    fn snapshot_is(&mut self, tree: &str, sequence: u64, name: &str) -> Result<(), String> {
        let question = json!({"op": "snapshot", "store": self.store_of(tree), "sequence": sequence, "equals": name});
        self.judge.ask(&question).map(drop)
    }

    /// The newest night of the mirror is this listing.
    pub(crate) fn newest_is(&mut self, name: &str) -> Result<(), String> {
        let newest = self.newest("backup")?.ok_or("there is no snapshot")?;
        self.snapshot_is(self.mirror, newest, name).map_err(|why| format!("snapshot {newest}: {why}"))
    }

    /// P2: what these listings hold is somewhere.
    pub(crate) fn is_kept(&mut self, of: &[&str]) -> Result<(), String> {
        let there = |name: &&str| self.root.join(name).exists();
        let trees: Vec<_> = ["src", "mir"].into_iter().filter(there).map(|name| self.at(name)).collect();
        let question =
            json!({"op": "kept", "of": of, "trees": trees, "stores": [self.store_of("mir"), self.store_of("src")]});
        self.judge.ask(&question).map(drop).map_err(|why| format!("P2: {why}"))
    }

    /// P3: each file of the tree is that of one listing or of the other.
    pub(crate) fn is_mixture(&mut self, tree: &str, of: &[&str]) -> Result<(), String> {
        let tree = if self.root.join(tree).exists() { tree } else { "nothing" };
        let question = json!({"op": "mixture", "tree": self.at(tree), "dirs": DIRS, "of": of});
        self.judge.ask(&question).map(drop).map_err(|why| format!("P3, {tree}: {why}"))
    }

    pub(crate) fn tree_is(&mut self, tree: &str, name: &str) -> Result<(), String> {
        let tree = if self.root.join(tree).exists() { tree } else { "nothing" };
        let question = json!({"op": "tree", "tree": self.at(tree), "dirs": DIRS, "equals": name});
        self.judge.ask(&question).map(drop).map_err(|why| format!("{tree} is not {name}: {why}"))
    }

    /// Nothing of a run is left: the stages are empty, and only a mirror has a folder of ours.
    pub(crate) fn is_tidy(&self) -> Result<(), String> {
        for tree in ["src", "mir", "to"] {
            let home = self.root.join(tree).join(".backup");
            let left = names(&home.join("stage"));
            if !left.is_empty() {
                return Err(format!("{tree}/.backup/stage is left, with {left:?}"));
            }
            if home.exists() && tree != "mir" && tree != self.mirror {
                return Err(format!("{tree}/.backup is left"));
            }
        }
        let left: Vec<_> = names(&self.root).into_iter().filter(|name| name.starts_with("tmp-")).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?} are left beside the table")) }
    }
}

/// Bytes that tiny packs may have more than others, for their heads and tails.
const SMALL: u64 = 3000;

/// Bytes of all files below a folder.
fn bytes_in(folder: &Path) -> u64 {
    let mut sum = 0;
    for item in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let facts = item.metadata().unwrap();
        sum += if facts.is_dir() { bytes_in(&item.path()) } else { facts.len() };
    }
    sum
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(items) = fs::read_dir(folder) else { return Vec::new() };
    items.filter_map(|item| Some(item.ok()?.file_name().to_string_lossy().into_owned())).collect()
}
