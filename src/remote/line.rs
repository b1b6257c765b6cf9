//! A pipe to another host, in use (floor 5): two ports with messages both ways, kept alive, watched.
//!
//! Three threads: one reads and hands frames to the ports, one says that we are still here, one watches whether anything moves. What must
//! stay true: what is full makes its sender wait, all the way to the other host, so **both ports are drained or closed**: a port that
//! nobody takes from stops the other one too. The first failure is the one that every later call on the line gives.

use super::Error;
use super::frame::{self, ALIVE, Frame, Hello, TALK, TUNNEL};
use super::pulse::{Pulse, Still, Watched};
use super::queue::Queue;
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

/// Bytes read at one go, while frames are small.
const BUFFER: usize = 64 << 10;
/// So often within its time the watcher looks.
const LOOKS: u32 = 20;
/// The same for who keeps the line alive.
const LOOKS_ALIVE: u32 = 4;
/// When neither side takes what the other sends, this many times the silence is waited.
const PATIENCE: u32 = 5;

/// How a line behaves.
pub struct Options {
    /// What this side says first.
    pub hello: Hello,
    /// When nothing was sent for so long, an empty frame is.
    pub keep_alive: Duration,
    /// When nothing came for so long, the other end is taken for dead.
    pub silence: Duration,
    /// Whether the other end may hang up between two messages. It may where we serve; a server that goes is an error.
    pub may_end: bool,
    /// Called once when the line has failed, so that a read or write that still hangs comes to an end.
    pub kill: Box<dyn Fn() + Send + Sync>,
    /// Called once with what failed, and whether the other end had said hello, to say it better. May wait a little.
    pub explain: Box<dyn Fn(Error, bool) -> Error + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hello: Hello::ours(),
            keep_alive: Duration::from_secs(10),
            silence: Duration::from_mins(1),
            may_end: true,
            kill: Box::new(|| {}),
            explain: Box::new(|error, _greeted| error),
        }
    }
}

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

/// Where a line is in its life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Open,
    Over,
}

struct Shared {
    host: String,
    options: Options,
    /// None after hanging up.
    output: Mutex<Option<Box<dyn Write + Send>>>,
    reading: Pulse,
    writing: Pulse,
    talk: Queue,
    tunnel: Queue,
    hung_up: AtomicBool,
    failure: OnceLock<Error>,
    theirs: OnceLock<Hello>,
    stage: Mutex<Stage>,
    turned: Condvar,
}

impl Line {
    /// Says hello, waits for that of the other side, and begins.
    pub fn open(
        host: String,
        input: impl Read + Send + 'static,
        output: impl Write + Send + 'static,
        options: Options,
    ) -> Result<Self, Error> {
        let (reading, writing) = (Pulse::default(), Pulse::default());
        let input = Watched::new(input, reading.clone());
        let output: Box<dyn Write + Send> = Box::new(Watched::new(output, writing.clone()));
        let shared = Arc::new(Shared {
            host,
            options,
            output: Mutex::new(Some(output)),
            reading,
            writing,
            talk: Queue::default(),
            tunnel: Queue::default(),
            hung_up: AtomicBool::new(false),
            failure: OnceLock::new(),
            theirs: OnceLock::new(),
            stage: Mutex::new(Stage::Greeting),
            turned: Condvar::new(),
        });
        // Hangs up wherever this ends early.
        let line = Self { shared };
        let shared = &line.shared;
        shared.spawn("watch", Shared::watch)?;
        // Where this fails there is nobody, and what is read says why.
        let _told_by_reading = shared.output().as_mut().map(|output| shared.options.hello.write(output));
        shared.spawn("read", |shared| shared.read(input))?;
        shared.spawn("alive", Shared::keep_alive)?;
        let stage = shared.stage.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            shared.turned.wait_while(stage, |stage| *stage == Stage::Greeting).unwrap_or_else(PoisonError::into_inner),
        );
        // A line that was greeted is one, whatever came then: what was said in between is not lost.
        if shared.theirs.get().is_some() { Ok(line) } else { Err(shared.gone()) }
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
        &self.shared.host
    }

    /// The version of the program at the other end.
    pub fn their_version(&self) -> &str {
        self.shared.theirs.get().map_or("", |hello| &hello.program)
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
        &self.shared.host
    }

    fn queue(&self) -> &Queue {
        self.shared.queue(self.channel)
    }
}

impl Shared {
    fn spawn(self: &Arc<Self>, name: &str, run: impl FnOnce(&Self) + Send + 'static) -> Result<(), Error> {
        let shared = Arc::clone(self);
        let started = thread::Builder::new().name(format!("line-{name}")).spawn(move || run(&shared));
        started.map(drop).map_err(|source| Error::Pipe { host: self.host.clone(), source: Arc::new(source) })
    }

    fn queue(&self, channel: u8) -> &Queue {
        if channel == TALK { &self.talk } else { &self.tunnel }
    }

    fn output(&self) -> MutexGuard<'_, Option<Box<dyn Write + Send>>> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self) -> Error {
        self.failure.get().cloned().unwrap_or_else(|| Error::Closed { host: self.host.clone(), last: String::new() })
    }

    fn send(&self, channel: u8, payload: &[u8]) -> Result<(), Error> {
        if let Some(error) = self.failure.get() {
            return Err(error.clone());
        }
        let mut output = self.output();
        let Some(pipe) = output.as_mut() else { return Err(self.gone()) };
        let written = frame::write(pipe, channel, payload);
        if self.has_hung_up() {
            drop(output.take());
        }
        drop(output);
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Err(Error::Damaged { host: self.host.clone(), what: "a message that is too long to send" })
            }
            // What the other end said before it went is still read; the ports end after that.
            Err(error) => Err(self.keep(frame::broken(self.host.clone(), error))),
        }
    }

    /// Keeps the first failure, and gives that.
    fn keep(&self, error: Error) -> Error {
        let mut first = false;
        let kept = self.failure.get_or_init(|| {
            first = true;
            (self.options.explain)(error, self.theirs.get().is_some())
        });
        // Only now: a read that this ends has to find the reason.
        if first {
            (self.options.kill)();
        }
        kept.clone()
    }

    fn fail(&self, error: Error) {
        let error = self.keep(error);
        self.end(&Err(error));
    }

    /// Nothing more will come, and nobody need watch.
    fn end(&self, how: &Result<(), Error>) {
        self.talk.end(how.clone());
        self.tunnel.end(how.clone());
        self.turn(Stage::Over);
    }

    /// A line that is over stays so.
    fn turn(&self, next: Stage) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage != Stage::Over {
            *stage = next;
        }
        drop(stage);
        self.turned.notify_all();
    }

    /// Sleeps; false when the line is over.
    fn pause(&self, time: Duration) -> bool {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = self.turned.wait_timeout_while(stage, time, |stage| *stage != Stage::Over);
        *woken.unwrap_or_else(PoisonError::into_inner).0 != Stage::Over
    }

    fn has_hung_up(&self) -> bool {
        self.hung_up.load(Ordering::SeqCst)
    }

    fn hang_up(&self) -> bool {
        self.hung_up.store(true, Ordering::SeqCst);
        self.talk.close();
        self.tunnel.close();
        self.end(&Ok(()));
        match self.output.try_lock() {
            Ok(mut output) => drop(output.take()),
            Err(TryLockError::Poisoned(output)) => drop(output.into_inner().take()),
            Err(TryLockError::WouldBlock) => return false,
        }
        true
    }

    fn read(&self, input: impl Read) {
        let mut input = BufReader::with_capacity(BUFFER, input);
        let how = self.greet(&mut input).and_then(|()| self.hand_over(&mut input));
        match how {
            _ if self.has_hung_up() => self.end(&Ok(())),
            Ok(()) => self.end(&self.failure.get().map_or(Ok(()), |error| Err(error.clone()))),
            Err(error) => self.fail(error),
        }
    }

    fn greet(&self, input: &mut BufReader<impl Read>) -> Result<(), Error> {
        let theirs = Hello::read(input).map_err(|mut flaw| {
            if let frame::Flaw::Banner(bytes) = &mut flaw {
                bytes.extend_from_slice(input.buffer());
            }
            flaw.at(&self.host)
        })?;
        let ours = &self.options.hello;
        if theirs.protocol != ours.protocol {
            return Err(Error::Version { host: self.host.clone(), ours: ours.named(), theirs: theirs.named() });
        }
        self.theirs.get_or_init(|| theirs);
        self.turn(Stage::Open);
        Ok(())
    }

    /// Hands each frame to its port, until the pipe ends.
    fn hand_over(&self, input: &mut impl Read) -> Result<(), Error> {
        while let Some(Frame { channel, payload }) = Frame::read(input).map_err(|flaw| flaw.at(&self.host))? {
            match (channel, payload.is_empty()) {
                (ALIVE, _) => {}
                (_, true) => self.queue(channel).end(Ok(())),
                (_, false) => self.queue(channel).push(payload),
            }
        }
        if self.options.may_end { Ok(()) } else { Err(self.gone()) }
    }

    fn keep_alive(&self) {
        let mut writing = Still::new(self.writing.clone());
        while self.pause(self.options.keep_alive / LOOKS_ALIVE) {
            if writing.look() >= LOOKS_ALIVE && !writing.within_a_call() {
                // A failure is kept, and told to who sends next.
                let _kept = self.send(ALIVE, &[]);
            }
        }
    }

    /// Ends the line when the other end is silent while we read; and when neither side takes what the other sends.
    fn watch(&self) {
        let (mut reading, mut writing) = (Still::new(self.reading.clone()), Still::new(self.writing.clone()));
        while self.pause(self.options.silence / LOOKS) {
            let (read, written) = (reading.look(), writing.look());
            let silent = read >= LOOKS && reading.within_a_call();
            let stuck = read.min(written) >= LOOKS * PATIENCE && writing.within_a_call();
            if silent || stuck {
                let seconds = self.options.silence.as_secs();
                self.fail(Error::Silent { host: self.host.clone(), seconds });
            }
        }
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
