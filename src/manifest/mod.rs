//! Manifests: the path-sorted list of all entries of a snapshot, as a tree of chunks (floor 2; format-spec.md, 7).
//!
//! [`build`] writes one as entries come, [`cursor`] reads one in order, [`diff`] walks two and skips what they share, [`extents`] does the
//! same for the content of large files; [`lookup`] finds one path in many, [`lineage`] proves that entries stand in directories. Nothing here holds more than a node a level in memory.

pub mod build;
pub mod cursor;
pub mod diff;
pub mod extents;
pub mod lineage;
pub mod lookup;
#[cfg(test)]
mod lookup_tests;
#[cfg(test)]
mod tests;
pub mod vanished;

use crate::format;
use crate::store;

/// What goes wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A node could not be read or stored.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A node is not what the format says.
    #[error("manifest node {node}: {source}; `backup -check TARGET` tells which snapshots are affected")]
    Node {
        /// Which chunk.
        node: crate::id::Id,
        /// What is wrong.
        source: format::Error,
    },
    /// An entry that cannot stand where it does.
    #[error("manifest: {path}: {source}; `backup -check TARGET` tells which snapshots are affected")]
    Wrong {
        /// Which.
        path: crate::path::RelPath,
        /// What is wrong.
        source: format::Error,
    },
    /// The extents of a file do not make up its size.
    #[error("the length of the file is not that of its extents: the manifest is damaged")]
    Length,
    /// An entry that cannot be written.
    #[error("{path}: cannot be recorded: {source}")]
    Entry {
        /// Which.
        path: crate::path::RelPath,
        /// Why.
        source: format::Error,
    },
}

impl Error {
    /// Whether it is the connection to the store that failed: nothing more can be read.
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::Store(store::Error::Lost(_)))
    }
}
