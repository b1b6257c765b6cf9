//! Writes an index from packs that have none yet (floor 2).

use crate::format::index::{BlockRow, ChunkRow, ContainerRow, Counts};
use crate::fs::{Error as FsError, durable};
use crate::id::Id;
use crate::store::Error;
use crate::store::layout::Layout;
use crate::store::pack::writer::FinishedPack;
use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

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
        let over = |_| Error::Unstorable(crate::format::Error::Limit("an index"));
        let container = u32::try_from(self.containers.len()).map_err(over)?;
        self.containers.push(ContainerRow { name: pack.name, length: pack.length });
        for row in &pack.rows {
            let block = u32::try_from(self.blocks.len()).map_err(over)?;
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
        let mut chunks: Vec<ChunkRow> = self.chunks.into_values().collect();
        chunks.sort_unstable();
        write(layout, &self.containers, &self.blocks, chunks.len() as u64, chunks.into_iter().map(Ok))
    }
}

/// Writes an index of these tables; `chunks` must come sorted and be `count` in number.
pub fn write(
    layout: &Layout,
    containers: &[ContainerRow],
    blocks: &[BlockRow],
    count: u64,
    chunks: impl Iterator<Item = Result<ChunkRow, Error>>,
) -> Result<PathBuf, Error> {
    let over = |_| Error::Unstorable(crate::format::Error::Limit("an index"));
    let aside = layout.indexes().join(format!("{}index", durable::TMP));
    durable::remove_if_any(&aside)?;
    let fail = |e| Error::Fs(FsError::new("write", &aside, e));
    let mut file = BufWriter::with_capacity(1 << 18, durable::create(&aside)?);
    let mut hasher = blake3::Hasher::new();
    let mut emit = |bytes: &[u8]| {
        hasher.update(bytes);
        file.write_all(bytes).map_err(fail)
    };
    let (c, b) = (u32::try_from(containers.len()).map_err(over)?, u32::try_from(blocks.len()).map_err(over)?);
    emit(&Counts { containers: c, blocks: b, chunks: count }.encode())?;
    let mut tables = Vec::new();
    for row in containers {
        row.encode(&mut tables);
    }
    for row in blocks {
        row.encode(&mut tables);
    }
    emit(&tables)?;
    let mut bytes = Vec::new();
    for chunk in chunks {
        chunk?.encode(&mut bytes);
        if bytes.len() > 1 << 17 {
            emit(&bytes)?;
            bytes.clear();
        }
    }
    emit(&bytes)?;
    file.into_inner().map_err(|e| fail(e.into_error()))?.sync_all().map_err(fail)?;
    let path = layout.index(&Id::from_bytes(*hasher.finalize().as_bytes()));
    durable::publish(&aside, &path)?;
    Ok(path)
}
