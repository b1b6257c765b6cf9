//! Where a mirror is, and going in: its root, its own files, its lock, its store (floor 4).

use super::Error;
use super::home::{self, Home};
use crate::format::role::{Role, State};
use crate::fs::Error as FsError;
use crate::fs::dir::Dir;
use crate::fs::lock::Lock;
use crate::fs::pin::Held;
use crate::path::shown_path;
use crate::store::Store;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So often a lock is tried that is waited for.
const AGAIN: Duration = Duration::from_millis(50);

/// Where a mirror is.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// Name of the target in the table.
    pub target: &'a str,
    /// Root of the mirror tree.
    pub mirror: &'a Path,
    /// The store, where the table says another place than the usual one.
    pub store: Option<&'a Path>,
    /// How long to wait for its lock.
    pub patience: Duration,
    /// What its paths begin at, if that is held: to be kept by who keeps the paths.
    pub held: &'a [Held],
}

impl Place<'_> {
    /// Where its store is, by its name.
    pub(super) fn store_path(&self) -> PathBuf {
        self.store.map_or_else(|| home::usual_store(self.mirror), Path::to_path_buf)
    }

    /// Opens its root, and its own files below that.
    pub(super) fn enter(&self) -> Result<(Arc<Dir>, Home), Error> {
        let root = match Dir::open(self.mirror) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(no_mirror(self, None)),
            opened => opened.map_err(|e| FsError::new("open the mirror", self.mirror, e))?,
        };
        let home = Home::within(&root, self.mirror)?.ok_or_else(|| no_mirror(self, None))?;
        Ok((Arc::new(root), home))
    }

    /// Opens its store.
    pub(super) fn open_store(&self, home: &Home) -> Result<Store, Error> {
        let Some(path) = home.store(self.store)? else {
            let message = "the store of this mirror is not there; is its disk mounted? (nothing was written)";
            return Err(Error::Refused(format!("{}: {message}", shown_path(&self.store_path()))));
        };
        Ok(Store::open(&path)?.keeping(path))
    }
}

pub(super) fn lock(home: &Home, place: &Place<'_>) -> Result<Lock, Error> {
    let began = Instant::now();
    loop {
        if let Some(lock) = Lock::take(&home.lock())? {
            return Ok(lock);
        }
        if began.elapsed() >= place.patience {
            return Err(Error::Locked(shown_path(place.mirror)));
        }
        std::thread::sleep(AGAIN);
    }
}

pub(super) fn not_together(store: &Path) -> Error {
    let message = "the store and the mirror do not belong together; is the right disk mounted?";
    Error::Refused(format!("{}: {message} (nothing was written)", shown_path(store)))
}

/// There is no role: nothing was ever made here, or it is not mounted, or somebody deleted it.
pub(super) fn no_mirror(place: &Place<'_>, home: Option<&Home>) -> Error {
    let store = home.and_then(|home| home.store(place.store).ok().flatten());
    let deleted = store.is_some_and(|store| Store::exists(&store).unwrap_or(false));
    let hint = if deleted {
        " (the role is gone, but its store is there: --init keeps its snapshots and rescues what is on the tree)"
    } else {
        ""
    };
    Error::Refused(format!(
        "{} is not a mirror yet, or not mounted; for a new mirror: backup -backup --init {}{hint}",
        shown_path(place.mirror),
        place.target
    ))
}

/// Refuses the mirror of another target.
pub(super) fn check_target(role: &Role, place: &Place<'_>) -> Result<(), Error> {
    let mirror = shown_path(place.mirror);
    if role.target != place.target {
        return Err(Error::Refused(format!(
            "{mirror} is the mirror of target {}, not of {}: correct backup.tab, or mount the right disk (nothing was written)",
            crate::path::shown(role.target.as_bytes()),
            place.target
        )));
    }
    Ok(())
}

/// Refuses what the mirror itself contradicts.
pub(super) fn check_role(role: &Role, place: &Place<'_>) -> Result<(), Error> {
    check_target(role, place)?;
    if let State::Promoted(_) = role.state {
        let mirror = shown_path(place.mirror);
        return Err(Error::Refused(format!(
            "{mirror} was promoted: it holds live data and is a mirror no more. The table is out of date: SOURCE should be {mirror}; \
             backup -swap {} puts that into the table, or copy the table that was swapped (nothing was written)",
            place.target
        )));
    }
    Ok(())
}
