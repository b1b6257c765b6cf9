//! What a plan amounts to, before it is carried out (floor 3). Pure.

use super::kept::{Keeping, Kept};
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

/// A plan that was gone through.
#[derive(Debug)]
pub struct Surveyed {
    /// What it amounts to.
    pub survey: Survey,
    /// What it moves.
    pub moves: Moves,
    /// Its actions.
    pub kept: Kept,
}

/// Goes through a plan and counts, and finds what it moves. The reader is asked for the extents of large files.
pub fn survey<'p, D, E>(plan: impl Fn() -> Result<Plan<'p, D>, E>, reader: &mut dyn ChunkReader) -> Result<Surveyed, E>
where
    D: Iterator<Item = Result<Change, manifest::Error>>,
    E: From<manifest::Error>,
{
    let (mut count, mut keeping, mut first) = (Count::default(), Keeping::new(), plan()?);
    let shared = first.shared();
    for action in first.by_ref() {
        let action = action?;
        count.add(&action, &Moves::default(), reader);
        keeping.add(action);
    }
    let (unmade, kept) = (first.unmade.len() as u64, keeping.kept());
    let mut survey = count.survey(unmade);
    // Most nights nothing goes or nothing comes: then nothing need be remembered.
    let may_move = survey.removed + survey.replaced > 0 && survey.created + survey.replaced > 0;
    let moves = if may_move { Moves::of(&kept, &plan, shared)? } else { Moves::default() };
    if !moves.is_empty() {
        let mut count = Count::default();
        kept.each(&plan, |_, action| count.add(action, &moves, reader))?;
        survey = count.survey(unmade);
    }
    Ok(Surveyed { survey, moves, kept })
}

#[derive(Default)]
struct Count {
    survey: Survey,
    tally: Tally,
}

impl Count {
    fn add(&mut self, action: &Action, moves: &Moves, reader: &mut dyn ChunkReader) {
        let (survey, moved) = (&mut self.survey, moves.by(action).is_some());
        survey.actions += 1;
        survey.destroyed += u64::from(action.destroys());
        match action {
            _ if moved => survey.moved += 1,
            Action::Put { old: None, .. } | Action::Link { old: None, .. } => survey.created += 1,
            Action::Put { .. } | Action::Link { .. } => survey.replaced += 1,
            Action::Meta { .. } => survey.touched += 1,
            Action::Remove { old } if moves.takes(&old.path) => {}
            Action::Remove { .. } => survey.removed += 1,
        }
        let made = if let Action::Put { new, .. } = action { Some(new).filter(|_| !moved) } else { None };
        survey.bytes = survey.bytes.saturating_add(made.map_or(0, Entry::size));
        self.tally.add(made, action.old().filter(|old| !moves.takes(&old.path)), reader);
    }

    fn survey(self, unmade: u64) -> Survey {
        Survey { need: self.tally.peak(), unmade, ..self.survey }
    }
}

#[cfg(test)]
mod tests {
    use super::{Surveyed, survey};
    use crate::entry::{Apart, ChunkRef, Content, Entry, Extent, Identity, Meta, Node, Time};
    use crate::fs::fidelity::Fidelity;
    use crate::id::Id;
    use crate::limits::PLAN_KEPT;
    use crate::manifest;
    use crate::manifest::diff::Change;
    use crate::path::RelPath;
    use crate::scan::selection::Selection;
    use crate::store::Error;
    use crate::store::chunks::ChunkReader;
    use crate::tree::plan::{Plan, Scope};
    use std::cell::Cell;

    struct Nothing;

    impl ChunkReader for Nothing {
        fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
            Err(Error::MissingChunk(chunk.id))
        }
    }

    fn file(folder: &str, number: usize) -> Entry {
        let extents = vec![Extent::Data { id: Id::of(&number.to_le_bytes()), length: 8 }];
        let node = Node::File { size: 8, content: Content::Direct(extents) };
        let meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
        let path = RelPath::new(format!("{folder}/{number:09}")).unwrap();
        Entry { path, meta, identity: Identity::default(), flags: 0, node }
    }

    /// So many files move from one folder to another: how many are found, how often the plan is made for that, and how many actions come then.
    fn moved(files: usize) -> (u64, u32, usize) {
        let (selection, apart, fidelity) = (Selection::everything(), Apart::default(), Fidelity::assumed());
        let made = Cell::new(0);
        let plan = || {
            made.set(made.get() + 1);
            let gone = (0..files).map(|n| Change { old: Some(file("a", n)), new: None });
            let come = (0..files).map(|n| Change { old: None, new: Some(file("b", n)) });
            let scope = Scope { selection: &selection, delete: true, apart: &apart, fidelity: &fidelity };
            Ok::<_, manifest::Error>(Plan::new(gone.chain(come).map(Ok), scope))
        };
        let Surveyed { survey, kept, .. } = survey(plan, &mut Nothing).unwrap();
        let times = made.get();
        (survey.moved, times, kept.actions(plan).unwrap().map(Result::unwrap).count())
    }

    #[test]
    fn a_small_plan_is_made_once() {
        assert_eq!(moved(1000), (1000, 1, 2000));
    }

    #[test]
    fn a_large_one_is_made_anew_each_time_and_comes_to_the_same() {
        let files = PLAN_KEPT / 1000;
        assert_eq!(moved(files), (files as u64, 4, 2 * files));
    }
}
