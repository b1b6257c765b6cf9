//! Questions on their way to who answers them (floor 3).
//!
//! The worker that became idle last is given the next one: who reads one file after the other is answered by one worker, which has just decoded
//! what is wanted next.

use crate::browse::library::Library;
use crate::store::chunks::ChunkReader;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Answers one question.
pub type Job = Box<dyn for<'l> FnOnce(&'l Library<'_>, &'l mut dyn ChunkReader) + Send>;

/// The questions, and who waits for one.
pub struct Jobs {
    state: Mutex<State>,
    /// One for each worker.
    wake: Vec<Condvar>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Workers without work, the last one last.
    idle: Vec<usize>,
    /// What a worker is to do next.
    given: Vec<(usize, Job)>,
    is_over: bool,
}

impl Jobs {
    /// For so many workers.
    pub fn new(workers: usize) -> Self {
        Self { state: Mutex::default(), wake: (0..workers).map(|_| Condvar::new()).collect() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in a question. After the end it is dropped.
    pub fn push(&self, job: Job) {
        let mut state = self.state();
        if state.is_over {
            return;
        }
        match state.idle.pop() {
            None => state.waiting.push_back(job),
            Some(worker) => {
                state.given.push((worker, job));
                drop(state);
                self.wake.get(worker).iter().for_each(|wake| wake.notify_one());
            }
        }
    }

    /// The next question for a worker; none after the end.
    pub fn next(&self, worker: usize) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(at) = state.given.iter().position(|(to, _)| *to == worker) {
                return Some(state.given.swap_remove(at).1);
            }
            if !state.idle.contains(&worker) {
                if let Some(job) = state.waiting.pop_front() {
                    return Some(job);
                }
                state.idle.push(worker);
            }
            state = self.wake.get(worker)?.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No more is answered: what waits is dropped.
    pub fn end(&self) {
        let mut state = self.state();
        let rest = std::mem::replace(&mut *state, State { is_over: true, ..State::default() });
        drop(state);
        drop(rest);
        self.wake.iter().for_each(Condvar::notify_all);
    }
}
