//! A store that is read as it is and that nothing is written to: for `-check` and `--dry-run` (floor 2).
//!
//! New manifest nodes are kept in memory, so that the manifest of a tree that was only looked at can be compared with others; new file content is
//! dropped. What is kept grows with what differs from the store, not with what is in it.

use super::Error;
use super::block::Block;
use super::chunks::{Answer, ChunkReader, ChunkSink, ChunkSource, ChunkStore};
use crate::chunk::codec::Decoder;
use crate::entry::ChunkRef;
use crate::format::pack::BlockKind;
use crate::id::Id;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Manifest nodes that are in no pack.
pub type Nodes = RwLock<HashMap<Id, Arc<[u8]>>>;

/// Reads these nodes, and whatever is behind them.
pub fn reader<'a>(nodes: &'a Nodes, behind: Box<dyn ChunkReader + 'a>) -> Box<dyn ChunkReader + 'a> {
    Box::new(DryReader { nodes, behind, last: Arc::from([]) })
}

/// A store seen through glass.
pub struct Dry<'a> {
    store: Behind<'a>,
    nodes: Nodes,
    given_data: AtomicBool,
}

enum Behind<'a> {
    Lent(&'a dyn ChunkStore),
    Owned(Box<dyn ChunkStore + Send>),
}

impl Behind<'_> {
    fn get(&self) -> &dyn ChunkStore {
        match self {
            Self::Lent(store) => *store,
            Self::Owned(store) => store.as_ref(),
        }
    }
}

impl<'a> Dry<'a> {
    /// Over a real store.
    pub fn new(store: &'a dyn ChunkStore) -> Self {
        Self { store: Behind::Lent(store), nodes: RwLock::default(), given_data: AtomicBool::new(false) }
    }

    /// Over a store of its own.
    pub fn over(store: Box<dyn ChunkStore + Send>) -> Dry<'static> {
        Dry { store: Behind::Owned(store), nodes: RwLock::default(), given_data: AtomicBool::new(false) }
    }

    /// The nodes that came, and that the store does not have.
    pub fn into_nodes(self) -> Nodes {
        self.nodes
    }

    /// Whether content came that the store does not have.
    pub fn was_given_data(&self) -> bool {
        self.given_data.load(Ordering::Relaxed)
    }
}

impl ChunkSink for Dry<'_> {
    fn ask(&self, kind: BlockKind, ids: Vec<Id>) -> Result<Answer<'_>, Error> {
        let answer = self.store.get().ask(kind, ids.clone())?;
        Ok(Box::new(move || {
            let missing = answer()?;
            let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
            Ok(missing.into_iter().zip(ids).map(|(missing, id)| missing && !nodes.contains_key(&id)).collect())
        }))
    }

    fn settle(&self) -> Result<(), Error> {
        Ok(())
    }

    fn put(&self, block: Block) -> Result<(), Error> {
        if block.kind == BlockKind::Data {
            self.given_data.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let mut plain = Vec::new();
        Decoder::new()?.decode(
            block.codec,
            &block.stored,
            usize::try_from(block.plain()).unwrap_or(usize::MAX),
            &mut plain,
        )?;
        let mut rest = plain.as_slice();
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        for chunk in &block.chunks {
            let (node, tail) = rest.split_at_checked(chunk.length as usize).unwrap_or((rest, &[]));
            nodes.insert(chunk.id, node.into());
            rest = tail;
        }
        Ok(())
    }
}

impl ChunkSource for Dry<'_> {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
        Ok(reader(&self.nodes, self.store.get().reader()?))
    }

    fn looks_ahead(&self) -> bool {
        self.store.get().looks_ahead()
    }

    fn expect(&self, mut chunks: Vec<ChunkRef>) {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        chunks.retain(|chunk| !nodes.contains_key(&chunk.id));
        drop(nodes);
        ChunkSource::expect(self.store.get(), chunks);
    }
}

struct DryReader<'a> {
    nodes: &'a Nodes,
    behind: Box<dyn ChunkReader + 'a>,
    last: Arc<[u8]>,
}

impl ChunkReader for DryReader<'_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
        let node = self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(&chunk.id).cloned();
        match node {
            Some(node) => {
                self.last = node;
                Ok(&self.last)
            }
            None => self.behind.read(chunk),
        }
    }

    fn looks_ahead(&self) -> bool {
        self.behind.looks_ahead()
    }

    fn expect(&mut self, chunks: &[ChunkRef]) {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let behind: Vec<ChunkRef> = chunks.iter().filter(|chunk| !nodes.contains_key(&chunk.id)).copied().collect();
        drop(nodes);
        ChunkReader::expect(self.behind.as_mut(), &behind);
    }
}
