//! Where the files of a store are (format-spec.md, 1; floor 2).

use crate::id::Id;
use std::path::{Path, PathBuf};

/// The folder of a store.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Of the store in this folder.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All folders that a store has from the start, outer before inner.
    pub fn folders(&self) -> [PathBuf; 4] {
        [self.root.clone(), self.packs(), self.indexes(), self.snapshots()]
    }

    /// Version, store id, parameters.
    pub fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    /// The folder of the packs.
    pub fn packs(&self) -> PathBuf {
        self.root.join("packs")
    }

    /// One pack.
    pub fn pack(&self, name: &Id) -> PathBuf {
        let hex = name.to_string();
        self.packs().join(hex.get(..2).unwrap_or_default()).join(format!("{hex}.pack"))
    }

    /// The folder of the indexes.
    pub fn indexes(&self) -> PathBuf {
        self.root.join("index")
    }

    /// One index.
    pub fn index(&self, name: &Id) -> PathBuf {
        self.indexes().join(format!("{name}.idx"))
    }

    /// The folder of the snapshot records.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// One snapshot record.
    pub fn snapshot(&self, sequence: u64) -> PathBuf {
        self.snapshots().join(format!("{sequence:06}"))
    }

    /// The folder of the pins. It is made with the first.
    pub fn pins(&self) -> PathBuf {
        self.root.join("pins")
    }

    /// The pin of one snapshot.
    pub fn pin(&self, sequence: u64) -> PathBuf {
        self.pins().join(format!("{sequence:06}"))
    }

    /// The id in a file name like `3f9c...64 hex.pack`.
    pub fn id_of(path: &Path, extension: &str) -> Option<Id> {
        let right = path.extension().is_some_and(|e| e == extension);
        path.file_stem().filter(|_| right)?.to_str().and_then(Id::parse)
    }
}
