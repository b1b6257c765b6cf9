//! What an agent has open for its client (floor 5): a mirror, a history that is only read, or a place in its turn; one at a time. But for what is only
//! read, each is under its lock, which goes when it is dropped.

use super::fault::out_of_turn;
use crate::entry::ChunkRef;
use crate::format::pack::BlockKind;
use crate::format::role::{Role, State};
use crate::format::snapshot::{Kind, Record};
use crate::id::Id;
use crate::limits::{KEPT_NODES, OPENED_RECORDS, OPENED_SEARCH, RECORDS_BYTES};
use crate::mirror::admit;
use crate::mirror::local::LocalMirror;
use crate::mirror::look::Look;
use crate::mirror::near::Near;
use crate::mirror::reading::Reading;
use crate::mirror::service::{Draft, MirrorService};
use crate::mirror::turn::Turn;
use crate::monitor::Monitor;
use crate::remote::message::{Fault, Opened};
use crate::store::block::Block;
use crate::store::{Error as StoreError, Store};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is open.
#[derive(Default)]
pub(super) enum Held {
    #[default]
    Nothing,
    Mirror(Box<Mirror>),
    Turn(Box<Mutex<Turn>>),
}

/// An open mirror, or a history that is only read.
pub(super) struct Mirror {
    end: End,
    /// What the last look found, and whether it was one that wrote nothing.
    looked: Mutex<Option<(Look, bool)>>,
    /// Bytes that were put and that are kept in memory.
    kept: AtomicU64,
}

enum End {
    Local(Box<LocalMirror>),
    Reading(Box<Reading>),
}

impl Held {
    /// Opens a mirror.
    pub(super) fn open(near: &Near, monitor: &dyn Monitor) -> Result<Self, Fault> {
        let end = End::Local(Box::new(LocalMirror::open(&near.place(), monitor)?));
        Ok(Self::Mirror(Box::new(Mirror { end, looked: Mutex::default(), kept: AtomicU64::new(0) })))
    }

    /// Opens the history of a place, for reading only.
    pub(super) fn open_to_read(near: &Near) -> Result<Self, Fault> {
        let end = End::Reading(Box::new(Reading::open(&near.place())?));
        Ok(Self::Mirror(Box::new(Mirror { end, looked: Mutex::default(), kept: AtomicU64::new(0) })))
    }

    /// Takes the lock of a place with a role.
    pub(super) fn begin_turn(near: &Near) -> Result<Self, Fault> {
        Ok(Self::Turn(Box::new(Mutex::new(Turn::begin(&near.place())?))))
    }

    /// The mirror that is open.
    pub(super) fn mirror(&self) -> Result<&Mirror, Fault> {
        if let Self::Mirror(mirror) = self { Ok(mirror) } else { Err(out_of_turn("no mirror is open")) }
    }

    /// The place whose turn has begun.
    pub(super) fn turn(&self) -> Result<&Mutex<Turn>, Fault> {
        if let Self::Turn(turn) = self { Ok(turn) } else { Err(out_of_turn("no turn has begun")) }
    }
}

impl Mirror {
    pub(super) fn service(&self) -> &dyn MirrorService {
        match &self.end {
            End::Local(mirror) => mirror.as_ref(),
            End::Reading(reading) => reading.as_ref(),
        }
    }

    pub(super) fn store(&self) -> &Store {
        match &self.end {
            End::Local(mirror) => mirror.store(),
            End::Reading(reading) => reading.store(),
        }
    }

    /// Takes a block that was proved, unless all of it is there.
    pub(super) fn put(&self, block: Block) -> Result<(), Fault> {
        let ids: Vec<Id> = block.chunks.iter().map(|chunk| chunk.id).collect();
        if !self.service().missing(block.kind, &ids)?.contains(&true) {
            return Ok(());
        }
        if matches!(self.end, End::Reading(_)) && block.kind == BlockKind::Manifest {
            let kept = self.kept.fetch_add(block.plain(), Ordering::Relaxed);
            if kept.saturating_add(block.plain()) > KEPT_NODES {
                return Err(Fault::Failed(
                    "there is too much that is new: nothing can be put into this history, and no more be remembered"
                        .to_owned(),
                ));
            }
        }
        Ok(self.service().put(block)?)
    }

    /// Proves what a client wants to be a snapshot. Where there are none to be, the refusal comes from there.
    pub(super) fn prove(&self, draft: &Draft) -> Result<(), Fault> {
        match &self.end {
            End::Local(mirror) => Ok(admit::prove(mirror.store(), draft)?),
            End::Reading(_) => Ok(()),
        }
    }

    /// Remembers a look, and gives it back for the client.
    pub(super) fn saw(&self, look: Look, is_dry: bool) -> Look {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some((look.clone(), is_dry));
        look
    }

    /// The last look, if this is its root: what the client says of the tree is not asked. With `to_write`, it was not a dry one.
    pub(super) fn last_look(&self, root: ChunkRef, to_write: bool) -> Result<Look, Fault> {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        match looked.as_ref() {
            Some((look, is_dry)) if look.taken.root == root && !(to_write && *is_dry) => {
                Ok(Look { recorded: None, ..look.clone() })
            }
            _ => Err(out_of_turn("the tree was not looked at, or is not what was found")),
        }
    }

    /// All that the client needs to know at first.
    pub(super) fn opened(&self) -> Result<Opened, Fault> {
        let service = self.service();
        let (role, sequences) = (service.role(), service.sequences()?);
        let records = first_records(self.store(), &role, &sequences)?;
        let (chunker, is_incomplete) = (service.chunker(), service.is_incomplete());
        Ok(Opened { role, chunker, is_incomplete, sequences, records })
    }
}

/// The newest records, the newest of each kind among somewhat more, and those that the role names.
fn first_records(store: &Store, role: &Role, sequences: &[u64]) -> Result<Vec<Record>, Fault> {
    let named = match role.state {
        State::Empty => [None, None],
        State::Clean(n) | State::Promoted(n) => [Some(n), None],
        State::Publishing(from, to) => [Some(from), Some(to)],
    };
    let (mut found, mut kinds, mut bytes): (Vec<Record>, Vec<Kind>, usize) = (Vec::new(), Vec::new(), 0);
    let newest = sequences.iter().rev().take(OPENED_SEARCH).copied().enumerate();
    let named = named.into_iter().flatten().filter(|n| sequences.binary_search(n).is_ok());
    for (rank, sequence) in newest.chain(named.map(|sequence| (0, sequence))) {
        if found.iter().any(|record| record.sequence == sequence) {
            continue;
        }
        let record = match store.record(sequence) {
            Err(StoreError::Damaged { .. } | StoreError::NoSnapshot(_)) => continue,
            record => record?,
        };
        let is_first = !kinds.contains(&record.kind);
        if rank < OPENED_RECORDS || is_first {
            bytes = bytes.saturating_add(record.encode()?.len());
            if bytes > RECORDS_BYTES {
                break;
            }
            kinds.push(record.kind);
            found.push(record);
        }
    }
    Ok(found)
}
