//! New blocks on their way into the store, whole or made of what it has (floor 5).
//!
//! What must stay true: whatever steps make is proved, chunk by chunk, before it is stored; its length is bounded before it is made; and of old chunks a
//! client is told sums only, under a salt that it does not choose.

use super::fault::out_of_turn;
use super::held::Mirror;
use super::put::{Prover, prove_ids, unfit};
use crate::chunk::codec::Encoder;
use crate::entry::ChunkRef;
use crate::format::pack::BlockKind;
use crate::fs::clock;
use crate::limits::{ALIKE_BLOCK, ALIKE_BYTES, BLOCK_MAX, FETCH_CHUNKS};
use crate::mirror::service::MirrorService;
use crate::remote::delta::{Signature, follow};
use crate::remote::message::{Answer, Ask, Fault, Patch};
use crate::store::block::Block;
use crate::store::chunks::ChunkReader;

/// Puts blocks. One a thread, for its tools.
pub(super) struct Patcher {
    prover: Prover,
    encoder: Encoder,
}

impl Patcher {
    pub(super) fn new() -> Result<Self, Fault> {
        let encoder = Encoder::new().map_err(|e| Fault::Failed(e.to_string()))?;
        Ok(Self { prover: Prover::new()?, encoder })
    }

    /// Puts a block into the store, unless all of it is there.
    pub(super) fn put(&mut self, ask: Ask, mirror: &Mirror) -> Result<(), Fault> {
        mirror.put(match ask {
            Ask::Put(packed) => self.prover.prove(packed)?,
            Ask::Patch(patch) => self.make(patch, mirror.service())?,
            _ => return Err(out_of_turn("nothing to put")),
        })
    }

    fn make(&mut self, patch: Patch, store: &dyn MirrorService) -> Result<Block, Fault> {
        let Patch { chunks, old, steps, sent } = patch;
        let is_sound = chunks.iter().all(|chunk| chunk.length > 0) && length(&chunks) <= BLOCK_MAX as u64;
        if !is_sound || length(&old) > ALIKE_BYTES {
            return Err(unfit("its length"));
        }
        let old = together(store.reader()?.as_mut(), &old)?;
        let kind: BlockKind = self.prover.prove(sent)?.kind;
        let plain = follow(&steps, &old, self.prover.plain(), usize::try_from(length(&chunks)).unwrap_or_default());
        let plain = plain.ok_or_else(|| unfit("its steps"))?;
        prove_ids(&chunks, &plain)?;
        Ok(Block::encode(kind, chunks, &plain, &mut self.encoder)?)
    }
}

/// The sums of old bytes; of what cannot be read there are none.
pub(super) fn signatures(store: &dyn MirrorService, wanted: &[Vec<ChunkRef>]) -> Result<Answer, Fault> {
    let bytes = wanted.iter().fold(0_u64, |sum, old| sum.saturating_add(length(old)));
    if wanted.len() > FETCH_CHUNKS || bytes > ALIKE_BYTES {
        return Err(out_of_turn("too many sums at once"));
    }
    let random = clock::random().map_err(|e| Fault::Failed(e.to_string()))?;
    let salt = u64::try_from(random >> 64).unwrap_or_default();
    let mut reader = store.reader()?;
    let sign = |old: &Vec<ChunkRef>| Some(Signature::of(&together(reader.as_mut(), old).ok()?, ALIKE_BLOCK, salt));
    Ok(Answer::Signatures(wanted.iter().map(sign).collect()))
}

fn length(chunks: &[ChunkRef]) -> u64 {
    chunks.iter().fold(0, |sum, chunk| sum.saturating_add(u64::from(chunk.length)))
}

/// The bytes of chunks, one after the other.
fn together(reader: &mut dyn ChunkReader, chunks: &[ChunkRef]) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    for chunk in chunks {
        all.extend_from_slice(reader.read(chunk)?);
    }
    Ok(all)
}
