//! A client's side of a conversation (floor 5): numbers the questions, and brings each answer to who waits for it.
//!
//! One thread hears all that the other end says. What must stay true: it waits for nobody but a caller that is being told events, so answers come
//! whatever other callers do; when the line fails, everybody who waits is told why, and who asks later is told the same. What comes is not believed:
//! texts are escaped here, and an answer to nothing ends the conversation.

use super::Error;
use super::line::Port;
use super::message::{Answer, Ask, Event, Fault, Message, Pull, Push};
use super::words::fault_of;
use crate::limits::EVENTS_WAITING;
use crate::store::history::History;
use crate::{mirror, store};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Why there is no answer. As text it begins with the host.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The line failed: nothing more can be had.
    #[error(transparent)]
    Line(#[from] Error),
    /// The other end says that it was not done.
    #[error("{host}: {}", .fault.text())]
    Fault {
        /// The other end.
        host: String,
        /// Its words.
        fault: Fault,
    },
}

/// A conversation on a port. Dropping it closes the port.
pub struct Talk {
    shared: Arc<Shared>,
}

struct Shared {
    host: String,
    port: Port,
    numbers: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ears: HashMap<u64, Ear>,
    /// Why nothing more will be heard.
    over: Option<Error>,
}

/// Who waits for an answer.
enum Ear {
    /// A caller that is told everything.
    Asking(SyncSender<Heard>),
    /// Something that is done with the answer, on the thread that hears: quickly, then.
    Then(Box<dyn FnOnce(Result<Answer, Failure>) + Send>),
}

enum Heard {
    Event(Event),
    Pull(Pull),
    Answer(Result<Answer, Failure>),
}

/// A question that is under way.
pub struct Pending<'a> {
    answer: Receiver<Result<Answer, Failure>>,
    talk: &'a Talk,
}

impl Talk {
    /// Begins a conversation. `host` is what messages call the other end.
    pub fn new(host: String, port: Port) -> Result<Self, Error> {
        let shared = Arc::new(Shared { host, port, numbers: AtomicU64::new(1), state: Mutex::default() });
        let hearing = Arc::clone(&shared);
        let started = thread::Builder::new().name("talk".to_owned()).spawn(move || hearing.hear());
        started.map_err(|source| Error::Pipe { host: shared.host.clone(), source: Arc::new(source) })?;
        Ok(Self { shared })
    }

    /// What messages call the other end.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    /// Asks, waits for the answer, and tells what happens meanwhile.
    pub fn ask(&self, ask: Ask, events: &mut dyn FnMut(Event)) -> Result<Answer, Failure> {
        self.ask_giving(ask, None, events)
    }

    /// The same, of one who may need a history to answer.
    pub fn ask_giving(
        &self,
        ask: Ask,
        history: Option<&dyn History>,
        events: &mut dyn FnMut(Event),
    ) -> Result<Answer, Failure> {
        let (ear, heard) = sync_channel(EVENTS_WAITING);
        let number = self.post(ask, Ear::Asking(ear))?;
        loop {
            match heard.recv() {
                Ok(Heard::Event(event)) => events(event),
                Ok(Heard::Pull(pull)) => self.give(number, &pull, history),
                Ok(Heard::Answer(answer)) => return answer,
                Err(_) => return Err(self.shared.gone().into()),
            }
        }
    }

    /// Asks, and does not wait.
    pub fn begin(&self, ask: Ask) -> Result<Pending<'_>, Failure> {
        let (ear, answer) = sync_channel(1);
        self.then(ask, move |answer| {
            // Who does not want to know any more has gone.
            let _gone = ear.send(answer);
        })?;
        Ok(Pending { answer, talk: self })
    }

    /// Asks, and has something done when the answer comes. That must not wait for anything.
    pub fn then(&self, ask: Ask, what: impl FnOnce(Result<Answer, Failure>) + Send + 'static) -> Result<(), Failure> {
        self.post(ask, Ear::Then(Box::new(what))).map(|_| ())
    }

    /// What there is to say of an answer that does not fit the question.
    pub fn unfit(&self) -> Failure {
        self.shared.damaged("an answer that does not fit the question").into()
    }

    fn post(&self, ask: Ask, ear: Ear) -> Result<u64, Failure> {
        let number = self.shared.numbers.fetch_add(1, Ordering::Relaxed);
        {
            let mut state = self.shared.state();
            if let Some(why) = &state.over {
                return Err(why.clone().into());
            }
            state.ears.insert(number, ear);
        }
        self.shared.send(&Message::Ask(number, ask)).inspect_err(|_| drop(self.shared.state().ears.remove(&number)))?;
        Ok(number)
    }

    /// Gives what was asked for. Where that cannot be sent, the answer says so.
    fn give(&self, number: u64, pull: &Pull, history: Option<&dyn History>) {
        let push = |push| self.shared.send(&Message::Push(number, push));
        let bytes = |bytes: &[u8]| push(Ok(Push::Bytes(bytes.to_vec()))).map_err(|e| Failure::from(e).into());
        let give = |history: &dyn History| -> Result<(), store::Error> {
            match pull {
                Pull::Past => push(Ok(Push::Past(history.past()?))).map_err(|e| Failure::from(e).into()),
                Pull::Record(sequence) => bytes(&history.record_bytes(*sequence)?),
                Pull::Pack(pack) => {
                    history.read_pack(pack, &mut |piece| if piece.is_empty() { Ok(()) } else { bytes(piece) })?;
                    bytes(&[])
                }
            }
        };
        let nothing = || Err(Fault::Failed("no history was offered".to_owned()));
        let given = history.map_or_else(nothing, |history| give(history).map_err(|e| fault_of(&e)));
        if let Err(fault) = given {
            let _told_by_the_answer = push(Err(fault));
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.shared.port.close();
    }
}

impl Pending<'_> {
    /// Waits for the answer.
    pub fn wait(self) -> Result<Answer, Failure> {
        self.answer.recv().unwrap_or_else(|_| Err(self.talk.shared.gone().into()))
    }

    /// Waits for it no longer than this.
    pub fn wait_for(self, limit: Duration) -> Option<Result<Answer, Failure>> {
        match self.answer.recv_timeout(limit) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(self.talk.shared.gone().into())),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { host: self.host.clone(), what }
    }

    fn gone(&self) -> Error {
        let closed = || Error::Closed { host: self.host.clone(), last: String::new() };
        self.state().over.clone().unwrap_or_else(closed)
    }

    fn send(&self, message: &Message) -> Result<(), Error> {
        let bytes = message.encode().map_err(|_| self.damaged("a message that is too long to send"))?;
        self.port.send(&bytes)
    }

    fn hear(&self) {
        let why = loop {
            let message = match self.port.receive() {
                Ok(Some(bytes)) => Message::decode(&bytes),
                Ok(None) => break Error::Closed { host: self.host.clone(), last: String::new() },
                Err(e) => break e,
            };
            let known = match message {
                Ok(Message::Answer(number, answer)) => self.answer(number, answer),
                Ok(Message::Event(number, event)) => self.tell(number, Heard::Event(event.escaped())),
                Ok(Message::Pull(number, pull)) => self.tell(number, Heard::Pull(pull)),
                Ok(Message::Ask(..) | Message::Push(..)) | Err(_) => false,
            };
            if !known {
                break self.damaged("a message that answers nothing");
            }
        };
        self.end(&why);
    }

    /// Brings an answer to who waits for it. False if nobody does.
    fn answer(&self, number: u64, answer: Result<Answer, Fault>) -> bool {
        let answer = answer.map_err(|fault| Failure::Fault { host: self.host.clone(), fault: fault.escaped() });
        let ear = self.state().ears.remove(&number);
        match ear {
            None => return false,
            Some(Ear::Asking(ear)) => {
                // A caller that does not wait any more has gone.
                let _gone = ear.send(Heard::Answer(answer));
            }
            Some(Ear::Then(what)) => what(answer),
        }
        true
    }

    /// Tells a caller what happens before the answer. False if nobody has asked.
    fn tell(&self, number: u64, what: Heard) -> bool {
        let ear = match self.state().ears.get(&number) {
            None => return false,
            Some(Ear::Asking(ear)) => ear.clone(),
            Some(Ear::Then(_)) => return true,
        };
        let _gone = ear.send(what);
        true
    }

    fn end(&self, why: &Error) {
        let ears = {
            let mut state = self.state();
            state.over = Some(why.clone());
            std::mem::take(&mut state.ears)
        };
        self.port.close();
        for (_, ear) in ears {
            if let Ear::Then(what) = ear {
                what(Err(why.clone().into()));
            }
        }
    }
}

impl From<Failure> for store::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Line(e) => Self::Lost(e.to_string()),
            Failure::Fault { fault: Fault::NoSnapshot(number), .. } => Self::NoSnapshot(number),
            // Of a history, which is on this side.
            Failure::Fault { fault: Fault::Unreadable(text), .. } => Self::Unreadable(text),
            Failure::Fault { host, fault } => {
                Self::Far { host, message: fault.text(), damaged: matches!(fault, Fault::Damaged(_)) }
            }
        }
    }
}

impl From<Failure> for mirror::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Fault { host, fault: Fault::Locked(place) } => Self::Locked(format!("{host}:{place}")),
            Failure::Fault { host, fault: Fault::Refused(text) } => Self::Refused(format!("{host}: {text}")),
            failure => Self::Store(failure.into()),
        }
    }
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
