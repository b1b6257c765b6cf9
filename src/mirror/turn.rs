//! Making a mirror live data, and taking that back: what a swap does to the place that it promotes (floor 4).
//!
//! What must stay true: the role is changed only under the lock of the place; it says `promoted` before the table is rewritten, so in between
//! nobody writes to the tree as to a mirror. The tree and the store are not touched, but for a run that was interrupted and can be finished.

use super::Error;
use super::end::Turning;
use super::home::Home;
use super::local::LocalMirror;
use super::make::open_own_store;
use super::place::{Place, check_target, lock, not_together};
use super::service::MirrorService;
use crate::format::role::{Role, State};
use crate::format::snapshot::Kind;
use crate::fs::dir::Dir;
use crate::fs::lock::Lock;
use crate::fs::pin::Held;
use crate::fs::{clock, durable, pin};
use crate::monitor::Monitor;
use crate::path::shown_path;
use crate::scan::selection::Selection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A place with a role, under its lock.
#[derive(Debug)]
pub struct Turn {
    target: String,
    mirror: PathBuf,
    store: Option<PathBuf>,
    held: Vec<Held>,
    root: Arc<Dir>,
    home: Home,
    role: Role,
    _lock: Lock,
}

impl Turn {
    /// Takes the lock of a place that has a role, and reads the role.
    pub fn begin(place: &Place<'_>) -> Result<Self, Error> {
        let (root, home) = place.enter()?;
        let lock = lock(&home, place)?;
        let role = home.read_role()?;
        let gone = || Error::Refused(format!("{} is a mirror no more (nothing was written)", shown_path(place.mirror)));
        let role = role.ok_or_else(gone)?;
        check_target(&role, place)?;
        let (mirror, store) = (place.mirror.to_path_buf(), place.store.map(Path::to_path_buf));
        Ok(Self {
            target: place.target.to_owned(),
            mirror,
            store,
            held: place.held.to_vec(),
            root,
            home,
            role,
            _lock: lock,
        })
    }

    fn place(&self) -> Place<'_> {
        Place {
            target: &self.target,
            mirror: &self.mirror,
            store: self.store.as_deref(),
            patience: Duration::ZERO,
            held: &self.held,
        }
    }

    fn finish(&self, to: u64, selection: &Selection, monitor: &dyn Monitor) -> Result<Option<String>, Error> {
        let at = (Arc::clone(&self.root), self.home.clone());
        let mirror = LocalMirror::open_locked(&self.place(), at, self.role.clone(), None, monitor)?;
        mirror.tidy(clock::now(), monitor)?;
        let look = mirror.look(selection, monitor)?;
        if !look.drift.is_empty() {
            return Ok(Some(format!("{} of its names were changed by someone else", look.drift.count())));
        }
        let applied = mirror.publish(&look, &mirror.record(to)?, selection, monitor)?;
        Ok((applied.failed > 0).then(|| format!("{} of its names could not be changed", applied.failed)))
    }

    /// The time stays that of the last run, so that what was changed later is still told from what the program wrote.
    fn set(&mut self, state: State) -> Result<(), Error> {
        self.role.state = state;
        self.home.write_role(&self.role)
    }
}

impl Turning for Turn {
    fn state(&self) -> State {
        self.role.state
    }

    fn number(&self) -> Result<u64, Error> {
        match self.role.state {
            State::Clean(n) | State::Publishing(_, n) | State::Promoted(n) => Ok(n),
            State::Empty
                if open_own_store(&self.place(), &self.home)?.newest(|kind| kind == Kind::Backup)?.is_none() =>
            {
                Ok(0)
            }
            State::Empty => Err(Error::Refused(format!(
                "no night has been put on {0} yet: what lies on it is older than its history. Run backup -backup {1} first; if SOURCE is lost, \
                 backup -restore {1} --to PLACE brings back the newest night (nothing was written)",
                shown_path(&self.mirror),
                self.target
            ))),
        }
    }

    fn finish_publishing(&mut self, selection: &Selection, monitor: &dyn Monitor) -> Result<(), Error> {
        let State::Publishing(from, to) = self.role.state else { return Ok(()) };
        let why = match self.finish(to, selection, monitor) {
            Ok(None) => format!("the interrupted run was finished first: the tree holds snapshot {to}"),
            Ok(Some(why)) => mixture(from, to, &why),
            Err(e) => mixture(from, to, &e.to_string()),
        };
        monitor.note(&why);
        self.role = self.home.read_role()?.unwrap_or_else(|| self.role.clone());
        Ok(())
    }

    fn link_store(&self) -> Result<Option<String>, Error> {
        let (Some(elsewhere), usual) = (&self.store, self.home.usual_store()) else { return Ok(None) };
        if !durable::is_there(&usual)? {
            durable::link(&pin::lasting(elsewhere), &usual)?;
            return Ok(Some(shown_path(&usual)));
        }
        let place = Place { store: None, ..self.place() };
        open_own_store(&place, &self.home).map(|_| None).map_err(|_| not_together(&usual))
    }

    fn promote(&mut self, number: u64) -> Result<(), Error> {
        self.set(State::Promoted(number))
    }

    fn take_back(&mut self, number: u64) -> Result<(), Error> {
        self.set(if number == 0 { State::Empty } else { State::Clean(number) })
    }
}

fn mixture(from: u64, to: u64, why: &str) -> String {
    let from = if from == 0 { "what was there before".to_owned() } else { format!("snapshot {from}") };
    format!(
        "an interrupted run could not be finished ({why}): the tree is a mixture of {from} and snapshot {to}, each file wholly one or the other"
    )
}
