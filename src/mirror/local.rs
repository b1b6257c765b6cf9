//! The mirror on this host (floor 4). Whoever holds a [`LocalMirror`] holds its lock, or was given it by who does.

use super::Error;
use super::home::Home;
use super::leftover::Leftover;
use super::look::{self, Look, Roots, scope};
use super::place::{Place, check_role, lock, no_mirror, not_together};
use super::prune::{self, Order, Pruned};
use super::service::{Draft, MirrorService};
use super::verify::{self, Verified};
use crate::chunk::cut::Chunker;
use crate::entry::{ChunkRef, Time};
use crate::format::pack::BlockKind;
use crate::format::role::{Role, State};
use crate::format::snapshot::Record;
use crate::fs::dir::Dir;
use crate::fs::lock::Lock;
use crate::fs::{Error as FsError, durable, probe};
use crate::id::Id;
use crate::manifest::cursor::Cursor;
use crate::manifest::diff::Diff;
use crate::monitor::{Monitor, Phase};
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::source::snapshot::{OfMirror, Request, Trust, take};
use crate::store::Store;
use crate::store::block::Block;
use crate::store::chunks::{Answer, ChunkReader, ChunkSink, ChunkSource, ChunkStore};
use crate::store::dry::{self, Dry, Nodes};
use crate::tree::apply::{Applied, Target, apply};
use crate::tree::plan::Plan;
use crate::tree::survey::{Survey, Surveyed, survey};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const README: &str = include_str!("README.txt");

/// What a survey is of.
#[derive(Debug, PartialEq, Eq)]
struct Surveying {
    found: ChunkRef,
    to: ChunkRef,
    tops: Vec<RelPath>,
    excludes: Vec<String>,
}

impl Surveying {
    fn new(look: &Look, to: ChunkRef, selection: &Selection) -> Self {
        let (tops, excludes) = (selection.tops().to_vec(), selection.excludes().to_vec());
        Self { found: look.taken.root, to, tops, excludes }
    }
}

/// An open mirror.
#[derive(Debug)]
pub struct LocalMirror {
    home: Home,
    root: Arc<Dir>,
    store: Store,
    role: Mutex<Role>,
    /// What the last look that wrote nothing found: it can be read as if it had been stored.
    glimpsed: Nodes,
    /// The last survey, until the tree is looked at again: what is surveyed is published next.
    surveyed: Mutex<Option<(Surveying, Surveyed)>>,
    _lock: Option<Lock>,
}

impl LocalMirror {
    /// Opens a mirror and takes its lock.
    pub fn open(place: &Place<'_>, monitor: &dyn Monitor) -> Result<Self, Error> {
        let (root, home) = place.enter()?;
        let Some(role) = home.read_role()? else { return Err(no_mirror(place, Some(&home))) };
        check_role(&role, place)?;
        let lock = lock(&home, place)?;
        // Read again under the lock: a run that has just ended changed it.
        let role = home.read_role()?.unwrap_or(role);
        check_role(&role, place)?;
        Self::open_locked(place, (root, home), role, Some(lock), monitor)
    }

    /// Opens a mirror under its lock, which may also be held by the caller.
    pub(super) fn open_locked(
        place: &Place<'_>,
        (root, home): (Arc<Dir>, Home),
        role: Role,
        lock: Option<Lock>,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let store = place.open_store(&home)?;
        if store.config().store != role.store {
            return Err(not_together(&place.store_path()));
        }
        let recovered = store.recover()?;
        if recovered.adopted > 0 {
            monitor.note(&format!("{} packs of an interrupted run are used again", recovered.adopted));
        }
        for path in &recovered.lost {
            monitor
                .note(&format!("{path}: is missing or cut; what it held is stored again where it is met; see -check"));
        }
        for message in &recovered.unusable {
            monitor.note(message);
        }
        let role = Mutex::new(role);
        Ok(Self { home, root, store, role, glimpsed: Nodes::default(), surveyed: Mutex::default(), _lock: lock })
    }

    /// Its store.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    fn state(&self) -> (State, Time) {
        let role = self.role.lock().unwrap_or_else(PoisonError::into_inner);
        (role.state, role.at)
    }

    fn set_state(&self, state: State, at: Time) -> Result<(), Error> {
        let mut role = self.role.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Role { state, at, ..role.clone() };
        self.home.write_role(&next)?;
        *role = next;
        Ok(())
    }

    /// The manifest that the tree was left with, and the one that an interrupted run was putting there.
    fn roots(&self) -> Result<(Option<ChunkRef>, Option<ChunkRef>), Error> {
        let root = |n: u64| (n > 0).then(|| self.store.record(n).map(|record| record.root)).transpose();
        Ok(match self.state().0 {
            State::Empty | State::Promoted(_) => (None, None),
            State::Clean(n) => (root(n)?, None),
            State::Publishing(from, to) => (root(from)?, root(to)?),
        })
    }

    /// What makes the tree, as it was seen, equal a manifest.
    fn plan<'s>(&'s self, look: &'s Look, to: ChunkRef, selection: &'s Selection) -> Result<Plan<'s, Diff<'s>>, Error> {
        let cursor = |root| Ok::<_, Error>(Cursor::new(root, self.store.reader()?)?);
        let diff = Diff::new(Some(cursor(look.taken.root)?), Some(cursor(to)?));
        Ok(Plan::new(diff, look.scope(selection)))
    }

    /// What that amounts to, and what it moves; taken from the last survey if it was this one.
    fn surveyed(&self, look: &Look, to: ChunkRef, selection: &Selection) -> Result<Surveyed, Error> {
        let last = self.surveyed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match last.filter(|(of, _)| *of == Surveying::new(look, to, selection)) {
            Some((_, surveyed)) => Ok(surveyed),
            None => survey(|| self.plan(look, to, selection), self.store.reader()?.as_mut()),
        }
    }

    /// Looks at the tree through any store; with `all`, every file is read whatever its times say, and nothing may be written.
    fn look_with(
        &self,
        store: &dyn ChunkStore,
        selection: &Selection,
        all: bool,
        monitor: &dyn Monitor,
        tell: &mut dyn FnMut(&RelPath, look::Difference),
    ) -> Result<Look, Error> {
        *self.surveyed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let (left, coming) = self.roots()?;
        // Of a store that has lost packs nobody knows without reading whether it has what is on the tree.
        let trust = if all || self.store.has_lost() { Trust::Nothing } else { Trust::Before(self.state().1) };
        let fidelity = probe::fidelity(&self.root);
        let folder = self.home.open()?;
        let request = Request {
            root: Arc::clone(&self.root),
            selection,
            parent: left,
            trust,
            of_mirror: Some(OfMirror { fidelity: &fidelity, folder: &folder, proves: all }),
            filter: None,
            without_caches: false,
            chunker: self.chunker(),
        };
        let began = self.root.settled();
        let taken = take(request, store, monitor)?;
        store.settle()?;
        let drift = if self.state().0 == State::Empty {
            look::Drift::default()
        } else {
            let scope = scope(selection, &taken.apart, &fidelity);
            let roots = Roots { left, coming, interrupted: coming.is_some(), found: taken.root };
            look::drift(store, roots, scope, tell)?
        };
        Ok(Look { taken, began, drift, fidelity, recorded: None })
    }
}

impl ChunkSource for LocalMirror {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, crate::store::Error> {
        Ok(dry::reader(&self.glimpsed, self.store.reader()?))
    }

    fn looks_ahead(&self) -> bool {
        self.store.looks_ahead()
    }

    fn expect(&self, chunks: Vec<ChunkRef>) {
        ChunkSource::expect(&self.store, chunks);
    }
}

impl ChunkSink for LocalMirror {
    fn ask(&self, kind: BlockKind, ids: Vec<Id>) -> Result<Answer<'_>, crate::store::Error> {
        self.store.ask(kind, ids)
    }

    fn settle(&self) -> Result<(), crate::store::Error> {
        self.store.settle()
    }

    fn put(&self, block: Block) -> Result<(), crate::store::Error> {
        self.store.put(block)
    }
}

impl MirrorService for LocalMirror {
    fn chunker(&self) -> Chunker {
        self.store.config().chunker
    }

    fn is_incomplete(&self) -> bool {
        self.store.has_lost()
    }

    fn role(&self) -> Role {
        self.role.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn sequences(&self) -> Result<Vec<u64>, Error> {
        Ok(self.store.sequences()?)
    }

    fn record(&self, sequence: u64) -> Result<Record, Error> {
        Ok(self.store.record(sequence)?)
    }

    fn tidy(&self, now: Time, monitor: &dyn Monitor) -> Result<Option<Record>, Error> {
        let path = self.home.stage();
        let stage = match Dir::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| FsError::new("open", &path, e))?,
        };
        Leftover { stage: &stage, path: &path }.tidy(self, now, monitor)
    }

    fn look(&self, selection: &Selection, monitor: &dyn Monitor) -> Result<Look, Error> {
        self.look_with(&self.store, selection, false, monitor, &mut |_, _| {})
    }

    fn look_dry(&self, selection: &Selection, all: bool, monitor: &dyn Monitor) -> Result<Look, Error> {
        let mut tell = |path: &RelPath, what: look::Difference| {
            monitor.problem(path, &format!("{}: {what}", look::NOT_AS_LEFT));
        };
        let dry = Dry::new(&self.store);
        let look = self.look_with(&dry, selection, all, monitor, &mut tell)?;
        let nodes = dry.into_nodes().into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.glimpsed.write().unwrap_or_else(PoisonError::into_inner) = nodes;
        Ok(look)
    }

    fn verify(&self, data: bool, monitor: &dyn Monitor) -> Result<Verified, Error> {
        verify::verify(&self.store, data, monitor)
    }

    fn commit(&self, draft: Draft) -> Result<Record, Error> {
        self.store.settle()?;
        let target = self.role().target.into_bytes();
        let record = Record {
            sequence: 0,
            kind: draft.kind,
            time: draft.time,
            parent: None,
            target,
            source: draft.source,
            dirs: draft.dirs,
            root: draft.root,
            totals: draft.totals,
            users: draft.users,
            groups: draft.groups,
            note: draft.note.into_bytes(),
        };
        Ok(self.store.commit(record)?)
    }

    fn pin(&self, sequence: u64, pinned: bool) -> Result<bool, Error> {
        Ok(if pinned { self.store.pin(sequence) } else { self.store.unpin(sequence) }?)
    }

    fn prune(&self, order: &Order, monitor: &dyn Monitor) -> Result<Pruned, Error> {
        prune::prune(&self.store, self.state().0, order, monitor)
    }

    fn survey(&self, look: &Look, to: ChunkRef, selection: &Selection) -> Result<Survey, Error> {
        let surveyed = self.surveyed(look, to, selection)?;
        let survey = surveyed.survey;
        *self.surveyed.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Surveying::new(look, to, selection), surveyed));
        Ok(survey)
    }

    fn publish(
        &self,
        look: &Look,
        to: &Record,
        selection: &Selection,
        monitor: &dyn Monitor,
    ) -> Result<Applied, Error> {
        self.store.settle()?;
        let (state, at) = self.state();
        let from = match state {
            _ if look.recorded.is_some() => look.recorded.unwrap_or(0),
            State::Clean(n) | State::Publishing(n, _) => n,
            State::Empty | State::Promoted(_) => 0,
        };
        // The whole plan is made once before anything is done: every node that it needs has then been read and proved.
        let Surveyed { survey, moves, kept } = self.surveyed(look, to.root, selection)?;
        if survey.unmade > 0 {
            monitor.note(&format!(
                "{} names of devices are in the store only: whoever runs this may make none on the mirror",
                survey.unmade
            ));
        }
        let mut applied = Applied::default();
        if survey.actions > 0 {
            monitor.begin(Phase::Writing, Some(survey.actions), Some(survey.bytes));
            self.set_state(State::Publishing(from, to.sequence), at)?;
            let path = self.home.stage();
            durable::make_folder(&path)?;
            let stage = Dir::open(&path).map_err(|e| FsError::new("open", &path, e))?;
            let (fidelity, trusted) = (&look.fidelity, look.began);
            let target =
                Target { root: &self.root, stage, stage_path: &path, selection, fidelity, trusted, moves: &moves };
            let actions = kept.actions(|| self.plan(look, to.root, selection))?;
            applied = apply(actions, target, &self.store, monitor)?;
        } else if !matches!(state, State::Clean(_)) || !look.drift.is_empty() {
            // All is in place already, by a run that was killed before it could make sure of it, or by somebody who did not care to.
            self.root.sync_file_system().map_err(crate::tree::Error::Sync)?;
        }
        // What could not be looked at was left alone: the tree is not what the snapshot says.
        applied.failed += look.taken.totals.problems;
        if applied.failed == 0 {
            self.set_state(State::Clean(to.sequence), self.root.settled())?;
        }
        Ok(applied)
    }
}
