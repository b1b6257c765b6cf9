//! Chunks that were read lately, kept in memory for all readers of a store (floor 2): for who goes through many manifests that have most nodes in common.
//!
//! What is kept is bounded; the chunk that was read first goes first.

use super::Error;
use super::chunks::{ChunkReader, ChunkSource};
use crate::entry::ChunkRef;
use crate::id::Id;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store, and what was read of it lately.
pub struct Recent<'a> {
    behind: &'a dyn ChunkSource,
    kept: Mutex<Kept>,
    most: usize,
}

#[derive(Default)]
struct Kept {
    chunks: HashMap<Id, Arc<[u8]>>,
    order: VecDeque<Id>,
    bytes: usize,
}

impl<'a> Recent<'a> {
    /// Keeps so many bytes.
    pub fn new(behind: &'a dyn ChunkSource, most: usize) -> Self {
        Self { behind, kept: Mutex::default(), most }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, id: Id, bytes: &Arc<[u8]>, most: usize) {
        if self.chunks.insert(id, Arc::clone(bytes)).is_none() {
            self.order.push_back(id);
            self.bytes = self.bytes.saturating_add(bytes.len());
        }
        while self.bytes > most
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.chunks.remove(&oldest).map_or(0, |bytes| bytes.len());
            self.bytes = self.bytes.saturating_sub(gone);
        }
    }
}

impl ChunkSource for Recent<'_> {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
        Ok(Box::new(Reader { recent: self, behind: self.behind.reader()?, current: Arc::from([]) }))
    }

    fn looks_ahead(&self) -> bool {
        self.behind.looks_ahead()
    }

    fn expect(&self, mut chunks: Vec<ChunkRef>) {
        let kept = self.kept();
        chunks.retain(|chunk| !kept.chunks.contains_key(&chunk.id));
        drop(kept);
        ChunkSource::expect(self.behind, chunks);
    }
}

struct Reader<'r, 'a> {
    recent: &'r Recent<'a>,
    behind: Box<dyn ChunkReader + 'r>,
    current: Arc<[u8]>,
}

impl ChunkReader for Reader<'_, '_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
        let kept = self.recent.kept().chunks.get(&chunk.id).cloned();
        self.current = if let Some(bytes) = kept {
            bytes
        } else {
            let bytes: Arc<[u8]> = self.behind.read(chunk)?.into();
            self.recent.kept().keep(chunk.id, &bytes, self.recent.most);
            bytes
        };
        Ok(&self.current)
    }

    fn looks_ahead(&self) -> bool {
        self.behind.looks_ahead()
    }

    fn expect(&mut self, chunks: &[ChunkRef]) {
        let kept = self.recent.kept();
        let behind: Vec<ChunkRef> =
            chunks.iter().filter(|chunk| !kept.chunks.contains_key(&chunk.id)).copied().collect();
        drop(kept);
        ChunkReader::expect(self.behind.as_mut(), &behind);
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;
    use crate::entry::ChunkRef;
    use crate::id::Id;
    use crate::store::Error;
    use crate::store::chunks::{ChunkReader, ChunkSource};
    use std::sync::Mutex;

    /// Gives the number of a chunk as often as its length says, and notes what was read.
    #[derive(Default)]
    struct Numbers(Mutex<Vec<u8>>);

    struct NumbersReader<'a>(&'a Numbers, Vec<u8>);

    fn chunk(n: u8) -> ChunkRef {
        ChunkRef { id: Id::from_bytes([n; 32]), length: 10 }
    }

    impl ChunkReader for NumbersReader<'_> {
        fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
            let number = chunk.id.as_bytes()[0];
            self.0.0.lock().unwrap().push(number);
            self.1 = vec![number; chunk.length as usize];
            Ok(&self.1)
        }
    }

    impl ChunkSource for Numbers {
        fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
            Ok(Box::new(NumbersReader(self, Vec::new())))
        }
    }

    #[test]
    fn what_was_read_lately_is_not_read_again_and_what_is_kept_is_bounded() {
        let store = Numbers::default();
        let recent = Recent::new(&store, 30);
        let (mut one, mut other) = (recent.reader().unwrap(), recent.reader().unwrap());
        for n in [1, 2, 3, 1, 2, 3] {
            assert_eq!(one.read(&chunk(n)).unwrap(), [n; 10]);
            assert_eq!(other.read(&chunk(n)).unwrap(), [n; 10]);
        }
        assert_eq!(*store.0.lock().unwrap(), [1, 2, 3]);
        one.read(&chunk(4)).unwrap();
        assert_eq!(recent.kept().bytes, 30);
        other.read(&chunk(3)).unwrap();
        other.read(&chunk(1)).unwrap();
        assert_eq!(*store.0.lock().unwrap(), [1, 2, 3, 4, 1]);
    }
}
