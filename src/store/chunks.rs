//! The two traits by which everything above reaches chunks, whether the store is on this host or behind a pipe (floor 2).

use super::Error;
use super::block::Block;
use crate::entry::ChunkRef;
use crate::id::Id;
use std::sync::Arc;

/// Where chunks come from.
pub trait ChunkSource: Sync {
    /// A reader with caches of its own, for one thread.
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error>;
}

/// Reads chunks; fastest when they are asked for in the order in which they were stored.
pub trait ChunkReader: Send {
    /// The plain bytes of a chunk, proved to be those that its id names.
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error>;
}

/// Where new chunks go.
pub trait ChunkSink: Sync {
    /// For each id, whether the store still lacks it.
    fn missing(&self, ids: &[Id]) -> Result<Vec<bool>, Error>;

    /// Takes a block; it is durable and readable only when the store has settled.
    fn put(&self, block: Block) -> Result<(), Error>;

    /// Makes everything that was put durable and readable.
    fn settle(&self) -> Result<(), Error>;
}

/// Both: all that taking a snapshot needs of a store.
pub trait ChunkStore: ChunkSource + ChunkSink {}

impl<T: ChunkSource + ChunkSink> ChunkStore for T {}

impl<T: ChunkSource + Send + ?Sized> ChunkSource for Arc<T> {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
        (**self).reader()
    }
}

impl<T: ChunkSink + Send + ?Sized> ChunkSink for Arc<T> {
    fn missing(&self, ids: &[Id]) -> Result<Vec<bool>, Error> {
        (**self).missing(ids)
    }

    fn put(&self, block: Block) -> Result<(), Error> {
        (**self).put(block)
    }

    fn settle(&self) -> Result<(), Error> {
        (**self).settle()
    }
}
