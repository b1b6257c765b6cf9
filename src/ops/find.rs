//! `-find`: every version of what matches, over all snapshots (floor 6). Reads without a lock.

use super::judge::Foretold;
use super::past::Past;
use super::pattern::Pattern;
use super::places::Ends;
use super::snapshots::open_to_read;
use super::timeline::{Timeline, Version};
use super::{Context, Error};
use crate::entry::Time;
use crate::limits::RECENT_NODES;
use crate::mirror::service::MirrorService;
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::store::recent::Recent;
use jiff::tz::TimeZone;

/// A path and its versions.
#[derive(Debug)]
pub struct Story<'t> {
    /// Which.
    pub path: &'t RelPath,
    /// Oldest first; each with the time until which KEEP holds a snapshot that has it, if that is known, and not for good.
    pub versions: Vec<(Version<'t>, Option<Time>)>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Paths that matched.
    pub paths: u64,
    /// Their versions.
    pub versions: u64,
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Snapshots that could not be read; each was named.
    pub unread: u64,
}

/// Finds, and tells of one path after the other, in order. Days of KEEP begin and end in `zone`.
pub fn find(
    ends: Ends<'_>,
    pattern: &Pattern,
    zone: TimeZone,
    context: Context<'_>,
    tell: &mut dyn FnMut(&Story<'_>),
) -> Result<Report, Error> {
    let (mirror, note) = open_to_read(&ends)?;
    if let Some(note) = note {
        context.monitor.note(&note);
    }
    let mut read = read(mirror.as_ref(), pattern, context.monitor)?;
    let state = mirror.role().state;
    if !read.1.is_empty() {
        // Another run may have removed what was there when the store was opened: what is there now is read again.
        drop(mirror);
        let (mirror, _) = open_to_read(&ends)?;
        read = self::read(mirror.as_ref(), pattern, context.monitor)?;
    }
    let (timeline, faults) = read;
    for fault in &faults {
        context.monitor.wrong(fault);
    }
    let facts = timeline.snapshots().iter().map(|one| (one.sequence, one.time, one.kind, one.root));
    let foretold = Foretold::of(&ends, facts, state, (context.now, zone))?;
    let snapshots = timeline.snapshots().len() as u64;
    let mut report = Report { snapshots, unread: faults.len() as u64, ..Report::default() };
    for (path, versions) in timeline.paths() {
        let kept = |version: &Version<'_>| foretold.as_ref().and_then(|foretold| foretold.until(version));
        let versions: Vec<_> = versions.into_iter().map(|version| (kept(&version), version)).collect();
        let story = Story { path, versions: versions.into_iter().map(|(kept, version)| (version, kept)).collect() };
        report.paths = report.paths.saturating_add(1);
        report.versions = report.versions.saturating_add(story.versions.len() as u64);
        tell(&story);
    }
    Ok(report)
}

/// What became of what matches, and why snapshots could not be read.
fn read(
    mirror: &dyn MirrorService,
    pattern: &Pattern,
    monitor: &dyn Monitor,
) -> Result<(Timeline, Vec<String>), Error> {
    let recent = Recent::new(mirror, RECENT_NODES);
    let mut past = Past { mirror, chunks: &recent, monitor, faults: Vec::new() };
    let mut timeline = Timeline::new(past.snapshots()?);
    let known = past.faults.len();
    if let Some(path) = pattern.literal() {
        past.of_path(&mut timeline, &path)?;
    }
    if pattern.is_open() && timeline.paths().next().is_none() {
        past.faults.truncate(known);
        timeline = Timeline::new(timeline.snapshots().to_vec());
        past.of_pattern(&mut timeline, pattern)?;
    }
    Ok((timeline, past.faults))
}
