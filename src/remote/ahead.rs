//! What will be read, asked for before it is needed (floor 5). Decides what to ask for, and when; who reads waits.
//!
//! A [`Window`] moves over a list of chunks in the order in which they will be read. Two kinds: of a whole store, where the order is sure and a full
//! window is under way at once; and of one reader, where some may be passed over: it asks for few, then for more while reads follow the list.
//! What must stay true: nothing is waited for here, and a chunk that the window does not have is simply asked for alone, so no order of reads can
//! get stuck; what is asked for and not taken is bounded in bytes, and goes when reads have passed it.

use super::fetch::{Fetch, From};
use super::talk::Failure;
use crate::entry::ChunkRef;
use crate::id::Id;
use crate::limits::{AHEAD_BYTES, FETCH_BYTES, FETCH_CHUNKS, READER_AHEAD_BYTES};
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// Chunks that are told to a reader and not read yet: more are forgotten.
const EXPECTED: usize = 64 << 10;

/// A list of chunks that will be read, some of them under way.
pub struct Window<'t> {
    slots: Vec<Slot<'t>>,
    places: HashMap<Id, usize>,
    /// Requests of which not all is taken, oldest first.
    requests: VecDeque<Range<usize>>,
    /// Plain bytes that were asked for and not taken.
    held: u64,
    /// As much of that as there may be.
    most: u64,
    /// All before it was read or passed over, or is under way.
    until: usize,
    /// Chunks of the next request, of a window that has to find out whether reads follow it.
    step: Option<usize>,
    /// After the last slot that was read.
    next: usize,
}

struct Slot<'t> {
    chunk: ChunkRef,
    /// How often it will still be read.
    left: usize,
    fetch: Option<Arc<Fetch<'t>>>,
}

/// A chunk that is under way, and whether this is the last time that it is expected to be read.
pub type Coming<'t> = (Arc<Fetch<'t>>, bool);

impl<'t> Window<'t> {
    /// Of a whole store.
    pub fn sure() -> Self {
        Self::new(None, AHEAD_BYTES)
    }

    /// Of one reader.
    pub fn careful() -> Self {
        Self::new(Some(1), READER_AHEAD_BYTES)
    }

    fn new(step: Option<usize>, most: u64) -> Self {
        let (slots, places, requests) = (Vec::new(), HashMap::new(), VecDeque::new());
        Self { slots, places, requests, held: 0, most, until: 0, step, next: 0 }
    }

    /// These will be read in place of all that was expected; the first of them are asked for at once.
    pub fn replace(&mut self, from: From<'t, '_>, chunks: Vec<ChunkRef>) -> Result<(), Failure> {
        *self = Self::new(self.step, self.most);
        for chunk in chunks {
            self.add(chunk, 1, None);
        }
        self.ask_ahead(from)
    }

    /// These will be read before what is expected already.
    pub fn prepend(&mut self, chunks: &[ChunkRef]) {
        let mut window = Self::new(self.step, self.most);
        let rest = self.slots.drain(..).skip(self.next);
        let mut rest: Vec<Slot<'t>> = rest.filter(|slot| slot.left > 0).collect();
        rest.truncate(EXPECTED);
        let mut under_way: HashMap<Id, Arc<Fetch<'t>>> = HashMap::new();
        under_way.extend(rest.iter_mut().filter_map(|slot| Some((slot.chunk.id, slot.fetch.take()?))));
        for chunk in chunks.iter().take(EXPECTED) {
            window.add(*chunk, 1, under_way.remove(&chunk.id));
        }
        for slot in rest {
            let fetch = under_way.remove(&slot.chunk.id);
            window.add(slot.chunk, slot.left, fetch);
        }
        *self = window;
    }

    fn add(&mut self, chunk: ChunkRef, times: usize, fetch: Option<Arc<Fetch<'t>>>) {
        let at = *self.places.entry(chunk.id).or_insert(self.slots.len());
        if let Some(slot) = self.slots.get_mut(at) {
            slot.left = slot.left.saturating_add(times);
        } else {
            if fetch.is_some() {
                self.held = self.held.saturating_add(u64::from(chunk.length));
                self.requests.push_back(at..at.saturating_add(1));
            }
            self.slots.push(Slot { chunk, left: times, fetch });
        }
    }

    /// A chunk that is about to be read: where it will be, if it is expected. What follows it is asked for, too.
    pub fn want(&mut self, from: From<'t, '_>, chunk: &ChunkRef) -> Result<Option<Coming<'t>>, Failure> {
        let Some(&at) = self.places.get(&chunk.id) else { return Ok(None) };
        let expected = self.slots.get(at).is_some_and(|slot| slot.left > 0 && slot.chunk == *chunk);
        if !expected {
            return Ok(None);
        }
        if at >= self.next {
            self.follow(at);
        }
        if self.slots.get(at).is_some_and(|slot| slot.fetch.is_none()) {
            self.until = at;
            self.make_room(at);
            self.request(from)?;
        }
        self.ask_ahead(from)?;
        Ok(self.hand_out(at))
    }

    fn hand_out(&mut self, at: usize) -> Option<Coming<'t>> {
        let slot = self.slots.get_mut(at)?;
        slot.left = slot.left.saturating_sub(1);
        let last = slot.left == 0;
        let fetch = slot.fetch.clone()?;
        if last {
            self.release(at);
        }
        Some((fetch, last))
    }

    /// Learns from where a read is how well reads follow the list, and lets go what a reader has passed over.
    fn follow(&mut self, at: usize) {
        let passed = self.next..at;
        self.next = at.saturating_add(1);
        let Some(step) = self.step else { return };
        let skipped = self.slots.get(passed.clone()).is_some_and(|slots| slots.iter().any(|slot| slot.left > 0));
        passed.for_each(|passed| self.release(passed));
        if skipped {
            self.step = Some((step / 2).max(1));
        } else if self.requests.iter().any(|request| request.start == at) {
            self.step = Some(step.saturating_mul(2).min(FETCH_CHUNKS));
        }
        while self.requests.front().is_some_and(|request| request.end <= at) {
            self.requests.pop_front();
        }
    }

    fn release(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at)
            && slot.fetch.take().is_some()
        {
            self.held = self.held.saturating_sub(u64::from(slot.chunk.length));
        }
    }

    /// Lets the oldest go that lies before `at`, while too much is held.
    fn make_room(&mut self, at: usize) {
        while self.held.saturating_add(FETCH_BYTES) > self.most
            && let Some(oldest) = self.requests.pop_front_if(|oldest| oldest.end <= at)
        {
            oldest.for_each(|slot| self.release(slot));
        }
    }

    /// Asks for what comes next, as far as the window reaches.
    fn ask_ahead(&mut self, from: From<'t, '_>) -> Result<(), Failure> {
        loop {
            let far = match self.step {
                Some(step) => self.until.saturating_sub(self.next) >= step.saturating_mul(2),
                None => false,
            };
            self.make_room(self.next.saturating_sub(FETCH_CHUNKS));
            if far || self.until >= self.slots.len() || self.held.saturating_add(FETCH_BYTES) > self.most {
                return Ok(());
            }
            self.request(from)?;
        }
    }

    /// Sends the next request.
    fn request(&mut self, from: From<'t, '_>) -> Result<(), Failure> {
        let (mut numbers, mut chunks, mut bytes) = (Vec::new(), Vec::new(), 0_u64);
        let most = self.step.unwrap_or(FETCH_CHUNKS);
        while chunks.len() < most
            && bytes < FETCH_BYTES
            && let Some(slot) = self.slots.get_mut(self.until)
        {
            if slot.left > 0 && slot.fetch.is_none() {
                if from.nodes.has(&slot.chunk.id) {
                    // It is not asked for, and counts as read: nobody passes it over who takes it from there.
                    slot.left = 0;
                } else {
                    numbers.push(self.until);
                    chunks.push(slot.chunk);
                    bytes = bytes.saturating_add(u64::from(slot.chunk.length));
                }
            }
            self.until = self.until.saturating_add(1);
        }
        let Some(&first) = numbers.first() else { return Ok(()) };
        let fetch = Arc::new(Fetch::begin(from.talk, chunks)?);
        self.held = self.held.saturating_add(bytes);
        self.requests.push_back(first..self.until);
        for slot in numbers {
            if let Some(slot) = self.slots.get_mut(slot) {
                slot.fetch = Some(Arc::clone(&fetch));
            }
        }
        Ok(())
    }
}
