//! A block of a client on its way into the store (floor 5). Nothing is believed: it is decoded, and every chunk is hashed.

use crate::chunk::codec::Decoder;
use crate::entry::ChunkRef;
use crate::format::pack::BlockHeader;
use crate::id::Id;
use crate::remote::message::{Fault, Packed};
use crate::store::block::Block;

/// Proves blocks. One a thread, for its buffers.
pub(super) struct Prover {
    decoder: Decoder,
    plain: Vec<u8>,
}

impl Prover {
    pub(super) fn new() -> Result<Self, Fault> {
        let decoder = Decoder::new().map_err(|e| Fault::Failed(e.to_string()))?;
        Ok(Self { decoder, plain: Vec::new() })
    }

    /// The plain bytes of the block that was proved last.
    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// A block whose header, lengths, bytes and ids fit each other.
    pub(super) fn prove(&mut self, packed: Packed) -> Result<Block, Fault> {
        let header = BlockHeader::decode(&packed.header)?;
        if u64::try_from(packed.header.len()) != Ok(header.total_len())
            || u32::try_from(packed.stored.len()) != Ok(header.stored)
        {
            return Err(unfit("its length"));
        }
        let lengths = header.check(&packed.header)?;
        let chunks = in_a_row(&packed.chunks, &lengths).ok_or_else(|| unfit("its chunks"))?;
        let decoded = self.decoder.decode(header.codec, &packed.stored, header.plain as usize, &mut self.plain);
        decoded.map_err(|e| {
            Fault::Failed(format!("the client sent a block that cannot be decoded: {e} (it was not stored)"))
        })?;
        prove_ids(&chunks, &self.plain)?;
        Ok(Block { kind: header.kind, codec: header.codec, chunks, stored: packed.stored })
    }
}

/// Proves that these bytes are the chunks, one after the other.
pub(super) fn prove_ids(chunks: &[ChunkRef], mut plain: &[u8]) -> Result<(), Fault> {
    for chunk in chunks {
        let (bytes, rest) = plain.split_at_checked(chunk.length as usize).ok_or_else(|| unfit("its chunks"))?;
        if Id::of(bytes) != chunk.id {
            return Err(unfit(&format!("chunk {}", chunk.id)));
        }
        plain = rest;
    }
    Ok(())
}

/// The chunks, if they have these lengths and lie one after the other.
fn in_a_row(chunks: &[(u32, ChunkRef)], lengths: &[u32]) -> Option<Vec<ChunkRef>> {
    let mut next = 0_u32;
    let mut all = Vec::with_capacity(lengths.len());
    for ((offset, chunk), length) in chunks.iter().zip(lengths) {
        if *offset != next || chunk.length != *length {
            return None;
        }
        next = next.checked_add(*length)?;
        all.push(*chunk);
    }
    (chunks.len() == lengths.len()).then_some(all)
}

pub(super) fn unfit(what: &str) -> Fault {
    Fault::Failed(format!("the client sent a block that is not what it says: {what} (it was not stored)"))
}
