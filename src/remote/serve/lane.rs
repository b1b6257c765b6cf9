//! Questions that wait for their turn (floor 5). Bounded in number and in bytes: who brings one too many waits.

use crate::limits::{WAITING, WAITING_BYTES};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A bounded queue with an end.
pub(super) struct Lane<T> {
    state: Mutex<State<T>>,
    moved: Condvar,
}

struct State<T> {
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    ended: bool,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, ended: false };
        Self { state: Mutex::new(state), moved: Condvar::new() }
    }
}

impl<T> Lane<T> {
    /// Adds one of so many bytes; waits while the lane is full.
    pub(super) fn push(&self, item: T, bytes: usize) {
        let mut state = self.lock();
        while state.waiting.len() >= WAITING || state.bytes >= WAITING_BYTES {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes = state.bytes.saturating_add(bytes);
        state.waiting.push_back((item, bytes));
        self.moved.notify_all();
    }

    /// Takes the oldest; waits for one. None when nothing more will come.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some((item, bytes)) = state.waiting.pop_front() {
                state.bytes = state.bytes.saturating_sub(bytes);
                self.moved.notify_all();
                return Some(item);
            }
            if state.ended {
                return None;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.moved.notify_all();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
