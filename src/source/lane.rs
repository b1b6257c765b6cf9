//! Work that is done in parallel and comes out in the order in which it went in (floor 3).

use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::ThreadPool;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

/// The end where work goes in.
pub(super) struct Entrance<T> {
    queue: Sender<Receiver<thread::Result<T>>>,
    pool: Arc<ThreadPool>,
}

/// The end where results come out. A panic of the work is one of whoever waits for its result: it ends this run and no other, which in a thread of
/// the pool it would, by an abort.
pub(super) struct Exit<T> {
    queue: Receiver<Receiver<thread::Result<T>>>,
    /// What comes next, where it was found not to be done yet.
    next: Option<Receiver<thread::Result<T>>>,
}

/// The other end is gone: the run has failed there and this end may stop.
#[derive(Debug)]
pub(super) struct Closed;

/// A lane that holds at most `length` pieces of work at a time.
pub(super) fn lane<T: Send + 'static>(pool: &Arc<ThreadPool>, length: usize) -> (Entrance<T>, Exit<T>) {
    let (sender, receiver) = bounded(length);
    (Entrance { queue: sender, pool: Arc::clone(pool) }, Exit { queue: receiver, next: None })
}

impl<T: Send + 'static> Entrance<T> {
    /// Has `work` done by some worker.
    pub(super) fn submit(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<(), Closed> {
        let (done, result) = bounded(1);
        self.queue.send(result).map_err(|_| Closed)?;
        self.pool.spawn_fifo(move || {
            // Nobody waiting for it any more is no error of the work.
            let _abandoned = done.send(catch_unwind(AssertUnwindSafe(work)));
        });
        Ok(())
    }

    /// The workers.
    pub(super) fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    /// Sends a result that needs no work.
    pub(super) fn ready(&self, result: T) -> Result<(), Closed> {
        let (done, waiting) = bounded(1);
        let _never_full = done.send(Ok(result));
        self.queue.send(waiting).map_err(|_| Closed)
    }
}

impl<T> Exit<T> {
    /// The next result, if it can be had without waiting.
    pub(super) fn at_once(&mut self) -> Option<T> {
        let next = self.next.take().or_else(|| self.queue.try_recv().ok())?;
        let result = next.try_recv().ok();
        self.next = result.is_none().then_some(next);
        result.map(or_panic)
    }
}

impl<T> Iterator for Exit<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let next = self.next.take().or_else(|| self.queue.recv().ok())?;
        next.recv().ok().map(or_panic)
    }
}

fn or_panic<T>(done: thread::Result<T>) -> T {
    done.unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::lane;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    #[test]
    fn results_come_out_in_order_and_a_panic_where_its_result_is_waited_for() {
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
        let (entrance, mut exit) = lane(&pool, 8);
        entrance.submit(|| 1).unwrap();
        entrance.ready(2).unwrap();
        entrance.submit(|| panic!("this panic is meant")).unwrap();
        entrance.submit(|| 4).unwrap();
        assert_eq!((exit.next(), exit.next()), (Some(1), Some(2)));
        assert!(catch_unwind(AssertUnwindSafe(|| exit.next())).is_err());
        assert_eq!(exit.next(), Some(4));
        drop(entrance);
        assert_eq!(exit.next(), None);
    }
}
