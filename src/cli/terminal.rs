//! Progress of one run on a terminal, its problems on standard error (floor 7).

use super::out::{Out, stderr};
use super::screen;
use crate::limits::PROBLEMS_SHOWN;
use crate::monitor::{Monitor, Phase};
use crate::path::RelPath;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Shows one run of one target.
pub(super) struct Terminal {
    target: String,
    out: Out,
    show: bool,
    shown: Once,
    bar: ProgressBar,
    files: AtomicU64,
    problems: AtomicUsize,
    verbose: bool,
}

impl Terminal {
    pub(super) fn new(target: &str, verbose: bool, out: Out) -> Self {
        let show = !out.quiet && !out.json && screen::is_there();
        // Nothing is drawn before the first phase has begun.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if show {
            keep_moving(&bar);
        }
        Self {
            target: target.to_owned(),
            out,
            show,
            shown: Once::new(),
            bar,
            files: AtomicU64::new(0),
            problems: AtomicUsize::new(0),
            verbose,
        }
    }

    /// Ends the display; says how many problems were not shown.
    pub(super) fn finish(&self) {
        screen::hide(&self.bar);
        let hidden = self.problems.load(Ordering::Relaxed).saturating_sub(self.limit());
        if hidden > 0 && !self.out.json {
            stderr(&format!("backup: {}: {hidden} more of these; --verbose shows all", self.target));
        }
    }

    const fn limit(&self) -> usize {
        if self.verbose { usize::MAX } else { PROBLEMS_SHOWN }
    }
}

/// Draws the bar now and then, for as long as it is not finished, whatever the work does. Where no thread can be had it moves with the work only; the
/// ticker of `indicatif` would panic.
fn keep_moving(bar: &ProgressBar) {
    let bar = bar.downgrade();
    let draw = move || {
        while let Some(bar) = bar.upgrade().filter(|bar| !bar.is_finished()) {
            bar.tick();
            drop(bar);
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let _without = std::thread::Builder::new().spawn(draw);
}

impl Monitor for Terminal {
    fn begin(&self, phase: Phase, _files: Option<u64>, bytes: Option<u64>) {
        let word = match phase {
            Phase::Reading => "reading",
            Phase::Comparing => "comparing",
            Phase::Writing => "writing",
            Phase::Copying => "copying history",
            Phase::Sweeping => "sweeping",
            Phase::Verifying => "verifying",
        };
        self.files.store(0, Ordering::Relaxed);
        self.bar.reset();
        let known = bytes.filter(|&b| b > 0);
        self.bar.set_length(known.unwrap_or(0));
        let form = if known.is_some() {
            "{prefix} {wide_bar} {msg}  {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left"
        } else {
            "{prefix} {msg}  {decimal_bytes}  {decimal_bytes_per_sec}  {elapsed} so far"
        };
        if let Ok(style) = ProgressStyle::with_template(form) {
            self.bar.set_style(style);
        }
        self.bar.set_prefix(format!("{}: {word}", self.target));
        self.bar.set_message("0 files");
        if self.show {
            self.shown.call_once(|| screen::show(&self.bar));
        }
    }

    fn advance(&self, files: u64, bytes: u64) {
        let files = self.files.fetch_add(files, Ordering::Relaxed) + files;
        self.bar.inc(bytes);
        if files < 64 || files.is_multiple_of(64) {
            self.bar.set_message(format!("{files} files"));
        }
    }

    fn problem(&self, path: &RelPath, message: &str) {
        let number = self.problems.fetch_add(1, Ordering::Relaxed);
        if self.out.json {
            let line =
                json!({ "type": "problem", "target": self.target, "path": path.to_string(), "message": message });
            self.out.line(&line.to_string());
        } else if number < self.limit() {
            stderr(&format!("backup: {}: {path}: {message}", self.target));
        }
    }

    fn wrong(&self, message: &str) {
        if self.out.json {
            self.out.line(&json!({ "type": "wrong", "target": self.target, "message": message }).to_string());
        } else {
            stderr(&format!("backup: {}: {message}", self.target));
        }
    }

    fn note(&self, message: &str) {
        if self.out.json {
            self.out.line(&json!({ "type": "note", "target": self.target, "message": message }).to_string());
        } else {
            stderr(&format!("backup: {}: {message}", self.target));
        }
    }
}
