//! What an inode number says (floor 3): a snapshot and the rank of an entry, or one of the directories around the snapshots.
//!
//! So a number is the same whenever it is asked for, by whichever program, and nothing has to be remembered of those that were given.

/// Bits of a rank.
const RANK_BITS: u32 = 40;
/// The largest rank.
const RANK_MAX: u64 = (1 << RANK_BITS) - 2;
/// The largest number of a snapshot that fits: a number of an inode has 63 bits.
pub const SEQUENCE_MAX: u64 = (1 << (63 - RANK_BITS)) - 1;
/// Bits of what is said of a directory around the snapshots.
const DAY_BITS: u32 = 32;

/// What is meant by an inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// The root.
    Root,
    /// The link to the newest snapshot of the source.
    Latest,
    /// The directory of the years.
    ByDate,
    /// A year, a month or a day.
    Date(Date),
    /// The link to a snapshot in its day.
    Day(u64),
    /// The root of a snapshot.
    Snapshot(u64),
    /// An entry of a snapshot.
    Entry(u64, u64),
}

/// A year, one of its months, or one of its days; what is not said is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// What it lies in; none for a year.
    pub const fn above(self) -> Option<Self> {
        match self {
            Self { month: 0, .. } => None,
            Self { day: 0, .. } => Some(Self { month: 0, ..self }),
            _ => Some(Self { day: 0, ..self }),
        }
    }

    /// The year, the month or the day that a name of two or four digits means in this one, or in the directory of the years.
    pub fn below(above: Option<Self>, name: &[u8]) -> Option<Self> {
        let digits = if above.is_none() { 4 } else { 2 };
        if name.len() != digits || !name.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let value: u16 = std::str::from_utf8(name).ok()?.parse().ok()?;
        match above {
            None => Some(Self { year: value, month: 0, day: 0 }),
            Some(year @ Self { month: 0, .. }) => Some(Self { month: u8::try_from(value).ok()?, ..year }),
            Some(month @ Self { day: 0, .. }) => Some(Self { day: u8::try_from(value).ok()?, ..month }),
            Some(_) => None,
        }
        .filter(|date| date.above() == above)
    }

    /// Its name in what it lies in.
    pub fn name(self) -> String {
        match self {
            Self { year, month: 0, .. } => format!("{year:04}"),
            Self { month, day: 0, .. } => format!("{month:02}"),
            Self { day, .. } => format!("{day:02}"),
        }
    }

    /// Whether a day lies in it.
    pub fn has(self, day: Self) -> bool {
        let within = Self { year: day.year, month: if self.month == 0 { 0 } else { day.month }, day: 0 };
        self == day || self == within
    }
}

impl Number {
    /// As the number; none for what is too large.
    pub fn inode(self) -> Option<u64> {
        let around = |kind: u64, value: u64| Some((kind << DAY_BITS) | value);
        match self {
            Self::Root => Some(1),
            Self::Latest => Some(2),
            Self::ByDate => Some(3),
            Self::Date(Date { year, month, day }) => {
                around(1, (u64::from(year) << 16) | (u64::from(month) << 8) | u64::from(day))
            }
            Self::Day(sequence) if sequence <= SEQUENCE_MAX => around(2, sequence),
            Self::Snapshot(sequence) if (1..=SEQUENCE_MAX).contains(&sequence) => Some(sequence << RANK_BITS),
            Self::Entry(sequence, rank) if rank <= RANK_MAX => {
                Self::Snapshot(sequence).inode().map(|inode| inode | (rank + 1))
            }
            Self::Day(_) | Self::Snapshot(_) | Self::Entry(..) => None,
        }
    }

    /// What a number means; none for one that was never given.
    pub fn of(inode: u64) -> Option<Self> {
        let (sequence, rest) = (inode >> RANK_BITS, inode & ((1 << RANK_BITS) - 1));
        let number = match (sequence, rest) {
            (0, 1) => Self::Root,
            (0, 2) => Self::Latest,
            (0, 3) => Self::ByDate,
            (0, around) => {
                let value = around & ((1 << DAY_BITS) - 1);
                let [.., high, low, month, day] = value.to_be_bytes();
                match around >> DAY_BITS {
                    1 => Self::Date(Date { year: u16::from_be_bytes([high, low]), month, day }),
                    2 => Self::Day(value),
                    _ => return None,
                }
            }
            (sequence, 0) => Self::Snapshot(sequence),
            (sequence, rank) => Self::Entry(sequence, rank - 1),
        };
        (number.inode() == Some(inode)).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::{Date, Number, RANK_MAX, SEQUENCE_MAX};

    #[test]
    fn each_number_means_one_thing() {
        let day = Date { year: 2026, month: 11, day: 21 };
        let month = day.above().unwrap();
        let year = month.above().unwrap();
        let all = [
            Number::Root,
            Number::Latest,
            Number::ByDate,
            Number::Date(day),
            Number::Date(month),
            Number::Date(year),
            Number::Date(Date { year: 9999, month: 12, day: 31 }),
            Number::Day(1),
            Number::Day(SEQUENCE_MAX),
            Number::Snapshot(1),
            Number::Snapshot(SEQUENCE_MAX),
            Number::Entry(1, 0),
            Number::Entry(1, RANK_MAX),
            Number::Entry(SEQUENCE_MAX, RANK_MAX),
        ];
        let mut inodes: Vec<u64> = all.iter().map(|number| number.inode().unwrap()).collect();
        for (number, inode) in all.iter().zip(&inodes) {
            assert_eq!(Number::of(*inode), Some(*number));
            assert!(i64::try_from(*inode).is_ok());
        }
        inodes.sort_unstable();
        inodes.dedup();
        assert_eq!(inodes.len(), all.len());
        for none in [Number::Snapshot(0), Number::Snapshot(SEQUENCE_MAX + 1), Number::Entry(1, RANK_MAX + 1)] {
            assert_eq!(none.inode(), None);
        }
        for never in [0, 4, 3 << 32, u64::MAX] {
            assert_eq!(Number::of(never), None);
        }
    }

    #[test]
    fn dates_are_named_in_one_way() {
        let year = Date::below(None, b"2026").unwrap();
        let month = Date::below(Some(year), b"02").unwrap();
        let day = Date::below(Some(month), b"09").unwrap();
        assert_eq!((year.name(), month.name(), day.name()), ("2026".into(), "02".into(), "09".into()));
        assert!(year.has(day) && month.has(day) && day.has(day));
        assert!(!Date { year: 2025, ..year }.has(day) && !Date { month: 3, ..month }.has(day));
        for bad in ["26", "+026", "20260", "", "00"] {
            assert_eq!(Date::below(None, bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Date::below(Some(year), b"2"), None);
        assert_eq!(Date::below(Some(year), b"00"), None);
        assert_eq!(Date::below(Some(day), b"01"), None);
    }
}
