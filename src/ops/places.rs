//! Where the two ends of a target are, and opening them (floor 5).

use super::{Context, Error};
use crate::fs::dir::Dir;
use crate::mirror::local::{LocalMirror, Place};
use crate::path::{RelPath, shown_path};
use crate::scan::selection::Selection;
use crate::table::Target;
use std::path::Path;
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
                    "{}: {what} {place} is on another host, which this version cannot reach: run it where both places are local",
                    target.name
                ))
            })
        };
        let source = here(target.source_path(), "SOURCE", &target.source)?;
        let mirror = here(target.mirror_path(), "MIRROR", &target.mirror)?;
        let store = target.store.as_ref().map(|place| here(target.store_path(), "STORE", place)).transpose()?;
        Ok(Self { target, source, mirror, store })
    }

    fn place(&self) -> Place<'t> {
        Place { target: &self.target.name, mirror: self.mirror, store: self.store }
    }

    /// Makes the mirror if there is none.
    pub fn init_mirror(&self, context: Context<'_>) -> Result<(), Error> {
        Ok(LocalMirror::init(&self.place(), context.random)?)
    }

    /// Opens the mirror, under its lock.
    pub fn open_mirror(&self, context: Context<'_>) -> Result<LocalMirror, Error> {
        Ok(LocalMirror::open(&self.place(), context.monitor)?)
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
