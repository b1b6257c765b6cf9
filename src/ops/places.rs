//! Where the two ends of a target are, and opening them (floor 6).

use super::{Context, Error};
use crate::format::role::{Role, State};
use crate::fs::dir::Dir;
use crate::fs::space::Need;
use crate::mirror::Error as MirrorError;
use crate::mirror::end::End;
use crate::mirror::service::MirrorService;
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::place::Place;
use crate::scan::selection::Selection;
use crate::store::import::Imported;
use crate::table::Target;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A target and its two ends, wherever they are.
#[derive(Clone, Copy)]
pub struct Ends<'t> {
    /// As the table has it.
    pub target: &'t Target,
    /// The source.
    pub source: &'t dyn End,
    /// The mirror.
    pub mirror: &'t dyn End,
}

impl<'t> Ends<'t> {
    /// The source as a path. What reads it or writes to it runs where it is.
    pub fn source_here(&self) -> Result<&'t Path, Error> {
        let far = || Error::Refused(format!("SOURCE {} is on another host than this run", self.source.name()));
        self.source.here().ok_or_else(far)
    }

    /// Whether the mirror has been made.
    pub fn has_mirror(&self) -> Result<bool, Error> {
        Ok(self.mirror.role()?.is_some())
    }

    /// The number with which SOURCE was promoted, if it is the live end of this target after a swap and MIRROR has not been made a mirror since.
    pub fn waits_for_mirror(&self) -> Result<Option<u64>, Error> {
        let promoted = |role: Option<Role>| match role {
            Some(Role { target, state: State::Promoted(n), .. }) if target == self.target.name => Some(n),
            _ => None,
        };
        // SOURCE is asked last: it may be on a host that is dead.
        let stale = match self.mirror.role()? {
            None => None,
            Some(role) => match promoted(Some(role)) {
                None => return Ok(None),
                stale => stale,
            },
        };
        let live = promoted(self.source_role()?);
        Ok(live.filter(|live| stale.is_none_or(|stale| stale < *live)))
    }

    /// What SOURCE says of itself. A `.backup` that anybody may have put there says nothing.
    fn source_role(&self) -> Result<Option<Role>, MirrorError> {
        match self.source.role() {
            Err(MirrorError::NotOurs(_)) => Ok(None),
            role => role,
        }
    }

    /// Tells of a `.backup` in SOURCE that says nothing.
    pub(super) fn note_what_is_not_ours(&self, monitor: &dyn Monitor) {
        if let Err(MirrorError::NotOurs(why)) = self.source.role() {
            monitor.note(&why);
        }
    }

    /// Whether the history is read at SOURCE: after a swap, until there is a mirror again. Where MIRROR does not answer, there may be one, with newer
    /// nights; who only looks, or restores to another place, is told so.
    pub(super) fn history_is_at_source(&self, only_looks: bool) -> bool {
        let promoted = || matches!(self.source_role(), Ok(Some(role)) if self.is_promoted(&role));
        match self.waits_for_mirror() {
            Ok(live) => live.is_some(),
            // A SOURCE that is dead says nothing of itself.
            Err(_) => only_looks && self.mirror.role().is_err() && promoted(),
        }
    }

    fn is_promoted(&self, role: &Role) -> bool {
        role.target == self.target.name && matches!(role.state, State::Promoted(_))
    }

    /// What to say when the history is read there.
    pub(super) fn read_from_source(&self) -> String {
        let why = self
            .mirror
            .role()
            .map_or_else(|e| e.to_string(), |_| format!("{} is not a mirror yet, or not mounted", self.mirror.name()));
        format!("{why}: this is the history of the promoted SOURCE {}, which ends with the swap", self.source.name())
    }

    /// The room that the history takes which the mirror gets from SOURCE when it is made.
    pub(super) fn room_for_history(&self) -> Result<Option<Need>, Error> {
        if self.waits_for_mirror()?.is_none() {
            return Ok(None);
        }
        let history = self.source.history()?;
        Ok(Some(self.mirror.room_for_history(history.as_ref())?))
    }

    /// Makes the mirror if there is none; after a swap it takes over the history of SOURCE.
    pub fn init_mirror(&self, context: Context<'_>) -> Result<Imported, Error> {
        if self.waits_for_mirror()?.is_none() {
            self.mirror.init(context.random)?;
            return Ok(Imported::default());
        }
        let history = self.source.history()?;
        let imported = self.mirror.init_after_swap(history.as_ref(), context.random, context.monitor)?;
        context.monitor.note(&format!(
            "the history of {} was copied first (snapshots: {}, packs: {})",
            self.source.name(),
            imported.snapshots,
            imported.packs
        ));
        Ok(imported)
    }

    /// Opens the mirror, under its lock.
    pub fn open_mirror(&self, context: Context<'_>) -> Result<Box<dyn MirrorService + 't>, Error> {
        // A SOURCE that is dead says nothing of itself.
        if self.waits_for_mirror().is_ok_and(|live| live.is_some()) {
            return Err(Error::Refused(format!(
                "{} is not a mirror yet, or not mounted: SOURCE {} was promoted by a swap and has the history. When the disk of MIRROR is there: \
                 backup -backup --init {} (nothing was written)",
                self.mirror.name(),
                self.source.name(),
                self.target.name
            )));
        }
        Ok(self.mirror.open(context.monitor)?)
    }

    /// The places on this host that are written to: the mirror, and a store elsewhere.
    pub fn written_here(&self) -> impl Iterator<Item = PathBuf> {
        [self.mirror.here().map(Path::to_path_buf), self.mirror.store_here()].into_iter().flatten()
    }

    /// Whether a snapshot of this place, as a table wrote it, was of another than SOURCE. What depends on the folder of a table is in doubt the same.
    pub fn is_another_source(&self, recorded: &[u8]) -> bool {
        let written = self.target.source.to_string();
        recorded != written.as_bytes()
            && Place::parse(recorded)
                .is_ok_and(|place| place.path.is_absolute() && place.path != self.target.source.path)
    }

    /// The DIRs.
    pub fn dirs(&self) -> Vec<RelPath> {
        self.target.dirs.clone()
    }

    /// The DIRs without what EXCLUDE names.
    pub fn selection(&self) -> Result<Selection, Error> {
        Selection::new(self.dirs(), &self.target.excludes).map_err(|e| Error::Refused(e.to_string()))
    }
}

/// Opens the root of a tree that an operator named.
pub fn open_tree(path: &Path, what: &str, name: &str) -> Result<Arc<Dir>, Error> {
    let opened = Dir::open(path);
    opened.map(Arc::new).map_err(|e| {
        Error::Refused(format!("{what} {name} cannot be opened: {e}; is it mounted? (nothing was written)"))
    })
}
