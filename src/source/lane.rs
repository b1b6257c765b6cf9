//! Work that is done in parallel and comes out in the order in which it went in (floor 3).

use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::ThreadPool;
use std::sync::Arc;

/// The end where work goes in.
pub(super) struct Entrance<T> {
    queue: Sender<Receiver<T>>,
    pool: Arc<ThreadPool>,
}

/// The end where results come out.
pub(super) struct Exit<T> {
    queue: Receiver<Receiver<T>>,
}

/// The other end is gone: the run has failed there and this end may stop.
#[derive(Debug)]
pub(super) struct Closed;

/// A lane that holds at most `length` pieces of work at a time.
pub(super) fn lane<T: Send + 'static>(pool: &Arc<ThreadPool>, length: usize) -> (Entrance<T>, Exit<T>) {
    let (sender, receiver) = bounded(length);
    (Entrance { queue: sender, pool: Arc::clone(pool) }, Exit { queue: receiver })
}

impl<T: Send + 'static> Entrance<T> {
    /// Has `work` done by some worker.
    pub(super) fn submit(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<(), Closed> {
        let (done, result) = bounded(1);
        self.queue.send(result).map_err(|_| Closed)?;
        self.pool.spawn_fifo(move || {
            // Nobody waiting for it any more is no error of the work.
            let _abandoned = done.send(work());
        });
        Ok(())
    }

    /// Sends a result that needs no work.
    pub(super) fn ready(&self, result: T) -> Result<(), Closed> {
        let (done, waiting) = bounded(1);
        let _never_full = done.send(result);
        self.queue.send(waiting).map_err(|_| Closed)
    }
}

impl<T> Iterator for Exit<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.queue.recv().ok()?.recv().ok()
    }
}
