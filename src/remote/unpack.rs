//! Blocks that came over a line, opened (floor 5).
//!
//! What must stay true: a chunk is given out only if its bytes hash to its name; a block is decoded only within the limits of its header, and of what it
//! holds only the chunks that were asked for are kept.

use super::message::Packed;
use crate::chunk::codec::Decoder;
use crate::entry::ChunkRef;
use crate::format::pack::BlockHeader;
use crate::id::Id;
use std::collections::HashMap;
use std::sync::Arc;

/// The plain bytes of a chunk.
pub type Bytes = Arc<Vec<u8>>;

/// The wanted chunks of a block; nothing if it is not what it says.
pub(super) fn unpack(block: &Packed, wanted: &HashMap<Id, u32>, decoder: &mut Decoder) -> Option<Vec<(Id, Bytes)>> {
    let plain = decode(block, decoder)?;
    let is_wanted = |chunk: &ChunkRef| wanted.get(&chunk.id) == Some(&chunk.length);
    let mut found = Vec::new();
    if let [(0, only)] = block.chunks.as_slice()
        && plain.len() == only.length as usize
    {
        let whole = is_wanted(only) && Id::of(&plain) == only.id;
        return whole.then(|| vec![(only.id, Arc::new(plain))]);
    }
    for (offset, chunk) in block.chunks.iter().filter(|(_, chunk)| is_wanted(chunk)) {
        found.push((chunk.id, Arc::new(slice(&plain, *offset, chunk)?.to_vec())));
    }
    Some(found)
}

/// The block with those of its chunks that were proved.
pub(super) fn only(mut block: Packed, proved: &[(Id, Bytes)]) -> Packed {
    block.chunks.retain(|(_, chunk)| proved.iter().any(|(id, _)| *id == chunk.id));
    block
}

/// The plain bytes of a block. Its header has the limits; what it holds is not proved yet.
pub(super) fn decode(block: &Packed, decoder: &mut Decoder) -> Option<Vec<u8>> {
    let header = BlockHeader::decode(&block.header).ok()?;
    let mut plain = Vec::new();
    decoder.decode(header.codec, &block.stored, header.plain as usize, &mut plain).ok()?;
    Some(plain)
}

/// A chunk in the plain bytes of its block, if it is there.
pub(super) fn slice<'p>(plain: &'p [u8], offset: u32, chunk: &ChunkRef) -> Option<&'p [u8]> {
    let start = offset as usize;
    let bytes = plain.get(start..start.checked_add(chunk.length as usize)?)?;
    (Id::of(bytes) == chunk.id).then_some(bytes)
}
