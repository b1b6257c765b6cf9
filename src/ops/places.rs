//! Where the two ends of a target are, and opening them (floor 5).

use super::{Context, Error};
use crate::format::role::{Role, State};
use crate::fs::dir::Dir;
use crate::fs::space::Need;
use crate::mirror::home::Home;
use crate::mirror::local::{LocalMirror, Place as MirrorPlace};
use crate::mirror::make;
use crate::path::{RelPath, shown_path};
use crate::place::Place;
use crate::scan::selection::Selection;
use crate::store::import::Imported;
use crate::table::Target;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A target whose places are on this host.
#[derive(Clone, Copy)]
pub struct Ends<'t> {
    /// As the table has it.
    pub target: &'t Target,
    /// Root of the source.
    pub source: &'t Path,
    /// The mirror.
    pub mirror: &'t Path,
    store: Option<&'t Path>,
}

impl<'t> Ends<'t> {
    /// Refuses places on other hosts, in one clear line each.
    pub fn of(target: &'t Target) -> Result<Self, Error> {
        let here = |path: Option<&'t Path>, what: &str, place: &dyn std::fmt::Display| {
            path.ok_or_else(|| {
                Error::Refused(format!(
                    "{what} {place} is on another host, which this version cannot reach: run it where both places are local"
                ))
            })
        };
        let source = here(target.source_path(), "SOURCE", &target.source)?;
        let mirror = here(target.mirror_path(), "MIRROR", &target.mirror)?;
        let store = target.store.as_ref().map(|place| here(target.store_path(), "STORE", place)).transpose()?;
        Ok(Self { target, source, mirror, store })
    }

    /// The mirror, as its room wants it named.
    pub fn place(&self) -> MirrorPlace<'t> {
        MirrorPlace { target: &self.target.name, mirror: self.mirror, store: self.store }
    }

    /// Where its store is, or shall be.
    pub fn store(&self) -> PathBuf {
        self.store.map_or_else(|| Home::of(self.mirror).store(), Path::to_path_buf)
    }

    /// Whether the mirror has been made.
    pub fn has_mirror(&self) -> Result<bool, Error> {
        Ok(Home::of(self.mirror).read_role()?.is_some())
    }

    /// SOURCE as a place that may have been promoted.
    pub(super) fn promoted_place(&self) -> MirrorPlace<'t> {
        MirrorPlace { target: &self.target.name, mirror: self.source, store: None }
    }

    /// The number with which SOURCE was promoted, if it is the live end of this target after a swap and MIRROR has not been made a mirror since.
    pub fn waits_for_mirror(&self) -> Result<Option<u64>, Error> {
        let promoted = |role: Option<Role>| match role {
            Some(Role { target, state: State::Promoted(n), .. }) if target == self.target.name => Some(n),
            _ => None,
        };
        let Some(live) = promoted(Home::of(self.source).read_role()?) else { return Ok(None) };
        let role = Home::of(self.mirror).read_role()?;
        Ok((role.is_none() || promoted(role).is_some_and(|stale| stale < live)).then_some(live))
    }

    /// What to say when the history is read there.
    pub(super) fn read_from_source(&self) -> String {
        format!(
            "{} is not a mirror yet, or not mounted: this is the history of the promoted SOURCE {}, which ends with the swap",
            shown_path(self.mirror),
            shown_path(self.source)
        )
    }

    /// The room that the history takes which the mirror gets from SOURCE when it is made.
    pub(super) fn room_for_history(&self) -> Result<Option<Need>, Error> {
        let live = self.waits_for_mirror()?;
        Ok(live.map(|_| make::room_for_history(&self.place(), &self.promoted_place())).transpose()?)
    }

    /// Makes the mirror if there is none; after a swap it takes over the history of SOURCE.
    pub fn init_mirror(&self, context: Context<'_>) -> Result<Imported, Error> {
        if self.waits_for_mirror()?.is_none() {
            make::init(&self.place(), context.random)?;
            return Ok(Imported::default());
        }
        let imported = make::init_after_swap(&self.place(), &self.promoted_place(), context.random, context.monitor)?;
        context.monitor.note(&format!(
            "the history of {} was copied first (snapshots: {}, packs: {})",
            shown_path(self.source),
            imported.snapshots,
            imported.packs
        ));
        Ok(imported)
    }

    /// Opens the mirror, under its lock.
    pub fn open_mirror(&self, context: Context<'_>) -> Result<LocalMirror, Error> {
        // A SOURCE that is dead says nothing of itself.
        if self.waits_for_mirror().is_ok_and(|live| live.is_some()) {
            return Err(Error::Refused(format!(
                "{} is not a mirror yet, or not mounted: SOURCE {} was promoted by a swap and has the history. When the disk of MIRROR is there: \
                 backup -backup --init {} (nothing was written)",
                shown_path(self.mirror),
                shown_path(self.source),
                self.target.name
            )));
        }
        Ok(LocalMirror::open(&self.place(), context.monitor)?)
    }

    /// The places that are written to: the mirror, and a store elsewhere.
    pub fn written(&self) -> impl Iterator<Item = &'t Path> {
        [Some(self.mirror), self.store].into_iter().flatten()
    }

    /// Whether a snapshot of this place, as a table wrote it, was of another than SOURCE. What depends on the folder of a table is in doubt the same.
    pub fn is_another_source(&self, recorded: &[u8]) -> bool {
        let written = self.target.source.to_string();
        recorded != written.as_bytes()
            && Place::parse(recorded).is_ok_and(|place| place.path.is_absolute() && place.path != self.source)
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
pub fn open_tree(path: &Path, what: &str) -> Result<Arc<Dir>, Error> {
    let opened = Dir::open(path);
    opened.map(Arc::new).map_err(|e| {
        Error::Refused(format!(
            "{what} {} cannot be opened: {e}; is it mounted? (nothing was written)",
            shown_path(path)
        ))
    })
}
