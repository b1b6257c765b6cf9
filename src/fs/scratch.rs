//! Files that may be lost at any time: what is in them can be had again (floor 1).
//!
//! What must stay true: nothing here follows a symlink in its last name, and nothing is synced. Whoever reads proves what was read.

use super::{Error, durable};
use rustix::fs::OFlags;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A file that is appended to and read anywhere.
#[derive(Debug)]
pub struct Scratch {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Scratch {
    /// Opens a file for reading.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let fail = |e: io::Error| Error::new("open", path, e);
        let file = durable::open(path, OFlags::RDONLY).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        Ok(Self { file, path: path.to_path_buf(), length })
    }

    /// Makes an empty one in a folder, which is made if need be. It has a name only as long as this takes.
    pub fn nameless(folder: &Path) -> Result<Self, Error> {
        durable::make_folder(folder)?;
        let path = folder.join(format!("{}{}", durable::TMP, std::process::id()));
        let scratch = Self::create(&path)?;
        durable::remove(&path)?;
        Ok(scratch)
    }

    /// Makes an empty one in place of whatever has its name.
    pub fn create(path: &Path) -> Result<Self, Error> {
        durable::remove_if_any(path)?;
        Ok(Self { file: durable::create(path)?, path: path.to_path_buf(), length: 0 })
    }

    /// Gives it the name that it shall be found by.
    pub fn rename(self, to: &Path) -> Result<(), Error> {
        std::fs::rename(&self.path, to).map_err(|e| Error::new("rename into place", to, e))
    }

    /// Its bytes.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Adds bytes at the end and gives the offset where they begin.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        let at = self.length;
        // Written by offset: after a write that failed in the middle, the next one begins at the same place.
        self.file.write_all_at(bytes, at).map_err(|e| Error::new("write", &self.path, e))?;
        self.length = at.saturating_add(bytes.len() as u64);
        Ok(at)
    }

    /// So many bytes from an offset; an error if there are not so many.
    pub fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, Error> {
        let fail = |e: io::Error| Error::new("read", &self.path, e);
        let end = at.checked_add(length as u64).filter(|end| *end <= self.length);
        end.ok_or_else(|| fail(io::ErrorKind::UnexpectedEof.into()))?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at).map_err(fail)?;
        Ok(bytes)
    }
}
