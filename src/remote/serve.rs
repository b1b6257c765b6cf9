//! Who answers a client (floor 5): an agent on its host, or a thread beside the client's own end.
//!
//! One thread takes what comes and never works itself. What changes the store, and whatever else is quick, is done in the order in which it came, by one
//! worker; content is read by others, so that it does not wait for writes; what takes long has a thread of its own, so that a mirror is looked at while
//! blocks come in. What must stay true: nothing that a client says is believed (`put`, [`crate::mirror::admit`], `held`), and nobody waits for
//! somebody who waits for him: the taker waits only for room in lanes whose workers need nothing of it.
//!
//! When the port ends, blocks that came are stored and made durable, and what is open is closed. Work that takes long is not interrupted: a process that
//! has to end by a certain time ends itself, at any moment, and loses nothing by that.

mod bound;
mod fault;
mod held;
mod lane;
mod past;
mod patch;
mod put;
mod read;
mod told;
mod work;

use super::Error;
use super::line::Port;
use super::message::{Answer, Ask, Event, Fault, Message, Push};
use super::policy::Policy;
use crate::limits::{FRAME_MAX, LONG_ASKS};
use crate::mirror::end::{End, Turning};
use crate::monitor::Monitor;
use crate::path::shown;
use bound::Bound;
use crossbeam_channel::Sender;
use fault::out_of_turn;
use held::Held;
use lane::Lane;
use past::{Asked, Pushes};
use patch::{Patcher, signatures};
use read::Fetcher;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant};
use told::Told;

/// Threads that read content.
const READERS: usize = 2;
/// Pushes of one question that nobody has taken yet.
const PUSHES: usize = 4;
/// When the port has ended, blocks that still wait are stored for so long.
const LATE: Duration = Duration::from_secs(1);

/// Carries out what the room above knows.
pub trait Errands: Sync {
    /// Does what is asked for, tells of it on the way, `tell` what only the room above knows, and gives what came of it.
    fn carry_out(&self, errand: &[u8], monitor: &dyn Monitor, tell: &dyn Fn(Vec<u8>)) -> Result<Vec<u8>, Fault>;
}

/// Answers a client until the port ends. Everything that was opened is closed then.
pub fn serve(port: &Port, policy: &Policy, errands: Option<&dyn Errands>) -> Result<(), Error> {
    let desk = Desk {
        port,
        policy,
        errands,
        bound: OnceLock::new(),
        held: RwLock::default(),
        ordered: Lane::default(),
        reads: Lane::default(),
        pushes: Mutex::default(),
        long: AtomicUsize::new(0),
    };
    std::thread::scope(|scope| {
        let served = desk.begin(scope).and_then(|()| desk.take_in(scope));
        desk.ordered.end();
        desk.reads.end();
        // Whoever still waits for a push waits no more.
        desk.pushes().clear();
        served
    })
}

/// A question and its number.
type Asking = (u64, Ask);

struct Desk<'a> {
    port: &'a Port,
    policy: &'a Policy,
    errands: Option<&'a dyn Errands>,
    bound: OnceLock<Bound<'a>>,
    /// Who works with what is open reads; who opens or closes writes, and so waits for the others.
    held: RwLock<Held>,
    ordered: Lane<Asking>,
    reads: Lane<Asking>,
    pushes: Mutex<HashMap<u64, Sender<Result<Push, Fault>>>>,
    long: AtomicUsize,
}

impl<'a> Desk<'a> {
    fn begin<'s>(&'s self, scope: &'s Scope<'s, '_>) -> Result<(), Error> {
        self.start(scope, "ordered", || self.work_in_order())?;
        (0..READERS).try_for_each(|_| self.start(scope, "read", || self.read()))
    }

    fn start<'s>(&self, scope: &'s Scope<'s, '_>, name: &str, work: impl FnOnce() + Send + 's) -> Result<(), Error> {
        let started = Builder::new().name(format!("serve-{name}")).spawn_scoped(scope, work);
        let failed = |e: io::Error| Error::Pipe { host: self.port.host().to_owned(), source: Arc::new(e) };
        started.map(drop).map_err(failed)
    }

    /// Takes what comes until nothing more does, and hands it to who works.
    fn take_in<'s>(&'s self, scope: &'s Scope<'s, '_>) -> Result<(), Error> {
        while let Some(bytes) = self.port.receive()? {
            let unfit = || Error::Damaged { host: self.port.host().to_owned(), what: "a message that makes no sense" };
            match Message::decode(&bytes).map_err(|_| unfit())? {
                Message::Ask(id, ask) => self.hand_out(scope, (id, ask), bytes.len()),
                Message::Push(id, push) => {
                    // What is pushed after its question was answered is not wanted any more.
                    let wanted = self.pushes().get(&id).cloned();
                    let _late = wanted.map(|wanted| wanted.send(push));
                }
                Message::Answer(..) | Message::Event(..) | Message::Pull(..) => return Err(unfit()),
            }
        }
        Ok(())
    }

    fn hand_out<'s>(&'s self, scope: &'s Scope<'s, '_>, (id, ask): Asking, bytes: usize) {
        match ask {
            Ask::Bind(place) => {
                let bound = Bound::to(place, self.policy).and_then(|bound| {
                    self.bound.set(bound).map_err(|_| out_of_turn("a conversation is about one place"))?;
                    Ok(Answer::Done)
                });
                self.answer(id, bound);
            }
            Ask::Read(_) | Ask::Signatures(_) => self.reads.push((id, ask), bytes),
            Ask::Look(_)
            | Ask::LookDry(..)
            | Ask::Verify(_)
            | Ask::Publish { .. }
            | Ask::Tidy(_)
            | Ask::Prune(_)
            | Ask::Survey { .. }
            | Ask::FinishPublishing(_)
            | Ask::InitAfterSwap { .. }
            | Ask::Errand(_) => self.begin_long(scope, (id, ask)),
            _ => self.ordered.push((id, ask), bytes),
        }
    }

    /// Answers what takes long on a thread of its own.
    fn begin_long<'s>(&'s self, scope: &'s Scope<'s, '_>, (id, ask): Asking) {
        if self.long.fetch_add(1, Ordering::SeqCst) >= LONG_ASKS {
            self.long.fetch_sub(1, Ordering::SeqCst);
            return self.answer(id, Err(out_of_turn("too much at once")));
        }
        let pushes = matches!(ask, Ask::InitAfterSwap { .. }).then(|| {
            let (pushed, pushes) = crossbeam_channel::bounded(PUSHES);
            self.pushes().insert(id, pushed);
            pushes
        });
        let work = move || {
            let told = Told::new(id, self.port);
            let answer = self.work_long(id, ask, pushes, &told);
            told.flush();
            self.pushes().remove(&id);
            self.long.fetch_sub(1, Ordering::SeqCst);
            self.answer(id, answer);
        };
        if let Err(error) = self.start(scope, "long", work) {
            self.pushes().remove(&id);
            self.long.fetch_sub(1, Ordering::SeqCst);
            self.answer(id, Err(Fault::Failed(error.to_string())));
        }
    }

    fn work_long(&self, id: u64, ask: Ask, pushes: Option<Pushes>, told: &Told<'_>) -> Result<Answer, Fault> {
        match (ask, pushes) {
            (Ask::Errand(errand), _) => {
                let errands = self.errands.ok_or_else(|| out_of_turn("this end runs no errands"))?;
                errands.carry_out(&errand, told, &|bytes| told.tell(Event::Other(bytes))).map(Answer::Carried)
            }
            (Ask::InitAfterSwap { random, name, config }, Some(pushes)) => {
                // What a store would refuse to read back is not written.
                if !config.is_sound() {
                    return Err(out_of_turn("a store that cannot be"));
                }
                let name = shown(name.as_bytes());
                let from = Asked { id, port: self.port, pushes, name, config };
                Ok(Answer::Imported(self.bound()?.near()?.init_after_swap(&from, random, told)?))
            }
            (ask, _) => {
                let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
                work::answer(&held, ask, self.policy, told)
            }
        }
    }

    /// The worker for what is done in order. In the end it makes durable what was put.
    fn work_in_order(&self) {
        let (mut patcher, mut until, mut unsettled) = (None, None, false);
        while let Some((id, ask)) = self.ordered.pop() {
            if self.ordered.has_ended() {
                let until = *until.get_or_insert_with(|| Instant::now() + LATE);
                if !is_put(&ask) || Instant::now() > until {
                    continue;
                }
            }
            unsettled = is_put(&ask) || unsettled && !matches!(ask, Ask::Settle | Ask::Commit(_) | Ask::Close);
            let told = Told::new(id, self.port);
            let answer = self.next_in_order(ask, &mut patcher, &told);
            told.flush();
            self.answer(id, answer);
        }
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        if let Held::Mirror(mirror) = &*held
            && unsettled
        {
            // There is nobody to be told. What is not durable is put again by the next run.
            let _settled = mirror.service().settle();
        }
    }

    fn next_in_order(&self, ask: Ask, patcher: &mut Option<Patcher>, told: &Told<'_>) -> Result<Answer, Fault> {
        match ask {
            Ask::Open => self.open(|| Held::open(&self.bound()?.near()?, told)),
            Ask::OpenToRead => self.open(|| Held::open_to_read(&self.bound()?.near()?)),
            Ask::BeginTurn => self.open(|| Held::begin_turn(&self.bound()?.near()?)),
            Ask::Close => self.open(|| Ok(Held::Nothing)),
            Ask::Put(_) | Ask::Patch(_) => {
                let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
                let patcher = match patcher {
                    Some(patcher) => patcher,
                    none => none.insert(Patcher::new()?),
                };
                patcher.put(ask, held.mirror()?)?;
                Ok(Answer::Done)
            }
            Ask::Role
            | Ask::MirrorAround
            | Ask::WithoutContent(_)
            | Ask::Records(_)
            | Ask::Pins
            | Ask::Room(_)
            | Ask::RoomForHistory(_)
            | Ask::Init(_) => self.bound()?.answer(ask),
            ask => {
                let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
                work::answer(&held, ask, self.policy, told)
            }
        }
    }

    /// Closes what is open, which gives its lock back, and opens something else.
    fn open(&self, open: impl FnOnce() -> Result<Held, Fault>) -> Result<Answer, Fault> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        *held = Held::Nothing;
        *held = open()?;
        Ok(match &*held {
            Held::Nothing => Answer::Done,
            Held::Mirror(mirror) => Answer::Opened(mirror.opened()?),
            Held::Turn(turn) => Answer::State(turn.lock().unwrap_or_else(PoisonError::into_inner).state()),
        })
    }

    /// A worker that reads content.
    fn read(&self) {
        let mut fetcher = None;
        while let Some((id, ask)) = self.reads.pop() {
            if self.reads.has_ended() {
                continue;
            }
            let fetch = || {
                let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
                let wanted = match ask {
                    Ask::Read(wanted) => wanted,
                    Ask::Signatures(wanted) => return signatures(held.mirror()?.service(), &wanted),
                    _ => return Err(out_of_turn("nothing to read")),
                };
                let fetcher = match &mut fetcher {
                    Some(fetcher) => fetcher,
                    none => none.insert(Fetcher::new()?),
                };
                fetcher.fetch(held.mirror()?, &wanted).map(Answer::Chunks)
            };
            self.answer(id, fetch());
        }
    }

    fn bound(&self) -> Result<&Bound<'a>, Fault> {
        self.bound.get().ok_or_else(|| out_of_turn("no place was named"))
    }

    fn pushes(&self) -> MutexGuard<'_, HashMap<u64, Sender<Result<Push, Fault>>>> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what came of a question. A client that is gone does not want it.
    fn answer(&self, id: u64, answer: Result<Answer, Fault>) {
        let bytes = Message::Answer(id, answer).encode().ok().filter(|bytes| bytes.len() <= FRAME_MAX);
        let too_long = || {
            let why = "the answer is too long to be sent: work on the host of the mirror itself".to_owned();
            Message::Answer(id, Err(Fault::Failed(why))).encode().unwrap_or_default()
        };
        let _gone = self.port.send(&bytes.unwrap_or_else(too_long));
    }
}

fn is_put(ask: &Ask) -> bool {
    matches!(ask, Ask::Put(_) | Ask::Patch(_))
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
