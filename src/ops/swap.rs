//! `-swap`: fail over (floor 6). The mirror becomes the source: its role says so, and SOURCE and MIRROR change places in backup.tab.
//!
//! SOURCE may be dead: nothing of it is needed. The new table is proved and on the medium before the role is written, and put in its place after it;
//! a swap that was interrupted in between is completed by the next. No clock is asked which end is live: of two that were promoted it is the one
//! with the larger number.

use super::places::Ends;
use super::{Context, Error, guards};
use crate::format::role::{Role, State};
use crate::fs::replace::Replacement;
use crate::mirror;
use crate::mirror::end::{End, Turning};
use crate::table::Table;
use std::path::Path;

/// The table as it was read.
#[derive(Clone, Copy)]
pub struct Tab<'a> {
    /// What it says.
    pub table: &'a Table,
    /// All its bytes.
    pub bytes: &'a [u8],
    /// How messages call it, and where it is written.
    pub file: &'a Path,
    /// The folder in which relative paths begin.
    pub folder: &'a Path,
    /// Name of this machine.
    pub this_host: &'a str,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mirror was promoted and the table exchanged.
    Swapped,
    /// The mirror was promoted before: only the table was exchanged.
    TableOnly,
    /// The promoted place is a mirror again, and the table as it was.
    TakenBack,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was done.
    pub outcome: Outcome,
    /// The snapshot that the promoted place held when it was promoted; 0 for none.
    pub snapshot: u64,
    /// The link by which the store is found now, if one was made.
    pub link: Option<String>,
    /// Whether the place that was SOURCE before can be opened.
    pub reachable: bool,
}

/// What is to be done, from what both places say of themselves.
enum Step {
    Promote,
    TableOnly(u64),
    TakeBack(u64),
}

/// Swaps the two places of a target.
pub fn swap(ends: Ends<'_>, tab: Tab<'_>, context: Context<'_>) -> Result<Report, Error> {
    let step = step(&ends, context)?;
    let new = tab.table.exchanged(tab.bytes, &ends.target.name, tab.file, tab.folder, tab.this_host);
    let new = new.map_err(|e| Error::Refused(format!("{e} (nothing was written)")))?;
    let write = || Replacement::write(tab.file, tab.bytes, &new).map_err(|e| unwritable(&e));
    match step {
        Step::TakeBack(number) => {
            let mut turn = ends.source.begin_turn()?;
            still(turn.as_ref(), number)?;
            write()?.publish()?;
            turn.take_back(number)?;
            Ok(report(&ends, Outcome::TakenBack, number, None))
        }
        Step::TableOnly(number) => {
            let turn = ends.mirror.begin_turn()?;
            still(turn.as_ref(), number)?;
            let link = turn.link_store()?;
            write()?.publish()?;
            Ok(report(&ends, Outcome::TableOnly, number, link))
        }
        Step::Promote => {
            let mut turn = ends.mirror.begin_turn()?;
            turn.number()?;
            let table = write()?;
            let link = turn.link_store()?;
            turn.finish_publishing(&ends.selection()?, context.monitor)?;
            let number = turn.number()?;
            turn.promote(number)?;
            table.publish().map_err(|e| unfinished(&e, &ends))?;
            Ok(report(&ends, Outcome::Swapped, number, link))
        }
    }
}

fn report(ends: &Ends<'_>, outcome: Outcome, snapshot: u64, link: Option<String>) -> Report {
    Report { outcome, snapshot, link, reachable: opens(ends.source).is_ok() }
}

/// Whether a place is there.
fn opens(end: &dyn End) -> Result<(), mirror::Error> {
    end.without_content(&[]).map(|_| ())
}

fn unwritable(error: &crate::fs::Error) -> Error {
    Error::Refused(format!("{error}: the table must be exchanged with the role, so nothing was written"))
}

fn unfinished(error: &crate::fs::Error, ends: &Ends<'_>) -> Error {
    Error::Refused(format!(
        "{error}: {} is promoted, but the table may be as before. Mend the cause and run backup -swap {} again: it writes the table",
        ends.mirror.name(),
        ends.target.name
    ))
}

/// Under the lock the place must still say what was decided on.
fn still(turn: &dyn Turning, number: u64) -> Result<(), Error> {
    if turn.state() == State::Promoted(number) {
        return Ok(());
    }
    Err(Error::Refused("another run has changed the role meanwhile; try again (nothing was written)".to_owned()))
}

fn step(ends: &Ends<'_>, context: Context<'_>) -> Result<Step, Error> {
    let name = &ends.target.name;
    let (source, mirror) = (ends.source.name(), ends.mirror.name());
    let role = ends.mirror.role()?;
    let is_ours = |role: &Role| role.target == *name;
    if role.as_ref().is_some_and(|role| !is_ours(role)) {
        // Says whose it is.
        drop(ends.mirror.begin_turn()?);
    }
    let at_source = ends.source.role().unwrap_or_else(|e| {
        context.monitor.note(&format!("SOURCE does not say whether it was promoted ({e}): it is taken for lost"));
        None
    });
    let at_source = at_source.filter(is_ours).map(|role| role.state);
    let live = at_source.and_then(|state| if let State::Promoted(n) = state { Some(n) } else { None });
    match (role.map(|role| role.state), live) {
        (Some(State::Promoted(stale)), Some(live)) if stale == live => Err(Error::Refused(format!(
            "{source} and {mirror} both say that they were promoted with snapshot {live}: one is a copy of the other. Remove .backup/role of \
             the one that is not in use (nothing was written)"
        ))),
        (Some(State::Promoted(stale)), Some(live)) if stale < live => take_back(ends, live),
        (Some(State::Promoted(number)), _) => {
            if let Err(e) = opens(ends.source) {
                context
                    .monitor
                    .note(&format!("{e}; if that disk was promoted after snapshot {number}, the newer work is on it"));
            }
            Ok(Step::TableOnly(number))
        }
        (None, Some(live)) => take_back(ends, live),
        (None, None) if at_source.is_some() => Err(Error::Refused(format!(
            "SOURCE {source} is the mirror of {name} and MIRROR {mirror} is none: the two were exchanged in the table by hand. Put them back, then \
             backup -swap {name} (nothing was written)"
        ))),
        (None, None) => Err(Error::Refused(format!(
            "MIRROR {mirror} is not a mirror, or not mounted: it cannot take the place of SOURCE {source} (nothing was written)"
        ))),
        (Some(_), _) => match guards::source_is_no_mirror(ends) {
            Err(Error::Mirror(_)) | Ok(()) => Ok(Step::Promote),
            Err(refused) => Err(refused),
        },
    }
}

/// A swap is taken back only onto what looks like the live source that it was: an empty mount point must not get its name back.
fn take_back(ends: &Ends<'_>, live: u64) -> Result<Step, Error> {
    let missing = ends.mirror.without_content(&ends.dirs()).unwrap_or_else(|e| Some(e.to_string()));
    let Some(missing) = missing else { return Ok(Step::TakeBack(live)) };
    Err(Error::Refused(format!(
        "SOURCE {} was promoted already, and MIRROR {} cannot take its place: {missing}. To take the swap back, mount what was the source; to go \
         on, when the disk is there: backup -backup --init {} (nothing was written)",
        ends.source.name(),
        ends.mirror.name(),
        ends.target.name
    )))
}
