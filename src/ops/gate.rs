//! A store that asks before the first thing is put into it (floor 6): a night in which nothing is new asks nothing, and costs nothing.

use super::Error;
use crate::entry::ChunkRef;
use crate::format::pack::BlockKind;
use crate::id::Id;
use crate::store;
use crate::store::block::Block;
use crate::store::chunks::{Alike, Answer, ChunkReader, ChunkSink, ChunkSource, ChunkStore};
use std::sync::{Mutex, PoisonError};

/// What is asked before the first write; an error is the end of the run.
type Question<'a> = Box<dyn FnOnce() -> Result<(), Error> + Send + 'a>;

/// A store behind a question.
pub(super) struct Gate<'a> {
    store: &'a dyn ChunkStore,
    question: Mutex<Option<Question<'a>>>,
}

impl<'a> Gate<'a> {
    /// Asks this before it lets anything into the store.
    pub(super) fn new(store: &'a dyn ChunkStore, question: impl FnOnce() -> Result<(), Error> + Send + 'a) -> Self {
        Self { store, question: Mutex::new(Some(Box::new(question))) }
    }
}

impl ChunkSource for Gate<'_> {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, store::Error> {
        self.store.reader()
    }

    fn looks_ahead(&self) -> bool {
        self.store.looks_ahead()
    }

    fn expect(&self, chunks: Vec<ChunkRef>) {
        ChunkSource::expect(self.store, chunks);
    }
}

impl ChunkSink for Gate<'_> {
    fn ask(&self, kind: BlockKind, ids: Vec<Id>) -> Result<Answer<'_>, store::Error> {
        self.store.ask(kind, ids)
    }

    fn resemble(&self, alike: Vec<Alike>) {
        self.store.resemble(alike);
    }

    fn put(&self, block: Block) -> Result<(), store::Error> {
        // Held while it is answered: who comes second waits.
        let mut question = self.question.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ask) = question.take() {
            ask().map_err(|e| store::Error::Declined(e.to_string()))?;
        }
        drop(question);
        self.store.put(block)
    }

    fn settle(&self) -> Result<(), store::Error> {
        self.store.settle()
    }
}
