//! What KEEP says of the snapshots of a target (floor 6): for `-prune`, which acts by it, and for `-find`, which tells of it.

use super::Error;
use super::places::Ends;
use super::timeline::Version;
use crate::entry::{ChunkRef, Time};
use crate::format::role::State;
use crate::format::snapshot::Kind;
use crate::path::RelPath;
use crate::retention::{Decision, Policy, Question, Reason, Snapshot, Verdict, decide, until};
use jiff::tz::TimeZone;
use std::convert::Infallible;

/// A snapshot as retention sees it: pinned or not, on the mirror or not.
pub(super) fn snapshot(of: (u64, Time, Kind, ChunkRef), pins: &[u64], state: State) -> Snapshot {
    let (sequence, time, kind, root) = of;
    let on_mirror = match state {
        State::Empty => false,
        State::Clean(n) | State::Promoted(n) => n == sequence,
        State::Publishing(from, to) => from == sequence || to == sequence,
    };
    Snapshot { sequence, time, kind, root, pinned: pins.contains(&sequence), on_mirror }
}

/// What KEEP says as things are, but for last copies: those are told of version by version.
pub(super) struct Foretold<'k> {
    snapshots: Vec<Snapshot>,
    verdicts: Vec<Verdict>,
    policy: Policy<'k>,
}

impl<'k> Foretold<'k> {
    /// Of all snapshots, oldest first; nothing where no KEEP ever drops one.
    pub(super) fn of(
        ends: &Ends<'k>,
        snapshots: impl Iterator<Item = (u64, Time, Kind, ChunkRef)>,
        state: State,
        (now, zone): (Time, TimeZone),
    ) -> Result<Option<Self>, Error> {
        let policy = Policy { keep: ends.target.keep.as_ref(), now, zone };
        if policy.keep.is_none() {
            return Ok(None);
        }
        let pins = if ends.history_is_at_source(true) { ends.source.pins()? } else { ends.mirror.pins()? };
        let snapshots: Vec<Snapshot> = snapshots.map(|of| snapshot(of, &pins, state)).collect();
        let mut no_copies = |_: Question| Ok::<Option<RelPath>, Infallible>(None);
        let Ok(Decision { verdicts, .. }) = decide(&snapshots, &policy, &mut no_copies);
        Ok(Some(Self { snapshots, verdicts, policy }))
    }

    /// Until when some snapshot that has a version stays; nothing if that is not known.
    pub(super) fn until(&self, version: &Version<'_>) -> Option<Time> {
        let has = |sequence: u64| version.snapshots.iter().any(|&(from, to)| (from..=to).contains(&sequence));
        let mut latest = None;
        for verdict in self.verdicts.iter().filter(|verdict| has(verdict.sequence)) {
            let mut verdict = verdict.clone();
            if let Some((gone, _)) = version.gone.filter(|_| verdict.sequence == version.last) {
                let (path, gone) = (RelPath::root(), gone.sequence);
                verdict.reasons.push(Reason::LastCopy { path, gone });
            }
            latest = latest.max(Some(until(&self.snapshots, &verdict, &self.policy)?));
        }
        latest
    }
}
