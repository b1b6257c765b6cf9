//! A pipe to another host, in use (floor 5): two ports with messages both ways, kept alive, watched.
//!
//! What must stay true: what is full makes its sender wait, all the way to the other host, so **both ports are drained or closed**: a port that
//! nobody takes from stops the other one too. The first failure is the one that every later call on the line gives.

use super::Error;
use super::frame::{TALK, TUNNEL};
use super::pump::Shared;
use super::queue::Queue;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};
use std::thread;

pub use super::pump::Options;

/// A pipe to another host. Dropping it hangs up.
pub struct Line {
    shared: Arc<Shared>,
}

/// One of the two ends of a line that messages go in and out of. A clone is the same port.
///
/// Any thread may send. Where several threads receive, each message goes to one of them.
#[derive(Clone)]
pub struct Port {
    shared: Arc<Shared>,
    channel: u8,
}

impl Line {
    /// Says hello, waits for that of the other side, and begins.
    pub fn open(
        host: String,
        input: impl Read + Send + 'static,
        output: impl Write + Send + 'static,
        options: Options,
    ) -> Result<Self, Error> {
        let shared = Shared::new(host, output, options);
        // Hangs up wherever this ends early.
        let line = Self { shared };
        let shared = &line.shared;
        shared.begin(input)?;
        // A line that was greeted is one, whatever came then: what was said in between is not lost.
        if shared.theirs().is_some() { Ok(line) } else { Err(shared.gone()) }
    }

    /// The port of requests, replies and events.
    pub fn talk(&self) -> Port {
        Port { shared: Arc::clone(&self.shared), channel: TALK }
    }

    /// The port of another talk, which is only passed on.
    pub fn tunnel(&self) -> Port {
        Port { shared: Arc::clone(&self.shared), channel: TUNNEL }
    }

    /// What messages call the other end.
    pub fn host(&self) -> &str {
        self.shared.host()
    }

    /// The version of the program at the other end.
    pub fn their_version(&self) -> &str {
        self.shared.theirs().map_or("", |hello| &hello.program)
    }

    /// Closes both ports and the pipe to the other end. False while a write still hangs in it: the pipe is closed when that returns.
    pub fn hang_up(&self) -> bool {
        self.shared.hang_up()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.hang_up();
    }
}

impl Port {
    /// Sends a message of at most [`FRAME_MAX`](crate::limits::FRAME_MAX) bytes, not empty. Waits where the other end does not take it.
    /// Nobody learns here whether it arrived; what is sent to a port that the other end has closed is dropped there.
    pub fn send(&self, payload: &[u8]) -> Result<(), Error> {
        if self.queue().is_closed() { Err(self.shared.gone()) } else { self.shared.send(self.channel, payload) }
    }

    /// The next message; waits for it. None when the other end has closed its port or, where it may, hung up; and when this port is closed.
    pub fn receive(&self) -> Result<Option<Vec<u8>>, Error> {
        self.queue().pop()
    }

    /// Takes nothing more (what still comes is dropped), wakes who waits for it, and tells the other end.
    pub fn close(&self) {
        if self.queue().close() {
            // Where this cannot be told there is nobody to be told.
            let _unheard = self.shared.send(self.channel, &[]);
        }
    }

    /// What messages call the other end.
    pub fn host(&self) -> &str {
        self.shared.host()
    }

    fn queue(&self) -> &Queue {
        self.shared.queue(self.channel)
    }
}

/// Passes on what comes, both ways between the tunnel of one line and the talk of another, until one of them ends; then closes both.
/// Gives what ended first.
pub fn join(engine_tunnel: &Port, mirror: &Port) -> Result<(), Error> {
    let first = OnceLock::new();
    let pass = |from: &Port, to: &Port| {
        let copy = || {
            while let Some(message) = from.receive()? {
                to.send(&message)?;
            }
            Ok(())
        };
        let result = copy();
        first.get_or_init(|| result);
        from.close();
        to.close();
    };
    thread::scope(|scope| {
        let back = thread::Builder::new().spawn_scoped(scope, || pass(mirror, engine_tunnel));
        if let Err(source) = back {
            let error = Error::Pipe { host: mirror.host().to_owned(), source: Arc::new(source) };
            first.get_or_init(|| Err(error));
            engine_tunnel.close();
            mirror.close();
        }
        pass(engine_tunnel, mirror);
    });
    first.into_inner().unwrap_or(Ok(()))
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
