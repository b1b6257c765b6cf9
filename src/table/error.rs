//! What can be wrong with a table, in the words the operator reads.
//!
//! Every message says what is wrong and, in brackets, what to do about it. Whatever comes from the table is escaped
//! with `shown` before it gets into a [`Mistake`].

use std::fmt;
use std::path::{Path, PathBuf};

use crate::path::shown_path;
use crate::place::PlaceError;
use crate::table::keyword::Keyword;

/// A table that is refused, with the first mistake in it. Prints as `backup.tab:7: unknown keyword SORUCE (SOURCE?)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The table, as it was named to [`Table::parse`](crate::table::Table::parse).
    pub file: PathBuf,
    /// The line, counted from 1; none when the mistake is in no line.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = shown_path(&self.file);
        match self.line {
            Some(line) => write!(out, "{file}:{line}: {}", self.message),
            None => write!(out, "{file}: {}", self.message),
        }
    }
}

/// A mistake and the line it is reported at.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) line: Option<usize>,
    pub(crate) mistake: Mistake,
}

impl Fault {
    pub(crate) fn in_file(self, file: &Path) -> Error {
        Error { file: file.to_path_buf(), line: self.line, message: self.mistake.to_string() }
    }
}

impl Mistake {
    pub(crate) fn at(self, line: usize) -> Fault {
        Fault { line: Some(line), mistake: self }
    }
}

/// Text of the table and the number of its line, for a mistake that involves another line.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (line {})", self.text, self.line)
    }
}

/// Which of the two trees of a target.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tree {
    Source,
    Mirror,
}

impl fmt::Display for Tree {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Source => "SOURCE",
            Self::Mirror => "MIRROR",
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Mistake {
    // The table.
    #[error("no TARGET in this table (an entry begins with a line TARGET name)")]
    NoTarget,

    // A line by itself.
    #[error("a NUL byte in this line (a table is plain text: save it as UTF-8)")]
    Nul,
    #[error("unknown keyword {0} ({1})")]
    UnknownKeyword(String, String),
    #[error("{0} without a value (as in {0} {example})", example = .0.example())]
    NoValue(Keyword),
    #[error("{0} before any TARGET (begin the entry with a line TARGET name)")]
    BeforeTarget(Keyword),
    #[error("{0} a second time, first on line {1} (a target has one: remove the other)")]
    Again(Keyword, usize),
    #[error("{0} {1} a second time, first on line {2} (remove one of them)")]
    SameValue(Keyword, String, usize),

    // Values.
    #[error("target name {0} {1}")]
    Name(String, &'static str),
    #[error("target {0} a second time, first on line {1} (choose another name)")]
    SameName(String, usize),
    #[error("{0} {1}: {2}")]
    Place(Keyword, String, PlaceError),
    #[error("DIR {0} is absolute (write it relative to SOURCE)")]
    DirAbsolute(String),
    #[error("DIR {0} holds .. (write it relative to SOURCE, without ..)")]
    DirParent(String),
    #[error("DIR {0} is where backup keeps its own files (it cannot be backed up: remove this line)")]
    DirOwn(String),
    #[error("DIR {0} is no path of a folder: a name has 1 to 255 bytes (correct it)")]
    DirName(String),
    #[error("DIR {0} lies inside DIR {1} (remove one of them)")]
    DirInside(String, Seen),
    #[error("DIR {0} holds DIR {1} (remove one of them)")]
    DirHolds(String, Seen),
    #[error("EXCLUDE {0} is not a pattern: {1} (put a \\ before a letter that stands for itself)")]
    Glob(String, String),
    #[error("EXCLUDE {0} is not UTF-8 (put a ? for each byte that is not)")]
    GlobBytes(String),
    #[error("this EXCLUDE is too long, {0} bytes (at most {1}: use several)")]
    GlobLong(usize, usize),
    #[error("HOLD {0} is not a percentage (a whole number from 1% to 100%, as in HOLD 50%)")]
    Hold(String),
    #[error("HOLD {0} has no percent sign (HOLD {0}%?)")]
    HoldSign(u8),
    #[error("RSH has a quote that is not closed (add the other one)")]
    RshQuote,
    #[error("RSH names no program (as in RSH ssh -p 2222)")]
    RshProgram,
    #[error("KEEP has no rule (as in KEEP last 7 daily 30)")]
    KeepNothing,
    #[error("KEEP has an unknown word {0} ({1})")]
    KeepWord(String, String),
    #[error("KEEP {0} a second time (remove one of them)")]
    KeepAgain(&'static str),
    #[error("KEEP {0} without a count (as in {0} 7)")]
    KeepNoCount(&'static str),
    #[error("KEEP {0} {1} is not a count (a whole number, as in {0} 7)")]
    KeepCount(&'static str, String),
    #[error("KEEP {0} without a time (as in {0} 30d; h, d, w, y)")]
    KeepNoTime(&'static str),
    #[error("KEEP {0} {1} is not a time (a whole number and h, d, w or y, as in {0} 30d)")]
    KeepTime(&'static str, String),
    #[error("KEEP {0} of zero keeps nothing (leave {0} out, or give it 1 or more)")]
    KeepZero(&'static str),

    // A target as a whole.
    #[error("target {0} has no {1} (add a line {1} {example})", example = .1.example())]
    Missing(String, Keyword),
    #[error("SOURCE and MIRROR are the same place, {0} (give the mirror a place of its own)")]
    SamePlace(String),
    #[error("MIRROR {0} lies inside DIR {1} of SOURCE (move the mirror out of it)")]
    MirrorInDir(String, Seen),
    #[error("SOURCE {0} lies inside MIRROR {1} (give the mirror a place of its own)")]
    SourceInMirror(String, Seen),
    #[error("MIRROR {0} would be written over DIR {1} of SOURCE (give the mirror a place of its own)")]
    MirrorOverDir(String, Seen),
    #[error("STORE {0} is not on the host of MIRROR {1} (write the path alone: it is taken on that host)")]
    StoreHost(String, Seen),
    #[error("STORE {0} overlaps DIR {1} of {2} (give the store a folder of its own)")]
    StoreDir(String, Seen, Tree),

    // Two targets.
    #[error("MIRROR {0} overlaps the mirror of target {1}, {2} (give each target a mirror of its own)")]
    MirrorMirror(String, String, Seen),
    #[error("STORE {0} overlaps the store of target {1}, {2} (give each target a store of its own)")]
    StoreStore(String, String, Seen),
    #[error("STORE {0} overlaps the mirror of target {1}, {2} (give the store a folder of its own)")]
    StoreMirror(String, String, Seen),
    #[error("MIRROR {0} overlaps the store of target {1}, {2} (give the mirror a place of its own)")]
    MirrorStore(String, String, Seen),
}
