//! Writes what is needed of a pack to new ones (floor 2). Every chunk is hashed on the way; a block that is needed as a whole is copied as it is, of
//! others what is needed is encoded anew, and decoded again before it counts.

use super::live::Live;
use crate::chunk::codec::{Decoder, Encoder};
use crate::entry::ChunkRef;
use crate::format::pack::{BlockKind, BlockRow};
use crate::id::Id;
use crate::limits::{BLOCK_TARGET, GATHER_BELOW, GATHER_CHUNKS, MANIFEST_BLOCK};
use crate::store::block::Block;
use crate::store::chunks::ChunkSink;
use crate::store::index::Location;
use crate::store::pack::reader::{Decoded, PackReader};
use crate::store::{Error, Store};

/// Copies what is needed; what was begun is put by [`Copier::end`].
pub struct Copier<'s> {
    store: &'s Store,
    live: &'s Live,
    decoder: Decoder,
    encoder: Encoder,
    block: Decoded,
    proof: Vec<u8>,
    /// Small chunks of each kind on their way to a block.
    gathered: [Gathered; 2],
}

#[derive(Default)]
struct Gathered {
    chunks: Vec<ChunkRef>,
    plain: Vec<u8>,
}

impl<'s> Copier<'s> {
    /// Copies within a store.
    pub fn new(store: &'s Store, live: &'s Live) -> Result<Self, Error> {
        let (decoder, encoder) = (Decoder::new()?, Encoder::new()?);
        let (block, proof, gathered) = Default::default();
        Ok(Self { store, live, decoder, encoder, block, proof, gathered })
    }

    /// Copies what is needed of a pack. If it is damaged, some of it may have been copied.
    pub fn pack(&mut self, name: &Id) -> Result<(), Error> {
        let pack = PackReader::open(&self.store.layout, name)?;
        for row in pack.contents()? {
            let needed = self.needed(name, &row)?;
            if !needed.contains(&true) {
                continue;
            }
            let offset = u64::from(row.offset);
            let raw = pack.raw(offset, row.header.total_len() + u64::from(row.header.stored))?;
            let plain = row.header.plain as usize;
            let decoded = self.decoder.decode(raw.header.codec, &raw.stored, plain, &mut self.block.plain);
            decoded.map_err(|_| pack.bad(offset))?;
            let chunks = pieces(&row.chunks, &self.block.plain).ok_or_else(|| pack.bad(offset))?;
            let is_bad = |((chunk, bytes), needed): (&(ChunkRef, &[u8]), &bool)| *needed && Id::of(bytes) != chunk.id;
            if chunks.iter().zip(&needed).any(is_bad) {
                return Err(pack.bad(offset));
            }
            if !needed.contains(&false) {
                let (kind, codec) = (raw.header.kind, raw.header.codec);
                self.store.put(Block { kind, codec, chunks: row.chunks, stored: raw.stored })?;
                continue;
            }
            let needed: Vec<_> = chunks.into_iter().zip(needed).filter(|(_, needed)| *needed).collect();
            let needed: Vec<(ChunkRef, Vec<u8>)> = needed.into_iter().map(|((c, b), _)| (c, b.to_vec())).collect();
            needed.into_iter().try_for_each(|(chunk, bytes)| self.gather(row.header.kind, chunk, &bytes))?;
        }
        Ok(())
    }

    /// Which chunks of a block are needed, and of all places where they are, here.
    fn needed(&self, pack: &Id, row: &BlockRow) -> Result<Vec<bool>, Error> {
        let mut offset = 0_u32;
        let mut needed = Vec::with_capacity(row.chunks.len());
        for chunk in &row.chunks {
            let place = self.live.place(&chunk.id)?;
            needed.push(place.is_some_and(|place| is_at(&place, pack, row.offset.into(), offset)));
            offset = offset.saturating_add(chunk.length);
        }
        Ok(needed)
    }

    fn gather(&mut self, kind: BlockKind, chunk: ChunkRef, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() >= GATHER_BELOW {
            return self.put(kind, Gathered { chunks: vec![chunk], plain: bytes.to_vec() });
        }
        let target = if kind == BlockKind::Data { BLOCK_TARGET } else { MANIFEST_BLOCK };
        let Some(gathered) = self.gathered.get_mut(kind as usize) else { return Ok(()) };
        gathered.chunks.push(chunk);
        gathered.plain.extend_from_slice(bytes);
        if gathered.plain.len() >= target || gathered.chunks.len() >= GATHER_CHUNKS {
            let full = std::mem::take(gathered);
            return self.put(kind, full);
        }
        Ok(())
    }

    fn put(&mut self, kind: BlockKind, gathered: Gathered) -> Result<(), Error> {
        let Gathered { chunks, plain } = gathered;
        if chunks.is_empty() {
            return Ok(());
        }
        let block = Block::encode(kind, chunks, &plain, &mut self.encoder)?;
        self.decoder.decode(block.codec, &block.stored, plain.len(), &mut self.proof)?;
        if self.proof != plain {
            return Err(Error::Gone("what was compressed does not decode to what it was"));
        }
        self.store.put(block)
    }

    /// Puts what was gathered, and makes all that was copied durable and readable.
    pub fn end(&mut self) -> Result<(), Error> {
        for kind in [BlockKind::Data, BlockKind::Manifest] {
            let rest = self.gathered.get_mut(kind as usize).map(std::mem::take).unwrap_or_default();
            self.put(kind, rest)?;
        }
        self.store.settle()
    }
}

/// Whether a place is this one.
pub(super) fn is_at(place: &Location, pack: &Id, block: u64, offset: u32) -> bool {
    place.pack == *pack && place.block == block && place.offset == offset
}

/// The bytes of each chunk, which lie one after the other.
fn pieces<'p>(chunks: &[ChunkRef], mut plain: &'p [u8]) -> Option<Vec<(ChunkRef, &'p [u8])>> {
    let mut pieces = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let (piece, rest) = plain.split_at_checked(chunk.length as usize)?;
        pieces.push((*chunk, piece));
        plain = rest;
    }
    Some(pieces)
}
