//! What the two ends are now, as manifests that are kept in memory (floor 6): nothing is written.

use super::Error;
use crate::format::snapshot::Record;
use crate::fs::dir::Dir;
use crate::mirror::look::NOT_AS_LEFT;
use crate::mirror::service::MirrorService;
use crate::monitor::{Monitor, Phase};
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::source::snapshot::{Request, Taken, Trust, take};
use crate::store::dry::Dry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// SOURCE, whose root is open, as a dry run sees it: only what is not as in its newest snapshot is read.
pub(super) fn source_now(
    root: Arc<Dir>,
    selection: &Selection,
    newest: Option<&Record>,
    (mirror, dry): (&dyn MirrorService, &Dry<'_>),
    monitor: &dyn Monitor,
) -> Result<Taken, Error> {
    let request = Request {
        root,
        selection,
        parent: newest.map(|record| record.root),
        trust: newest.map_or(Trust::Nothing, |record| Trust::Identity(record.time)),
        of_mirror: None,
        filter: None,
        without_caches: true,
        chunker: mirror.chunker(),
    };
    Ok(take(request, dry, monitor)?)
}

/// Counts the paths that cannot be read. That a mirror is not as it was left is what a difference tells.
pub(super) struct Unread<'a> {
    monitor: &'a dyn Monitor,
    count: AtomicU64,
}

impl<'a> Unread<'a> {
    pub(super) fn new(monitor: &'a dyn Monitor) -> Self {
        Self { monitor, count: AtomicU64::new(0) }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Monitor for Unread<'_> {
    fn begin(&self, phase: Phase, files: Option<u64>, bytes: Option<u64>) {
        self.monitor.begin(phase, files, bytes);
    }
    fn advance(&self, files: u64, bytes: u64) {
        self.monitor.advance(files, bytes);
    }
    fn problem(&self, path: &RelPath, message: &str) {
        if !message.starts_with(NOT_AS_LEFT) {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.monitor.problem(path, message);
        }
    }
    fn wrong(&self, message: &str) {
        self.monitor.wrong(message);
    }
    fn note(&self, message: &str) {
        self.monitor.note(message);
    }
}
