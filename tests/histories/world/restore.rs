//! Restores: in place, to a fresh place, and of one snapshot over another.

use super::{Snapshot, World};
use crate::judge::But;
use crate::step::Name;
use crate::thing::{self, Kind};
use std::path::Path;

impl World<'_> {
    pub(super) fn restore_in_place(&mut self, number: usize, path: Option<&Name>, delete: bool) -> Result<(), String> {
        let source = self.source();
        let (sequence, wanted) = (self.snapshots[number].sequence, self.snapshots[number].copy.clone());
        if let Some(name) = path {
            let folders = || std::iter::successors(name.parent(), Name::parent);
            let is_dir = |tree: &Path, name: &Name| matches!(Kind::of(&name.at(tree)), Kind::Empty | Kind::Full);
            let is_ours = self.tops.iter().any(|top| name.is_within(top)) && !name.0.is_empty();
            let is_there = name.at(&wanted).symlink_metadata().is_ok();
            // Where there is no folder for it, or another kind of thing, there is no place to restore to.
            if !is_ours || !is_there || !folders().all(|folder| is_dir(&source, &folder) && is_dir(&wanted, &folder)) {
                return Ok(());
            }
        }
        // What is excluded stays, and may stand in the way.
        let (tops, excludes) = (self.tops.clone(), self.setting.excludes.clone());
        self.judge.clear(&source, &tops, &excludes)?;
        let (before, kinds) = self.copy(&source)?;
        // Nothing may go, so there is no place for what is to be instead of a directory that has something in it.
        let is_file = |name: &Name| !matches!(Kind::of(&name.at(&wanted)), Kind::Nothing | Kind::Empty | Kind::Full);
        if !delete && kinds.iter().any(|(name, (kind, _))| *kind == Kind::Full && is_file(name)) {
            return Ok(());
        }
        let skip: Vec<Name> = path.into_iter().cloned().collect();
        let number = sequence.to_string();
        // The last night is what is restored when no other is named.
        let is_last = self.is_settled() && self.published == Some(self.snapshots.len() - 1);
        let is_meant = is_last && self.snapshots.last().is_some_and(|last| last.sequence == sequence);
        let mut words = if is_meant { vec!["-restore"] } else { vec!["-restore", "--snapshot", &number] };
        words.extend(delete.then_some("--delete"));
        let paths: Vec<_> = path.iter().map(|name| name.as_os()).collect();
        let ran = self.program.run(&words, &paths)?;
        self.tally.note("restores in place");
        ran.must(0)?;
        let below: Vec<Name> = path.map_or_else(|| tops.clone(), |name| vec![name.clone()]);
        let but = But { more: !delete, ..But::default() };
        let what = format!("in place it is not snapshot {sequence}");
        self.tally.note("comparisons");
        self.judge.same(&wanted, &source, &below, but).map_err(|d| format!("{what} (wanted | found): {}", d.text))?;
        if let Some(name) = path {
            let but = But { skip: &skip, ..But::default() };
            self.same(&before, &source, but, &format!("a restore of {name:?} changed something else"))?;
        } else if let Some(rescue) = ran.json["rescue"].as_u64() {
            self.snapshots.push(Snapshot { sequence: rescue, copy: before, kinds });
        }
        Ok(())
    }

    /// The end: every snapshot is given back, to a fresh place, and over the one before.
    pub(crate) fn finish(&mut self, read_by_others: bool) -> Result<(), String> {
        if !self.is_settled() {
            self.night(false, true)?;
        }
        self.check(true)?;
        let (fresh, over) = (self.program.root.join("fresh"), self.program.root.join("over"));
        let count = self.snapshots.len();
        // The first, the last, the second, the last but one: what is restored over another is unlike it.
        let order: Vec<_> = (0..count).map(|n| if n % 2 == 0 { n / 2 } else { count - 1 - n / 2 }).collect();
        for (step, number) in order.iter().enumerate() {
            thing::remove(&fresh).unwrap();
            self.restore_to(&fresh, *number, &[])?;
            self.restore_to(&over, *number, &["--delete"])?;
            if step > 0 {
                let (one, other) = (&self.snapshots[order[step - 1]].kinds, &self.snapshots[*number].kinds);
                self.tally.restored.count(one, other);
            }
        }
        if read_by_others {
            self.judge.verify(&self.mirror().join(".backup/store"))?;
            self.tally.note("stores read by reader.py");
        }
        Ok(())
    }

    fn restore_to(&mut self, place: &Path, number: usize, words: &[&str]) -> Result<(), String> {
        let Snapshot { sequence, copy, .. } = &self.snapshots[number];
        let (sequence, copy, to) = (sequence.to_string(), copy.clone(), place.to_str().unwrap().to_owned());
        let words = [&["-restore", "--snapshot", &sequence, "--to", &to], words].concat();
        self.program.run(&words, &[])?.must(0)?;
        self.tally.note("restores");
        let but = But { holes: self.holes(), ..But::default() };
        self.same(&copy, place, but, &format!("snapshot {sequence}, restored to {}", place.display()))
    }
}
