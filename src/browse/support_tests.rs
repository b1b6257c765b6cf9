//! Manifests and content in memory.

use crate::entry::{ChunkRef, Content, Entry, Extent, Identity, Meta, Node, Time};
use crate::id::Id;
use crate::manifest::build::Builder;
use crate::path::RelPath;
use crate::store;
use crate::store::chunks::ChunkReader;
use std::collections::HashMap;

/// Chunks, and how many were read.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) chunks: HashMap<Id, Vec<u8>>,
    pub(super) reads: usize,
}

impl ChunkReader for Memory {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], store::Error> {
        self.reads += 1;
        self.chunks.get(&chunk.id).map(Vec::as_slice).ok_or(store::Error::MissingChunk(chunk.id))
    }
}

impl Memory {
    pub(super) fn put(&mut self, bytes: &[u8]) -> ChunkRef {
        let chunk = ChunkRef { id: Id::of(bytes), length: u32::try_from(bytes.len()).unwrap() };
        self.chunks.insert(chunk.id, bytes.to_vec());
        chunk
    }

    pub(super) fn data(&mut self, bytes: &[u8]) -> Extent {
        let ChunkRef { id, length } = self.put(bytes);
        Extent::Data { id, length }
    }

    /// A manifest of entries that are in order.
    pub(super) fn manifest(&mut self, entries: &[Entry]) -> ChunkRef {
        let mut sink = |node: ChunkRef, bytes: Vec<u8>| {
            self.chunks.insert(node.id, bytes);
            Ok(())
        };
        let mut builder = Builder::default();
        for entry in entries {
            builder.push(entry, &mut sink).unwrap();
        }
        builder.finish(&mut sink).unwrap()
    }
}

pub(super) fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

pub(super) fn entry(at: &str, node: Node) -> Entry {
    let mtime = Time { seconds: 1_700_000_000, nanoseconds: 5 };
    let meta = Meta { mode: 0o640, uid: 7, gid: 8, mtime, xattrs: Vec::new() };
    Entry { path: path(at), meta, identity: Identity::default(), flags: 0, node }
}

pub(super) fn file(at: &str, extents: Vec<Extent>) -> Entry {
    let size = extents.iter().map(Extent::length).sum();
    entry(at, Node::File { size, content: Content::Direct(extents) })
}

pub(super) fn directory(at: &str) -> Entry {
    entry(at, Node::Directory)
}
