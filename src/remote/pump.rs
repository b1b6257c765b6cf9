//! The threads of a line, and what they share (floor 5): one reads and hands frames to the ports, one says that we are still here, one watches
//! whether anything moves.
//!
//! What must stay true: the reason of a failure is kept before anything is killed for it, so that whoever is woken by that finds it; what came
//! before the end is given out before the end is told.

use super::Error;
use super::frame::{self, ALIVE, Frame, Hello, TALK};
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

/// Where a line is in its life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Open,
    Over,
}

/// What the threads and ports of a line share.
pub(super) struct Shared {
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

impl Shared {
    pub(super) fn new(host: String, output: impl Write + Send + 'static, options: Options) -> Arc<Self> {
        let writing = Pulse::default();
        let output: Box<dyn Write + Send> = Box::new(Watched::new(output, writing.clone()));
        Arc::new(Self {
            host,
            options,
            output: Mutex::new(Some(output)),
            reading: Pulse::default(),
            writing,
            talk: Queue::default(),
            tunnel: Queue::default(),
            hung_up: AtomicBool::new(false),
            failure: OnceLock::new(),
            theirs: OnceLock::new(),
            stage: Mutex::new(Stage::Greeting),
            turned: Condvar::new(),
        })
    }

    /// Says hello, and waits for that of the other side or for what comes instead.
    pub(super) fn begin(self: &Arc<Self>, input: impl Read + Send + 'static) -> Result<(), Error> {
        let input = Watched::new(input, self.reading.clone());
        self.spawn("watch", Self::watch)?;
        // Where this fails there is nobody, and what is read says why.
        let _told_by_reading = self.output().as_mut().map(|output| self.options.hello.write(output));
        self.spawn("read", |shared| shared.read(input))?;
        self.spawn("alive", Self::keep_alive)?;
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.turned.wait_while(stage, |stage| *stage == Stage::Greeting).unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The hello of the other side, if it was one that we can talk to.
    pub(super) fn theirs(&self) -> Option<&Hello> {
        self.theirs.get()
    }

    fn spawn(self: &Arc<Self>, name: &str, run: impl FnOnce(&Self) + Send + 'static) -> Result<(), Error> {
        let shared = Arc::clone(self);
        let started = thread::Builder::new().name(format!("line-{name}")).spawn(move || run(&shared));
        started.map(drop).map_err(|source| Error::Pipe { host: self.host.clone(), source: Arc::new(source) })
    }

    pub(super) fn queue(&self, channel: u8) -> &Queue {
        if channel == TALK { &self.talk } else { &self.tunnel }
    }

    fn output(&self) -> MutexGuard<'_, Option<Box<dyn Write + Send>>> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn gone(&self) -> Error {
        self.failure.get().cloned().unwrap_or_else(|| Error::Closed { host: self.host.clone(), last: String::new() })
    }

    pub(super) fn send(&self, channel: u8, payload: &[u8]) -> Result<(), Error> {
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

    pub(super) fn hang_up(&self) -> bool {
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
            return Err(Error::Version {
                host: self.host.clone(),
                ours: ours.named(),
                theirs: theirs.named(),
                called: !self.options.may_end,
            });
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
