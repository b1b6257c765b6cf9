//! Which times can be believed, and how old that makes a snapshot (floor 2).
//!
//! Clocks are set back and ahead, and the one of this run may be wrong, too. Of the times, which should never fall from one snapshot to the next, the
//! longest row is taken that does not; whatever is not in it, or is later than now, stands for nothing: the snapshot is kept, and takes no
//! other's place. Age is counted from each snapshot of the row to the next, and from the newest to now; a step of more than [`STEP`]
//! does not count, for either nobody took backups, or a clock was set ahead. So a clock that is wrong, this one too, makes snapshots look younger,
//! or all of a row older by less than that. Only where the nights and this run have been wrong in the same way can that not be told from a pause: a month of
//! it takes the place of a month.

use super::Snapshot;
use super::period::{Period, Unit, period};
use crate::entry::Time;
use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

/// Seconds between two snapshots that count: 31 days.
const STEP: u64 = 31 * 24 * 60 * 60;

/// What the clocks say.
pub(super) struct Clocks {
    /// For each snapshot, the moment and the age, if its time is believed.
    times: Vec<Option<(ZonedDateTime, u64)>>,
    /// What is odd.
    pub(super) notes: Vec<String>,
}

impl Clocks {
    /// Of snapshots in order of sequence.
    pub(super) fn read(snapshots: &[Snapshot], now: Time, zone: &TimeZone) -> Self {
        let moment = |time| moment(time, zone);
        let sound = |snapshot: &Snapshot| snapshot.time <= now && moment(snapshot.time).is_some();
        let times: Vec<Option<Time>> =
            snapshots.iter().map(|snapshot| Some(snapshot.time).filter(|_| sound(snapshot))).collect();
        let row = longest_row(&times);
        let mut clocks = Self { times: snapshots.iter().map(|_| None).collect(), notes: Vec::new() };
        let (mut age, mut later) = (0_u64, now);
        for &at in row.iter().rev() {
            let (Some(snapshot), Some(place)) = (snapshots.get(at), clocks.times.get_mut(at)) else { continue };
            let step = u64::try_from(later.seconds.saturating_sub(snapshot.time.seconds)).unwrap_or(0);
            if step <= STEP {
                age = age.saturating_add(step);
            } else {
                clocks.notes.push(format!(
                    "for {} days after snapshot {} there is none, or a clock was set: they do not count as age",
                    step / (24 * 60 * 60),
                    snapshot.sequence
                ));
            }
            later = snapshot.time;
            *place = moment(snapshot.time).map(|moment| (moment, age));
        }
        let doubtful = snapshots.len().saturating_sub(row.len());
        if doubtful > 0 {
            clocks.notes.push(format!(
                "the times of {doubtful} snapshots are not in order with the others, or later than now: a clock was wrong. They are kept"
            ));
        }
        clocks
    }

    /// Whether a time stands for something.
    pub(super) fn is_believed(&self, at: usize) -> bool {
        self.time(at).is_some()
    }

    /// Seconds, at most, if its time is believed.
    pub(super) fn age(&self, at: usize) -> Option<u64> {
        self.time(at).map(|(_, age)| *age)
    }

    /// The period of this unit that it was taken in, if its time is believed.
    pub(super) fn period(&self, at: usize, unit: Unit) -> Option<Period> {
        self.time(at).map(|(moment, _)| period(moment, unit))
    }

    fn time(&self, at: usize) -> Option<&(ZonedDateTime, u64)> {
        self.times.get(at).and_then(Option::as_ref)
    }
}

/// A time in a zone, if there is such a time.
pub(super) fn moment(time: Time, zone: &TimeZone) -> Option<ZonedDateTime> {
    let nanoseconds = i32::try_from(time.nanoseconds).ok()?;
    Some(Timestamp::new(time.seconds, nanoseconds).ok()?.to_zoned_datetime(zone.clone()))
}

/// The places of the most times that never fall; of several such rows, one.
fn longest_row(times: &[Option<Time>]) -> Vec<usize> {
    // For each length the row of so many that ends earliest: its last place and time; and for each place the one before it in its row.
    let mut ends: Vec<(usize, Time)> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; times.len()];
    for (at, time) in times.iter().enumerate().filter_map(|(at, time)| Some((at, (*time)?))) {
        let length = ends.partition_point(|(_, end)| *end <= time);
        if let Some(before) = before.get_mut(at) {
            *before = length.checked_sub(1).and_then(|length| ends.get(length)).map(|(at, _)| *at);
        }
        match ends.get_mut(length) {
            Some(end) => *end = (at, time),
            None => ends.push((at, time)),
        }
    }
    let mut row = Vec::new();
    let mut next = ends.last().map(|(at, _)| *at);
    while let Some(at) = next {
        row.push(at);
        next = before.get(at).copied().flatten();
    }
    row.reverse();
    row
}
