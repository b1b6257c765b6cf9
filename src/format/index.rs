//! Indexes: where each chunk is (format-spec.md, 5; floor 1). Rows of fixed size, so that a file is searched as it lies.

use super::fixed::{Fields, short_checksum};
use super::{Error, VERSION};
use crate::id::Id;

const MAGIC: &[u8; 8] = b"BKUPINDX";
const WHAT: &str = "an index";

/// Length of the header.
pub const HEADER_LEN: usize = 64;
/// Length of a row of the container table.
pub const CONTAINER_ROW: usize = 48;
/// Length of a row of the block table.
pub const BLOCK_ROW: usize = 24;
/// Length of a row of the chunk table.
pub const CHUNK_ROW: usize = 44;

/// How many rows each table has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Containers.
    pub containers: u32,
    /// Blocks.
    pub blocks: u32,
    /// Chunks.
    pub chunks: u64,
}

impl Counts {
    /// The header as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for number in [VERSION, self.containers, self.blocks, 0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.chunks.to_le_bytes());
        bytes.resize(HEADER_LEN - 8, 0);
        let checksum = short_checksum(&[&bytes]);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// From the first 64 bytes of a file that is `file_len` long.
    pub fn decode(bytes: &[u8], file_len: u64) -> Result<Self, Error> {
        let mut fields = Fields::new(bytes, WHAT);
        fields.magic(MAGIC)?;
        fields.version()?;
        let counts = Self { containers: fields.u32()?, blocks: fields.u32()?, chunks: 0 };
        fields.reserved(4)?;
        let counts = Self { chunks: fields.u64()?, ..counts };
        fields.reserved(24)?;
        fields.short_checksum(&[bytes.get(..HEADER_LEN - 8).unwrap_or_default()])?;
        if counts.file_len() == Some(file_len) { Ok(counts) } else { Err(Error::Truncated(WHAT)) }
    }

    /// Where the block table begins.
    pub fn blocks_at(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.containers) * CONTAINER_ROW as u64
    }

    /// Where the chunk table begins.
    pub fn chunks_at(&self) -> u64 {
        self.blocks_at() + u64::from(self.blocks) * BLOCK_ROW as u64
    }

    /// Length of a file with so many rows.
    pub fn file_len(&self) -> Option<u64> {
        self.chunks.checked_mul(CHUNK_ROW as u64)?.checked_add(self.chunks_at())
    }
}

/// A file that holds blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerRow {
    /// For a pack, its name.
    pub name: Id,
    /// Length of the file.
    pub length: u64,
}

impl ContainerRow {
    /// As bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
    }

    /// From one row.
    pub fn decode(row: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::new(row, WHAT);
        let container = Self { name: fields.id()?, length: fields.u64()? };
        // The kind byte is 0 for a pack; another kind needs a newer program, as reserved bytes do.
        fields.reserved(8)?;
        Ok(container)
    }
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Where it begins in its container.
    pub offset: u64,
    /// Number of the container.
    pub container: u32,
    /// Stored length.
    pub stored: u32,
    /// Plain length.
    pub plain: u32,
    /// Number of chunks.
    pub chunks: u32,
}

impl BlockRow {
    /// As bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        for number in [self.container, self.stored, self.plain, self.chunks] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// From one row.
    pub fn decode(row: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::new(row, WHAT);
        Ok(Self {
            offset: fields.u64()?,
            container: fields.u32()?,
            stored: fields.u32()?,
            plain: fields.u32()?,
            chunks: fields.u32()?,
        })
    }
}

/// A chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkRow {
    /// Its id.
    pub id: Id,
    /// Number of the block.
    pub block: u32,
    /// Where it begins in the plain bytes of the block.
    pub offset: u32,
    /// Its plain length.
    pub length: u32,
}

impl ChunkRow {
    /// As bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        for number in [self.block, self.offset, self.length] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// From one row.
    pub fn decode(row: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::new(row, WHAT);
        Ok(Self { id: fields.id()?, block: fields.u32()?, offset: fields.u32()?, length: fields.u32()? })
    }
}
