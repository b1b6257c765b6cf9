//! Exit codes, as the README lists them (floor 7).

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done,
    /// Done, with paths that could not be read or were carried forward.
    Partial,
    /// Failed: nothing was acknowledged, or a check found something wrong.
    Failed,
    /// Held for a look by the operator.
    Held,
    /// Another run has the lock.
    Locked,
    /// Bad usage or a bad table.
    Usage,
}

impl Exit {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Partial => 1,
            Self::Failed => 2,
            Self::Held => 3,
            Self::Locked => 4,
            Self::Usage => 64,
        }
    }

    /// Of several targets the one that needs a person most.
    pub(super) fn worst(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Done => 0,
            Self::Partial => 1,
            Self::Locked => 2,
            Self::Held => 3,
            Self::Failed => 4,
            Self::Usage => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
