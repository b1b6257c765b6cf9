//! `-snapshots`: what there is to go back to (floor 5). Reads without a lock: records are never changed.

use super::Error;
use super::places::Ends;
use crate::entry::Time;
use crate::format::snapshot::{Kind, Record};
use crate::mirror::Error as MirrorError;
use crate::mirror::home::Home;
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

/// All snapshots, oldest first; a record that cannot be read is an error in its place.
pub fn snapshots(target: &Target) -> Result<Vec<Result<Record, store::Error>>, Error> {
    let ends = Ends::of(target)?;
    let home = Home::of(ends.mirror);
    let mirror = shown_path(ends.mirror);
    match home.read_role()? {
        None => return Err(Error::Refused(format!("{mirror} is not a mirror yet, or not mounted"))),
        Some(role) if role.target != target.name => {
            let owner = shown(role.target.as_bytes());
            return Err(Error::Refused(format!("{mirror} is the mirror of target {owner}, not of {}", target.name)));
        }
        Some(_) => {}
    }
    let store = Store::open(target.store_path().unwrap_or(&home.store()))?;
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
