//! A remote shell that reaches no other host: `EXE rsh HOST COMMAND...` runs the command here and passes its streams through, until what `CUTTER` says
//! happens to them.
//!
//!     CUTTER=HOST WAY WHAT UNIT N     at byte N, or before the frame after N frames, of what goes `in` to HOST or comes `out` of it:
//!         cut        the connection breaks, as when ssh is killed
//!         kill       the program on the host is killed
//!         operator   who started this is killed
//!         stall      nothing goes that way any more, and nothing is said
//!         corrupt    one bit of the next byte is turned
//!         garbage    N bytes of other text come first
//!     CUTTER_LOG=FOLDER               `count-PID` there gets the bytes and frames each way; `hit` is made when it happens
//!     CUTTER_PATH=FOLDER              where the command is found
//!
//! What must stay true: without CUTTER nothing is changed, and it is over in the time that the command takes.

use crate::framer::Framer;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Cut,
    Kill,
    Operator,
    Stall,
    Corrupt,
    Garbage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Byte(u64),
    Frame(u64),
}

/// What happens, to whom and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) host: String,
    pub(crate) way: Way,
    pub(crate) what: What,
    pub(crate) at: At,
}

const WHATS: [(&str, What); 6] = [
    ("cut", What::Cut),
    ("kill", What::Kill),
    ("operator", What::Operator),
    ("stall", What::Stall),
    ("corrupt", What::Corrupt),
    ("garbage", What::Garbage),
];
const BANNER: &[u8] = b"Welcome to the cluster. You have mail.\n";
/// The exit code of an ssh whose connection broke.
const BROKEN: i32 = 255;
const BUFFER: usize = 1 << 16;

impl Plan {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<_> = text.split(' ').collect();
        let [host, way, what, unit, n] = words[..] else { return None };
        let way = if way == "in" { Way::In } else { Way::Out };
        let what = WHATS.iter().find(|(name, _)| *name == what)?.1;
        let n = n.parse().ok()?;
        let at = if unit == "frame" { At::Frame(n) } else { At::Byte(n) };
        Some(Self { host: host.to_owned(), way, what, at })
    }

    pub(crate) fn shown(&self) -> String {
        let what = WHATS.iter().find(|(_, what)| *what == self.what).map_or("", |(name, _)| name);
        let (unit, n) = match self.at {
            At::Byte(n) => ("byte", n),
            At::Frame(n) => ("frame", n),
        };
        let way = if self.way == Way::In { "in" } else { "out" };
        format!("{} {way} {what} {unit} {n}", self.host)
    }
}

/// What is known to both threads.
struct Wire {
    plan: Option<Plan>,
    log: PathBuf,
    child: Pid,
    /// Bytes and frames to the host, then from it.
    counts: [AtomicU64; 4],
}

impl Wire {
    /// It happens.
    fn strike(&self, what: What) {
        fs::write(self.log.join("hit"), "").ok();
        match what {
            What::Cut => std::process::exit(BROKEN),
            What::Kill => {
                kill(self.child, Signal::SIGKILL).ok();
            }
            What::Operator => {
                kill(getppid(), Signal::SIGKILL).ok();
            }
            What::Stall => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            What::Corrupt | What::Garbage => {}
        }
    }
}

/// One way of the connection.
struct Pump {
    wire: Arc<Wire>,
    way: Way,
    /// Bytes that were passed, and the ends of frames in them.
    passed: u64,
    framer: Framer,
    /// Still to happen on this way.
    due: Option<(What, At)>,
}

impl Pump {
    fn new(wire: &Arc<Wire>, way: Way) -> Self {
        let due = wire.plan.as_ref().filter(|plan| plan.way == way).map(|plan| (plan.what, plan.at));
        Self { wire: Arc::clone(wire), way, passed: 0, framer: Framer::default(), due }
    }

    /// Passes everything on until one side ends.
    fn run(mut self, mut from: impl Read, mut to: impl Write) {
        if let Some((What::Garbage, At::Byte(n) | At::Frame(n))) = self.due {
            self.due = None;
            self.wire.strike(What::Garbage);
            let text: Vec<u8> = BANNER.iter().copied().cycle().take(usize::try_from(n).unwrap_or(BUFFER)).collect();
            to.write_all(&text).and_then(|()| to.flush()).ok();
        }
        let mut buffer = vec![0; BUFFER];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if self.pass(&mut buffer[..length], &mut to).is_err() {
                break;
            }
            self.count();
        }
    }

    fn count(&self) {
        let [bytes_in, frames_in, bytes_out, frames_out] = &self.wire.counts;
        let (bytes, frames) = if self.way == Way::In { (bytes_in, frames_in) } else { (bytes_out, frames_out) };
        bytes.store(self.passed, Ordering::Relaxed);
        frames.store(self.framer.ended, Ordering::Relaxed);
    }

    fn pass(&mut self, bytes: &mut [u8], to: &mut impl Write) -> std::io::Result<()> {
        let before = match self.due {
            Some((_, At::Byte(n))) => usize::try_from(n - self.passed).unwrap_or(usize::MAX).min(bytes.len()),
            Some((_, At::Frame(n))) => self.framer.take(bytes, n),
            None => bytes.len(),
        };
        let (first, rest) = bytes.split_at_mut(before);
        if !matches!(self.due, Some((_, At::Frame(_)))) {
            self.framer.take(first, u64::MAX);
        }
        to.write_all(first)?;
        self.passed += u64::try_from(before).unwrap_or(0);
        let is_now = match self.due {
            Some((_, At::Byte(n))) => !rest.is_empty() && self.passed == n,
            Some((_, At::Frame(n))) => self.framer.ended == n,
            None => false,
        };
        if let (true, Some((what, _))) = (is_now, self.due) {
            to.flush()?;
            // Of a frame that is to be corrupted, something has to be there first.
            if what == What::Corrupt && rest.is_empty() {
                return Ok(());
            }
            self.due = None;
            self.wire.strike(what);
            if what == What::Corrupt {
                rest[0] ^= 1 << (self.passed % 8);
            }
        }
        if !rest.is_empty() {
            return self.pass(rest, to);
        }
        to.flush()
    }
}

/// The whole of it; the exit code.
pub(crate) fn run(words: &[String]) -> i32 {
    let Some(([host], [program, rest @ ..])) = words.split_at_checked(1) else { return 64 };
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    let plan = Plan::parse(&of("CUTTER")).filter(|plan| plan.host == *host);
    let (log, place) = (PathBuf::from(of("CUTTER_LOG")), PathBuf::from(of("CUTTER_PATH")));
    let mut command = Command::new(place.join(program));
    command.args(rest).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else { return 127 };
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return BROKEN };
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
    let wire = Arc::new(Wire { plan, log, child: pid, counts: Default::default() });
    let (inward, outward) = (Pump::new(&wire, Way::In), Pump::new(&wire, Way::Out));
    // Not joined: it may wait for somebody who has nothing to say.
    std::thread::spawn(|| inward.run(std::io::stdin(), input));
    outward.run(output, std::io::stdout());
    let code = child.wait().ok().and_then(|status| status.code()).unwrap_or(BROKEN);
    let counts = wire.counts.each_ref().map(|count| count.load(Ordering::Relaxed).to_string());
    fs::write(wire.log.join(format!("count-{}", std::process::id())), format!("{host} {}", counts.join(" "))).ok();
    code
}
