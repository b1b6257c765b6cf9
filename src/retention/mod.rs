//! Retention: which snapshots KEEP keeps, and why (floor 2). Pure: snapshots, rules, a time and a zone in; a verdict on each snapshot out.
//!
//! What must stay true: order is by sequence; nothing is dropped because of a clock. `clocks` says which times may be believed and how old that
//! makes a snapshot, `period` in which day, week, month or year it was taken. Rules only keep: what none of them keeps is dropped.
//!
//! A snapshot that is the last to have some path stays for `lastcopy` (a year unless KEEP says otherwise) after the path vanished from SOURCE: so
//! whatever is deleted there can be brought back so long, in its last version.

mod clocks;
mod period;
mod reason;
#[cfg(test)]
mod tests;
mod until;

pub use period::Unit;
pub use reason::Reason;
pub use until::until;

use crate::entry::{ChunkRef, Time};
use crate::format::snapshot::Kind;
use crate::path::RelPath;
use crate::table::Keep;
use clocks::Clocks;
use jiff::tz::TimeZone;

/// Rescue and held snapshots stay for so many days.
pub const SAVED_DAYS: u64 = 90;
/// Seconds of a day, as ages are told.
const DAY: u64 = 24 * 60 * 60;
/// `lastcopy`, where KEEP does not say it.
const LAST_COPY: u64 = 365 * DAY;

/// A snapshot, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// Its number: the order.
    pub sequence: u64,
    /// When it was taken, as some clock said.
    pub time: Time,
    /// Why.
    pub kind: Kind,
    /// Its manifest.
    pub root: ChunkRef,
    /// Whether the operator pinned it.
    pub pinned: bool,
    /// Whether the mirror tree holds it, or is on its way from it or to it.
    pub on_mirror: bool,
}

/// What it is decided by.
#[derive(Clone, Debug)]
pub struct Policy<'k> {
    /// The rules; without any, everything stays.
    pub keep: Option<&'k Keep>,
    /// The time here and now.
    pub now: Time,
    /// In which days begin and end.
    pub zone: TimeZone,
}

/// What becomes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its number.
    pub sequence: u64,
    /// All that keeps it; nothing: it is dropped.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// Whether it stays.
    pub const fn is_kept(&self) -> bool {
        !self.reasons.is_empty()
    }
}

/// What becomes of all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// In order of sequence.
    pub verdicts: Vec<Verdict>,
    /// What is odd about the clocks, for the operator.
    pub notes: Vec<String>,
}

/// A snapshot that would be dropped: is it the last to have something?
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The snapshot.
    pub snapshot: ChunkRef,
    /// The next one of SOURCE, in which paths of it may have vanished.
    pub next: ChunkRef,
    /// The last one before it that stays, which may have the same version of them.
    pub before: Option<ChunkRef>,
    /// The newest of SOURCE: what that has did not vanish.
    pub newest: ChunkRef,
}

/// Decides on snapshots, which are in order of sequence. `last_copy` answers a [`Question`] with a path of which the snapshot is the last to have the
/// last version.
pub fn decide<E>(
    snapshots: &[Snapshot],
    policy: &Policy<'_>,
    last_copy: &mut dyn FnMut(Question) -> Result<Option<RelPath>, E>,
) -> Result<Decision, E> {
    let verdict = |snapshot: &Snapshot| Verdict { sequence: snapshot.sequence, reasons: Vec::new() };
    let mut deciding = Deciding {
        snapshots,
        clocks: Clocks::read(snapshots, policy.now, &policy.zone),
        verdicts: snapshots.iter().map(verdict).collect(),
    };
    let Some(keep) = policy.keep.filter(|keep| has_rule(keep)) else {
        deciding.keep_where(&Reason::NoRule, |_| true);
        return Ok(Decision { verdicts: deciding.verdicts, notes: Vec::new() });
    };
    deciding.whatever_keep_says();
    deciding.by_rules(keep);
    deciding.last_copies(keep.lastcopy.unwrap_or(LAST_COPY), last_copy)?;
    Ok(Decision { verdicts: deciding.verdicts, notes: deciding.clocks.notes })
}

/// Whether some rule tells which snapshots stay: `lastcopy` alone only adds to what others keep.
fn has_rule(keep: &Keep) -> bool {
    let counts = [keep.last, keep.hourly, keep.daily, keep.weekly, keep.monthly, keep.yearly];
    keep.within.is_some() || counts.iter().any(Option::is_some)
}

struct Deciding<'s> {
    snapshots: &'s [Snapshot],
    clocks: Clocks,
    verdicts: Vec<Verdict>,
}

impl Deciding<'_> {
    fn keep(&mut self, at: usize, reason: Reason) {
        if let Some(verdict) = self.verdicts.get_mut(at) {
            verdict.reasons.push(reason);
        }
    }

    fn keep_where(&mut self, reason: &Reason, wanted: impl Fn(usize) -> bool) {
        for at in (0..self.snapshots.len()).filter(|at| wanted(*at)) {
            self.keep(at, reason.clone());
        }
    }

    /// The next backup after a snapshot.
    fn next_backup(&self, after: usize) -> Option<usize> {
        let later = self.snapshots.iter().enumerate().skip(after.saturating_add(1));
        later.filter(|(_, snapshot)| snapshot.kind == Kind::Backup).map(|(at, _)| at).next()
    }

    fn newest_backup(&self) -> Option<usize> {
        self.snapshots.iter().rposition(|snapshot| snapshot.kind == Kind::Backup)
    }

    /// What stays in any case.
    fn whatever_keep_says(&mut self) {
        let snapshots = self.snapshots;
        let is = |at: usize, wanted: fn(&Snapshot) -> bool| snapshots.get(at).is_some_and(wanted);
        self.keep_where(&Reason::Pinned, |at| is(at, |snapshot| snapshot.pinned));
        self.keep_where(&Reason::OnMirror, |at| is(at, |snapshot| snapshot.on_mirror));
        // Numbers are counted on from the last one: it must not be given twice.
        self.keep_where(&Reason::Newest, |at| at + 1 == snapshots.len());
        if let Some(newest) = self.newest_backup() {
            self.keep(newest, Reason::NewestBackup);
        }
        for at in 0..snapshots.len() {
            if !self.clocks.is_believed(at) {
                self.keep(at, Reason::Clock);
            }
            let is_young = self.clocks.age(at).is_none_or(|age| age < SAVED_DAYS * DAY);
            match snapshots.get(at).map(|snapshot| snapshot.kind) {
                Some(Kind::Held) if self.next_backup(at).is_none() => self.keep(at, Reason::Waiting),
                Some(Kind::Rescue) if self.next_backup(at).is_none() => self.keep(at, Reason::NothingSince),
                Some(kind @ (Kind::Held | Kind::Rescue)) if is_young => self.keep(at, Reason::Young(kind)),
                _ => {}
            }
        }
    }

    fn by_rules(&mut self, keep: &Keep) {
        let backups: Vec<usize> =
            (0..self.snapshots.len()).filter(|at| self.snapshots.get(*at).is_some_and(is_backup)).collect();
        if let Some(count) = keep.last {
            for (rank, at) in (1..=count).zip(backups.iter().rev()) {
                self.keep(*at, Reason::Last(rank, count));
            }
        }
        let units = [
            (Unit::Hour, keep.hourly),
            (Unit::Day, keep.daily),
            (Unit::Week, keep.weekly),
            (Unit::Month, keep.monthly),
            (Unit::Year, keep.yearly),
        ];
        for (unit, count) in units {
            self.by_periods(&backups, unit, count.unwrap_or(0));
        }
        if let Some(seconds) = keep.within {
            for at in 0..self.snapshots.len() {
                if self.clocks.age(at).is_some_and(|age| age < seconds) {
                    self.keep(at, Reason::Within(seconds));
                }
            }
        }
    }

    /// The newest of each of the newest periods in which there are any.
    fn by_periods(&mut self, backups: &[usize], unit: Unit, count: u32) {
        let (mut rank, mut last) = (0, None);
        for &at in backups.iter().rev() {
            let Some(period) = self.clocks.period(at, unit).filter(|period| last != Some(*period)) else { continue };
            if rank == count {
                return;
            }
            rank += 1;
            last = Some(period);
            self.keep(at, Reason::NewestOf(unit, rank, count));
        }
    }

    /// From the oldest on: what stays for what vanished from it may have what vanished later, too.
    fn last_copies<E>(
        &mut self,
        seconds: u64,
        last_copy: &mut dyn FnMut(Question) -> Result<Option<RelPath>, E>,
    ) -> Result<(), E> {
        let root = |at: usize| self.snapshots.get(at).map(|snapshot| snapshot.root);
        let Some(newest) = self.newest_backup().and_then(root) else { return Ok(()) };
        let mut before = None;
        for at in 0..self.snapshots.len() {
            let (Some(snapshot), Some(next)) = (self.snapshots.get(at), self.next_backup(at)) else { continue };
            let is_kept = self.verdicts.get(at).is_some_and(Verdict::is_kept);
            let is_recent = self.clocks.age(next).is_none_or(|age| age < seconds);
            if !is_kept
                && is_recent
                && let Some(next) = self.snapshots.get(next)
            {
                let question = Question { snapshot: snapshot.root, next: next.root, before, newest };
                if let Some(path) = last_copy(question)? {
                    self.keep(at, Reason::LastCopy { path, gone: next.sequence });
                }
            }
            if self.verdicts.get(at).is_some_and(Verdict::is_kept) {
                before = Some(snapshot.root);
            }
        }
        Ok(())
    }
}

fn is_backup(snapshot: &Snapshot) -> bool {
    snapshot.kind == Kind::Backup
}
