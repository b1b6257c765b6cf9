//! Materialise: make a tree equal a manifest (floor 3).
//!
//! [`plan`] says what has to be done (pure: two manifests in, actions out); [`apply`] does it in batches: stage files aside, one sync of the
//! file system, publish by rename. What is known of the tree before comes as a manifest too: a snapshot of the tree itself, just taken, whose
//! content is all in the store. So nothing is overwritten or removed that could not be brought back (P2), and each file is at every instant
//! wholly old or wholly new (P3).

pub mod apply;
mod aside;
mod carry;
mod dirs;
pub mod kept;
mod make;
pub mod moves;
mod need;
pub mod plan;
mod publish;
pub mod relink;
mod share;
pub mod stage;
mod stager;
pub mod survey;
mod trust;
mod twin;

use crate::path::RelPath;
use crate::{manifest, store};
use std::io;

/// Names that have less in the tree than in the manifest.
#[derive(Debug, Default)]
struct Partial {
    count: u64,
    first: Option<RelPath>,
}

impl Partial {
    fn note(&mut self, path: &RelPath) {
        self.count += 1;
        self.first.get_or_insert_with(|| path.clone());
    }

    fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, first: self.first.or(other.first) }
    }
}

/// What ends a materialisation. Single paths that resist do not: they are counted and reported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A manifest could not be read.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    /// A file could not be written aside; the tree has not been touched by its batch.
    #[error("cannot write {path} in {stage}: {source}; nothing of this batch was put into the tree")]
    Stage {
        /// The folder for staged files.
        stage: String,
        /// Where it was to go.
        path: RelPath,
        /// What the kernel said.
        source: io::Error,
    },
    /// An object that we may not make in the tree; the rest is not held back by it.
    #[error("{0}")]
    Object(io::Error),
    /// An object that the file system of the tree cannot hold, whoever makes it: it stays in the store.
    #[error("{0}")]
    Beyond(io::Error),
    /// Something that was found in the tree could be neither left there nor removed.
    #[error(
        "what was found in the tree in place of a known file lies in {0} now: nothing was lost; run the same command again, which takes it \
         into the store"
    )]
    Displaced(String),
    /// The file system could not be synced: what it lost cannot be known.
    #[error(
        "cannot sync the file system of the tree: {0}; the run is given up, the next one starts from what is really there"
    )]
    Sync(io::Error),
    /// The stage could not be used.
    #[error("cannot use {path}, the folder for staged files: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The root of the tree could not be opened again.
    #[error("cannot open the root of the tree: {0}")]
    Root(io::Error),
}
