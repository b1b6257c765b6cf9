//! How the rooms below tell what they are doing; who shows it, and where, is the business of `cli` (floor 0).

use crate::path::RelPath;
use serde::{Deserialize, Serialize};

/// A part of a run that may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Walking and reading a source.
    Reading,
    /// Comparing a tree with a manifest.
    Comparing,
    /// Making a tree equal a manifest.
    Writing,
    /// Copying the history of another store.
    Copying,
    /// Writing packs again without what nobody needs.
    Sweeping,
    /// Proving that the store can be read.
    Verifying,
}

/// Receives progress and problems, from any thread.
pub trait Monitor: Sync {
    /// A phase begins; what is known of its size.
    fn begin(&self, phase: Phase, files: Option<u64>, bytes: Option<u64>);

    /// So many more files and bytes of the current phase are done.
    fn advance(&self, files: u64, bytes: u64);

    /// A path could not be dealt with; the run goes on and will end with another exit code.
    fn problem(&self, path: &RelPath, message: &str);

    /// Something is wrong with a file of the store or with a mirror; the message names it.
    fn wrong(&self, message: &str);

    /// Something that the operator should know and that is no error.
    fn note(&self, message: &str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn begin(&self, _phase: Phase, _files: Option<u64>, _bytes: Option<u64>) {}
    fn advance(&self, _files: u64, _bytes: u64) {}
    fn problem(&self, _path: &RelPath, _message: &str) {}
    fn wrong(&self, _message: &str) {}
    fn note(&self, _message: &str) {}
}
