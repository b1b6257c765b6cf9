//! Where the power may go, and what the disk may hold then: all that was flushed, and any of what was not.

use super::disk::{Disk, Event, Mark};
use fastrand::Rng;
use std::fmt;

/// What becomes of the writes that were not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// None is there: the disk is as at a flush.
    Flushed,
    /// All are there.
    All,
    /// Some are there, in no order.
    Some,
    /// Some are there, and of some of these only a part.
    Torn,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Flushed, Self::All, Self::Some, Self::Torn];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Flushed => "flushed",
            Self::All => "all",
            Self::Some => "some",
            Self::Torn => "torn",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) kind: Kind,
    /// Events before this one are on the disk.
    pub(crate) durable: usize,
    /// Events from this one on have not happened.
    pub(crate) until: usize,
    seed: u64,
    /// Writes are torn at multiples of this.
    sector: usize,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, durable, until, seed, sector } = self;
        write!(f, "{} of events {durable}..{until}, subset {seed}, sectors of {sector}", kind.name())
    }
}

impl Cut {
    /// Whether blocks of 4 KiB may be torn.
    pub(crate) fn tears_blocks(&self) -> bool {
        self.kind == Kind::Torn && self.sector == 512
    }

    /// Writes what survives of the events that were not flushed.
    pub(crate) fn lay(&self, log: &[Event], disk: &mut Disk) {
        if self.kind == Kind::Flushed {
            return;
        }
        let mut rng = Rng::with_seed(self.seed);
        let share = [0.2, 0.5, 0.8][rng.usize(..3)];
        for event in &log[self.durable..self.until] {
            let Event::Write { at, bytes } = event else { continue };
            if self.kind != Kind::All && rng.f64() >= share {
                continue;
            }
            if self.kind == Kind::Torn && bytes.len() > self.sector && rng.bool() {
                self.tear(*at, bytes, &mut rng, disk);
            } else {
                disk.put(*at, bytes);
            }
        }
    }

    /// Some sectors of a write: its beginning, or here one and there one.
    fn tear(&self, at: u64, bytes: &[u8], rng: &mut Rng, disk: &mut Disk) {
        let sectors = bytes.chunks(self.sector).enumerate();
        let (beginning, end) = (rng.bool(), rng.usize(..bytes.len().div_ceil(self.sector)));
        for (n, sector) in sectors {
            if if beginning { n < end } else { rng.bool() } {
                disk.put(at + (n * self.sector) as u64, sector);
            }
        }
    }
}

/// Repeats what was flushed.
pub(crate) fn redo(events: &[Event], disk: &mut Disk) {
    for event in events {
        if let Event::Write { at, bytes } = event {
            disk.put(*at, bytes);
        }
    }
}

pub(crate) fn position(log: &[Event], mark: Mark) -> Option<usize> {
    log.iter().position(|event| matches!(event, Event::Mark(m) if *m == mark))
}

/// Cuts between two events, at most so many: at each flush, and after it all kinds; where there are more, a fair choice. In the order of the log.
pub(crate) fn choose(log: &[Event], between: std::ops::Range<usize>, wanted: usize, rng: &mut Rng) -> Vec<Cut> {
    let flushes = between.clone().filter(|n| matches!(log[*n], Event::Flush)).map(|n| n + 1);
    let starts: Vec<usize> = std::iter::once(between.start).chain(flushes).collect();
    let before = |at: usize| log[..at].iter().rposition(|event| matches!(event, Event::Flush)).map_or(0, |n| n + 1);
    let mut cuts = Vec::new();
    for (n, start) in starts.iter().enumerate() {
        let end = starts.get(n + 1).map_or(between.end, |next| next - 1);
        let durable = before(*start);
        let writes = (durable..end).filter(|n| matches!(log[*n], Event::Write { .. })).count();
        let kinds: &[Kind] = if writes > 0 { &Kind::ALL } else { &Kind::ALL[..1] };
        for &kind in kinds {
            cuts.push(cut(kind, durable, *start..end, rng));
        }
        if writes > 2 {
            cuts.push(cut(Kind::Some, durable, *start..end, rng));
        }
    }
    rng.shuffle(&mut cuts);
    cuts.truncate(wanted);
    cuts.sort_by_key(|cut| (cut.durable, cut.until));
    cuts
}

/// A cut in an epoch: mostly at its very end, where most is in flight.
fn cut(kind: Kind, durable: usize, epoch: std::ops::Range<usize>, rng: &mut Rng) -> Cut {
    let until = match kind {
        Kind::Flushed => epoch.start,
        _ if rng.bool() => epoch.end,
        _ => rng.usize(epoch.start..=epoch.end),
    };
    let sector = if rng.bool() { 512 } else { 4096 };
    Cut { kind, durable, until: until.max(durable), seed: rng.u64(..), sector }
}
