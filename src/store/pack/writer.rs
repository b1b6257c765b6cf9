//! Writes one pack: blocks as they come, then table of contents and footer; the name is the hash of all bytes (floor 2).

use crate::format::pack::{self, BlockRow};
use crate::fs::content::write_at;
use crate::fs::writeback::Writeback;
use crate::fs::{Error as FsError, durable};
use crate::id::Id;
use crate::store::Error;
use crate::store::block::Block;
use crate::store::layout::Layout;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A pack that is being written, under a temporary name.
#[derive(Debug)]
pub struct PackWriter {
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    length: u64,
    rows: Vec<BlockRow>,
    chunks: usize,
    writeback: Writeback,
}

/// A pack that is durable.
#[derive(Debug)]
pub struct FinishedPack {
    /// Its name.
    pub name: Id,
    /// Length of the file.
    pub length: u64,
    /// Its blocks in order.
    pub rows: Vec<BlockRow>,
}

impl PackWriter {
    /// Begins a pack; `number` tells it apart from all others of the run.
    pub fn create(layout: &Layout, number: u64) -> Result<Self, Error> {
        let path = layout.packs().join(format!("{}{number}.pack", durable::TMP));
        durable::remove_if_any(&path)?;
        let file = durable::create(&path)?;
        let (hasher, rows, writeback) = (blake3::Hasher::new(), Vec::new(), Writeback::default());
        let mut writer = Self { path, file, hasher, length: 0, rows, chunks: 0, writeback };
        writer.write(&pack::encode_header())?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        write_at(&self.file, self.length, bytes).map_err(|e| FsError::new("write", &self.path, e))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        self.writeback.reached(&self.file, self.length);
        Ok(())
    }

    /// Appends a block.
    pub fn append(&mut self, block: Block) -> Result<(), Error> {
        let header = block.header()?;
        let offset =
            u32::try_from(self.length).map_err(|_| Error::Unstorable(crate::format::Error::Limit("a pack")))?;
        self.write(&header.encode(block.chunks.iter().map(|c| c.length)))?;
        self.write(&block.stored)?;
        self.chunks += block.chunks.len();
        self.rows.push(BlockRow { offset, header, chunks: block.chunks });
        Ok(())
    }

    /// Bytes so far.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Chunks so far.
    pub const fn chunks(&self) -> usize {
        self.chunks
    }

    /// Ends the pack and makes it durable under its name.
    pub fn finish(mut self, layout: &Layout) -> Result<FinishedPack, Error> {
        let tail = pack::encode_tail(self.length, &self.rows);
        self.write(&tail)?;
        self.file.sync_data().map_err(|e| FsError::new("sync", &self.path, e))?;
        let name = Id::from_bytes(*self.hasher.finalize().as_bytes());
        publish(&self.path, layout, &name)?;
        Ok(FinishedPack { name, length: self.length, rows: self.rows })
    }
}

/// Puts a pack that is written and synced under its name, durably.
pub fn publish(aside: &Path, layout: &Layout, name: &Id) -> Result<(), Error> {
    let path = layout.pack(name);
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        durable::make_folder(folder)?;
        durable::sync_folder(&layout.packs())?;
    }
    Ok(durable::publish(aside, &path)?)
}
