//! What several benches need.

use backup::entry::{ChunkRef, Entry};
use backup::id::Id;
use backup::manifest::build::Builder;
use backup::manifest::cursor::Cursor;
use backup::store::Error;
use backup::store::chunks::{ChunkReader, ChunkSource};
use std::collections::BTreeMap;

/// Chunks by id; nothing is compressed, so that only the manifest's own work is measured, and no key of chance hashes.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) BTreeMap<Id, Vec<u8>>);

struct Reader<'a>(&'a Memory);

impl ChunkSource for Memory {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
        Ok(Box::new(Reader(self)))
    }
}

impl ChunkReader for Reader<'_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
        self.0.0.get(&chunk.id).map(Vec::as_slice).ok_or(Error::MissingChunk(chunk.id))
    }
}

impl Memory {
    /// At the beginning of a manifest.
    pub(crate) fn cursor(&self, root: ChunkRef) -> Cursor<'_> {
        Cursor::new(root, self.reader().unwrap()).unwrap()
    }

    /// Makes a manifest and gives its root.
    pub(crate) fn build(&mut self, entries: &[Entry]) -> ChunkRef {
        let mut sink = |node: ChunkRef, bytes: Vec<u8>| {
            self.0.insert(node.id, bytes);
            Ok(())
        };
        let mut builder = Builder::default();
        for entry in entries {
            builder.push(entry, &mut sink).unwrap();
        }
        builder.finish(&mut sink).unwrap()
    }
}
