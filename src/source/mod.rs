//! Taking a snapshot: tree -> chunks -> store and manifest (floor 3).
//!
//! ```text
//! feeder (1 thread)       walks, merges with the parent manifest, streams large files     [feed]
//!   | parcels, in order, made in parallel: files read, chunks hashed                      [read]
//! assembler (caller)      looks up, gathers new chunks into blocks, builds the manifest   [assemble]
//!   | blocks, in order, compressed in parallel
//! writer (1 thread)       puts blocks into the store                                      [blocks]
//! ```
//!
//! Everything stays in path order, so the same tree makes the same chunks and the same manifest. Memory is bounded by a budget of bytes in
//! flight (`budget`). A path that cannot be read is reported and carried forward; an error of the store ends it all.

mod assemble;
mod blocks;
mod budget;
pub mod estimate;
mod feed;
mod known;
mod lane;
mod piece;
mod prove;
mod read;
mod replica;
pub mod snapshot;

use crate::path::RelPath;
use crate::{manifest, store};

/// What ends a snapshot. Paths that could not be read do not: they are in the totals.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A manifest could not be read or written.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    /// The root of the tree, or a folder on the way to what is selected, could not be looked at.
    #[error(
        "the folder {path} of the tree cannot be looked at ({why}), nor anything in it; mend the cause and run the same command again"
    )]
    Unseen {
        /// The folder.
        path: RelPath,
        /// What the kernel said.
        why: String,
    },
}
