//! What became of paths from snapshot to snapshot (floor 6). Pure.
//!
//! The backups are the line of what SOURCE was, and each is told by what differs from the one before it. Held and rescued snapshots stand beside the line: they
//! are told by what differs from the backup before them, and end nothing.

use super::change::{Facts, Fields, What};
use crate::entry::{ChunkRef, Time};
use crate::format::snapshot::{Kind, Record};
use crate::path::RelPath;
use std::collections::BTreeMap;

/// A snapshot, in short.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its number.
    pub sequence: u64,
    /// When it was taken.
    pub time: Time,
    /// Why it was taken.
    pub kind: Kind,
    /// Root of its manifest.
    pub root: ChunkRef,
    /// What it covers.
    pub dirs: Vec<RelPath>,
}

impl From<Record> for Snapshot {
    fn from(Record { sequence, time, kind, root, dirs, .. }: Record) -> Self {
        Self { sequence, time, kind, root, dirs }
    }
}

impl Snapshot {
    /// Whether it is a state of SOURCE that was put on the mirror.
    pub fn is_on_line(&self) -> bool {
        self.kind == Kind::Backup
    }

    fn covers(&self, path: &RelPath) -> bool {
        self.is_on_line() || self.dirs.iter().any(|dir| path.is_within(dir))
    }
}

/// What differs at a path.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Where.
    pub path: RelPath,
    /// How.
    pub what: What,
    /// Which metadata, too.
    pub fields: Fields,
    /// What is there now.
    pub facts: Option<Facts>,
    /// Where what was there is now.
    pub to: Option<RelPath>,
}

/// A state of a path, in some snapshots one after the other.
#[derive(Debug)]
struct Run {
    what: What,
    fields: Fields,
    facts: Facts,
    first: usize,
    /// The snapshot that has it no more.
    end: Option<usize>,
    /// Where it went by then, if nothing took its place.
    gone: Option<Gone>,
    /// Snapshots beside the line that have something else.
    except: Vec<usize>,
}

#[derive(Debug)]
struct Gone {
    to: Option<RelPath>,
}

/// Everything that became of some paths.
#[derive(Debug)]
pub struct Timeline {
    snapshots: Vec<Snapshot>,
    /// Those whose manifests can be read.
    is_good: Vec<bool>,
    paths: BTreeMap<RelPath, Vec<Run>>,
}

/// A version of a path.
#[derive(Debug)]
pub struct Version<'t> {
    /// How it came to be.
    pub what: &'t What,
    /// Which metadata differ from the version before.
    pub fields: Fields,
    /// What it is.
    pub facts: Facts,
    /// The first snapshot that has it.
    pub first: &'t Snapshot,
    /// Whether that is the oldest snapshot of all: it may be older.
    pub is_oldest: bool,
    /// The snapshots that have it: numbers from, to.
    pub snapshots: Vec<(u64, u64)>,
    /// The last of them.
    pub last: u64,
    /// The snapshot in which it is gone, and where it is there.
    pub gone: Option<(&'t Snapshot, Option<&'t RelPath>)>,
}

impl Timeline {
    /// Of these snapshots, oldest first; nothing is known of any path.
    pub fn new(snapshots: Vec<Snapshot>) -> Self {
        Self { is_good: vec![true; snapshots.len()], snapshots, paths: BTreeMap::new() }
    }

    /// The snapshots.
    pub fn snapshots(&self) -> &[Snapshot] {
        &self.snapshots
    }

    /// One of them cannot be read.
    pub fn cannot_read(&mut self, at: usize) {
        if let Some(good) = self.is_good.get_mut(at) {
            *good = false;
        }
    }

    /// The last backup before this snapshot that can be read.
    pub fn base(&self, at: usize) -> Option<usize> {
        let is_base = |at: &usize| {
            self.is_good.get(*at) == Some(&true) && self.snapshots.get(*at).is_some_and(Snapshot::is_on_line)
        };
        (0..at).rev().find(is_base)
    }

    /// What differs between a snapshot and its base. Snapshots come in their order.
    pub fn apply(&mut self, at: usize, changes: Vec<Changed>) {
        let is_on_line = self.snapshots.get(at).is_some_and(Snapshot::is_on_line);
        for Changed { path, what, fields, facts, to } in changes {
            let runs = self.paths.entry(path).or_default();
            let open = runs.iter_mut().rev().find(|run| run.end.is_none());
            match open {
                Some(run) if is_on_line => {
                    run.end = Some(at);
                    run.gone = facts.is_none().then_some(Gone { to });
                }
                Some(run) => run.except.push(at),
                None => {}
            }
            if let Some(facts) = facts {
                let end = if is_on_line { None } else { at.checked_add(1) };
                runs.push(Run { what, fields, facts, first: at, end, gone: None, except: Vec::new() });
            }
        }
    }

    /// All paths that were ever there, in order, with their versions, oldest first.
    pub fn paths(&self) -> impl Iterator<Item = (&RelPath, Vec<Version<'_>>)> {
        self.paths.iter().map(|(path, runs)| (path, runs.iter().filter_map(|run| self.version(path, run)).collect()))
    }

    fn version<'t>(&'t self, path: &RelPath, run: &'t Run) -> Option<Version<'t>> {
        let (mut ranges, mut last): (Vec<(u64, u64)>, Option<usize>) = (Vec::new(), None);
        for (at, snapshot) in self.snapshots.iter().enumerate().take(run.end.unwrap_or(usize::MAX)).skip(run.first) {
            if self.is_good.get(at) != Some(&true) || run.except.contains(&at) || !snapshot.covers(path) {
                continue;
            }
            match ranges.last_mut().filter(|_| last.and_then(|last| last.checked_add(1)) == Some(at)) {
                Some(range) => range.1 = snapshot.sequence,
                None => ranges.push((snapshot.sequence, snapshot.sequence)),
            }
            last = Some(at);
        }
        let gone = run.gone.as_ref().zip(run.end.and_then(|end| self.snapshots.get(end)));
        Some(Version {
            what: &run.what,
            fields: run.fields,
            facts: run.facts,
            first: self.snapshots.get(run.first)?,
            is_oldest: self.base(run.first).is_none(),
            last: ranges.last()?.1,
            snapshots: ranges,
            gone: gone.map(|(gone, at)| (at, gone.to.as_ref())),
        })
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
