//! New chunks on their way into the store: gathered into blocks, compressed in parallel, written in order (floor 3).

use super::Error;
use super::budget::Lease;
use super::lane::{Entrance, Exit};
use crate::chunk::codec::Encoder;
use crate::entry::ChunkRef;
use crate::format::pack::BlockKind;
use crate::id::Id;
use crate::limits::{BLOCK_TARGET, GATHER_BELOW, GATHER_CHUNKS, MANIFEST_BLOCK};
use crate::store;
use crate::store::block::Block;
use crate::store::chunks::{Alike, Answer, ChunkSink};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// A block that a worker has made.
pub(super) type Made = Result<Block, store::Error>;

/// Chunks that are in no pack yet.
pub(super) type InFlight = Arc<Mutex<HashSet<Id>>>;

/// A question to the store about chunks of content.
pub(super) struct Question<'a> {
    number: u64,
    on_the_way: Vec<bool>,
    answer: Answer<'a>,
}

#[derive(Debug, Default)]
struct Gather {
    chunks: Vec<ChunkRef>,
    plain: Vec<u8>,
    leases: Vec<Arc<Lease>>,
}

/// Takes chunks and sends blocks to the writer.
pub(super) struct Blocks<'a> {
    sink: &'a dyn ChunkSink,
    lane: Entrance<Made>,
    in_flight: InFlight,
    gather: [Gather; 2],
    encoders: Arc<Mutex<Vec<Encoder>>>,
    /// Questions asked so far.
    asked: u64,
    /// Content that was added while a question was open, whose answer cannot know of it; and how many questions had been asked by then.
    added: HashSet<Id>,
    added_at: VecDeque<(u64, Id)>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(sink: &'a dyn ChunkSink, lane: Entrance<Made>, in_flight: InFlight) -> Self {
        let (gather, encoders, asked, added, added_at) = Default::default();
        Self { sink, lane, in_flight, gather, encoders, asked, added, added_at }
    }

    fn on_the_way(&self, ids: &[Id]) -> Vec<bool> {
        let set = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().map(|id| set.contains(id)).collect()
    }

    /// Asks for chunks of content whether the store lacks them.
    pub(super) fn ask(&mut self, ids: Vec<Id>) -> Result<Question<'a>, Error> {
        // In this order: a chunk that is written meanwhile is seen in one place or the other.
        let on_the_way = self.on_the_way(&ids);
        let answer = self.sink.ask(BlockKind::Data, ids)?;
        self.asked += 1;
        Ok(Question { number: self.asked, on_the_way, answer })
    }

    /// Tells the store what chunks of content may be later versions of.
    pub(super) fn resemble(&self, alike: Vec<Alike>) {
        if !alike.is_empty() {
            self.sink.resemble(alike);
        }
    }

    /// Waits for the answer to the oldest open question: for each chunk, whether it was neither in the store nor on its way there.
    pub(super) fn answer(&mut self, question: Question<'a>) -> Result<Vec<bool>, Error> {
        // All open questions were asked after that.
        while let Some((_, id)) = self.added_at.pop_front_if(|(asked, _)| *asked < question.number) {
            self.added.remove(&id);
        }
        let missing = (question.answer)()?;
        Ok(missing.into_iter().zip(question.on_the_way).map(|(missing, on_the_way)| missing && !on_the_way).collect())
    }

    /// Whether a manifest node or a list is neither in the store nor on its way there.
    pub(super) fn lacks(&self, node: Id) -> Result<bool, Error> {
        let on_the_way = self.on_the_way(&[node]).contains(&true);
        Ok(!on_the_way && self.sink.missing(BlockKind::Manifest, &[node])?.contains(&true))
    }

    /// Takes a chunk that was found missing; one that came before, since the store was asked about it, is dropped.
    pub(super) fn add(
        &mut self,
        kind: BlockKind,
        chunk: ChunkRef,
        plain: Vec<u8>,
        lease: Option<&Arc<Lease>>,
    ) -> Result<(), Error> {
        if kind == BlockKind::Data {
            if !self.added.insert(chunk.id) {
                return Ok(());
            }
            self.added_at.push_back((self.asked, chunk.id));
        }
        if !self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(chunk.id) {
            return Ok(());
        }
        if plain.len() >= GATHER_BELOW {
            let leases = lease.into_iter().cloned().collect();
            return self.send(kind, Gather { chunks: vec![chunk], plain, leases });
        }
        let Some(gather) = self.gather.get_mut(kind as usize) else { return Ok(()) };
        gather.chunks.push(chunk);
        gather.plain.extend_from_slice(&plain);
        let target = if kind == BlockKind::Data { BLOCK_TARGET } else { MANIFEST_BLOCK };
        if gather.plain.len() < target && gather.chunks.len() < GATHER_CHUNKS {
            return Ok(());
        }
        let full = std::mem::take(gather);
        self.send(kind, full)
    }

    fn send(&self, kind: BlockKind, full: Gather) -> Result<(), Error> {
        let encoders = Arc::clone(&self.encoders);
        let work = move || {
            let spare = encoders.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut encoder = spare.map_or_else(Encoder::new, Ok)?;
            let block = Block::encode(kind, full.chunks, &full.plain, &mut encoder);
            drop(full.leases);
            encoders.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
            block
        };
        self.lane.submit(work).map_err(|_| store::Error::Gone("the writer has stopped").into())
    }

    /// Sends what is gathered; the writer ends when it has written it.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        for kind in [BlockKind::Data, BlockKind::Manifest] {
            let rest = self.gather.get_mut(kind as usize).map(std::mem::take).unwrap_or_default();
            if !rest.chunks.is_empty() {
                self.send(kind, rest)?;
            }
        }
        Ok(())
    }
}

/// The writer: puts blocks into the store as they come, and counts the bytes.
pub(super) fn write(blocks: Exit<Made>, sink: &dyn ChunkSink, in_flight: &InFlight) -> Result<u64, store::Error> {
    let mut bytes = 0;
    for block in blocks {
        let block = block?;
        let ids: Vec<Id> = block.chunks.iter().map(|chunk| chunk.id).collect();
        bytes += block.header()?.total_len() + block.stored.len() as u64;
        sink.put(block)?;
        let mut set = in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            set.remove(&id);
        }
    }
    Ok(bytes)
}
