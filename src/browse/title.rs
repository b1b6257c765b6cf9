//! What a snapshot is called (floor 3): `000042-2026-11-21T03:00`, the time in the zone of who browses.

use super::number::Date;
use crate::entry::{ChunkRef, Time};
use crate::format::snapshot::{Kind, Record};

/// Writes a time as `2026-11-21T03:00`.
pub type Label<'l> = dyn Fn(Time) -> String + Sync + 'l;

/// A snapshot that can be browsed.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its number.
    pub sequence: u64,
    /// Why it was taken.
    pub kind: Kind,
    /// When.
    pub time: Time,
    /// Root of its manifest.
    pub root: ChunkRef,
    /// Whether there may be hard links.
    pub may_link: bool,
    /// Name of its folder.
    pub title: String,
    /// The day that is in its name.
    pub day: Option<Date>,
}

impl Snapshot {
    /// Of a record.
    pub fn new(record: &Record, label: &Label<'_>) -> Self {
        let label = label(record.time);
        // What is not a night must not look like one.
        let kind = match record.kind {
            Kind::Backup => "",
            Kind::Rescue => "-rescue",
            Kind::Held => "-held",
        };
        Self {
            sequence: record.sequence,
            kind: record.kind,
            time: record.time,
            root: record.root,
            may_link: record.totals.others > 0,
            title: format!("{:06}-{label}{kind}", record.sequence),
            day: day(&label),
        }
    }

    /// The number that a name begins with.
    pub fn sequence_in(name: &[u8]) -> Option<u64> {
        let digits = name.split(|&b| b == b'-').next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

/// The day of a label.
fn day(label: &str) -> Option<Date> {
    let mut parts = label.split('T').next()?.split('-');
    let mut date = None;
    for part in parts.by_ref().take(3) {
        date = Some(Date::below(date, part.as_bytes())?);
    }
    date.filter(|date| date.day > 0 && parts.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::{Snapshot, day};
    use crate::browse::number::Date;

    #[test]
    fn a_label_has_a_day_or_none() {
        assert_eq!(day("2026-11-21T03:00"), Some(Date { year: 2026, month: 11, day: 21 }));
        for none in ["@12345", "-2026-11-21T03:00", "2026-11", "12026-11-21T00:00", ""] {
            assert_eq!(day(none), None, "{none}");
        }
    }

    #[test]
    fn a_name_begins_with_a_number() {
        assert_eq!(Snapshot::sequence_in(b"000042-2026-11-21T03:00"), Some(42));
        assert_eq!(Snapshot::sequence_in(b"1000042-x"), Some(1_000_042));
        assert_eq!(Snapshot::sequence_in(b"latest"), None);
    }
}
