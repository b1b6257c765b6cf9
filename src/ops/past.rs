//! What paths were from snapshot to snapshot, read from their manifests (floor 6).
//!
//! Only where two manifests differ is anything read of them; of the first backup all that can match. What is kept grows with what matches.

use super::Error;
use super::change::{Facts, Fields, Sides, What};
use super::pattern::Pattern;
use super::timeline::{Changed, Snapshot, Timeline};
use crate::entry::{ChunkRef, Entry};
use crate::manifest;
use crate::manifest::cursor::Cursor;
use crate::manifest::diff::{Change, Diff};
use crate::manifest::lookup::{Found, find_in_all};
use crate::mirror::service::MirrorService;
use crate::monitor::{Monitor, Phase};
use crate::path::RelPath;
use crate::store::chunks::ChunkSource;
use crate::tree::moves::Moves;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::collections::HashMap;

/// Snapshots that are compared at the same time.
const AT_ONCE: usize = 64;

/// All snapshots of a target, open to be read.
pub(super) struct Past<'a> {
    pub(super) mirror: &'a dyn MirrorService,
    /// Its manifests.
    pub(super) chunks: &'a dyn ChunkSource,
    pub(super) monitor: &'a dyn Monitor,
    /// Why snapshots could not be read, one by one.
    pub(super) faults: Vec<String>,
}

impl Past<'_> {
    /// All snapshots, oldest first. A record that cannot be read is left out, and told in `faults`.
    pub(super) fn snapshots(&mut self) -> Result<Vec<Snapshot>, Error> {
        let mut found = Vec::new();
        // Backwards, as a far mirror gives many at a time.
        for sequence in self.mirror.sequences()?.into_iter().rev() {
            match self.mirror.record(sequence).map_err(Error::from) {
                Ok(record) => found.push(Snapshot::from(record)),
                Err(e) if e.is_lost() => return Err(e),
                Err(e) => self.cannot_read(sequence, &e),
            }
        }
        found.reverse();
        Ok(found)
    }

    fn cannot_read(&mut self, sequence: u64, why: &dyn std::fmt::Display) {
        self.faults.push(format!("snapshot {sequence} is left out: {why}"));
    }

    /// What became of one path.
    pub(super) fn of_path(&mut self, timeline: &mut Timeline, path: &RelPath) -> Result<(), Error> {
        let roots: Vec<ChunkRef> = timeline.snapshots().iter().map(|snapshot| snapshot.root).collect();
        let found = find_in_all(&roots, self.chunks, path)?;
        for (at, now) in found.iter().enumerate() {
            let changes = match now {
                Ok(now) => self.of_two(timeline, at, now.as_deref(), &found, path),
                Err(e) => Err(Error::Refused(e.to_string())),
            };
            self.take(timeline, at, changes)?;
        }
        Ok(())
    }

    /// What happened to a path since the base of a snapshot.
    fn of_two(
        &self,
        timeline: &Timeline,
        at: usize,
        now: Option<&Entry>,
        found: &[Found],
        path: &RelPath,
    ) -> Result<Vec<Changed>, Error> {
        let Some(snapshot) = timeline.snapshots().get(at) else { return Ok(Vec::new()) };
        let base = timeline.base(at);
        let was = base.and_then(|base| found.get(base)?.as_ref().ok()?.as_deref());
        if !snapshot.is_on_line() && !snapshot.dirs.iter().any(|dir| path.is_within(dir)) {
            return Ok(Vec::new());
        }
        let pair = self.pair(timeline, at);
        let changed = pair.changed(&Change { old: was.cloned(), new: now.cloned() })?;
        pair.with_moves(changed.into_iter().collect())
    }

    /// What became of all paths that match.
    pub(super) fn of_pattern(&mut self, timeline: &mut Timeline, pattern: &Pattern) -> Result<(), Error> {
        let count = timeline.snapshots().len();
        self.monitor.begin(Phase::Comparing, Some(count as u64), None);
        for first in (0..count).step_by(AT_ONCE) {
            let some = first..first.saturating_add(AT_ONCE).min(count);
            let pairs: Vec<Pair<'_>> = some.map(|at| self.pair(timeline, at)).collect();
            let scanned: Vec<(Pair<'_>, Result<Vec<Changed>, Error>)> = pairs
                .into_par_iter()
                .map(|pair| {
                    let changes = pair.scan(pattern);
                    self.monitor.advance(1, 0);
                    (pair, changes)
                })
                .collect();
            let scanned: Vec<_> = scanned.into_iter().map(|(pair, changes)| (pair.at, pair.base, changes)).collect();
            for (at, base, changes) in scanned {
                // Its base could not be read, after all.
                let changes = if timeline.base(at) == base { changes } else { self.pair(timeline, at).scan(pattern) };
                self.take(timeline, at, changes)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, timeline: &mut Timeline, at: usize, changes: Result<Vec<Changed>, Error>) -> Result<(), Error> {
        match changes {
            Ok(changes) => timeline.apply(at, changes),
            Err(e) if e.is_lost() => return Err(e),
            Err(e) => {
                timeline.cannot_read(at);
                let sequence = timeline.snapshots().get(at).map_or(0, |snapshot| snapshot.sequence);
                self.cannot_read(sequence, &e);
            }
        }
        Ok(())
    }

    fn pair(&self, timeline: &Timeline, at: usize) -> Pair<'_> {
        let base = timeline.base(at);
        let snapshot = |at: usize| timeline.snapshots().get(at).cloned();
        Pair { chunks: self.chunks, at, base, old: base.and_then(snapshot), new: snapshot(at) }
    }
}

/// A snapshot and the backup before it.
struct Pair<'a> {
    chunks: &'a dyn ChunkSource,
    at: usize,
    base: Option<usize>,
    old: Option<Snapshot>,
    new: Option<Snapshot>,
}

impl Pair<'_> {
    /// What differs of what matches.
    fn scan(&self, pattern: &Pattern) -> Result<Vec<Changed>, Error> {
        let Some(new) = self.new.as_ref().filter(|new| self.old.as_ref().is_none_or(|old| old.root != new.root)) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for top in tops(&pattern.folder(), new) {
            let cursor = |root| {
                let mut cursor = Cursor::new(root, self.chunks.reader()?)?;
                if !top.is_root() {
                    cursor.seek(&top)?;
                }
                Ok::<_, manifest::Error>(cursor)
            };
            let old = self.old.as_ref().map(|old| cursor(old.root)).transpose()?;
            for change in Diff::new(old, Some(cursor(new.root)?)) {
                let change = change?;
                let Some(path) = change.new.as_ref().or(change.old.as_ref()).map(|entry| &entry.path) else { continue };
                if !path.is_within(&top) {
                    break;
                }
                if pattern.matches(path) {
                    found.extend(self.changed(&change)?);
                }
            }
        }
        self.with_moves(found)
    }

    /// What one difference is; nothing where both make the same in a tree.
    fn changed(&self, change: &Change) -> Result<Option<Changed>, manifest::Error> {
        let (what, fields, entry) = match (&change.old, &change.new) {
            (None, None) => return Ok(None),
            (None, Some(new)) => (What::Created, Fields::default(), new),
            (Some(old), None) => (What::Removed, Fields::default(), old),
            (Some(old), Some(new)) => match self.sides().map(|sides| sides.compare(old, new)).transpose()?.flatten() {
                Some((what, fields)) => (what, fields, new),
                None => return Ok(None),
            },
        };
        let (path, facts) = (entry.path.clone(), change.new.as_ref().map(Facts::of));
        Ok(Some(Changed { path, what, fields, facts, to: None }))
    }

    fn sides(&self) -> Option<Sides<'_>> {
        let (old, new) = self.old.as_ref().zip(self.new.as_ref())?;
        Some(Sides { chunks: self.chunks, old: old.root, new: new.root })
    }

    /// What came and went on the line may have been moved, from where or to where nothing matches, too.
    fn with_moves(&self, mut changes: Vec<Changed>) -> Result<Vec<Changed>, Error> {
        let comes_or_goes = |change: &Changed| matches!(change.what, What::Created | What::Removed);
        let Some(sides) = self.sides().filter(|_| changes.iter().any(comes_or_goes)) else { return Ok(changes) };
        if !self.new.as_ref().is_some_and(Snapshot::is_on_line) {
            return Ok(changes);
        }
        let moves = Moves::between(sides.old, sides.new, self.chunks)?;
        let to: HashMap<&RelPath, &RelPath> = moves.all().collect();
        for change in changes.iter_mut().filter(|change| change.what != What::Metadata) {
            change.to = to.get(&change.path).map(|to| (*to).clone());
            if let Some(found) = moves.to(&change.path) {
                change.what = What::Moved(found.from.clone());
            }
        }
        Ok(changes)
    }
}

/// The folders in which a snapshot is compared: what it does not cover is not gone.
fn tops(folder: &RelPath, snapshot: &Snapshot) -> Vec<RelPath> {
    if snapshot.is_on_line() {
        return vec![folder.clone()];
    }
    let common = |dir: &RelPath| {
        if dir.is_within(folder) { Some(dir.clone()) } else { folder.is_within(dir).then(|| folder.clone()) }
    };
    snapshot.dirs.iter().filter_map(common).collect()
}
