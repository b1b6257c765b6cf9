//! Applies a plan in batches (floor 3; reference: faults of write-and-rename without sync, format-spec.md 11).
//!
//! ```text
//! make a batch aside, in parallel -> one syncfs -> publish in order -> next batch ... -> final syncfs
//! ```
//!
//! After a crash at any point the tree is a mixture of whole old and whole new files, and looking at it again tells which are which.

use super::aside::Aside;
use super::dirs::Dirs;
use super::make::Maker;
use super::moves::Moves;
use super::plan::Action;
use super::publish::Publisher;
use super::stage::{self, Stage, Waiting};
use super::trust::Trust;
use super::twin::Twins;
use super::{Error, Partial};
use crate::entry::{ChunkRef, Content, Entry, Extent, Node, Time};
use crate::fs::dir::Dir;
use crate::fs::fidelity::Fidelity;
use crate::limits::{PUBLISH_BYTES, PUBLISH_FILES, PUBLISH_PATHS, STAGE_GROUP};
use crate::manifest;
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::store;
use crate::store::chunks::ChunkSource;
use rayon::iter::{ParallelBridge, ParallelIterator};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

/// What was done to a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Files and other names that were made or replaced.
    pub written: u64,
    /// Bytes of content that were written.
    pub bytes: u64,
    /// Names that were removed.
    pub removed: u64,
    /// Files that were given another name; that is counted nowhere else.
    pub moved: u64,
    /// Names whose metadata was set.
    pub touched: u64,
    /// Names that resisted; they were reported and are as they were.
    pub failed: u64,
}

/// A tree that may be changed.
pub struct Target<'a> {
    /// Its root.
    pub root: &'a Dir,
    /// A folder of ours on the same file system.
    pub stage: Dir,
    /// Where that is, for messages.
    pub stage_path: &'a Path,
    /// The part of it that is ours.
    pub selection: &'a Selection,
    /// What it can hold.
    pub fidelity: &'a Fidelity,
    /// When the tree was looked at: what has an earlier ctime is as it was seen then.
    pub trusted: Time,
    /// Which of the files that are to be made are there under another name.
    pub moves: &'a Moves,
}

/// Carries out the actions.
pub fn apply(
    actions: impl Iterator<Item = Result<Action, manifest::Error>>,
    target: Target<'_>,
    chunks: &dyn ChunkSource,
    monitor: &dyn Monitor,
) -> Result<Applied, Error> {
    let stage = Stage::open(target.stage, target.stage_path)?;
    let durability = stage.durability();
    let fidelity = target.fidelity;
    let dirs = |before| {
        let root = target.root.try_clone();
        root.and_then(|root| Dirs::new(root, durability, before, fidelity)).map_err(Error::Root)
    };
    let (selection, trust) = (target.selection, Trust::before(target.trusted, fidelity));
    let publisher = Publisher {
        dirs: dirs(Some(target.trusted))?,
        leaders: dirs(None)?,
        selection,
        trust,
        durability,
        partial: Partial::default(),
        kept: HashSet::new(),
        twins: Twins::default(),
        absent: HashSet::new(),
        aside: Aside::new(target.moves, &stage),
    };
    let mut applier = Applier {
        stage: &stage,
        publisher,
        chunks,
        fidelity,
        monitor,
        done: Applied::default(),
        beyond: HashMap::new(),
    };
    let mut batch = Vec::new();
    let (mut bytes, mut held) = (0, 0);
    for action in actions {
        let action = action?;
        bytes = u64::saturating_add(bytes, applier.bytes(&action));
        held += action.path().as_bytes().len();
        batch.push(action);
        if batch.len() >= PUBLISH_FILES || bytes >= PUBLISH_BYTES || held >= PUBLISH_PATHS {
            applier.batch(&batch)?;
            batch.clear();
            (bytes, held) = (0, 0);
        }
    }
    applier.batch(&batch)?;
    applier.publisher.aside.close()?;
    let Applier { publisher, mut done, beyond, .. } = applier;
    let (failures, partial, twins) = publisher.finish();
    tell_of_less(&beyond, &partial, &twins.names, monitor);
    for (path, e) in failures {
        monitor.problem(&path, &format!("the times or the mode of this directory could not be set: {e}"));
        done.failed += 1;
    }
    target.root.sync_file_system().map_err(Error::Sync)?;
    Ok(done)
}

/// Says once of all names what the tree has less of them than the store.
fn tell_of_less(beyond: &HashMap<RelPath, String>, partial: &Partial, copies: &Partial, monitor: &dyn Monitor) {
    if let Some((path, why)) = beyond.iter().next() {
        let count = beyond.len();
        monitor
            .note(&format!("{count} names cannot be on this file system, such as {path} ({why}): the store has them"));
    }
    if let Partial { count, first: Some(first) } = partial {
        monitor.note(&format!(
            "{count} names have here what this file system, or this user, can give them of their times, modes and attributes, among them {first}; the \
             store has all of it"
        ));
    }
    if let Partial { count, first: Some(first) } = copies {
        monitor.note(&format!(
            "{count} names are here names of copies, because this file system gives no file so many, among them {first}; the store has them as one file"
        ));
    }
}

/// What came of staging a batch.
#[derive(Default)]
pub(super) struct Staged {
    /// Whether there is anything to sync.
    any_file: bool,
    /// Numbers of the actions whose object could not be made.
    pub(super) unmade: HashSet<usize>,
    /// Numbers of those that this file system cannot hold, and what it says.
    pub(super) beyond: HashMap<usize, String>,
    /// What was made with a part of its metadata.
    pub(super) partial: Partial,
}

impl Staged {
    fn and(mut self, other: Self) -> Self {
        self.any_file |= other.any_file;
        self.unmade.extend(other.unmade);
        self.beyond.extend(other.beyond);
        self.partial = self.partial.and(other.partial);
        self
    }
}

pub(super) struct Applier<'a> {
    pub(super) stage: &'a Stage,
    pub(super) publisher: Publisher<'a>,
    chunks: &'a dyn ChunkSource,
    fidelity: &'a Fidelity,
    monitor: &'a dyn Monitor,
    pub(super) done: Applied,
    /// What the tree cannot hold, and why.
    beyond: HashMap<RelPath, String>,
}

impl Applier<'_> {
    fn batch(&mut self, actions: &[Action]) -> Result<(), Error> {
        if actions.is_empty() {
            return Ok(());
        }
        let making = self.stage.begin()?;
        let fetched = self.fetch(&making, actions);
        let mut staged = self.make_all(&making, actions, &fetched)?;
        let partial = std::mem::take(&mut staged.partial);
        self.publisher.partial = std::mem::take(&mut self.publisher.partial).and(partial);
        self.stage.finish(&making, staged.any_file || !fetched.is_empty())?;
        self.done.failed += staged.unmade.len() as u64;
        for (number, action) in actions.iter().enumerate() {
            if fetched.contains(&number) && self.carry(&making, number, action, &mut staged)? {
                continue;
            }
            if staged.unmade.contains(&number) {
                self.publisher.absent.insert(action.path().clone());
            } else if let Some(why) = staged.beyond.get(&number).or(self.beyond_of(action)) {
                let why = why.clone();
                self.go_without(&making, number, action, why);
            } else {
                // The folder was renamed, and is the same.
                self.publish(&making, number, action);
            }
        }
        self.stage.end()
    }

    /// What the file system says of that of which this is a further name, if it cannot hold it.
    fn beyond_of(&self, action: &Action) -> Option<&String> {
        match action {
            Action::Link { new: Entry { node: Node::HardLink { leader }, .. }, .. } => self.beyond.get(leader),
            _ => None,
        }
    }

    /// The tree cannot hold what shall be there: it has nothing there, and the store has it.
    fn go_without(&mut self, ready: &Dir, number: usize, action: &Action, why: String) {
        self.beyond.insert(action.path().clone(), why);
        if let Action::Put { old: Some(old), .. } | Action::Link { old: Some(old), .. } = action {
            self.publish(ready, number, &Action::Remove { old: old.clone() });
        }
    }

    /// Makes aside what the batch puts into the tree. What the store cannot give, or this file system cannot hold, is reported and left out: the
    /// rest is not held back by it.
    pub(super) fn make_all(&self, making: &Dir, actions: &[Action], fetched: &HashSet<usize>) -> Result<Staged, Error> {
        let (chunks, monitor) = (self.chunks, self.monitor);
        let maker = Maker { stage: self.stage, making, fidelity: self.fidelity };
        let group = |(group, actions): (usize, &[Action])| -> Result<Staged, Error> {
            let mut reader = chunks.reader()?;
            let mut staged = Staged::default();
            for (n, action) in actions.iter().enumerate() {
                let number = group * STAGE_GROUP + n;
                if let Action::Put { new, .. } = action
                    && !fetched.contains(&number)
                {
                    match maker.make(&stage::name(number), new, reader.as_mut()) {
                        Ok(is_whole) => {
                            staged.any_file |= matches!(new.node, Node::File { .. });
                            if !is_whole {
                                staged.partial.note(&new.path);
                            }
                        }
                        Err(Error::Beyond(e)) => {
                            staged.beyond.insert(number, e.to_string());
                        }
                        Err(e) => {
                            let why = why_left_out(e)?;
                            monitor.problem(&new.path, &why);
                            staged.unmade.insert(number);
                        }
                    }
                }
                monitor.advance(1, if fetched.contains(&number) { 0 } else { action.bytes() });
            }
            Ok(staged)
        };
        if chunks.looks_ahead() {
            ChunkSource::expect(chunks, actions.iter().flat_map(wanted).collect());
        }
        // In order, as was told, and as it lies in the packs.
        let groups = actions.chunks(STAGE_GROUP).enumerate().par_bridge();
        groups.map(group).try_reduce(Staged::default, |a, b| Ok(a.and(b)))
    }

    fn publish(&mut self, ready: &Dir, number: usize, action: &Action) {
        let name = stage::name(number);
        let staged = Waiting { dir: ready, name: &name };
        let outcome = match action {
            Action::Put { new, old } => self.publisher.put(staged, new, old.as_ref()),
            Action::Link { new, old } => self.publisher.link(staged, new, old.as_ref()),
            Action::Meta { new, old } => self.publisher.meta(new, old.as_ref()),
            Action::Remove { old } => self.publisher.remove(staged, old),
        };
        if let Err(e) = outcome {
            return self.fail(action, &e);
        }
        let done = &mut self.done;
        match action {
            Action::Put { .. } | Action::Link { .. } => {
                done.written += 1;
                done.bytes = done.bytes.saturating_add(action.bytes());
            }
            Action::Meta { .. } => done.touched += 1,
            Action::Remove { old } if self.publisher.aside.moves.takes(&old.path) => {}
            Action::Remove { .. } => done.removed += 1,
        }
    }

    /// What an action would do could not be done; the rest is not held back by it.
    pub(super) fn fail(&mut self, action: &Action, e: &io::Error) {
        self.done.failed += 1;
        self.publisher.absent.insert(action.path().clone());
        self.monitor.problem(action.path(), &why_not_in_place(e));
    }

    /// Bytes of content that an action writes.
    fn bytes(&self, action: &Action) -> u64 {
        if self.publisher.aside.moves.to(action.path()).is_some() { 0 } else { action.bytes() }
    }
}

/// The chunks that making an object begins with: those of its content, or the lists of them.
fn wanted(action: &Action) -> Vec<ChunkRef> {
    let Action::Put { new, .. } = action else { return Vec::new() };
    match &new.node {
        Node::File { content: Content::Direct(extents), .. } => extents.iter().filter_map(Extent::chunk).collect(),
        Node::File { content: Content::Indirect(lists), .. } => lists.clone(),
        _ => Vec::new(),
    }
}

fn why_not_in_place(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy => {
            format!(
                "cannot be put in place: something is mounted there or around it ({e}); unmount it and run this again"
            )
        }
        _ => format!("cannot be put in place: {e}"),
    }
}

/// The words for an object that is left out; any other error ends the run.
fn why_left_out(e: Error) -> Result<String, Error> {
    match e {
        // It would be the same with every file from here on.
        Error::Store(store::Error::Lost(_)) | Error::Manifest(manifest::Error::Store(store::Error::Lost(_))) => Err(e),
        Error::Store(_) | Error::Manifest(_) => Ok(format!("cannot be had from the store, and is left as it is: {e}")),
        Error::Object(e) => Ok(format!("cannot be made on this file system ({e}), and is left as it is")),
        e => Err(e),
    }
}
