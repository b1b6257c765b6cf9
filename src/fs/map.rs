//! Mapped files (floor 1). Only our own immutable store files are ever mapped: a file that someone cuts while it is mapped kills the process.

use super::Error;
use memmap2::Mmap;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;

/// A read-only view of a whole file.
#[derive(Debug)]
pub struct Map(Option<Mmap>);

impl Map {
    /// Maps a file of the store, which has this path.
    pub fn of(file: &File, path: &Path) -> Result<Self, Error> {
        let length = file.metadata().map_err(|e| Error::new("look at", path, e))?.len();
        if length == 0 {
            return Ok(Self(None));
        }
        #[expect(
            unsafe_code,
            reason = "store files are immutable and their folder is ours alone (0700): nobody cuts them under us"
        )]
        // SAFETY: see the reason above; the file is opened read-only and never modified after its rename into place.
        let map = unsafe { Mmap::map(file) };
        Ok(Self(Some(map.map_err(|e| Error::new("map", path, e))?)))
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
