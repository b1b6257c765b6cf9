//! Dropping snapshots and giving back their room, at the mirror's end (floor 4).
//!
//! Which ones go is decided by whoever asks ([`crate::retention`]); here it is proved that they may, and that all others need nothing which is not there: if
//! anything is missing, nothing is removed. Then the records go, then what only they needed ([`crate::store::sweep`]). Killed in between, this
//! leaves every other snapshot whole, and the next run goes on from what it finds.

mod mark;
mod sweep;
#[cfg(test)]
mod tests;

use super::Error;
use crate::format::role::State;
use crate::format::snapshot::Kind;
use crate::fs::space::Space;
use crate::monitor::Monitor;
use crate::path::shown_path;
use crate::store::Store;
use crate::store::sweep::live::Live;
use crate::store::sweep::plan::plan;
use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The snapshots that go.
    pub drop: Vec<u64>,
    /// How much may be copied to get at unused room.
    pub most: Most,
    /// Nothing is written: what would be done?
    pub dry: bool,
}

/// A bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Most {
    /// None.
    All,
    /// Bytes.
    Bytes(u64),
    /// Hundredths of the bytes of all packs.
    Percent(u8),
}

/// What was done, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Snapshots that went.
    pub snapshots: u64,
    /// Packs that went because nobody needs anything of them.
    pub unused: u64,
    /// Packs that were written again without what nobody needs.
    pub rewritten: u64,
    /// Bytes that were copied for that.
    pub copied: u64,
    /// Bytes of packs that were given back.
    pub freed: u64,
    /// Bytes of all packs now.
    pub bytes: u64,
    /// Of these, bytes that nobody needs.
    pub waste: u64,
    /// Packs that should have gone or been written again, and are left: they are damaged, or there is no room. Each was reported.
    pub left: u64,
}

/// Drops snapshots and sweeps, under the lock.
pub(super) fn prune(store: &Store, state: State, order: &Order, monitor: &dyn Monitor) -> Result<Pruned, Error> {
    let kept = kept(store, state, order)?;
    let mut live = Live::of(store)?;
    mark::mark(store, &kept, &mut live, monitor)?;
    let uses = live.uses()?;
    let bytes: u64 = uses.iter().map(|pack| pack.length).sum();
    let most = match order.most {
        Most::All => u64::MAX,
        Most::Bytes(most) => most,
        Most::Percent(percent) => bytes / 100 * u64::from(percent),
    };
    let plan = plan(uses, most);
    let mut pruned = Pruned { snapshots: order.drop.len() as u64, bytes, waste: plan.waste, ..Pruned::default() };
    if order.dry {
        sweep::estimate(&plan, &mut pruned);
        return Ok(pruned);
    }
    let anything = store.has_lost() || !plan.unused.is_empty() || !plan.rewrite.is_empty();
    if anything {
        room_for_index(store)?;
    }
    store.forget(&order.drop)?;
    sweep::sweep(store, &live, plan, &mut pruned, monitor)?;
    Ok(pruned)
}

/// The snapshots that stay. An order by which one would go that must not is refused.
fn kept(store: &Store, state: State, order: &Order) -> Result<Vec<u64>, Error> {
    let all = store.sequences()?;
    let goes = |sequence: &u64| order.drop.contains(sequence);
    let refused = |sequence: u64, why: &str| {
        Err(Error::Refused(format!("snapshot {sequence} {why}: it cannot be dropped (nothing was written)")))
    };
    if let Some(strange) = order.drop.iter().find(|sequence| all.binary_search(sequence).is_err()) {
        return refused(*strange, "is not there");
    }
    if let Some(pin) = store.pins()?.iter().find(|sequence| goes(sequence)) {
        return refused(*pin, "is pinned");
    }
    let on_mirror = match state {
        State::Empty => [0, 0],
        State::Clean(n) | State::Promoted(n) => [n, 0],
        State::Publishing(from, to) => [from, to],
    };
    if let Some(on_mirror) = on_mirror.iter().find(|sequence| goes(sequence)) {
        return refused(*on_mirror, "is on the mirror");
    }
    if let Some(last) = all.last().filter(|sequence| goes(sequence)) {
        return refused(*last, "has the last number");
    }
    if let Some(newest) = store.newest(|kind| kind == Kind::Backup)?.filter(|record| goes(&record.sequence)) {
        return refused(newest.sequence, "is the newest");
    }
    Ok(all.into_iter().filter(|sequence| !goes(sequence)).collect())
}

/// Before anything goes, there must be an index that does not name it.
fn room_for_index(store: &Store) -> Result<(), Error> {
    let (need, free) = (store.index_bytes().saturating_add(1 << 20), Space::at(store.layout().root())?.free);
    if need <= free {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "{}: a new index is written before anything is removed, and of the {need} bytes that it may take only {free} are free: make some room on \
         that disk (nothing was written)",
        shown_path(store.layout().root())
    )))
}
