//! The history of a place, for reading only: of a mirror, or of one that was promoted, until it has a mirror again (floor 4).
//!
//! What must stay true: no lock is taken and nothing is written, neither to the store nor to the tree. Another run may add to the store meanwhile, which is
//! seen here, or take away from it: then what is gone is an error of whoever reads it. What a restore would have to save first is refused.

use super::Error;
use super::look::Look;
use super::make::open_own_store;
use super::place::{Place, check_target, no_mirror};
use super::prune::{Order, Pruned};
use super::service::{Draft, MirrorService};
use super::verify::Verified;
use crate::chunk::cut::Chunker;
use crate::entry::{ChunkRef, Time};
use crate::format::pack::BlockKind;
use crate::format::role::{Role, State};
use crate::format::snapshot::Record;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::path::shown_path;
use crate::scan::selection::Selection;
use crate::store::block::Block;
use crate::store::chunks::{Answer, ChunkReader, ChunkSink, ChunkSource};
use crate::store::dry::Dry;
use crate::store::{Error as StoreError, Store};
use crate::tree::apply::Applied;
use crate::tree::survey::Survey;
use std::sync::Arc;

/// A place, seen through glass.
pub struct Reading {
    store: Arc<Store>,
    seen: Dry<'static>,
    role: Role,
    why: String,
}

impl Reading {
    /// Over the store of a place with a role, whatever that is.
    pub fn open(place: &Place<'_>) -> Result<Self, Error> {
        let (name, target) = (shown_path(place.mirror), place.target);
        let (_, home) = place.enter()?;
        let (store, role) = (open_own_store(place, &home)?.only_read(), home.read_role()?);
        let role = role.ok_or_else(|| no_mirror(place, Some(&home)))?;
        check_target(&role, place)?;
        let why = match role.state {
            State::Promoted(_) => format!(
                "what would be overwritten or added cannot be saved first: the history is that of {name}, which was promoted and takes no snapshots. \
             Either make the mirror: backup -backup --init {target}; or restore to an empty place: --to PLACE (nothing was written)"
            ),
            _ => format!("{name} was opened for reading only (nothing was written)"),
        };
        let store = Arc::new(store);
        Ok(Self { seen: Dry::over(Box::new(Arc::clone(&store))), store, role, why })
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn refused<T>(&self) -> Result<T, Error> {
        Err(Error::Refused(self.why.clone()))
    }
}

impl ChunkSource for Reading {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, StoreError> {
        self.seen.reader()
    }

    fn looks_ahead(&self) -> bool {
        self.seen.looks_ahead()
    }

    fn expect(&self, chunks: Vec<ChunkRef>) {
        ChunkSource::expect(&self.seen, chunks);
    }
}

impl ChunkSink for Reading {
    fn ask(&self, kind: BlockKind, ids: Vec<Id>) -> Result<Answer<'_>, StoreError> {
        self.seen.ask(kind, ids)
    }

    fn settle(&self) -> Result<(), StoreError> {
        self.seen.settle()
    }

    fn put(&self, block: Block) -> Result<(), StoreError> {
        self.seen.put(block)
    }
}

impl MirrorService for Reading {
    fn chunker(&self) -> Chunker {
        self.store.config().chunker
    }

    fn is_incomplete(&self) -> bool {
        self.store.has_lost()
    }

    fn role(&self) -> Role {
        self.role.clone()
    }

    fn sequences(&self) -> Result<Vec<u64>, Error> {
        Ok(self.store.sequences()?)
    }

    fn record(&self, sequence: u64) -> Result<Record, Error> {
        Ok(self.store.record(sequence)?)
    }

    fn tidy(&self, _now: Time, _monitor: &dyn Monitor) -> Result<Option<Record>, Error> {
        Ok(None)
    }

    fn look(&self, _selection: &Selection, _monitor: &dyn Monitor) -> Result<Look, Error> {
        self.refused()
    }

    fn look_dry(&self, _selection: &Selection, _all: bool, _monitor: &dyn Monitor) -> Result<Look, Error> {
        self.refused()
    }

    fn verify(&self, _data: bool, _monitor: &dyn Monitor) -> Result<Verified, Error> {
        self.refused()
    }

    fn commit(&self, _draft: Draft) -> Result<Record, Error> {
        self.refused()
    }

    fn pin(&self, _sequence: u64, _pinned: bool) -> Result<bool, Error> {
        self.refused()
    }

    fn prune(&self, _order: &Order, _monitor: &dyn Monitor) -> Result<Pruned, Error> {
        self.refused()
    }

    fn survey(&self, _look: &Look, _to: ChunkRef, _selection: &Selection) -> Result<Survey, Error> {
        self.refused()
    }

    fn publish(
        &self,
        _look: &Look,
        _to: &Record,
        _selection: &Selection,
        _monitor: &dyn Monitor,
    ) -> Result<Applied, Error> {
        self.refused()
    }
}
