//! Until when a snapshot stays, if a backup is made every day from now on (floor 2). Pure.
//!
//! Only for people: what goes is decided anew each time. Whatever keeps a snapshot until somebody does something keeps it for an unknown time.

use super::clocks::moment;
use super::period::{Unit, period};
use super::{DAY, LAST_COPY, Policy, Reason, SAVED_DAYS, Snapshot, Verdict, is_backup};
use crate::entry::Time;
use jiff::{Span, ZonedDateTime};

/// When the last of what keeps a snapshot ends; nothing if that is not known.
pub fn until(snapshots: &[Snapshot], verdict: &Verdict, policy: &Policy<'_>) -> Option<Time> {
    let of = |sequence: u64| snapshots.iter().find(|snapshot| snapshot.sequence == sequence);
    let snapshot = of(verdict.sequence)?;
    let newest = snapshots.iter().rev().find(|snapshot| is_backup(snapshot))?;
    let ends = |reason: &Reason| match reason {
        Reason::OnMirror | Reason::Newest | Reason::NewestBackup => Some(later(newest.time, DAY)),
        Reason::Young(_) => Some(later(snapshot.time, SAVED_DAYS * DAY)),
        Reason::Last(rank, count) => Some(later(newest.time, nights(*rank, *count) * DAY)),
        Reason::NewestOf(unit, rank, count) => passed(snapshot, newest, (*unit, *rank, *count), policy),
        Reason::Within(seconds) => Some(later(snapshot.time, *seconds)),
        Reason::LastCopy { gone, .. } => {
            let seconds = policy.keep.and_then(|keep| keep.lastcopy).unwrap_or(LAST_COPY);
            of(*gone).map(|gone| later(gone.time, seconds))
        }
        Reason::NoRule | Reason::Pinned | Reason::Clock | Reason::Waiting | Reason::NothingSince => None,
    };
    let ends: Option<Vec<Time>> = verdict.reasons.iter().map(ends).collect();
    Some(ends?.into_iter().max().unwrap_or(policy.now))
}

/// When a snapshot is no longer the newest of its period, or its period none of so many.
fn passed(snapshot: &Snapshot, newest: &Snapshot, rule: (Unit, u32, u32), policy: &Policy<'_>) -> Option<Time> {
    let (unit, rank, count) = rule;
    let next = later(newest.time, DAY);
    let at = |time| moment(time, &policy.zone);
    if rank == 1 && period(&at(snapshot.time)?, unit) == period(&at(next)?, unit) {
        return Some(next);
    }
    let more = i64::from(count.saturating_sub(rank));
    let first = start_of_next(&at(newest.time)?, unit)?;
    let span = match unit {
        Unit::Hour | Unit::Day => return Some(later(newest.time, nights(rank, count) * DAY)),
        Unit::Week => Span::new().try_weeks(more),
        Unit::Month => Span::new().try_months(more),
        Unit::Year => Span::new().try_years(more),
    };
    let end = first.checked_add(span.ok()?).ok()?;
    Some(Time { seconds: end.timestamp().as_second(), nanoseconds: 0 })
}

/// After how many more a rank is none of so many.
fn nights(rank: u32, count: u32) -> u64 {
    u64::from(count.saturating_sub(rank)) + 1
}

fn start_of_next(moment: &ZonedDateTime, unit: Unit) -> Option<ZonedDateTime> {
    let (first, step) = match unit {
        Unit::Hour | Unit::Day => (moment.clone(), Span::new().try_days(1)),
        Unit::Week => {
            let since = Span::new().try_days(i64::from(moment.weekday().to_monday_zero_offset())).ok()?;
            (moment.checked_sub(since).ok()?, Span::new().try_weeks(1))
        }
        Unit::Month => (moment.first_of_month().ok()?, Span::new().try_months(1)),
        Unit::Year => (moment.first_of_year().ok()?, Span::new().try_years(1)),
    };
    first.start_of_day().ok()?.checked_add(step.ok()?).ok()
}

const fn later(time: Time, seconds: u64) -> Time {
    Time { seconds: time.seconds.saturating_add_unsigned(seconds), ..time }
}
