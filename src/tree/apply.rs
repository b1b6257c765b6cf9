//! Applies a plan in batches (floor 3; reference: faults of write-and-rename without sync, format-spec.md 11).
//!
//! ```text
//! make a batch aside, in parallel -> one syncfs -> publish in order -> final syncfs
//!                                    make the next batch aside      -> one syncfs -> ...
//! ```
//!
//! After a crash at any point the tree is a mixture of whole old and whole new files, and looking at it again tells which are which.

use super::aside::Aside;
use super::dirs::Dirs;
use super::moves::Moves;
use super::need::batch_of;
use super::plan::Action;
use super::publish::Publisher;
use super::share::Sharing;
use super::stage::{self, Making, Stage, Waiting};
use super::stager::{Staged, Stager};
use super::trust::Trust;
use super::twin::Twins;
use super::{Error, Partial};
use crate::entry::{Entry, Node, Time};
use crate::fs::dir::Dir;
use crate::fs::fidelity::Fidelity;
use crate::fs::sync::Durability;
use crate::limits::{PUBLISH_BYTES, PUBLISH_PATHS};
use crate::manifest;
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::store;
use crate::store::chunks::ChunkSource;
use crossbeam_channel::bounded;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io;
use std::panic::resume_unwind;
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
    // What would be read of a store on another host is asked for ahead, all of it.
    let sharing = Sharing::new(dirs(None)?, durability == Durability::EachFile || chunks.looks_ahead());
    let seen = Trust::before(target.trusted, fidelity);
    let stager = Stager { stage: &stage, chunks, trust: &seen, sharing: &sharing, monitor };
    let mut applier = Applier { stager, publisher, done: Applied::default(), beyond: HashMap::new() };
    in_batches(actions, target.moves, stager, &mut applier)?;
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

/// Makes batch after batch; each is published while the next one is made.
fn in_batches(
    actions: impl Iterator<Item = Result<Action, manifest::Error>>,
    moves: &Moves,
    stager: Stager<'_>,
    applier: &mut Applier<'_>,
) -> Result<(), Error> {
    let (made, to_publish) = bounded::<Batch>(0);
    std::thread::scope(|scope| {
        // Whatever ends it, whoever waits to give it a batch waits no more.
        let publish = move || to_publish.into_iter().try_for_each(|batch| applier.batch(batch));
        let publisher = std::thread::Builder::new().name("publisher".to_owned()).spawn_scoped(scope, publish);
        let publisher = publisher.map_err(|e| store::Error::Threads(e.to_string()))?;
        let outcome = make_batches(actions, moves, stager, &mut |batch| made.send(batch).is_ok());
        drop(made);
        let published = publisher.join().unwrap_or_else(|panic| resume_unwind(panic));
        published.and(outcome)
    })
}

/// Gathers actions to batches and makes what they put into the tree, for as long as somebody takes them.
fn make_batches(
    actions: impl Iterator<Item = Result<Action, manifest::Error>>,
    moves: &Moves,
    stager: Stager<'_>,
    take: &mut dyn FnMut(Batch) -> bool,
) -> Result<(), Error> {
    let mut gathered = Vec::new();
    let (mut number, mut bytes, mut held) = (0, 0, 0);
    let mut actions = actions.peekable();
    while let Some(action) = actions.next() {
        let action = action?;
        bytes = u64::saturating_add(bytes, if moves.by(&action).is_some() { 0 } else { action.bytes() });
        held += action.path().as_bytes().len();
        gathered.push(action);
        let is_full = gathered.len() >= batch_of(number) || bytes >= PUBLISH_BYTES || held >= PUBLISH_PATHS;
        if is_full || actions.peek().is_none() {
            let batch = Batch::make(number, std::mem::take(&mut gathered), moves, stager)?;
            (number, bytes, held) = (number + 1, 0, 0);
            if !take(batch) {
                break;
            }
        }
    }
    Ok(())
}

/// Actions whose objects are made, but for what is moved.
struct Batch {
    actions: Vec<Action>,
    making: Making,
    staged: Staged,
}

impl Batch {
    fn make(number: usize, actions: Vec<Action>, moves: &Moves, stager: Stager<'_>) -> Result<Self, Error> {
        let making = stager.stage.begin(number)?;
        let own: Vec<_> = actions.iter().enumerate().filter(|(_, action)| moves.by(action).is_none()).collect();
        let staged = stager.make_all(&making.dir, &own)?;
        Ok(Self { actions, making, staged })
    }
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

pub(super) struct Applier<'a> {
    pub(super) stager: Stager<'a>,
    pub(super) publisher: Publisher<'a>,
    pub(super) done: Applied,
    /// What the tree cannot hold, and why.
    beyond: HashMap<RelPath, String>,
}

impl Applier<'_> {
    fn batch(&mut self, batch: Batch) -> Result<(), Error> {
        let Batch { actions, making, mut staged } = batch;
        let fetched = self.fetch(&making.dir, &actions, &mut staged)?;
        let ready = self.stager.stage.finish(making, staged.any_file || !fetched.is_empty())?;
        for (number, action) in actions.iter().enumerate() {
            if fetched.contains(&number) && self.carry(&ready, number, action, &mut staged)? {
                continue;
            }
            if staged.unmade.contains(&number) {
                self.publisher.absent.insert(action.path().clone());
            } else if let Some(why) = staged.beyond.get(&number).or(self.beyond_of(action)) {
                let why = why.clone();
                self.go_without(&ready, number, action, why);
            } else {
                self.publish(&ready, number, action);
            }
        }
        self.done.failed += staged.unmade.len() as u64;
        self.done.bytes = self.done.bytes.saturating_sub(staged.shared);
        self.publisher.partial = std::mem::take(&mut self.publisher.partial).and(staged.partial);
        self.stager.stage.end()
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
        self.stager.monitor.problem(action.path(), &why_not_in_place(e));
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
