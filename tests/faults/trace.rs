//! Runs the program under ptrace, stopped at each call that counts, whatever thread makes it, and does the one fault that is asked for.
//!
//! A thread of ours traces only its own children, so several can work side by side.

use crate::calls::{self, BEGIN, Call, On};
use crate::filter;
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Longer than any run here takes.
const LIMIT: Duration = Duration::from_secs(40);

/// What shall happen to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: calls are counted.
    None,
    /// The program is killed before the call is carried out.
    KillBefore,
    /// It is killed when the call was carried out, before it learns of it.
    KillAfter,
    /// The call is not carried out and gives this error.
    Once(Errno),
    /// And all later calls of the same number that count.
    Ever(Errno),
    /// Half of what shall be written is written.
    Short,
}

impl Fault {
    pub(crate) fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    /// Whether the call only has to be made again.
    pub(crate) fn interrupts(self) -> bool {
        matches!(self, Self::Once(Errno::EINTR) | Self::Ever(Errno::EINTR))
    }

    fn counts_changes_only(self) -> bool {
        self.kills()
    }
}

/// What was hit.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) call: &'static Call,
    /// What it worked on, where that can be told.
    pub(crate) path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exit(i32),
    Signal(Signal),
    /// It did not end in time, and was killed.
    Hung,
}

#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) ended: Ended,
    /// Calls that counted.
    pub(crate) calls: u64,
    pub(crate) hit: Option<Hit>,
}

/// How often a call is interrupted that is interrupted "for ever": nobody has to bear more.
const INTERRUPTIONS: u32 = 3;

struct Tracer {
    main: Pid,
    fault: Fault,
    at: u64,
    changes_only: bool,
    /// Whether the program's own code has begun.
    begun: bool,
    calls: u64,
    hits: u32,
    hit: Option<Hit>,
}

/// Runs the command with a fault at its `at`-th call; with `changes_only` only calls that change something count.
#[expect(clippy::zombie_processes, reason = "it is waited for by its number: its threads are waited for with it")]
pub(crate) fn run(command: &mut Command, fault: Fault, at: u64, changes_only: bool) -> Ran {
    let changes_only = changes_only || fault.counts_changes_only();
    filter::trace(command, &calls::stops(changes_only));
    let child = command.spawn().expect("the program starts");
    let main = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    let mut tracer = Tracer { main, fault, at, changes_only, begun: false, calls: 0, hits: 0, hit: None };
    let watch = Watch::over(main);
    let ended = tracer.follow();
    let ended = if watch.ended() { Ended::Hung } else { ended };
    Ran { ended, calls: tracer.calls, hit: tracer.hit }
}

/// Kills what takes too long.
struct Watch {
    done: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
    late: Arc<AtomicBool>,
}

impl Watch {
    fn over(pid: Pid) -> Self {
        let (done, wait) = mpsc::channel();
        let late = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&late);
        let thread = std::thread::spawn(move || {
            if wait.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                flag.store(true, Ordering::SeqCst);
                kill(pid, Signal::SIGKILL).ok();
            }
        });
        Self { done, thread, late }
    }

    fn ended(self) -> bool {
        self.done.send(()).ok();
        self.thread.join().ok();
        self.late.load(Ordering::SeqCst)
    }
}

impl Tracer {
    fn follow(&mut self) -> Ended {
        let mine = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let first = waitpid(self.main, Some(mine)).expect("the program stops at its beginning");
        assert!(matches!(first, WaitStatus::Stopped(_, Signal::SIGTRAP)), "{first:?} at the beginning");
        let options = Options::PTRACE_O_TRACESECCOMP
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(self.main, options).expect("ptrace takes its options");
        ptrace::cont(self.main, None).ok();
        loop {
            // A thread that was killed while it was stopped makes errors of all that is asked of it: they mean nothing.
            match waitpid(None, Some(mine)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.main => return Ended::Exit(code),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.main => return Ended::Signal(signal),
                Ok(WaitStatus::PtraceEvent(pid, _, event)) if event == Event::PTRACE_EVENT_SECCOMP as i32 => {
                    self.stopped(pid).ok();
                }
                // The call that was waited for is done.
                Ok(WaitStatus::PtraceSyscall(_)) => self.kill(),
                Ok(WaitStatus::Stopped(pid, signal)) => {
                    let own = matches!(signal, Signal::SIGSTOP | Signal::SIGTRAP);
                    ptrace::cont(pid, (!own).then_some(signal)).ok();
                }
                Ok(WaitStatus::PtraceEvent(pid, ..)) => {
                    ptrace::cont(pid, None).ok();
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => panic!("waiting for the program: {error}"),
            }
        }
    }

    fn kill(&self) {
        kill(self.main, Signal::SIGKILL).ok();
    }

    /// A thread is about to make a call.
    fn stopped(&mut self, pid: Pid) -> nix::Result<()> {
        let mut regs = ptrace::getregs(pid)?;
        let arguments = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
        self.begun |= u64::try_from(BEGIN) == Ok(regs.orig_rax);
        let counted = Call::of(regs.orig_rax).filter(|call| self.begun && call.counts(&arguments, self.changes_only));
        let Some(call) = counted else { return ptrace::cont(pid, None) };
        self.calls += 1;
        if !self.is_hit(call) {
            return ptrace::cont(pid, None);
        }
        if self.hit.is_none() {
            self.hit = Some(Hit { call, path: path(pid, call, &arguments) });
        }
        self.hits += 1;
        match self.fault {
            Fault::None => ptrace::cont(pid, None),
            Fault::KillBefore => {
                self.kill();
                Ok(())
            }
            Fault::KillAfter => ptrace::syscall(pid, None),
            Fault::Once(errno) | Fault::Ever(errno) => {
                regs.orig_rax = u64::MAX;
                regs.rax = (-i64::from(errno as i32)).cast_unsigned();
                ptrace::setregs(pid, regs)?;
                ptrace::cont(pid, None)
            }
            Fault::Short => {
                regs.rdx /= 2;
                ptrace::setregs(pid, regs)?;
                ptrace::cont(pid, None)
            }
        }
    }

    fn is_hit(&self, call: &Call) -> bool {
        match self.fault {
            Fault::None => false,
            Fault::Ever(errno) => {
                let same = self.hit.as_ref().is_some_and(|hit| hit.call.number == call.number);
                self.calls == self.at || (same && (errno != Errno::EINTR || self.hits < INTERRUPTIONS))
            }
            // What writes little can't write less: the next one that can is taken.
            Fault::Short => self.calls >= self.at && self.hit.is_none() && call.can_be_short(),
            _ => self.calls == self.at,
        }
    }
}

/// What a call works on, as a path.
fn path(pid: Pid, call: &Call, arguments: &[u64; 6]) -> String {
    let fd = |at: usize| {
        let number = i32::from_ne_bytes(arguments[at].to_ne_bytes()[..4].try_into().expect("four bytes"));
        let link = if number == libc::AT_FDCWD { "cwd".to_owned() } else { format!("fd/{number}") };
        std::fs::read_link(format!("/proc/{pid}/{link}")).unwrap_or_default()
    };
    let found = match call.on {
        On::Fd(at) => fd(at),
        On::Path(at) => fd_cwd(pid).join(text(pid, arguments[at])),
        On::At(at) => fd(at).join(text(pid, arguments[at + 1])),
        On::Nothing => PathBuf::new(),
    };
    below_held(pid, &found).unwrap_or(found).to_string_lossy().into_owned()
}

/// A path that begins at a directory which the program holds, by the name of that.
fn below_held(pid: Pid, path: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix("/proc/self/fd").ok()?;
    let mut names = below.iter();
    let held = std::fs::read_link(format!("/proc/{pid}/fd/{}", names.next()?.to_str()?)).ok()?;
    Some(held.join(names.as_path()))
}

fn fd_cwd(pid: Pid) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default()
}

/// A string of the program's memory.
fn text(pid: Pid, at: u64) -> String {
    let mut bytes = vec![0; 512];
    let read = File::open(format!("/proc/{pid}/mem")).and_then(|memory| memory.read_at(&mut bytes, at)).unwrap_or(0);
    let end = bytes[..read].iter().position(|&byte| byte == 0).unwrap_or(read);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
