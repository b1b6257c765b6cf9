//! The two traits by which everything above reaches chunks, whether the store is on this host or behind a pipe (floor 2).

use super::Error;
use super::block::Block;
use crate::entry::ChunkRef;
use crate::format::pack::BlockKind;
use crate::id::Id;
use std::sync::Arc;

/// Where chunks come from.
pub trait ChunkSource: Sync {
    /// A reader with caches of its own, for one thread.
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error>;

    /// Whether it is of use to tell what will be read, as it is where chunks come from afar. If not, nobody need gather it.
    fn looks_ahead(&self) -> bool {
        false
    }

    /// These will be read next, by readers of several threads, about in this order. A hint: nothing depends on it but time.
    fn expect(&self, _chunks: Vec<ChunkRef>) {}
}

/// Reads chunks; fastest when they are asked for in the order in which they were stored.
pub trait ChunkReader: Send {
    /// The plain bytes of a chunk, proved to be those that its id names.
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error>;

    /// As [`ChunkSource::looks_ahead`].
    fn looks_ahead(&self) -> bool {
        false
    }

    /// These may be read next by this reader, in this order, before what it was told earlier; some may be passed over. A hint, as
    /// [`ChunkSource::expect`].
    fn expect(&mut self, _chunks: &[ChunkRef]) {}
}

/// What comes of a question; it is waited for when it is called.
pub type Answer<'a> = Box<dyn FnOnce() -> Result<Vec<bool>, Error> + Send + 'a>;

/// Chunks of content that are new, or may be, and chunks of which they may be a later version.
#[derive(Clone, Debug)]
pub struct Alike {
    /// Their names.
    pub new: Vec<Id>,
    /// What the store is thought to have.
    pub old: Vec<ChunkRef>,
}

/// Where new chunks go.
pub trait ChunkSink: Sync {
    /// Asks for each id whether the store lacks it. The answer is waited for when it is taken, so that many questions can be under way at once. It is
    /// not older than the question: what had been put by then is not lacking.
    fn ask(&self, kind: BlockKind, ids: Vec<Id>) -> Result<Answer<'_>, Error>;

    /// For each id, whether the store still lacks it.
    fn missing(&self, kind: BlockKind, ids: &[Id]) -> Result<Vec<bool>, Error> {
        self.ask(kind, ids.to_vec())?()
    }

    /// Tells what chunks that may be put later are like. A hint: nothing depends on it but how much has to be sent.
    fn resemble(&self, _alike: Vec<Alike>) {}

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

    fn looks_ahead(&self) -> bool {
        (**self).looks_ahead()
    }

    fn expect(&self, chunks: Vec<ChunkRef>) {
        ChunkSource::expect(&**self, chunks);
    }
}

impl<T: ChunkSink + Send + ?Sized> ChunkSink for Arc<T> {
    fn ask(&self, kind: BlockKind, ids: Vec<Id>) -> Result<Answer<'_>, Error> {
        (**self).ask(kind, ids)
    }

    fn resemble(&self, alike: Vec<Alike>) {
        (**self).resemble(alike);
    }

    fn put(&self, block: Block) -> Result<(), Error> {
        (**self).put(block)
    }

    fn settle(&self) -> Result<(), Error> {
        (**self).settle()
    }
}
