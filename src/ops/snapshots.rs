//! `-snapshots`: what there is to go back to (floor 5). Reads without a lock: records are never changed.

use super::places::Ends;
use super::{Error, guards};
use crate::entry::Time;
use crate::format::snapshot::{Kind, Record};
use crate::mirror::Error as MirrorError;
use crate::mirror::home::Home;
use crate::mirror::local::no_mirror;
use crate::mirror::make;
use crate::mirror::service::MirrorService;
use crate::path::{shown, shown_path};
use crate::store::{self, Store};
use crate::table::Target;

/// Which snapshot an operator means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest of the source.
    Newest,
    /// This one, of any kind.
    Number(u64),
    /// The newest of the source that was taken at or before this time.
    At(Time),
}

/// What there is.
#[derive(Debug)]
pub struct Listed {
    /// All snapshots, oldest first; a record that cannot be read is an error in its place.
    pub records: Vec<Result<Record, store::Error>>,
    /// What the operator should know of where they are.
    pub note: Option<String>,
}

/// Lists all snapshots.
pub fn snapshots(target: &Target) -> Result<Listed, Error> {
    let ends = Ends::of(target)?;
    // After a swap, until there is a mirror again, the history is at SOURCE; a SOURCE that is dead says nothing of itself.
    if ends.waits_for_mirror().is_ok_and(|live| live.is_some()) {
        let records = records(&make::open_store(&ends.promoted_place())?)?;
        return Ok(Listed { records, note: Some(ends.read_from_source()) });
    }
    guards::rows_are_not_swapped(&ends)?;
    let home = Home::of(ends.mirror);
    match home.read_role()? {
        None => return Err(no_mirror(&ends.place(), &home).into()),
        Some(role) if role.target != target.name => {
            let (mirror, owner) = (shown_path(ends.mirror), shown(role.target.as_bytes()));
            return Err(Error::Refused(format!("{mirror} is the mirror of target {owner}, not of {}", target.name)));
        }
        Some(_) => {}
    }
    let records = records(&Store::open(target.store_path().unwrap_or(&home.store()))?)?;
    Ok(Listed { records, note: None })
}

fn records(store: &Store) -> Result<Vec<Result<Record, store::Error>>, Error> {
    Ok(store.sequences()?.into_iter().map(|n| store.record(n)).collect())
}

/// The snapshot that is meant.
pub(super) fn find(mirror: &dyn MirrorService, which: Which) -> Result<Record, Error> {
    let none = |what: &str| Error::Refused(format!("there is no snapshot {what}; `backup -snapshots` lists them"));
    match which {
        Which::Number(n) => match mirror.record(n) {
            Err(MirrorError::Store(store::Error::NoSnapshot(_))) => Err(none(&n.to_string())),
            other => Ok(other?),
        },
        Which::Newest => mirror.newest(|record| record.kind == Kind::Backup)?.ok_or_else(|| none("of the source")),
        Which::At(time) => {
            let found = mirror.newest(|record| record.kind == Kind::Backup && record.time <= time)?;
            found.ok_or_else(|| none("as old as that"))
        }
    }
}
