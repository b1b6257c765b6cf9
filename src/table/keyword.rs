//! The nine keywords of backup.tab, and which of them may stand twice.

use std::fmt;

/// The first word of a line of backup.tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// Begins an entry and names it.
    Target,
    /// The tree that people work on.
    Source,
    /// Where the copy is kept.
    Mirror,
    /// A folder of SOURCE that is backed up.
    Dir,
    /// When to forget old snapshots.
    Keep,
    /// What to leave out.
    Exclude,
    /// Where the store lies, when not beside the mirror tree.
    Store,
    /// How much of a DIR may change before a run is held.
    Hold,
    /// The command that reaches another host.
    Rsh,
}

impl Keyword {
    /// Every keyword, in the order in which `-status` prints them.
    pub const ALL: [Self; 9] = [
        Self::Target,
        Self::Source,
        Self::Mirror,
        Self::Dir,
        Self::Keep,
        Self::Exclude,
        Self::Store,
        Self::Hold,
        Self::Rsh,
    ];

    /// The keyword as it is written in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Target => "TARGET",
            Self::Source => "SOURCE",
            Self::Mirror => "MIRROR",
            Self::Dir => "DIR",
            Self::Keep => "KEEP",
            Self::Exclude => "EXCLUDE",
            Self::Store => "STORE",
            Self::Hold => "HOLD",
            Self::Rsh => "RSH",
        }
    }

    /// What `-status` prints before the value, filled up so that all values begin in column 10.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Target => "target:  ",
            Self::Source => "source:  ",
            Self::Mirror => "mirror:  ",
            Self::Dir => "dir:     ",
            Self::Keep => "keep:    ",
            Self::Exclude => "exclude: ",
            Self::Store => "store:   ",
            Self::Hold => "hold:    ",
            Self::Rsh => "rsh:     ",
        }
    }

    /// A value to show to someone who wrote none.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Target => "name",
            Self::Source | Self::Mirror => "host:/path",
            Self::Dir => "folder, or DIR . for all of SOURCE",
            Self::Keep => "last 7 daily 30",
            Self::Exclude => "*.tmp",
            Self::Store => "/path",
            Self::Hold => "50%",
            Self::Rsh => "ssh -p 2222",
        }
    }

    /// Whether a target may have several of these.
    pub(crate) fn repeats(self) -> bool {
        matches!(self, Self::Dir | Self::Exclude)
    }

    /// The keyword written exactly so, upper case.
    pub(crate) fn from_bytes(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|keyword| keyword.name().as_bytes() == word)
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
