//! A source, a mirror and a table in a folder, a plain copy of every night beside, and what must be true of them.

mod drift;
mod restore;

use crate::author::{OUTSIDE, names};
use crate::change::Tree;
use crate::judge::{But, Judge};
use crate::program::Program;
use crate::step::{Fs, Name, Op, Setting, Step};
use crate::tally::{Kinds, Tally};
use crate::thing;
use drift::Drift;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A snapshot that must give what the copy is.
struct Snapshot {
    sequence: u64,
    copy: PathBuf,
    kinds: Kinds,
}

pub(crate) struct World<'a> {
    pub(crate) setting: Setting,
    program: Program,
    judge: &'a mut Judge,
    copies: PathBuf,
    tops: Vec<Name>,
    source: &'static str,
    mirror: &'static str,
    snapshots: Vec<Snapshot>,
    /// The one of them that is on the mirror.
    published: Option<usize>,
    copied: usize,
    /// The next night makes the mirror.
    makes_mirror: bool,
    /// Somebody else may have changed the mirror since the last night.
    is_tampered: bool,
    /// A night was killed since.
    was_killed: bool,
    pub(crate) nights: usize,
    pub(crate) tally: Tally,
    /// The proof of the campaign: this is done to the mirror after so many nights, before it is looked at.
    pub(crate) sabotage: Option<(usize, Op)>,
}

impl<'a> World<'a> {
    /// In `root`, with the copies in another folder; both are made.
    pub(crate) fn new(setting: Setting, root: &Path, copies: &Path, judge: &'a mut Judge) -> Self {
        for folder in [root, copies] {
            thing::remove(folder).unwrap();
            fs::create_dir_all(folder).unwrap();
        }
        let tops = setting.tops();
        for top in tops.iter().chain([&Name::new(OUTSIDE)]) {
            fs::create_dir_all(top.at(&root.join("src"))).unwrap();
        }
        fs::write(root.join("backup.tab"), setting.table("src", "mir")).unwrap();
        Self {
            setting,
            program: Program { root: root.to_owned(), said: copies.join("said") },
            judge,
            copies: copies.to_owned(),
            tops,
            source: "src",
            mirror: "mir",
            snapshots: Vec::new(),
            published: None,
            copied: 0,
            makes_mirror: true,
            is_tampered: false,
            was_killed: false,
            nights: 0,
            tally: Tally::default(),
            sabotage: None,
        }
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.program.root.join(self.source)
    }

    fn mirror(&self) -> PathBuf {
        self.program.root.join(self.mirror)
    }

    pub(crate) fn snapshots(&self) -> usize {
        self.snapshots.len()
    }

    /// Nothing is open: the mirror is as the last night left it.
    fn is_settled(&self) -> bool {
        !(self.snapshots.is_empty() || self.makes_mirror || self.is_tampered || self.was_killed)
    }

    /// Carries a step out, as far as there is anything to do; an error is a violation.
    pub(crate) fn carry_out(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Change(op) => {
                let (root, tops) = (self.source(), &self.tops);
                let is_done = Tree { root: &root, tops }.apply(op).is_ok();
                self.tally.note(if is_done { "operations" } else { "operations left out" });
                Ok(())
            }
            Step::Tamper(op) => {
                self.tamper(op);
                Ok(())
            }
            Step::Night { reread, approve } => self.night(*reread, *approve),
            Step::Killed(microseconds) => {
                let words: &[&str] = if self.makes_mirror { &["-backup", "--init"] } else { &["-backup"] };
                let is_killed = self.program.killed(words, *microseconds);
                self.was_killed = true;
                self.tally.note(if is_killed { "nights killed" } else { "nights over before they were killed" });
                Ok(())
            }
            Step::Check { data } => self.check(*data),
            Step::Restore { snapshot, path, delete } => {
                // After a swap SOURCE is what was on the mirror, and until there is a mirror it is only read.
                if self.snapshots.is_empty() || self.makes_mirror {
                    return Ok(());
                }
                self.restore_in_place(snapshot % self.snapshots.len(), path.as_ref(), *delete)
            }
            Step::Swap => self.swap(),
        }
    }

    fn tamper(&mut self, op: &Op) {
        let root = self.mirror();
        // What EXCLUDE names is nobody's business on the mirror either.
        if self.published.is_none() || self.makes_mirror || !self.setting.excludes.is_empty() {
            return;
        }
        let is_done = Tree { root: &root, tops: &self.tops }.apply(op).is_ok();
        self.tally.note(if is_done { "changes to the mirror" } else { "changes to the mirror left out" });
        self.is_tampered = true;
    }

    /// A plain copy of a tree, and what is in it.
    fn copy(&mut self, tree: &Path) -> Result<(PathBuf, Kinds), String> {
        let copy = self.copies.join(self.copied.to_string());
        self.copied += 1;
        self.judge.copy(tree, &copy, &self.tops, &self.setting.excludes).map_err(|why| format!("no copy: {why}"))?;
        let inode = |name: &Name| name.at(tree).symlink_metadata().map_or(0, |facts| facts.ino());
        let kinds = names(&copy, &self.tops).into_iter().map(|(name, kind)| (name.clone(), (kind, inode(&name))));
        Ok((copy.clone(), kinds.collect()))
    }

    /// Both hold the same; the first is what is wanted.
    fn same(&mut self, wanted: &Path, found: &Path, but: But<'_>, what: &str) -> Result<(), String> {
        self.tally.note("comparisons");
        let tops = self.tops.clone();
        self.judge.same(wanted, found, &tops, but).map_err(|d| format!("{what} (wanted | found): {}", d.text))
    }

    /// Whether a file system says at once how much room a file takes.
    fn holes(&self) -> bool {
        matches!(self.setting.fs, Fs::Tmpfs | Fs::Ext4)
    }

    fn night(&mut self, reread: bool, approve: bool) -> Result<(), String> {
        let (source, mirror) = (self.source(), self.mirror());
        let (copy, kinds) = self.copy(&source)?;
        let is_other = self.is_tampered || (self.makes_mirror && self.published.is_some());
        let drift = if is_other { self.drift(&copy)? } else { Drift::default() };
        let mut words = vec!["-backup"];
        words.extend(self.makes_mirror.then_some("--init"));
        words.extend(reread.then_some("--reread"));
        let mut ran = self.program.run(&words, &[])?;
        if ran.code == 3 {
            self.held(&ran, &copy, &kinds, &drift)?;
            if !approve {
                return Ok(());
            }
            ran = self.program.run(&["-approve"], &[])?;
        } else if drift.is_certain {
            return Err(format!("the mirror was changed, and nobody was told: {}; it said {}", drift.text, ran.said));
        }
        let sequence = ran.done()?;
        if let Some((_, op)) = self.sabotage.as_ref().filter(|(night, _)| *night == self.nights) {
            Tree { root: &mirror, tops: &self.tops }.apply(op).map_err(|why| format!("no sabotage: {why}"))?;
        }
        let excludes = self.setting.excludes.clone();
        self.same(&copy, &source, But { excludes: &excludes, ..But::default() }, "the night changed SOURCE")?;
        let holes = self.holes();
        self.same(&copy, &mirror, But { holes, ..But::default() }, "the mirror is not SOURCE")?;
        self.is_tidy()?;
        if let Some(before) = self.published.map(|number| &self.snapshots[number]) {
            self.tally.on_mirror.count(&before.kinds, &kinds);
        }
        self.adopted(sequence, &drift)?;
        self.published = Some(self.snapshots.len());
        self.snapshots.push(Snapshot { sequence, copy, kinds });
        (self.makes_mirror, self.is_tampered, self.was_killed) = (false, false, false);
        self.nights += 1;
        self.tally.note("nights");
        Ok(())
    }

    /// Nothing of a run is left on the mirror.
    fn is_tidy(&self) -> Result<(), String> {
        let stage = self.mirror().join(".backup/stage");
        let left = fs::read_dir(&stage).is_ok_and(|mut items| items.next().is_some());
        if left { Err(format!("something is left in {}", stage.display())) } else { Ok(()) }
    }

    fn swap(&mut self) -> Result<(), String> {
        if !self.is_settled() {
            return Ok(());
        }
        let (source, tops) = (self.source(), self.tops.clone());
        self.judge.clear(&source, &tops, &self.setting.excludes)?;
        self.program.run(&["-swap"], &[])?.must(0)?;
        std::mem::swap(&mut self.source, &mut self.mirror);
        if !tops[0].0.is_empty() {
            fs::create_dir_all(self.source().join(OUTSIDE)).unwrap();
        }
        self.makes_mirror = true;
        self.tally.note("swaps");
        Ok(())
    }
}
