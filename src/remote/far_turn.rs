//! The place at the other end of a line that a swap promotes, under its lock (floor 5).

use super::message::{Answer, Ask};
use super::talk::Talk;
use super::tell::{let_go, part, tell};
use crate::format::role::State;
use crate::mirror::Error;
use crate::mirror::end::Turning;
use crate::monitor::Monitor;
use crate::path::shown;
use crate::scan::selection::Selection;

/// A turn that an agent holds for us.
pub struct FarTurn<'t> {
    talk: &'t Talk,
    state: State,
}

impl<'t> FarTurn<'t> {
    /// Takes the lock.
    pub fn begin(talk: &'t Talk) -> Result<Self, Error> {
        match talk.ask(Ask::BeginTurn, &mut |_| {})? {
            Answer::State(state) => Ok(Self { talk, state }),
            _ => Err(talk.unfit().into()),
        }
    }

    fn turn(&mut self, ask: Ask, monitor: Option<&dyn Monitor>) -> Result<(), Error> {
        let host = self.talk.host();
        let answer = self.talk.ask(ask, &mut |event| {
            if let Some(monitor) = monitor {
                tell(monitor, host, event);
            }
        });
        let Answer::State(state) = answer? else { return Err(self.talk.unfit().into()) };
        self.state = state;
        Ok(())
    }
}

impl Turning for FarTurn<'_> {
    fn state(&self) -> State {
        self.state
    }

    fn number(&self) -> Result<u64, Error> {
        match self.talk.ask(Ask::TurnNumber, &mut |_| {})? {
            Answer::Number(number) => Ok(number),
            _ => Err(self.talk.unfit().into()),
        }
    }

    fn finish_publishing(&mut self, selection: &Selection, monitor: &dyn Monitor) -> Result<(), Error> {
        self.turn(Ask::FinishPublishing(part(selection)), Some(monitor))
    }

    fn link_store(&self) -> Result<Option<String>, Error> {
        match self.talk.ask(Ask::LinkStore, &mut |_| {})? {
            Answer::Why(link) => Ok(link.map(|link| format!("{}:{}", self.talk.host(), shown(link.as_bytes())))),
            _ => Err(self.talk.unfit().into()),
        }
    }

    fn promote(&mut self, number: u64) -> Result<(), Error> {
        self.turn(Ask::Promote(number), None)
    }

    fn take_back(&mut self, number: u64) -> Result<(), Error> {
        self.turn(Ask::TakeBack(number), None)
    }
}

impl Drop for FarTurn<'_> {
    fn drop(&mut self) {
        let_go(self.talk);
    }
}
