//! What passes from the feeder to the assembler: pieces of files, and entries (floor 3).

use super::budget::Lease;
use super::lane::Closed;
use crate::entry::Entry;
use crate::id::Id;
use crate::path::RelPath;
use std::io;

/// A chunk with its bytes.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) id: Id,
    pub(super) bytes: Vec<u8>,
}

impl Plain {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self::whole(bytes.to_vec())
    }

    pub(super) fn whole(bytes: Vec<u8>) -> Self {
        Self { id: Id::of(&bytes), bytes }
    }
}

/// What the feeder hands to the assembler. Most are entries that were taken over: what is seldom and larger is in boxes.
#[derive(Debug)]
pub(super) enum Piece {
    /// An entry that is complete.
    Ready(Entry),
    /// What comes next at this path has further names, which are hard links to it.
    Shared(RelPath),
    /// A small file.
    Whole(Box<Whole>),
    /// Data of the large file that is being streamed.
    Data(Plain),
    /// A hole of that file.
    Hole(u64),
    /// That file changed: what came of it is void, it comes again.
    Again,
    /// That file is complete; the content of this entry is what came since. And what the parent had.
    End(Entry, Option<Box<Entry>>),
    /// Could not be read; what the parent had.
    Failed(RelPath, String, Option<Box<Entry>>),
    /// A directory, given before, that could not be listed; whether the parent has anything in it, which comes next.
    Closed(RelPath, String, bool),
}

/// A small file that was read.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) entry: Entry,
    /// The chunks of its data extents.
    pub(super) chunks: Vec<Plain>,
    /// What the parent had.
    pub(super) previous: Option<Entry>,
}

/// Pieces in path order, and the lease on their bytes.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) pieces: Vec<Piece>,
    pub(super) lease: Option<Lease>,
}

/// Why streaming stopped early.
pub(super) enum Stopped {
    /// The source could not be read.
    Source(io::Error),
    /// The run has failed elsewhere.
    Closed,
}

impl From<io::Error> for Stopped {
    fn from(e: io::Error) -> Self {
        Self::Source(e)
    }
}

impl From<Closed> for Stopped {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}
