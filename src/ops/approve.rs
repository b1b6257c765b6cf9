//! `-approve`: carries out a run that was held (floor 6).

use super::places::Ends;
use super::run::{Quietly, Report, Run};
use super::{Context, Error, guards};
use crate::format::role::State;
use crate::format::snapshot::Kind;
use crate::mirror::service::{Draft, MirrorService};

/// Carries out a held run: the mirror becomes what the source was then.
pub fn approve(ends: Ends<'_>, sequence: Option<u64>, context: Context<'_>) -> Result<Report, Error> {
    guards::rows_are_not_swapped(&ends)?;
    let opened = ends.open_mirror(context)?;
    let mirror = opened.as_ref();
    let held = match sequence {
        Some(n) => Some(mirror.record(n)?).filter(|record| record.kind == Kind::Held),
        None => mirror.newest(|record| record.kind == Kind::Held)?,
    };
    let held = held.ok_or_else(|| no_held_run(mirror, sequence))?;
    let later = mirror.newest(|record| record.kind == Kind::Backup)?.filter(|record| record.sequence > held.sequence);
    if let Some(later) = later {
        let message =
            format!("snapshot {} is newer: there is nothing to approve (nothing was written)", later.sequence);
        return Err(Error::Refused(message));
    }
    let run = Run { ends, mirror, selection: ends.selection()?, context };
    mirror.tidy(context.now, context.monitor)?;
    let mut look = mirror.look(&run.selection, &Quietly(context.monitor))?;
    if let Some(unread) = guards::unread_reason(&look) {
        return Err(Error::Refused(format!(
            "{unread}: make it readable, and run this again (the mirror was not touched)"
        )));
    }
    // A tree that has yet to be adopted never drifted, and yet what is in it is in no snapshot.
    let adopting = mirror.role().state == State::Empty;
    mirror.settle()?;
    let survey = run.survey(&look, held.root)?;
    if let Some(why) = run.no_room(&survey)? {
        return Err(Error::Refused(format!("{why} (the mirror was not touched)")));
    }
    if survey.destroys() && (adopting || !look.drift.is_empty()) || run.is_of_two_runs(&look, held.root)? {
        look.recorded = Some(run.rescue(&look, "found on the mirror when a held run was approved")?);
    }
    let draft = Draft {
        kind: Kind::Backup,
        time: held.time,
        source: held.source.clone(),
        dirs: held.dirs.clone(),
        root: held.root,
        totals: held.totals,
        users: held.users.clone(),
        groups: held.groups.clone(),
        note: format!("approved; it was held as snapshot {}", held.sequence),
    };
    let record = mirror.commit(draft)?;
    let applied = run.publish(&look, &record)?;
    Ok(Report::Done { record, applied, lost: 0 })
}

/// There is none, or it has another number than was typed.
fn no_held_run(mirror: &dyn MirrorService, typed: Option<u64>) -> Error {
    let newest = mirror.newest(|record| record.kind == Kind::Held).ok().flatten();
    Error::Refused(match (typed, newest) {
        (Some(n), Some(held)) => format!("snapshot {n} is no held run; the newest held run is {}", held.sequence),
        _ => "there is no held run to approve; see -snapshots".to_owned(),
    })
}
