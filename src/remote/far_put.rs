//! Blocks on their way to a store on another host (floor 5): given one after the other, none waited for.
//!
//! What must stay true: what is given and not acknowledged is bounded; the first failure is kept, and is what every later call says, so nothing is
//! taken for stored that is not; and what this client gave is never asked for again because an older answer did not know of it.

use super::message::{Answer, Ask, Packed, Patch};
use super::talk::{Failure, Talk};
use crate::id::Id;
use crate::limits::{PUT_BYTES, PUT_IDS};
use crate::store::Error;
use crate::store::block::Block;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a block weighs beside its bytes.
const AROUND: usize = 64;

/// What was given.
#[derive(Default)]
pub struct Puts {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes that are not acknowledged.
    under_way: u64,
    failure: Option<Failure>,
    /// The ids that were given last.
    ids: HashSet<Id>,
    order: VecDeque<Id>,
}

impl Puts {
    /// Gives a block; waits while too much is under way.
    pub fn put(&self, talk: &Talk, block: Packed) -> Result<(), Failure> {
        let (ids, bytes) = (block.chunks.iter().map(|(_, chunk)| chunk.id).collect(), block.stored.len());
        self.give(talk, Ask::Put(block), ids, bytes)
    }

    /// The same of one that is made of what is there.
    pub fn patch(&self, talk: &Talk, patch: Patch) -> Result<(), Failure> {
        let (ids, bytes) = (patch.chunks.iter().map(|chunk| chunk.id).collect(), patch.sent.stored.len());
        self.give(talk, Ask::Patch(patch), ids, bytes)
    }

    fn give(&self, talk: &Talk, ask: Ask, ids: Vec<Id>, bytes: usize) -> Result<(), Failure> {
        let bytes = bytes.saturating_add(AROUND) as u64;
        {
            let mut state = self.shared.state();
            while state.under_way > 0 && state.under_way.saturating_add(bytes) > PUT_BYTES && state.failure.is_none() {
                state = self.shared.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.failure.clone().map_or(Ok(()), Err)?;
            state.under_way = state.under_way.saturating_add(bytes);
            for id in ids {
                state.remember(id);
            }
        }
        let shared = Arc::clone(&self.shared);
        let asked = talk.then(ask, move |answer| shared.acknowledged(bytes, answer));
        if let Err(failure) = &asked {
            self.shared.acknowledged(bytes, Err(failure.clone()));
        }
        asked
    }

    /// Waits until all that was given is durable.
    pub fn settle(&self, talk: &Talk) -> Result<(), Failure> {
        self.check()?;
        let answer = talk.ask(Ask::Settle, &mut |_| {});
        // What failed first says why.
        self.check()?;
        if matches!(answer?, Answer::Done) { Ok(()) } else { Err(talk.unfit()) }
    }

    /// The first failure, if something has failed.
    pub fn check(&self) -> Result<(), Failure> {
        self.shared.state().failure.clone().map_or(Ok(()), Err)
    }

    /// For each id, whether it was given not long ago.
    pub fn given(&self, ids: &[Id]) -> Vec<bool> {
        let state = self.shared.state();
        ids.iter().map(|id| state.ids.contains(id)).collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acknowledged(&self, bytes: u64, answer: Result<Answer, Failure>) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(bytes);
        if let Err(failure) = answer {
            state.failure.get_or_insert(failure);
        }
        drop(state);
        self.moved.notify_all();
    }
}

impl State {
    fn remember(&mut self, id: Id) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        while self.order.len() > PUT_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

/// A block as it goes over a line.
pub fn pack(block: Block) -> Result<Packed, Error> {
    let header = block.header()?.encode(block.chunks.iter().map(|chunk| chunk.length));
    let mut offset = 0_u32;
    let mut chunks = Vec::with_capacity(block.chunks.len());
    for chunk in block.chunks {
        chunks.push((offset, chunk));
        offset = offset.saturating_add(chunk.length);
    }
    Ok(Packed { header, chunks, stored: block.stored })
}
