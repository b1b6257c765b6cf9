//! Is the pipe moving? (floor 5) Counts calls of `read` and `write`, so that a watcher can tell a call that hangs from one that works.
//!
//! No clock is read here: who stops for an hour (a suspended host, a stopped process) does not take the other end for dead.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Goes up by one when a call begins and when it has ended: odd while one is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A pipe whose calls are counted.
#[derive(Debug)]
pub(super) struct Watched<P> {
    pipe: P,
    pulse: Pulse,
}

impl<P> Watched<P> {
    /// Counts into `pulse`.
    pub(super) const fn new(pipe: P, pulse: Pulse) -> Self {
        Self { pipe, pulse }
    }
}

impl<P: Read> Read for Watched<P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pulse.beat();
        let result = self.pipe.read(buffer);
        self.pulse.beat();
        result
    }
}

impl<P: Write> Write for Watched<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pulse.beat();
        let result = self.pipe.write(bytes);
        self.pulse.beat();
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

/// How long a pulse has been where it is, in looks.
#[derive(Debug)]
pub(super) struct Still {
    pulse: Pulse,
    seen: u64,
    looks: u32,
}

impl Still {
    /// Begins to look.
    pub(super) fn new(pulse: Pulse) -> Self {
        Self { seen: pulse.now(), pulse, looks: 0 }
    }

    /// Looks once more: for so many looks nothing has moved.
    pub(super) fn look(&mut self) -> u32 {
        let now = self.pulse.now();
        self.looks = if now == self.seen { self.looks.saturating_add(1) } else { 0 };
        self.seen = now;
        self.looks
    }

    /// Whether a call was under way at the last look.
    pub(super) const fn within_a_call(&self) -> bool {
        self.seen % 2 == 1
    }
}
