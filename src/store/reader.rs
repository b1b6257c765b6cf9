//! Getting chunks out of packs: a few decoded blocks are kept, because chunks that belong together were stored together (floor 2).

use super::chunks::{ChunkReader, ChunkSource};
use super::index::Location;
use super::pack::reader::{Decoded, PackReader};
use super::{Error, Store};
use crate::chunk::codec::Decoder;
use crate::entry::ChunkRef;
use crate::id::Id;
use crate::limits::{DECODED_BLOCKS, OPEN_PACKS};
use crate::path::shown_path;
use std::collections::VecDeque;

struct StoreReader<'a> {
    store: &'a Store,
    packs: VecDeque<(Id, PackReader)>,
    blocks: VecDeque<((Id, u64), Decoded)>,
    decoder: Decoder,
}

impl ChunkSource for Store {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
        let (packs, blocks) = (VecDeque::new(), VecDeque::new());
        Ok(Box::new(StoreReader { store: self, packs, blocks, decoder: Decoder::new()? }))
    }
}

impl ChunkReader for StoreReader<'_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
        let found = self.store.with_index(|index| index.find(&chunk.id))?;
        let place = found.filter(|l| l.length == chunk.length).ok_or(Error::MissingChunk(chunk.id))?;
        self.load(&place)?;
        let bytes = self.blocks.front().and_then(|(_, block)| {
            let start = place.offset as usize;
            block.plain.get(start..start.checked_add(place.length as usize)?)
        });
        match bytes {
            Some(bytes) if Id::of(bytes) == chunk.id => Ok(bytes),
            _ => Err(Error::BadBlock { path: shown_path(&self.store.layout.pack(&place.pack)), offset: place.block }),
        }
    }
}

impl StoreReader<'_> {
    /// Brings the block of a chunk to the front.
    fn load(&mut self, place: &Location) -> Result<(), Error> {
        let key = (place.pack, place.block);
        if let Some(at) = self.blocks.iter().position(|(k, _)| *k == key) {
            self.blocks.swap(0, at);
            return Ok(());
        }
        let spare = if self.blocks.len() >= DECODED_BLOCKS { self.blocks.pop_back() } else { None };
        let mut block = spare.map(|(_, block)| block).unwrap_or_default();
        Self::pack(&mut self.packs, self.store, &place.pack)?.block(
            place.block,
            place.span,
            &mut self.decoder,
            &mut block,
        )?;
        self.blocks.push_front((key, block));
        Ok(())
    }

    fn pack<'p>(packs: &'p mut VecDeque<(Id, PackReader)>, store: &Store, name: &Id) -> Result<&'p PackReader, Error> {
        match packs.iter().position(|(n, _)| n == name) {
            Some(0) => {}
            Some(at) => packs.swap(0, at),
            None => {
                packs.truncate(OPEN_PACKS - 1);
                packs.push_front((*name, PackReader::open(&store.layout, name)?));
            }
        }
        packs.front().map(|(_, pack)| pack).ok_or(Error::Gone("no open pack"))
    }
}
