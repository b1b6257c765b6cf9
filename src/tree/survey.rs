//! What a plan amounts to, before it is carried out (floor 3). Pure.

use super::moves::Moves;
use super::need::Tally;
use super::plan::{Action, Plan};
use crate::entry::Entry;
use crate::fs::space::Need;
use crate::manifest;
use crate::manifest::diff::Change;
use crate::store::chunks::ChunkReader;
use serde::{Deserialize, Serialize};

/// What a plan amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Steps in all.
    pub actions: u64,
    /// Names that do not exist yet.
    pub created: u64,
    /// Names that get other content or become something else.
    pub replaced: u64,
    /// Names that get other metadata only.
    pub touched: u64,
    /// Names of those replaced, touched and removed whose loss would be one: the times of a directory hold no data.
    pub destroyed: u64,
    /// Names that go.
    pub removed: u64,
    /// Files that get another name; neither of the two is among those created, replaced and removed.
    pub moved: u64,
    /// Bytes of content to be written.
    pub bytes: u64,
    /// Names that cannot be made there; they are in the store only.
    pub unmade: u64,
    /// The room that it takes while it is carried out, over what there is.
    pub need: Need,
}

impl Survey {
    /// Whether something that exists is overwritten or removed.
    pub const fn destroys(&self) -> bool {
        self.destroyed > 0
    }
}

/// Goes through a plan and counts, and finds what it moves. The reader is asked for the extents of large files.
pub fn survey<'p, D, E>(
    plan: impl Fn() -> Result<Plan<'p, D>, E>,
    reader: &mut dyn ChunkReader,
) -> Result<(Survey, Moves), E>
where
    D: Iterator<Item = Result<Change, manifest::Error>>,
    E: From<manifest::Error>,
{
    let survey = count(plan()?, &Moves::default(), reader)?;
    // Most nights nothing goes or nothing comes: then nothing need be remembered.
    let may_move = survey.removed + survey.replaced > 0 && survey.created + survey.replaced > 0;
    let moves = if may_move { Moves::of(&plan)? } else { Moves::default() };
    let survey = if moves.is_empty() { survey } else { count(plan()?, &moves, reader)? };
    Ok((survey, moves))
}

fn count<D: Iterator<Item = Result<Change, manifest::Error>>>(
    mut plan: Plan<'_, D>,
    moves: &Moves,
    reader: &mut dyn ChunkReader,
) -> Result<Survey, manifest::Error> {
    let (mut survey, mut tally) = (Survey::default(), Tally::default());
    for action in plan.by_ref() {
        let action = action?;
        let moved = moves.by(&action).is_some();
        survey.actions += 1;
        survey.destroyed += u64::from(action.destroys());
        match &action {
            _ if moved => survey.moved += 1,
            Action::Put { old: None, .. } | Action::Link { old: None, .. } => survey.created += 1,
            Action::Put { .. } | Action::Link { .. } => survey.replaced += 1,
            Action::Meta { .. } => survey.touched += 1,
            Action::Remove { old } if moves.takes(&old.path) => {}
            Action::Remove { .. } => survey.removed += 1,
        }
        let made = if let Action::Put { new, .. } = &action { Some(new).filter(|_| !moved) } else { None };
        survey.bytes = survey.bytes.saturating_add(made.map_or(0, Entry::size));
        tally.add(made, action.old().filter(|old| !moves.takes(&old.path)), reader);
    }
    Ok(Survey { need: tally.peak(), unmade: plan.unmade.len() as u64, ..survey })
}
