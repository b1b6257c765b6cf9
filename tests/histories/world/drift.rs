//! A mirror that is not as the last night left it: whether it must be seen, what a run may say of it, and that nothing of it is lost.

use super::{Snapshot, World};
use crate::judge::But;
use crate::program::Ran;
use crate::step::Name;
use crate::tally::Kinds;
use crate::thing::Kind;
use std::path::{Path, PathBuf};

/// How a mirror differs from what the last night left there.
#[derive(Default)]
pub(super) struct Drift {
    /// In what nobody can overlook, and the source has not become the same.
    pub(super) is_certain: bool,
    is_any: bool,
    /// Something on it is not as the source is now.
    is_lost: bool,
    pub(super) text: String,
    /// A copy of the mirror.
    found: Option<(PathBuf, Kinds)>,
}

impl World<'_> {
    /// What somebody did to the mirror since the last night, and the mirror as it is.
    pub(super) fn drift(&mut self, coming: &Path) -> Result<Drift, String> {
        let mirror = self.mirror();
        let (copy, kinds) = self.copy(&mirror)?;
        let tops = self.tops.clone();
        let left = self.published.map(|number| self.snapshots[number].copy.clone()).ok_or("nothing was published")?;
        let done = self.judge.same(&left, &copy, &tops, But::default()).err().unwrap_or_default();
        let missed = self.judge.same(coming, &copy, &tops, But::default()).err().unwrap_or_default();
        let both = done.hard.iter().any(|path| missed.hard.contains(path));
        let is_there = |path: &String| Name::of_json(path).at(&copy).symlink_metadata().is_ok();
        Ok(Drift {
            is_lost: missed.hard.iter().any(is_there),
            // What becomes a mirror is not changed: it is adopted.
            is_certain: both && !self.was_killed && !self.makes_mirror,
            is_any: !done.text.is_empty(),
            text: done.text,
            found: Some((copy, kinds)),
        })
    }

    /// A run was held: for a reason that there is, with the mirror as it was; and both sides are in the store.
    pub(super) fn held(&mut self, ran: &Ran, copy: &Path, kinds: &Kinds, drift: &Drift) -> Result<(), String> {
        self.tally.note("runs held");
        let (source, mirror) = (self.source(), self.mirror());
        let reasons = ran.reasons();
        let is_empty = |top: &Name| matches!(Kind::of(&top.at(&source)), Kind::Empty);
        let is_emptied = self.tops.iter().any(is_empty);
        for reason in &reasons {
            let known = if reason.starts_with("the mirror was changed by someone else") {
                self.tally.note("runs held for the mirror");
                self.is_tampered && (drift.is_any || self.was_killed)
            } else {
                self.tally.note("runs held for the source");
                is_emptied || !self.setting.tolerant
            };
            if !known {
                return Err(format!("held for no reason: {}", ran.said));
            }
        }
        if reasons.is_empty() || (drift.is_certain && ran.json["rescue"].is_null()) {
            return Err(format!("held, but what was done to the mirror is not saved: {}; {}", drift.text, ran.said));
        }
        if !self.was_killed
            && let Some(number) = self.published
        {
            let as_it_was = drift.found.as_ref().map_or(self.snapshots[number].copy.clone(), |found| found.0.clone());
            self.same(&as_it_was, &mirror, But::default(), "a held run changed the mirror")?;
        }
        let sequence = ran.json["sequence"].as_u64().ok_or("a held run without a number")?;
        self.snapshots.push(Snapshot { sequence, copy: copy.to_owned(), kinds: kinds.clone() });
        if let (Some(sequence), Some((copy, kinds))) = (ran.json["rescue"].as_u64(), drift.found.clone()) {
            self.snapshots.push(Snapshot { sequence, copy, kinds });
        }
        Ok(())
    }

    /// What lay where a mirror was made, and was overwritten, is a snapshot: the one before.
    pub(super) fn adopted(&mut self, sequence: u64, drift: &Drift) -> Result<(), String> {
        let Some((copy, kinds)) = drift.found.clone().filter(|_| self.makes_mirror) else { return Ok(()) };
        let list = self.program.run(&["-snapshots"], &[])?;
        list.must(0)?;
        let is_there = list.rows().any(|row| row["sequence"] == sequence - 1 && row["kind"] == "rescue");
        if is_there {
            self.tally.note("adopted trees saved");
            self.snapshots.push(Snapshot { sequence: sequence - 1, copy, kinds });
        } else if drift.is_lost && !self.was_killed {
            return Err(format!("what lay on the new mirror is not saved: {}", list.said));
        }
        Ok(())
    }

    pub(super) fn check(&mut self, data: bool) -> Result<(), String> {
        let Some(number) = self.published.filter(|_| !self.makes_mirror && !self.was_killed) else { return Ok(()) };
        self.tally.note(if data { "checks of all data" } else { "checks" });
        let (left, mirror, tops) = (self.snapshots[number].copy.clone(), self.mirror(), self.tops.clone());
        let done = self.judge.same(&left, &mirror, &tops, But::default()).err().unwrap_or_default();
        let ran = self.program.run(if data { &["-check", "--data"] } else { &["-check"] }, &[])?;
        let is_right = match ran.code {
            0 => ran.json["wrong"] == 0 && done.hard.is_empty(),
            2 => ran.json["wrong"] != 0 && !done.text.is_empty(),
            _ => false,
        };
        let why = || format!("-check ends with {}: {}; there is on the mirror: {}", ran.code, ran.said, done.text);
        if is_right { Ok(()) } else { Err(why()) }
    }
}
