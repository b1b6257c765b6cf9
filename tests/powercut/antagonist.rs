//! Whoever else uses the file system: appends to a file of its own and syncs it, every few milliseconds.
//!
//! Its syncs carry the metadata of others to the disk, and not their data. Without it a harness like this one finds nothing.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Syncs of all antagonists.
pub(crate) static SYNCS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(crate) struct Antagonist {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Antagonist {
    pub(crate) fn start(place: &Path) -> Self {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(place.join("antagonist")).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Self { stop, thread: Some(std::thread::spawn(move || annoy(&file, &stopped))) }
    }
}

fn annoy(file: &File, stopped: &AtomicBool) {
    let mut at = 0;
    while !stopped.load(Ordering::Relaxed) {
        file.write_all_at(b"somebody else's bytes", at).unwrap();
        file.sync_all().unwrap();
        at = (at + 21) % 40_000;
        SYNCS.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Drop for Antagonist {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _unheeded: Result<(), _> = thread.join();
        }
    }
}
