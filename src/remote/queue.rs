//! Frames of one port that nobody has taken yet (floor 5). Bounded in number and in bytes; who brings one too many waits.

use super::Error;
use crate::limits::{PORT_BYTES, PORT_FRAMES};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A bounded queue with an end.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Nobody will take anything any more.
    closed: bool,
    /// Nothing more will come, and why.
    end: Option<Result<(), Error>>,
}

impl State {
    fn is_full(&self) -> bool {
        self.frames.len() >= PORT_FRAMES || self.bytes >= PORT_BYTES
    }
}

impl Queue {
    /// Adds a frame, or drops it when nobody will take it. Waits while the queue is full.
    pub(super) fn push(&self, frame: Vec<u8>) {
        let mut state = self.lock();
        while state.is_full() && !state.closed && state.end.is_none() {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.closed && state.end.is_none() {
            state.bytes = state.bytes.saturating_add(frame.len());
            state.frames.push_back(frame);
            self.moved.notify_all();
        }
    }

    /// Takes the oldest frame; waits for one. What came before the end is given out before the end is told.
    pub(super) fn pop(&self) -> Result<Option<Vec<u8>>, Error> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Ok(None);
            }
            if let Some(frame) = state.frames.pop_front() {
                state.bytes = state.bytes.saturating_sub(frame.len());
                self.moved.notify_all();
                return Ok(Some(frame));
            }
            if let Some(end) = &state.end {
                return end.clone().map(|()| None);
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more will come. Only the first reason counts.
    pub(super) fn end(&self, how: Result<(), Error>) {
        self.lock().end.get_or_insert(how);
        self.moved.notify_all();
    }

    /// Nothing more will be taken. Says whether that is new.
    pub(super) fn close(&self) -> bool {
        let mut state = self.lock();
        state.frames.clear();
        state.bytes = 0;
        self.moved.notify_all();
        !std::mem::replace(&mut state.closed, true)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
