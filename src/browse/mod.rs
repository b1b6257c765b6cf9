//! Snapshots as a file system that can only be read (floor 3): what is asked of one is answered without knowing who asks.
//!
//! [`library`] answers: names, attributes, listings, ranges of files. [`around`] are the directories around the snapshots, [`inside`] is what is in one.
//! Below them [`history`] is the list of the snapshots, [`title`] their names, [`number`] what stands in an inode number, [`facts`] what `stat` tells,
//! [`tree`] a manifest in which entries are found by path and by rank, [`links`] how many names a file has, [`content`] the bytes of a file. What was
//! decoded is in [`shared`] caches.
//!
//! What must stay true: nothing is written; what is listed or looked up costs the nodes on the way there, never a whole manifest (but for the
//! counts of names, see [`links`]); memory is bounded whatever is asked; every byte that is given was hashed.

pub mod around;
pub mod content;
pub mod facts;
pub mod fuse;
pub mod history;
pub mod inside;
pub mod library;
pub mod links;
pub mod number;
pub mod shared;
#[cfg(test)]
mod support_tests;
pub mod title;
pub mod tree;

use crate::path::RelPath;
use crate::{format, manifest};

/// Why something cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such name.
    #[error("there is no such name")]
    Absent,
    /// Only a directory has names in it.
    #[error("it is no directory")]
    NoDirectory,
    /// Only a file has bytes.
    #[error("it is no file")]
    NoFile,
    /// The snapshot was there, and is gone.
    #[error("snapshot {0} is gone: it was pruned")]
    Gone(u64),
    /// A node or a chunk cannot be read.
    #[error("snapshot {sequence}, {path}: {source}")]
    Unreadable {
        /// Of which snapshot.
        sequence: u64,
        /// What was wanted.
        path: RelPath,
        /// Why.
        source: manifest::Error,
    },
    /// The snapshots cannot be listed.
    #[error("the snapshots cannot be listed: {0}")]
    Unlisted(String),
}

impl Error {
    /// Whether something is wrong that the operator should hear of.
    pub const fn is_trouble(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::Unlisted(_))
    }
}

/// A manifest that contradicts itself.
fn damaged(path: &RelPath, what: &'static str) -> manifest::Error {
    manifest::Error::Wrong { path: path.clone(), source: format::Error::Invalid(what) }
}
