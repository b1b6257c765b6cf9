//! `-snapshots`: what there is to go back to (floor 6). Reads without a lock: records are never changed.

use super::places::Ends;
use super::{Error, guards};
use crate::entry::Time;
use crate::format::snapshot::{Kind, Record};
use crate::mirror::Error as MirrorError;
use crate::mirror::service::MirrorService;
use crate::store;
use serde::{Deserialize, Serialize};

/// Which snapshot an operator means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// All snapshots, oldest first; in place of a record that cannot be read, why.
    pub records: Vec<Result<Record, String>>,
    /// The numbers of the pinned ones.
    pub pins: Vec<u64>,
    /// What the operator should know of where they are.
    pub note: Option<String>,
}

/// Lists all snapshots.
pub fn snapshots(ends: Ends<'_>) -> Result<Listed, Error> {
    if ends.history_is_at_source(true) {
        let (records, pins) = (ends.source.records()?, ends.source.pins()?);
        return Ok(Listed { records, pins, note: Some(ends.read_from_source()) });
    }
    guards::rows_are_not_swapped(&ends)?;
    Ok(Listed { records: ends.mirror.records()?, pins: ends.mirror.pins()?, note: None })
}

/// Opens the history for reading, wherever it is: no lock is taken and nothing written. Also gives what the operator should know of where it is.
pub fn open_to_read<'t>(ends: &Ends<'t>) -> Result<(Box<dyn MirrorService + 't>, Option<String>), Error> {
    if ends.history_is_at_source(true) {
        return Ok((ends.source.open_to_read()?, Some(ends.read_from_source())));
    }
    guards::rows_are_not_swapped(ends)?;
    Ok((ends.mirror.open_to_read()?, None))
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
