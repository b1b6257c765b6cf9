//! What `-backup` and `-approve` have in common: a run at work on both ends, and how it ended (floor 6).

use super::guards::Reasons;
use super::places::Ends;
use super::{Context, Error, drafts, room};
use crate::entry::ChunkRef;
use crate::format::role::State;
use crate::format::snapshot::Record;
use crate::mirror::look::Look;
use crate::mirror::service::MirrorService;
use crate::monitor::{Monitor, Phase};
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::source::snapshot::Taken;
use crate::tree::apply::Applied;
use crate::tree::survey::Survey;
use serde::{Deserialize, Serialize};

/// How it ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Report {
    /// The mirror holds the snapshot.
    Done {
        /// The snapshot.
        record: Record,
        /// What was done to the mirror.
        applied: Applied,
        /// Packs and records of the history that could not be taken over after a swap; each was reported.
        lost: u64,
    },
    /// The snapshot is taken; the mirror tree was not touched.
    Held {
        /// The snapshot of the source.
        record: Record,
        /// The snapshot of what was found on the mirror, where that was changed.
        rescue: Option<u64>,
        /// Why.
        reasons: Reasons,
    },
    /// What would be done to the mirror.
    Dry {
        /// What the source amounts to.
        taken: Taken,
        /// What would be done to the mirror.
        survey: Survey,
        /// Why it would be held.
        reasons: Reasons,
    },
}

/// Tells nobody of progress, which is another thread's, but of problems.
pub(super) struct Quietly<'a>(pub(super) &'a dyn Monitor);

impl Monitor for Quietly<'_> {
    fn begin(&self, _phase: Phase, _files: Option<u64>, _bytes: Option<u64>) {}
    fn advance(&self, _files: u64, _bytes: u64) {}
    fn problem(&self, path: &RelPath, message: &str) {
        self.0.problem(path, &format!("on the mirror: {message}"));
    }
    fn wrong(&self, message: &str) {
        self.0.wrong(message);
    }
    fn note(&self, message: &str) {
        self.0.note(message);
    }
}

/// Everything that a run has at hand.
pub(super) struct Run<'a> {
    pub(super) ends: Ends<'a>,
    pub(super) mirror: &'a dyn MirrorService,
    pub(super) selection: Selection,
    pub(super) context: Context<'a>,
}

impl Run<'_> {
    /// Why the mirror tree cannot be written to as planned, if so.
    pub(super) fn no_room(&self, survey: &Survey) -> Result<Option<String>, Error> {
        room::for_a_mirror(self.ends.mirror, survey.need)
    }

    /// Whether the tree is on its way to a snapshot that is not the one it shall be brought to now: should this run be interrupted, too, nobody would
    /// know any more what came from where.
    pub(super) fn is_of_two_runs(&self, look: &Look, to: ChunkRef) -> Result<bool, Error> {
        let State::Publishing(from, coming) = self.mirror.role().state else { return Ok(false) };
        if self.mirror.record(coming)?.root == to {
            return Ok(false);
        }
        Ok(from == 0 || self.mirror.record(from)?.root != look.taken.root)
    }

    pub(super) fn publish(&self, look: &Look, record: &Record) -> Result<Applied, Error> {
        Ok(self.mirror.publish(look, record, &self.selection, self.context.monitor)?)
    }

    pub(super) fn rescue(&self, look: &Look, note: &str) -> Result<u64, Error> {
        Ok(drafts::rescue(self.mirror, &self.ends, look, self.context, note)?.sequence)
    }

    pub(super) fn survey(&self, look: &Look, to: ChunkRef) -> Result<Survey, Error> {
        Ok(self.mirror.survey(look, to, &self.selection)?)
    }
}
