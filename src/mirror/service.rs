//! The seam between the engine at the source and the mirror (floor 4).
//!
//! The engine reads, cuts, hashes and compresses; whoever implements [`MirrorService`] keeps the store, decides what has to be done to the mirror
//! tree, and does it. An implementation behind a pipe must give the same answers as [`super::local::LocalMirror`].

use super::Error;
use super::look::Look;
use super::prune::{Order, Pruned};
use super::verify::Verified;
use crate::chunk::cut::Chunker;
use crate::entry::{ChunkRef, Time};
use crate::format::role::Role;
use crate::format::snapshot::{Kind, Owner, Record, Totals};
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::store::chunks::ChunkStore;
use crate::tree::apply::Applied;
use crate::tree::survey::Survey;
use serde::{Deserialize, Serialize};

/// A snapshot that has no number yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Draft {
    /// Why it was taken.
    pub kind: Kind,
    /// When.
    pub time: Time,
    /// The place that was read, as in the table.
    pub source: Vec<u8>,
    /// The DIRs that it covers.
    pub dirs: Vec<RelPath>,
    /// Root of its manifest.
    pub root: ChunkRef,
    /// What it amounts to.
    pub totals: Totals,
    /// Names of the owners that occur.
    pub users: Vec<Owner>,
    /// Names of the groups that occur.
    pub groups: Vec<Owner>,
    /// For people.
    pub note: String,
}

/// All that the engine may ask of the mirror's end.
pub trait MirrorService: ChunkStore {
    /// How the store wants files cut.
    fn chunker(&self) -> Chunker;

    /// Whether content of earlier snapshots is known to be gone: then nothing may be taken over from them unread.
    fn is_incomplete(&self) -> bool;

    /// What the mirror says of itself.
    fn role(&self) -> Role;

    /// The numbers of all snapshots, ascending.
    fn sequences(&self) -> Result<Vec<u64>, Error>;

    /// One snapshot.
    fn record(&self, sequence: u64) -> Result<Record, Error>;

    /// Takes what an interrupted run left in the stage into a snapshot of its own, if the store does not have it. To be called before the tree is
    /// looked at: [`MirrorService::publish`] refuses a stage that is not empty.
    fn tidy(&self, now: Time, monitor: &dyn Monitor) -> Result<Option<Record>, Error>;

    /// Looks at the mirror tree: a snapshot of it whose content is in the store, and what is not as it was left.
    fn look(&self, selection: &Selection, monitor: &dyn Monitor) -> Result<Look, Error>;

    /// As [`MirrorService::look`], but nothing is written and every difference is reported; with `all`, every file is read whatever its times say. The manifest of
    /// what was found can be read from here until the next of these.
    fn look_dry(&self, selection: &Selection, all: bool, monitor: &dyn Monitor) -> Result<Look, Error>;

    /// Proves the store and reports what is wrong; with `data`, all content is read and hashed.
    fn verify(&self, data: bool, monitor: &dyn Monitor) -> Result<Verified, Error>;

    /// Makes everything that was put durable, and then the snapshot.
    fn commit(&self, draft: Draft) -> Result<Record, Error>;

    /// Pins a snapshot, or takes its pin away; whether that changed anything.
    fn pin(&self, sequence: u64, pinned: bool) -> Result<bool, Error>;

    /// Drops snapshots, and gives back the room of what only they needed.
    fn prune(&self, order: &Order, monitor: &dyn Monitor) -> Result<Pruned, Error>;

    /// What publishing the manifest with this root would do to the mirror tree, which is as `look` says. All that was put has settled.
    fn survey(&self, look: &Look, to: ChunkRef, selection: &Selection) -> Result<Survey, Error>;

    /// Makes the mirror tree, which is as `look` says, equal a snapshot. A crash in between leaves a mixture of both, and the next look knows both,
    /// if what was found was recorded where it was not what the last run had left.
    fn publish(&self, look: &Look, to: &Record, selection: &Selection, monitor: &dyn Monitor)
    -> Result<Applied, Error>;
}

impl dyn MirrorService + '_ {
    /// The rescue that has this tree already, if there is one.
    pub fn rescue_of(&self, root: ChunkRef) -> Result<Option<Record>, Error> {
        self.newest(|record| record.kind == Kind::Rescue && record.root == root)
    }

    /// The newest snapshot of a kind that `wanted` accepts; records that cannot be read are passed over, `-check` names them.
    pub fn newest(&self, wanted: impl Fn(&Record) -> bool) -> Result<Option<Record>, Error> {
        for sequence in self.sequences()?.into_iter().rev() {
            match self.record(sequence) {
                Ok(record) if wanted(&record) => return Ok(Some(record)),
                Ok(_) => {}
                Err(Error::Store(e)) if e.is_damage() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }
}
