//! Why a snapshot stays, in words (floor 2).

use super::period::Unit;
use super::{DAY, SAVED_DAYS};
use crate::format::snapshot::Kind;
use crate::path::RelPath;
use std::fmt::{Display, Formatter, Result};

/// Why a snapshot stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// KEEP has no rule by which any would be dropped.
    NoRule,
    /// The operator wants it.
    Pinned,
    /// The mirror tree holds it, or may.
    OnMirror,
    /// It has the last number.
    Newest,
    /// It is the newest of SOURCE.
    NewestBackup,
    /// Its time is not in order with the others', or later than now: nothing is decided by it.
    Clock,
    /// Held, and no backup since: it can be approved.
    Waiting,
    /// A rescue, and no backup since.
    NothingSince,
    /// A rescue or held one that is not old enough to go.
    Young(Kind),
    /// One of the newest: its rank, and how many stay.
    Last(u32, u32),
    /// The newest of its hour, day, ...: the rank of that, and how many stay.
    NewestOf(Unit, u32, u32),
    /// Younger than so many seconds.
    Within(u64),
    /// The last to have this path, which is gone since another snapshot.
    LastCopy {
        /// One of the paths.
        path: RelPath,
        /// The first snapshot that does not have it.
        gone: u64,
    },
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::NoRule => write!(f, "no KEEP"),
            Self::Pinned => write!(f, "pinned"),
            Self::OnMirror => write!(f, "on the mirror"),
            Self::Newest => write!(f, "last number"),
            Self::NewestBackup => write!(f, "newest"),
            Self::Clock => write!(f, "its time is not in order with the others: nothing is decided by it"),
            Self::Waiting => write!(f, "held, waits for -approve or a backup"),
            Self::NothingSince => write!(f, "rescue, no backup since"),
            Self::Young(Kind::Held) => write!(f, "held, younger than {SAVED_DAYS} days"),
            Self::Young(_) => write!(f, "rescue, younger than {SAVED_DAYS} days"),
            Self::Last(rank, count) => write!(f, "last {rank} of {count}"),
            Self::NewestOf(unit, rank, count) => write!(f, "{} {rank} of {count}", unit.word()),
            Self::Within(seconds) if seconds % DAY == 0 => write!(f, "within {}d", seconds / DAY),
            Self::Within(seconds) => write!(f, "within {}h", seconds / (DAY / 24)),
            Self::LastCopy { path, gone } => write!(f, "last copy of {path}, gone since {gone}"),
        }
    }
}
