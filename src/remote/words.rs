//! Texts that come over a line, and go (floor 5).

use super::message::{Event, Fault};
use crate::path::shown;
use crate::store;

impl Fault {
    /// With nothing that a terminal obeys: the other end is not believed to have seen to that.
    pub(super) fn escaped(self) -> Self {
        let safe = |text: String| shown(text.as_bytes());
        match self {
            Self::Locked(text) => Self::Locked(safe(text)),
            Self::Refused(text) => Self::Refused(safe(text)),
            Self::NoSnapshot(number) => Self::NoSnapshot(number),
            Self::Damaged(text) => Self::Damaged(safe(text)),
            Self::Unreadable(text) => Self::Unreadable(safe(text)),
            Self::Failed(text) => Self::Failed(safe(text)),
        }
    }

    /// In words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::NoSnapshot(number) => format!("there is no snapshot {number}"),
            Self::Locked(text)
            | Self::Refused(text)
            | Self::Damaged(text)
            | Self::Unreadable(text)
            | Self::Failed(text) => text.clone(),
        }
    }
}

impl Event {
    /// As [`Fault::escaped`].
    pub(super) fn escaped(self) -> Self {
        let safe = |text: String| shown(text.as_bytes());
        match self {
            Self::Problem(path, text) => Self::Problem(path, safe(text)),
            Self::Wrong(text) => Self::Wrong(safe(text)),
            Self::Note(text) => Self::Note(safe(text)),
            event @ (Self::Begin(..) | Self::Advance(..) | Self::Other(_)) => event,
        }
    }
}

/// What the other end is told of a history that cannot be read.
pub(super) fn fault_of(e: &store::Error) -> Fault {
    match e {
        store::Error::Unreadable(text) => Fault::Unreadable(text.clone()),
        e if e.is_damage() => Fault::Damaged(e.to_string()),
        e => Fault::Failed(e.to_string()),
    }
}
