//! A block on its way into a pack: chunks that were compressed together (floor 2).

use super::Error;
use crate::chunk::codec::{Codec, Encoder};
use crate::entry::ChunkRef;
use crate::format::pack::{BlockHeader, BlockKind};

/// An encoded block.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it holds.
    pub kind: BlockKind,
    /// How the bytes were made.
    pub codec: Codec,
    /// Its chunks, in order.
    pub chunks: Vec<ChunkRef>,
    /// The encoded bytes.
    pub stored: Vec<u8>,
}

impl Block {
    /// Encodes chunks that lie one after the other in `plain`.
    pub fn encode(kind: BlockKind, chunks: Vec<ChunkRef>, plain: &[u8], encoder: &mut Encoder) -> Result<Self, Error> {
        let (codec, stored) = encoder.encode(plain)?;
        Ok(Self { kind, codec, chunks, stored: stored.to_vec() })
    }

    /// Length of the plain bytes.
    pub fn plain(&self) -> u64 {
        self.chunks.iter().map(|c| u64::from(c.length)).sum()
    }

    /// The header that goes before the bytes.
    pub fn header(&self) -> Result<BlockHeader, Error> {
        let over = |_| Error::Unstorable(crate::format::Error::Limit("a block"));
        Ok(BlockHeader {
            codec: self.codec,
            kind: self.kind,
            chunks: u32::try_from(self.chunks.len()).map_err(over)?,
            plain: u32::try_from(self.plain()).map_err(over)?,
            stored: u32::try_from(self.stored.len()).map_err(over)?,
        })
    }
}
