//! A bound on the bytes that were read and are not yet stored or dropped (floor 3).

use std::sync::{Arc, Condvar, Mutex, PoisonError};

#[derive(Debug)]
struct State {
    free: Mutex<usize>,
    changed: Condvar,
    total: usize,
}

/// Hands out leases on bytes.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<State>);

/// So many bytes, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    state: Arc<State>,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(total: usize) -> Self {
        Self(Arc::new(State { free: Mutex::new(total), changed: Condvar::new(), total }))
    }

    /// Waits until so many bytes are free. Only the feeder takes; everything behind it only gives back, so it cannot wait for ever.
    pub(super) fn take(&self, bytes: usize) -> Lease {
        let bytes = bytes.min(self.0.total);
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < bytes {
            free = self.0.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= bytes;
        Lease { state: Arc::clone(&self.0), bytes }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.state.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.state.changed.notify_all();
    }
}
