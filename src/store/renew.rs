//! A store that is only read, while others write to it (floor 2): packs come, and packs go when what is still wanted of them is in others.
//!
//! Its indexes are those that were there when it was opened. When a chunk is not found by them, they are looked at again.

use super::index::set::IndexSet;
use super::{Error, Store};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl Store {
    /// From now on it is only read, and what others do to it is noticed.
    #[must_use]
    pub fn only_read(self) -> Self {
        Self { is_only_read: true, ..self }
    }

    /// How often its indexes were looked at again.
    pub fn renewals(&self) -> u64 {
        self.renewals.load(Ordering::Acquire)
    }

    /// After an error, and so many renewals when that was begun which failed: whether it may go well now.
    pub fn renew(&self, why: &Error, seen: u64) -> bool {
        let may_have_moved = match why {
            Error::MissingChunk(_) => true,
            Error::Fs(e) => e.is_missing(),
            _ => false,
        };
        if !self.is_only_read || !may_have_moved {
            return false;
        }
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if self.renewals() != seen {
            return true;
        }
        match IndexSet::open(&self.layout) {
            Ok(now) if !now.is_same(&index) => *index = now,
            _ => return false,
        }
        self.renewals.fetch_add(1, Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::chunk::codec::Encoder;
    use crate::chunk::cut::Chunker;
    use crate::entry::ChunkRef;
    use crate::format::config::{Config, StoreId};
    use crate::format::pack::BlockKind;
    use crate::id::Id;
    use crate::store::Store;
    use crate::store::block::Block;
    use crate::store::chunks::{ChunkSink, ChunkSource};
    use std::fs;

    fn put(store: &Store, chunks: &[&[u8]]) {
        let name = |bytes: &&[u8]| ChunkRef { id: Id::of(bytes), length: u32::try_from(bytes.len()).unwrap() };
        let refs = chunks.iter().map(name).collect();
        let block = Block::encode(BlockKind::Data, refs, &chunks.concat(), &mut Encoder::new().unwrap());
        store.put(block.unwrap()).unwrap();
        store.settle().unwrap();
    }

    fn read(store: &Store, bytes: &[u8]) -> bool {
        let chunk = ChunkRef { id: Id::of(bytes), length: u32::try_from(bytes.len()).unwrap() };
        let mut reader = store.reader().unwrap();
        reader.read(&chunk).is_ok_and(|found| found == bytes)
    }

    #[test]
    fn what_others_add_and_move_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("s");
        let store = Store::create(&root, Config { store: StoreId(7), chunker: Chunker::default() }).unwrap();
        put(&store, &[b"one"]);
        let (seen, blind) = (Store::open(&root).unwrap().only_read(), Store::open(&root).unwrap());
        put(&store, &[b"two"]);
        assert!(read(&seen, b"one") && read(&seen, b"two") && !read(&seen, b"three"));
        assert_eq!(seen.renewals(), 1, "what is nowhere is not looked for again while nothing changes");
        assert!(!read(&blind, b"two"));
        // What is wanted of a pack is written to another one, then it goes.
        let old: Vec<_> = store.packs().unwrap().iter().map(|(name, _)| store.layout().pack(name)).collect();
        let indexes: Vec<_> = fs::read_dir(root.join("index")).unwrap().map(|item| item.unwrap().path()).collect();
        put(&store, &[b"two", b"one"]);
        old.iter().chain(&indexes).for_each(|path| fs::remove_file(path).unwrap());
        let fresh = Store::open(&root).unwrap().only_read();
        assert!(read(&fresh, b"one") && read(&fresh, b"two"));
        // Its packs are open, or it looks again.
        assert!(read(&seen, b"one") && read(&seen, b"two"));
    }
}
