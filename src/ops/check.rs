//! `-check`: are store and mirror right, and what has moved on at the source? (floor 6)
//!
//! The mirror's end proves the store and compares the mirror tree with its manifest; the source is compared with its newest snapshot. Nothing is
//! written, but an index that is missing is made again.

use super::now::source_now;
use super::places::{Ends, open_tree};
use super::{Context, Error, guards};
use crate::format::role::State;
use crate::format::snapshot::Kind;
use crate::manifest::cursor::Cursor;
use crate::manifest::diff::Diff;
use crate::mirror::service::MirrorService;
use crate::mirror::verify::Verified;
use crate::monitor::{Monitor, Phase, Silent};
use crate::path::RelPath;
use crate::scan::selection::Standing;
use crate::store;
use crate::store::dry::Dry;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What was gone through in the store.
    pub store: Verified,
    /// Things that are wrong; each was reported.
    pub wrong: u64,
    /// The snapshot that the mirror tree holds.
    pub on_mirror: Option<u64>,
    /// What the source has that the newest snapshot does not; nothing if the source could not be looked at.
    pub source: Option<News>,
}

/// How a source differs from its newest snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Names that are new.
    pub added: u64,
    /// Names that are different.
    pub changed: u64,
    /// Names that are gone.
    pub removed: u64,
}

/// Counts what is reported.
struct Counting<'a> {
    monitor: &'a dyn Monitor,
    count: AtomicU64,
}

impl Monitor for Counting<'_> {
    fn begin(&self, phase: Phase, files: Option<u64>, bytes: Option<u64>) {
        self.monitor.begin(phase, files, bytes);
    }
    fn advance(&self, files: u64, bytes: u64) {
        self.monitor.advance(files, bytes);
    }
    fn problem(&self, path: &RelPath, message: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.monitor.problem(path, message);
    }
    fn wrong(&self, message: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.monitor.wrong(message);
    }
    fn note(&self, message: &str) {
        self.monitor.note(message);
    }
}

/// Checks; with `data` all content is read and hashed.
pub fn check(ends: Ends<'_>, data: bool, context: Context<'_>) -> Result<Report, Error> {
    guards::rows_are_not_swapped(&ends)?;
    let opened = ends.open_mirror(context)?;
    let mirror = opened.as_ref();
    let monitor = Counting { monitor: context.monitor, count: AtomicU64::new(0) };
    let mut report = Report { store: mirror.verify(data, &monitor)?, ..Report::default() };
    let (on_mirror, source) = std::thread::scope(|scope| {
        let beside = std::thread::Builder::new().spawn_scoped(scope, || news(&ends, mirror, context));
        let on_mirror = check_mirror(&ends, mirror, data, &monitor);
        let gone = || Err(store::Error::Gone("the thread that looked at the source died").into());
        let source = match beside {
            Ok(thread) => thread.join().unwrap_or_else(|_| gone()),
            Err(e) => Err(store::Error::Threads(e.to_string()).into()),
        };
        (on_mirror, source)
    });
    (report.on_mirror, report.source) = (on_mirror?, source?);
    report.wrong = monitor.count.load(Ordering::Relaxed);
    Ok(report)
}

/// Compares the mirror tree with its manifest.
fn check_mirror(
    ends: &Ends<'_>,
    mirror: &dyn MirrorService,
    data: bool,
    monitor: &Counting<'_>,
) -> Result<Option<u64>, Error> {
    let state = mirror.role().state;
    let number = match state {
        State::Clean(n) => n,
        State::Publishing(_, n) => {
            monitor.wrong(&format!(
                "the last run did not finish putting snapshot {n} on the mirror; the next -backup does"
            ));
            n
        }
        State::Empty | State::Promoted(_) => return Ok(None),
    };
    let totals = match mirror.record(number).map_err(Error::from) {
        Ok(record) => record.totals,
        Err(e) if e.is_lost() => return Err(e),
        Err(e) => {
            monitor.wrong(&format!("the mirror tree cannot be compared: it holds snapshot {number}, and {e}"));
            return Ok(None);
        }
    };
    monitor.begin(Phase::Comparing, Some(totals.files + totals.directories + totals.others), Some(totals.bytes));
    match mirror.look_dry(&ends.selection()?, data, monitor).map_err(Error::from) {
        Err(e) if e.is_lost() => return Err(e),
        Err(e) => monitor.wrong(&format!("the mirror tree cannot be compared with snapshot {number}: {e}")),
        Ok(_) => {}
    }
    Ok(Some(number))
}

/// What has moved on at the source since the newest snapshot: news, not an error.
fn news(ends: &Ends<'_>, mirror: &dyn MirrorService, context: Context<'_>) -> Result<Option<News>, Error> {
    let Some(newest) = mirror.newest(|record| record.kind == Kind::Backup)? else { return Ok(None) };
    // Who checks without SOURCE has said so.
    let Ok(path) = ends.source_here() else { return Ok(None) };
    let Ok(root) = open_tree(path, "SOURCE", &ends.source.name()) else {
        context.monitor.note("SOURCE cannot be opened: it was not compared");
        return Ok(None);
    };
    let (dry, selection) = (Dry::new(mirror), ends.selection()?);
    let compared = source_now(root, &selection, Some(&newest), (mirror, &dry), &Silent).and_then(|taken| {
        let cursor = |root| Ok::<_, Error>(Cursor::new(root, crate::store::chunks::ChunkSource::reader(&dry)?)?);
        let mut news = News::default();
        for change in Diff::new(Some(cursor(newest.root)?), Some(cursor(taken.root)?)) {
            let change = change?;
            match (change.old, change.new) {
                // Excluded since: it is no part of the target any more.
                (Some(old), None) if selection.standing(&old.path) != Standing::Inside => {}
                (None, _) => news.added += 1,
                (_, None) => news.removed += 1,
                (Some(old), Some(new)) if !old.same_in_tree(&new) => news.changed += 1,
                _ => {}
            }
        }
        Ok(news)
    });
    match compared {
        Ok(news) => Ok(Some(news)),
        Err(e) if e.is_lost() => Err(e),
        Err(e) => {
            context.monitor.note(&format!("SOURCE could not be compared: {e}"));
            Ok(None)
        }
    }
}
