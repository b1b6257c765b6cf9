//! Snapshots that are about to be recorded (floor 6).

use super::places::Ends;
use super::{Context, Error, owners};
use crate::format::snapshot::{Kind, Record};
use crate::mirror::look::Look;
use crate::mirror::service::{Draft, MirrorService};
use crate::path::RelPath;
use crate::source::snapshot::Taken;

/// A snapshot of `place`, as it will be recorded.
pub(super) fn draft(
    kind: Kind,
    place: &str,
    dirs: Vec<RelPath>,
    taken: &Taken,
    context: Context<'_>,
    note: String,
) -> Draft {
    Draft {
        kind,
        time: context.now,
        source: place.as_bytes().to_vec(),
        dirs,
        root: taken.root,
        totals: taken.totals,
        users: owners::users(&taken.users),
        groups: owners::groups(&taken.groups),
        note,
    }
}

/// Records what was found on the mirror, unless a rescue has it already; gives its record.
pub(super) fn rescue(
    mirror: &dyn MirrorService,
    ends: &Ends<'_>,
    look: &Look,
    context: Context<'_>,
    note: &str,
) -> Result<Record, Error> {
    if let Some(record) = mirror.rescue_of(look.taken.root)? {
        return Ok(record);
    }
    let place = ends.target.mirror.to_string();
    let draft = draft(Kind::Rescue, &place, ends.dirs(), &look.taken, context, note.to_owned());
    Ok(mirror.commit(draft)?)
}
