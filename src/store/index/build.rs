//! Writes an index: of packs that have none yet, or of any tables (floor 2). These pass through: only what is new is in memory.

use crate::format::index::{BlockRow, ChunkRow, ContainerRow, Counts};
use crate::fs::{Error as FsError, durable};
use crate::id::Id;
use crate::limits::INDEX_PIECE;
use crate::store::Error;
use crate::store::layout::Layout;
use crate::store::pack::writer::FinishedPack;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The rows of an index that is not written yet.
#[derive(Debug, Default)]
pub struct Pending {
    containers: Vec<ContainerRow>,
    blocks: Vec<BlockRow>,
    chunks: HashMap<Id, ChunkRow>,
}

impl Pending {
    /// Adds all chunks of a durable pack. One that is there already keeps its first place.
    pub fn add(&mut self, pack: &FinishedPack) -> Result<(), Error> {
        let container = number(self.containers.len() as u64)?;
        self.containers.push(ContainerRow { name: pack.name, length: pack.length });
        for row in &pack.rows {
            let block = number(self.blocks.len() as u64)?;
            let header = &row.header;
            let (stored, plain, chunks) = (header.stored, header.plain, header.chunks);
            self.blocks.push(BlockRow { offset: row.offset.into(), container, stored, plain, chunks });
            let mut offset = 0;
            for chunk in &row.chunks {
                self.chunks.entry(chunk.id).or_insert(ChunkRow { id: chunk.id, block, offset, length: chunk.length });
                offset += chunk.length;
            }
        }
        Ok(())
    }

    /// Number of chunks.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty()
    }

    /// Whether a chunk is here.
    pub fn contains(&self, id: &Id) -> bool {
        self.chunks.contains_key(id)
    }

    /// Writes the index durably and gives its path.
    pub fn write(self, layout: &Layout) -> Result<PathBuf, Error> {
        let Self { containers, blocks, chunks } = self;
        let mut chunks: Vec<ChunkRow> = chunks.into_values().collect();
        chunks.sort_unstable();
        write(layout, &Sorted { containers, blocks, chunks })
    }
}

/// The tables of an index to be written.
pub trait Tables {
    /// How many rows there are; of chunks there may be fewer.
    fn counts(&self) -> Result<Counts, Error>;
    /// The containers.
    fn containers(&self) -> impl Iterator<Item = Result<ContainerRow, Error>>;
    /// The blocks.
    fn blocks(&self) -> impl Iterator<Item = Result<BlockRow, Error>>;
    /// The chunks, sorted.
    fn chunks(&self) -> Result<impl Iterator<Item = Result<ChunkRow, Error>>, Error>;
}

/// Tables in memory.
#[derive(Debug, Default)]
pub struct Sorted {
    /// The containers.
    pub containers: Vec<ContainerRow>,
    /// The blocks.
    pub blocks: Vec<BlockRow>,
    /// The chunks, sorted, each once.
    pub chunks: Vec<ChunkRow>,
}

impl Tables for Sorted {
    fn counts(&self) -> Result<Counts, Error> {
        let (containers, blocks) = (number(self.containers.len() as u64)?, number(self.blocks.len() as u64)?);
        Ok(Counts { containers, blocks, chunks: self.chunks.len() as u64 })
    }

    fn containers(&self) -> impl Iterator<Item = Result<ContainerRow, Error>> {
        self.containers.iter().copied().map(Ok)
    }

    fn blocks(&self) -> impl Iterator<Item = Result<BlockRow, Error>> {
        self.blocks.iter().copied().map(Ok)
    }

    fn chunks(&self) -> Result<impl Iterator<Item = Result<ChunkRow, Error>>, Error> {
        Ok(self.chunks.iter().copied().map(Ok))
    }
}

/// A number of containers or blocks as an index has it.
pub fn number(rows: u64) -> Result<u32, Error> {
    u32::try_from(rows).map_err(|_| Error::Unstorable(crate::format::Error::Limit("an index")))
}

/// Writes an index of these tables durably and gives its path. Where there are fewer chunks than was said, which is rare, it is written once more.
pub fn write(layout: &Layout, tables: &impl Tables) -> Result<PathBuf, Error> {
    let aside = layout.indexes().join(format!("{}index", durable::TMP));
    let mut counts = tables.counts()?;
    loop {
        durable::remove_if_any(&aside)?;
        let mut output = Output::new(&aside)?;
        let chunks = output.all(counts, tables)?;
        if chunks == counts.chunks {
            let path = layout.index(&output.finish()?);
            durable::publish(&aside, &path)?;
            return Ok(path);
        }
        counts.chunks = chunks;
    }
}

/// A file that is being written, and its hash.
struct Output<'p> {
    path: &'p Path,
    file: File,
    bytes: Vec<u8>,
    hasher: blake3::Hasher,
}

impl<'p> Output<'p> {
    fn new(path: &'p Path) -> Result<Self, Error> {
        let (file, bytes, hasher) = (durable::create(path)?, Vec::new(), blake3::Hasher::new());
        Ok(Self { path, file, bytes, hasher })
    }

    /// Writes all tables below a header with these counts; gives the number of chunks.
    fn all(&mut self, counts: Counts, tables: &impl Tables) -> Result<u64, Error> {
        self.bytes.extend_from_slice(&counts.encode());
        for row in tables.containers() {
            row?.encode(&mut self.bytes);
            self.flush(INDEX_PIECE)?;
        }
        for row in tables.blocks() {
            row?.encode(&mut self.bytes);
            self.flush(INDEX_PIECE)?;
        }
        let mut chunks = 0;
        for row in tables.chunks()? {
            row?.encode(&mut self.bytes);
            self.flush(INDEX_PIECE)?;
            chunks += 1;
        }
        Ok(chunks)
    }

    /// Writes what has gathered, if it is so much.
    fn flush(&mut self, least: usize) -> Result<(), Error> {
        if self.bytes.len() >= least {
            self.hasher.update(&self.bytes);
            self.file.write_all(&self.bytes).map_err(|e| FsError::new("write", self.path, e))?;
            self.bytes.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Id, Error> {
        self.flush(0)?;
        self.file.sync_all().map_err(|e| FsError::new("write", self.path, e))?;
        Ok(Id::from_bytes(*self.hasher.finalize().as_bytes()))
    }
}
