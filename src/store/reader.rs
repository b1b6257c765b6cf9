//! Getting chunks out of packs: a few decoded blocks are kept, because chunks that belong together were stored together (floor 2).
//!
//! Readers are many, one for each worker and more; the packs that are open are few, and all readers share them.

use super::chunks::{ChunkReader, ChunkSource};
use super::index::Location;
use super::layout::Layout;
use super::pack::reader::{Decoded, PackReader, Scratch};
use super::{Error, Store};
use crate::entry::ChunkRef;
use crate::id::Id;
use crate::limits::{DECODED_BLOCKS, OPEN_PACKS};
use crate::path::shown_path;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Packs that are held open; the one that was used last is the first.
#[derive(Debug, Default)]
pub(super) struct OpenPacks(Mutex<VecDeque<(Id, Arc<PackReader>)>>);

impl OpenPacks {
    /// Closes all: what was removed is given back only then.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn get(&self, layout: &Layout, name: &Id) -> Result<Arc<PackReader>, Error> {
        let mut packs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = packs.iter().position(|(known, _)| known == name).and_then(|at| packs.remove(at));
        let pack = known.map_or_else(|| PackReader::open(layout, name).map(Arc::new), |(_, pack)| Ok(pack))?;
        packs.truncate(OPEN_PACKS - 1);
        packs.push_front((*name, Arc::clone(&pack)));
        Ok(pack)
    }
}

struct StoreReader<'a> {
    store: &'a Store,
    blocks: VecDeque<((Id, u64), Decoded)>,
    scratch: Scratch,
}

impl ChunkSource for Store {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
        Ok(Box::new(StoreReader { store: self, blocks: VecDeque::new(), scratch: Scratch::new()? }))
    }
}

impl ChunkReader for StoreReader<'_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
        let seen = self.store.renewals();
        let place = match self.reach(chunk) {
            Err(e) if self.store.renew(&e, seen) => self.reach(chunk),
            place => place,
        }?;
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
    /// Brings the block of a chunk to the front, and tells where the chunk is.
    fn reach(&mut self, chunk: &ChunkRef) -> Result<Location, Error> {
        let found = self.store.with_index(|index| index.find(&chunk.id))?;
        let place = found.filter(|l| l.length == chunk.length).ok_or(Error::MissingChunk(chunk.id))?;
        self.load(&place)?;
        Ok(place)
    }

    /// Brings the block of a chunk to the front.
    fn load(&mut self, place: &Location) -> Result<(), Error> {
        let key = (place.pack, place.block);
        if let Some(at) = self.blocks.iter().position(|(k, _)| *k == key) {
            self.blocks.swap(0, at);
            return Ok(());
        }
        let spare = if self.blocks.len() >= DECODED_BLOCKS { self.blocks.pop_back() } else { None };
        let mut block = spare.map(|(_, block)| block).unwrap_or_default();
        let pack = self.store.open.get(&self.store.layout, &place.pack)?;
        pack.block(place.block, place.span, &mut self.scratch, &mut block)?;
        self.blocks.push_front((key, block));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Store;
    use crate::chunk::codec::Encoder;
    use crate::chunk::cut::Chunker;
    use crate::entry::ChunkRef;
    use crate::format::config::{Config, StoreId};
    use crate::format::pack::BlockKind;
    use crate::id::Id;
    use crate::limits::OPEN_PACKS;
    use crate::store::block::Block;
    use crate::store::chunks::{ChunkSink, ChunkSource};

    #[test]
    fn all_readers_share_few_open_packs() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { store: StoreId(7), chunker: Chunker::default() };
        let store = Store::create(&folder.path().join("s"), config).unwrap();
        let chunks: Vec<_> = (0..3 * OPEN_PACKS).map(|n| format!("chunk {n}").into_bytes()).collect();
        let name = |bytes: &Vec<u8>| ChunkRef { id: Id::of(bytes), length: u32::try_from(bytes.len()).unwrap() };
        for chunk in &chunks {
            let block = Block::encode(BlockKind::Data, vec![name(chunk)], chunk, &mut Encoder::new().unwrap());
            store.put(block.unwrap()).unwrap();
            store.settle().unwrap();
        }
        assert_eq!(store.packs().unwrap().len(), chunks.len());
        let mut readers: Vec<_> = (0..4).map(|_| store.reader().unwrap()).collect();
        for round in 0..2 * chunks.len() {
            for (n, reader) in readers.iter_mut().enumerate() {
                let chunk = &chunks[(round * (n + 1)) % chunks.len()];
                assert_eq!(reader.read(&name(chunk)).unwrap(), chunk);
                assert!(store.open.0.lock().unwrap().len() <= OPEN_PACKS);
            }
        }
    }
}
