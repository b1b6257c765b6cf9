//! Cases of dates with what must become of them: `cases.txt`, and what needs more words than a table has.

use super::{Decision, Policy, Question, Reason, Snapshot, Verdict, decide, until};
use crate::entry::{ChunkRef, Time};
use crate::format::snapshot::Kind;
use crate::id::Id;
use crate::path::RelPath;
use crate::table::Keep;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::convert::Infallible;

const CASES: &str = include_str!("cases.txt");

fn time(timestamp: Timestamp) -> Time {
    Time { seconds: timestamp.as_second(), nanoseconds: 0 }
}

/// A local time; with `Z` or an offset, that moment.
fn read(text: &str, zone: &TimeZone) -> Time {
    let local = || text.parse::<DateTime>().unwrap().to_zoned_datetime(zone.clone()).unwrap().timestamp();
    time(text.parse::<Timestamp>().unwrap_or_else(|_| local()))
}

fn snapshot(sequence: u64, kind: Kind, time: Time) -> Snapshot {
    let root = ChunkRef { id: Id::of(&sequence.to_le_bytes()), length: 1 };
    Snapshot { sequence, time, kind, root, pinned: false, on_mirror: false }
}

fn judged(snapshots: &[Snapshot], keep: &str, now: Time, zone: TimeZone) -> Decision {
    let keep = (!keep.is_empty()).then(|| Keep::parse(keep.as_bytes()).unwrap());
    decide(snapshots, &Policy { keep: keep.as_ref(), now, zone }, &mut |_| Ok::<_, Infallible>(None)).unwrap()
}

fn kept(decision: &Decision) -> Vec<u64> {
    decision.verdicts.iter().filter(|verdict| verdict.is_kept()).map(|verdict| verdict.sequence).collect()
}

/// A case is `case NAME`, then `zone`, `now`, `keep`, then a line a snapshot: its time, words, `-> keep` or `-> drop`.
#[test]
fn every_case_is_decided_as_the_table_says() {
    let mut count = 0;
    for case in CASES.split("\ncase ").skip(1) {
        let mut lines = case.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let name = lines.next().unwrap();
        let (mut zone, mut now, mut keep) = (TimeZone::UTC, "", "");
        let (mut snapshots, mut wanted) = (Vec::new(), Vec::new());
        for line in lines {
            match line.split_once(' ').unwrap() {
                ("zone", value) => zone = TimeZone::posix(value).unwrap(),
                ("now", value) => now = value,
                ("keep", value) => keep = value,
                (at, rest) => {
                    let (words, end) = rest.split_once("->").unwrap();
                    let sequence = snapshots.len() as u64 + 1;
                    let has = |word: &str| words.split_whitespace().any(|w| w == word);
                    let kind = if has("rescue") {
                        Kind::Rescue
                    } else if has("held") {
                        Kind::Held
                    } else {
                        Kind::Backup
                    };
                    let (pinned, on_mirror) = (has("pinned"), has("mirror"));
                    snapshots.push(Snapshot { pinned, on_mirror, ..snapshot(sequence, kind, read(at, &zone)) });
                    wanted.push((at, end.trim().to_owned()));
                }
            }
        }
        let decision = judged(&snapshots, keep, read(now, &zone), zone);
        for (verdict, (at, wanted)) in decision.verdicts.iter().zip(&wanted) {
            let is = if verdict.is_kept() { "keep" } else { "drop" };
            let (end, reason) = wanted.split_once(": ").unwrap_or((wanted, ""));
            let reasons: Vec<String> = verdict.reasons.iter().map(Reason::to_string).collect();
            let at = format!("{name}: snapshot {} of {at}: {reasons:?}", verdict.sequence);
            assert_eq!(is, end, "{at}");
            assert!(reason.is_empty() || reasons.iter().any(|one| one == reason), "{at}, not {reason:?}");
        }
        assert_eq!(decision.verdicts.len(), wanted.len());
        count += 1;
    }
    assert!(count >= 20, "{count} cases");
}

fn nights(count: i64) -> (Vec<Snapshot>, Timestamp) {
    let begin: Timestamp = "2026-01-01T03:00:00Z".parse().unwrap();
    let at = |n: i64| time(begin + (24 * n).hours());
    let all = (0..count).map(|n| snapshot(u64::try_from(n).unwrap() + 1, Kind::Backup, at(n))).collect();
    (all, begin + (24 * (count - 1)).hours())
}

/// Whatever a clock says, here or when one snapshot was taken, no more is dropped than by the right clock.
#[test]
fn no_wrong_clock_drops_anything() {
    let keep = "last 3 daily 7 weekly 4 monthly 3 within 40d";
    let (right, last) = nights(200);
    let (hour, day) = (3600, 86_400);
    let by_the_right_clock = |keep| kept(&judged(&right, keep, time(last + 1.hour()), TimeZone::UTC));
    assert_eq!(by_the_right_clock(keep).len(), 41);
    let stays = |keep, snapshots: &[Snapshot], now: Time, what: &str| {
        let kept = kept(&judged(snapshots, keep, now, TimeZone::UTC));
        let lost: Vec<_> = by_the_right_clock(keep).into_iter().filter(|n| !kept.contains(n)).collect();
        assert!(lost.is_empty(), "{what}: {lost:?}");
    };
    for off in [-100_000 * day, -400 * day, -50 * day, -3 * hour, 40 * day, 400 * day, 100_000 * day] {
        let now = time(last + 1.hour());
        stays(keep, &right, Time { seconds: now.seconds + off, ..now }, &format!("now is off by {off}"));
        for (from, to) in [(0, 1), (100, 101), (190, 195), (199, 200), (197, 200), (50, 150)] {
            let mut wrong = right.clone();
            for snapshot in &mut wrong[from..to] {
                snapshot.time.seconds += off;
            }
            stays(keep, &wrong, now, &format!("{from}..{to} are off by {off}"));
            // Where both are wrong in the same way, that cannot be told from a pause: a month of it takes the place of a month.
            if to == 200 && off > 31 * day {
                let with_now = Time { seconds: now.seconds + off, ..now };
                stays("last 3 daily 7 within 40d", &wrong, with_now, &format!("{from}..{to} and now are off by {off}"));
            }
        }
    }
}

#[test]
fn a_last_copy_stays_for_its_time_and_no_longer() {
    let (snapshots, last) = nights(500);
    let now = time(last);
    let gone = RelPath::new("d/gone").unwrap();
    // In every tenth snapshot something is that is in none after it.
    let root = |n: u64| ChunkRef { id: Id::of(&n.to_le_bytes()), length: 1 };
    let mut asked = 0;
    let mut answer = |question: Question| {
        asked += 1;
        assert_eq!(question.newest, root(500));
        let n = (1..500).find(|n| root(*n) == question.snapshot).unwrap();
        assert_eq!(question.next, root(n + 1));
        Ok::<_, Infallible>((n % 10 == 0).then(|| gone.clone()))
    };
    let keep = Keep::parse(b"daily 30 lastcopy 100d").unwrap();
    let policy = Policy { keep: Some(&keep), now, zone: TimeZone::UTC };
    let decision = decide(&snapshots, &policy, &mut answer).unwrap();
    let wanted: Vec<u64> = (1..=500).filter(|n| *n > 470 || n % 10 == 0 && n + 1 > 400).collect();
    assert_eq!(kept(&decision), wanted);
    assert_eq!(asked, 71, "older ones are not looked at");
    let reason = Reason::LastCopy { path: gone.clone(), gone: 451 };
    assert_eq!(decision.verdicts[449].reasons, [reason]);
    // A year is what is meant when nothing is said; what cannot be told ends it.
    let keep = Keep::parse(b"daily 30").unwrap();
    let policy = Policy { keep: Some(&keep), now, zone: TimeZone::UTC };
    let decision = decide(&snapshots, &policy, &mut |_| Ok::<_, Infallible>(Some(gone.clone()))).unwrap();
    assert_eq!(kept(&decision), (135..=500).collect::<Vec<_>>());
    assert!(decide(&snapshots, &policy, &mut |_| Err(())).is_err());
}

#[test]
fn what_last_copies_are_asked_about_is_what_would_go() {
    let (mut snapshots, last) = nights(10);
    snapshots[4].kind = Kind::Rescue;
    snapshots[4].time = time(last - 2000.hours());
    snapshots[2].pinned = true;
    let root = |n: usize| ChunkRef { id: Id::of(&(n as u64).to_le_bytes()), length: 1 };
    let mut asked = Vec::new();
    let keep = Keep::parse(b"last 2").unwrap();
    let policy = Policy { keep: Some(&keep), now: time(last), zone: TimeZone::UTC };
    let mut answer = |question: Question| {
        asked.push((question.snapshot, question.next, question.before));
        Ok::<_, Infallible>((question.snapshot == root(4)).then(|| RelPath::new("d/x").unwrap()))
    };
    let decision = decide(&snapshots, &policy, &mut answer).unwrap();
    // The clock of the rescue was wrong: it stays. Backups are compared with the next backup.
    assert_eq!(kept(&decision), [3, 4, 5, 9, 10]);
    let ask = |n, next, before: Option<usize>| (root(n), root(next), before.map(root));
    let wanted = [
        ask(1, 2, None),
        ask(2, 3, None),
        ask(4, 6, Some(3)),
        ask(6, 7, Some(5)),
        ask(7, 8, Some(5)),
        ask(8, 9, Some(5)),
    ];
    assert_eq!(asked, wanted);
}

#[test]
fn no_snapshots_need_no_verdict_and_no_rules_drop_nothing() {
    let (snapshots, last) = nights(20);
    assert_eq!(judged(&[], "last 1", time(last), TimeZone::UTC), Decision::default());
    for keep in ["", "lastcopy 2y"] {
        let decision = judged(&snapshots, keep, time(last), TimeZone::UTC);
        assert_eq!(kept(&decision).len(), 20);
        assert_eq!(decision.verdicts[0].reasons, [Reason::NoRule]);
    }
    let decision = judged(&snapshots, "last 1", time(last), TimeZone::UTC);
    assert_eq!(kept(&decision), [20]);
}

/// Backups are made on and on: each snapshot goes in the night that was foretold, or the one after.
#[test]
fn it_is_foretold_when_a_snapshot_goes() {
    let (mut all, last) = nights(200);
    all[20].kind = Kind::Rescue;
    all[190].kind = Kind::Held;
    let keep = Keep::parse(b"last 3 daily 7 weekly 4 monthly 5 yearly 1 within 20d").unwrap();
    let at = |k: i64| time(last + (24 * k + 1).hours());
    let decided = |all: &[Snapshot], k| {
        let policy = Policy { keep: Some(&keep), now: at(k), zone: TimeZone::UTC };
        (decide(all, &policy, &mut |_| Ok::<_, Infallible>(None)).unwrap(), policy)
    };
    let (decision, policy) = decided(&all, 0);
    let foretold: Vec<_> = decision.verdicts.iter().map(|verdict| until(&all, verdict, &policy).unwrap()).collect();
    let mut gone = vec![None; all.len()];
    for k in 0..400_i64 {
        if k > 0 {
            all.push(snapshot(200 + k.unsigned_abs(), Kind::Backup, time(last + (24 * k).hours())));
        }
        for (verdict, gone) in decided(&all, k).0.verdicts.iter().zip(&mut gone) {
            if !verdict.is_kept() {
                gone.get_or_insert(k);
            }
        }
    }
    for (at_night, (gone, foretold)) in gone.iter().zip(&foretold).enumerate() {
        let night = (foretold.seconds - last.as_second()).div_euclid(86_400);
        match gone {
            Some(0) => assert!(!decision.verdicts[at_night].is_kept()),
            Some(gone) => assert!((night..=night + 1).contains(gone), "{at_night}: in {gone} nights, not {night}"),
            None => assert!(night >= 398, "{at_night}: foretold in {night} nights"),
        }
    }
    assert!(gone.iter().filter(|gone| gone.is_some_and(|k| k > 0)).count() > 20);
    let pinned = Verdict { sequence: 7, reasons: vec![Reason::Pinned, Reason::Last(3, 3)] };
    assert_eq!(until(&all, &pinned, &policy), None);
}
