//! What a run that was killed left in its stage (floor 4).
//!
//! Nearly always that was made from the store, or is in the store since the tree was looked at. But a file that someone wrote between the look and the
//! exchange, just before the run was killed, is nowhere else: so whatever the store does not have becomes a `rescue` snapshot before it goes.

use super::Error;
use super::service::{Draft, MirrorService};
use crate::entry::{Node, Time};
use crate::format::snapshot::{Kind, Record};
use crate::fs::Error as FsError;
use crate::fs::dir::Dir;
use crate::limits::LEFTOVER_SNAPSHOTS;
use crate::manifest::cursor::Cursor;
use crate::monitor::{Monitor, Silent};
use crate::path::{RelPath, shown_path};
use crate::scan::selection::Selection;
use crate::source::snapshot::{Request, Taken, Trust, take};
use crate::store::chunks::{ChunkSource, ChunkStore};
use crate::store::dry::Dry;
use crate::tree::stage::{clear, leftover};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// A stage that may hold what an interrupted run left.
#[derive(Clone, Copy)]
pub struct Leftover<'a> {
    /// The folder, under the lock of whoever uses it.
    pub stage: &'a Dir,
    /// Where it is, for messages and for the record.
    pub path: &'a Path,
}

impl Leftover<'_> {
    /// Takes what the store does not have into a snapshot of its own, and empties the stage.
    pub fn tidy(&self, mirror: &dyn MirrorService, now: Time, monitor: &dyn Monitor) -> Result<Option<Record>, Error> {
        let fail = |e| FsError::new("look into", self.path, e);
        let folders = leftover(self.stage).map_err(fail)?;
        let nothing = folders.is_empty() || self.is_known(mirror, &folders)?;
        let record = if nothing { None } else { Some(self.save(mirror, &folders, now)?) };
        if let Some(record) = &record {
            monitor.note(&format!(
                "an interrupted run had taken something out of the tree that was in no snapshot: it is snapshot {} now; to look at it: \
                 -restore --snapshot {} --to FOLDER",
                record.sequence, record.sequence
            ));
        }
        clear(self.stage.try_clone().map_err(fail)?, self.path)?;
        Ok(record)
    }

    /// Whether the store has all content that lies here.
    fn is_known(&self, mirror: &dyn MirrorService, folders: &[&str]) -> Result<bool, Error> {
        let dry = Dry::new(mirror);
        let taken = self.take(&dry, mirror, &selection(folders)?)?;
        if dry.was_given_data() || taken.totals.problems > 0 {
            return Ok(false);
        }
        // Where a link points is in no chunk.
        let mut targets = HashSet::new();
        let mut cursor = Cursor::new(taken.root, dry.reader()?)?;
        while let Some(entry) = cursor.next_entry()? {
            if let Node::Symlink { target } = entry.node {
                targets.insert(target);
            }
        }
        strike_out_known(&mut targets, mirror)?;
        Ok(targets.is_empty())
    }

    fn take(&self, store: &dyn ChunkStore, mirror: &dyn MirrorService, selection: &Selection) -> Result<Taken, Error> {
        let root = self.stage.try_clone().map_err(|e| FsError::new("look into", self.path, e))?;
        let request = Request {
            root: Arc::new(root),
            selection,
            parent: None,
            trust: Trust::Nothing,
            of_mirror: None,
            filter: None,
            without_caches: false,
            chunker: mirror.chunker(),
        };
        Ok(take(request, store, &Silent)?)
    }

    fn save(&self, mirror: &dyn MirrorService, folders: &[&str], now: Time) -> Result<Record, Error> {
        let selection = selection(folders)?;
        let taken = self.take(mirror, mirror, &selection)?;
        let path = shown_path(self.path);
        if taken.totals.problems > 0 {
            return Err(Error::Refused(format!(
                "{path} holds what an interrupted run took out of the tree, and it cannot be read: move it to a safe place and run this again"
            )));
        }
        if let Some(record) = mirror.rescue_of(taken.root)? {
            return Ok(record);
        }
        mirror.commit(Draft {
            kind: Kind::Rescue,
            time: now,
            source: path.into_bytes(),
            dirs: selection.tops().to_vec(),
            root: taken.root,
            totals: taken.totals,
            users: Vec::new(),
            groups: Vec::new(),
            note: "left in the stage by an interrupted run".to_owned(),
        })
    }
}

fn selection(folders: &[&str]) -> Result<Selection, Error> {
    let unlikely = |e: &dyn std::fmt::Display| Error::Refused(e.to_string());
    let tops: Result<Vec<_>, _> = folders.iter().map(|folder| RelPath::new(*folder)).collect();
    Selection::new(tops.map_err(|e| unlikely(&e))?, &[]).map_err(|e| unlikely(&e))
}

/// Takes out the targets of links that stand in one of the newest snapshots: what a run was taking out of a tree, or putting there, is in those.
fn strike_out_known(targets: &mut HashSet<Vec<u8>>, mirror: &dyn MirrorService) -> Result<(), Error> {
    for sequence in mirror.sequences()?.into_iter().rev().take(LEFTOVER_SNAPSHOTS) {
        if targets.is_empty() {
            break;
        }
        let Ok(record) = mirror.record(sequence) else { continue };
        let mut cursor = Cursor::new(record.root, mirror.reader()?)?;
        while !targets.is_empty()
            && let Some(entry) = cursor.next_entry()?
        {
            if let Node::Symlink { target } = entry.node {
                targets.remove(&target);
            }
        }
    }
    Ok(())
}
