//! Making a mirror: a new one, or, after a swap, one that takes over the history of the place that was promoted (floor 4).
//!
//! What must stay true: the role is written last, so a place says that it is a mirror only when all of its history is there; whatever was
//! interrupted before is begun again and copies only what is missing. A tree that is there, be it that of the disk that was the source once, is read
//! in full by the first backup: nothing proves that a file on it is still the one that an old snapshot names.

use super::Error;
use super::home::{Home, role_of};
use super::local::README;
use super::place::{Place, check_role, check_target, lock, not_together};
use crate::chunk::cut::Chunker;
use crate::format::config::{Config, StoreId};
use crate::format::role::{Role, State};
use crate::fs::dir::Dir;
use crate::fs::lock::Lock;
use crate::fs::space::Need;
use crate::fs::{Error as FsError, clock, durable};
use crate::id::Id;
use crate::monitor::{Monitor, Silent};
use crate::path::{shown, shown_path};
use crate::store::history::{History, Past};
use crate::store::import::{self, Imported};
use crate::store::{Error as StoreError, Store};
use std::collections::BTreeMap;
use std::path::Path;

/// Makes a new mirror, or leaves one of this target that exists as it is. A tree that is there already is adopted by the first backup.
pub fn init(place: &Place<'_>, random: u128) -> Result<(), Error> {
    if let Some(role) = role_of(place.mirror)? {
        return check_role(&role, place);
    }
    make(place, None, random, &Silent).map(|_| ())
}

/// Makes a mirror of a place that has no role, or that was promoted before the place was that this history comes from.
pub fn init_after_swap(
    place: &Place<'_>,
    from: &dyn History,
    random: u128,
    monitor: &dyn Monitor,
) -> Result<Imported, Error> {
    make(place, Some(from), random, monitor)
}

/// The room that the history takes which [`init_after_swap`] copies.
pub fn room_for_history(place: &Place<'_>, from: &dyn History) -> Result<Need, Error> {
    Ok(import::room_for(from.lengths()?, &place.store_path())?)
}

/// The store of a place that was promoted, under the lock of that place.
pub(super) struct Locked {
    store: Store,
    _lock: Lock,
}

/// Opens the history of a place that was promoted.
pub(super) fn history(promoted: &Place<'_>) -> Result<Locked, Error> {
    let (_, home) = promoted.enter()?;
    let lock = lock(&home, promoted)?;
    Ok(Locked { store: open_own_store(promoted, &home)?, _lock: lock })
}

impl History for Locked {
    fn name(&self) -> String {
        self.store.name()
    }

    fn pack_name(&self, pack: &Id) -> String {
        self.store.pack_name(pack)
    }

    fn config(&self) -> Config {
        *self.store.config()
    }

    fn lengths(&self) -> Result<BTreeMap<Id, u64>, StoreError> {
        self.store.lengths()
    }

    fn past(&self) -> Result<Past, StoreError> {
        self.store.past()
    }

    fn record_bytes(&self, sequence: u64) -> Result<Vec<u8>, StoreError> {
        self.store.record_bytes(sequence)
    }

    fn read_pack(&self, pack: &Id, take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.store.read_pack(pack, take)
    }
}

/// Opens the store of a place with a role, which must be its own.
pub(super) fn open_own_store(place: &Place<'_>, home: &Home) -> Result<Store, Error> {
    let store = place.open_store(home)?;
    match home.read_role()? {
        Some(role) if role.store != store.config().store => Err(not_together(&place.store_path())),
        _ => Ok(store),
    }
}

/// Refuses a store that holds the history of something else.
fn own(store: Store, place: &Place<'_>, path: &Path) -> Result<Store, Error> {
    match store.newest(|_| true)? {
        Some(record) if record.target != place.target.as_bytes() => Err(Error::Refused(format!(
            "{} holds the history of target {}, not of {}: correct STORE in backup.tab, or move that store away (nothing was written)",
            shown_path(path),
            shown(&record.target),
            place.target
        ))),
        _ => Ok(store),
    }
}

fn make(place: &Place<'_>, from: Option<&dyn History>, random: u128, monitor: &dyn Monitor) -> Result<Imported, Error> {
    let root = Dir::open_or_make(place.mirror).map_err(|e| FsError::new("make the mirror", place.mirror, e))?;
    let home = Home::make(&root, place.mirror)?;
    let _lock = lock(&home, place)?;
    // Another run may have made it while this one waited to begin.
    let before = home.read_role()?;
    if let Some(role) = &before {
        check_target(role, place)?;
        if from.is_none() || !matches!(role.state, State::Promoted(_)) {
            return Ok(Imported::default());
        }
    }
    let path = home.store_or_new(place.store)?;
    // An earlier `--init` may have been interrupted before the role was written; and a place that was a mirror once has a store.
    let store = if Store::exists(&path)? {
        durable::sync_folder(&path)?;
        own(Store::open(&path)?, place, &path)?
    } else {
        let chunker = from.map_or_else(Chunker::default, |from| from.config().chunker);
        Store::create(&path, Config { store: StoreId(random), chunker })?
    };
    let imported = from.map(|from| {
        store.recover()?;
        store.import(from, monitor)
    });
    let imported = imported.transpose()?.unwrap_or_default();
    durable::make_folder(&home.stage())?;
    durable::replace(&home.readme(), README.as_bytes())?;
    let store = store.config().store;
    home.write_role(&Role { target: place.target.to_owned(), store, state: State::Empty, at: clock::now() })?;
    Ok(imported)
}
