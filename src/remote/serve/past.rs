//! The history of the client, which an agent takes over (floor 5): each part is asked for when it is needed.

use crate::format::config::Config;
use crate::id::Id;
use crate::path::shown_path;
use crate::remote::line::Port;
use crate::remote::message::{Fault, Message, Pull, Push};
use crate::store::Error as StoreError;
use crate::store::history::{History, Past};
use crate::store::layout::Layout;
use crossbeam_channel::Receiver;
use std::collections::BTreeMap;
use std::path::Path;

/// What was pushed by the client for one question.
pub(super) type Pushes = Receiver<Result<Push, Fault>>;

/// The history behind a question.
pub(super) struct Asked<'a> {
    pub(super) id: u64,
    pub(super) port: &'a Port,
    pub(super) pushes: Pushes,
    /// How messages name it.
    pub(super) name: String,
    pub(super) config: Config,
}

impl Asked<'_> {
    fn pull(&self, pull: Pull) -> Result<Push, StoreError> {
        let bytes = Message::Pull(self.id, pull).encode()?;
        self.port.send(&bytes).map_err(|_| gone())?;
        self.next()
    }

    fn next(&self) -> Result<Push, StoreError> {
        match self.pushes.recv().map_err(|_| gone())? {
            Ok(push) => Ok(push),
            Err(Fault::Unreadable(text)) => Err(StoreError::Unreadable(text)),
            Err(Fault::NoSnapshot(sequence)) => Err(StoreError::NoSnapshot(sequence)),
            Err(Fault::Locked(text) | Fault::Refused(text) | Fault::Damaged(text) | Fault::Failed(text)) => {
                Err(StoreError::Declined(text))
            }
        }
    }
}

impl History for Asked<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn pack_name(&self, pack: &Id) -> String {
        shown_path(&Layout::new(Path::new(&self.name)).pack(pack))
    }

    fn config(&self) -> Config {
        self.config
    }

    fn lengths(&self) -> Result<BTreeMap<Id, u64>, StoreError> {
        Ok(self.past()?.packs)
    }

    fn past(&self) -> Result<Past, StoreError> {
        match self.pull(Pull::Past)? {
            Push::Past(past) => Ok(past),
            Push::Bytes(_) => Err(unfit()),
        }
    }

    fn record_bytes(&self, sequence: u64) -> Result<Vec<u8>, StoreError> {
        match self.pull(Pull::Record(sequence))? {
            Push::Bytes(bytes) => Ok(bytes),
            Push::Past(_) => Err(unfit()),
        }
    }

    fn read_pack(&self, pack: &Id, take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut push = self.pull(Pull::Pack(*pack))?;
        loop {
            match push {
                Push::Past(_) => return Err(unfit()),
                Push::Bytes(bytes) if bytes.is_empty() => return Ok(()),
                Push::Bytes(bytes) => take(&bytes)?,
            }
            push = self.next()?;
        }
    }
}

fn gone() -> StoreError {
    StoreError::Gone("the client that had the history went away")
}

fn unfit() -> StoreError {
    StoreError::Gone("the client answered with something else than was asked for")
}
