//! Applies a plan in batches (floor 3; reference: faults of write-and-rename without sync, format-spec.md 11).
//!
//! ```text
//! stage a batch in parallel -> one syncfs -> publish in order -> next batch ... -> final syncfs
//! ```
//!
//! After a crash at any point the tree is a mixture of whole old and whole new files, and looking at it again tells which are which.

use super::Error;
use super::dirs::Dirs;
use super::plan::Action;
use super::publish::Publisher;
use super::stage::Stage;
use crate::entry::{Node, Time};
use crate::fs::dir::Dir;
use crate::limits::{PUBLISH_BYTES, PUBLISH_FILES, STAGE_GROUP};
use crate::manifest;
use crate::monitor::Monitor;
use crate::store::chunks::ChunkSource;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;
use std::collections::HashSet;
use std::path::Path;

/// What was done to a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Files and other names that were made or replaced.
    pub written: u64,
    /// Bytes of content that were written.
    pub bytes: u64,
    /// Names that were removed.
    pub removed: u64,
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
    /// When the tree was looked at: what has an earlier ctime is as it was seen then.
    pub trusted: Time,
}

/// Carries out the actions.
pub fn apply(
    actions: impl Iterator<Item = Result<Action, manifest::Error>>,
    target: Target<'_>,
    chunks: &dyn ChunkSource,
    monitor: &dyn Monitor,
) -> Result<Applied, Error> {
    let stage = Stage::open(target.stage, target.stage_path)?;
    let dirs = || target.root.try_clone().map(Dirs::new).map_err(Error::Folder);
    let publisher = Publisher { stage: &stage, dirs: dirs()?, leaders: dirs()?, trusted: target.trusted };
    let mut applier = Applier { stage: &stage, publisher, chunks, monitor, done: Applied::default() };
    let mut batch = Vec::new();
    let mut bytes = 0;
    for action in actions {
        let action = action?;
        bytes += action.bytes();
        batch.push(action);
        if batch.len() >= PUBLISH_FILES || bytes >= PUBLISH_BYTES {
            applier.batch(&batch)?;
            batch.clear();
            bytes = 0;
        }
    }
    applier.batch(&batch)?;
    let Applier { publisher, mut done, .. } = applier;
    for (path, e) in publisher.finish() {
        monitor.problem(&path, &format!("the times or the mode of this directory could not be set: {e}"));
        done.failed += 1;
    }
    stage.clear()?;
    target.root.sync_file_system().map_err(Error::Sync)?;
    Ok(done)
}

/// What came of staging a batch.
#[derive(Default)]
struct Staged {
    /// Whether there is anything to sync.
    any_file: bool,
    /// Numbers of the actions that the store could not serve.
    unreadable: HashSet<usize>,
}

impl Staged {
    fn and(mut self, other: Self) -> Self {
        self.any_file |= other.any_file;
        self.unreadable.extend(other.unreadable);
        self
    }
}

struct Applier<'a> {
    stage: &'a Stage,
    publisher: Publisher<'a>,
    chunks: &'a dyn ChunkSource,
    monitor: &'a dyn Monitor,
    done: Applied,
}

impl Applier<'_> {
    fn batch(&mut self, actions: &[Action]) -> Result<(), Error> {
        let staged = self.stage_all(actions)?;
        if staged.any_file {
            self.stage.dir().sync_file_system().map_err(Error::Sync)?;
        }
        self.done.failed += staged.unreadable.len() as u64;
        for (number, action) in actions.iter().enumerate() {
            if !staged.unreadable.contains(&number) {
                self.publish(number, action);
            }
        }
        Ok(())
    }

    /// Makes aside what the batch puts into the tree. What the store cannot give is reported and left out: the rest is not held back by it.
    fn stage_all(&self, actions: &[Action]) -> Result<Staged, Error> {
        let (stage, chunks, monitor) = (self.stage, self.chunks, self.monitor);
        let group = |(group, actions): (usize, &[Action])| -> Result<Staged, Error> {
            let mut reader = chunks.reader()?;
            let mut staged = Staged::default();
            for (n, action) in actions.iter().enumerate() {
                if let Action::Put { new, .. } = action {
                    let number = group * STAGE_GROUP + n;
                    match stage.make(&Stage::name(number), new, reader.as_mut()) {
                        Ok(()) => staged.any_file |= matches!(new.node, Node::File { .. }),
                        Err(e @ (Error::Store(_) | Error::Manifest(_))) => {
                            monitor.problem(
                                &new.path,
                                &format!("cannot be had from the store, and is left as it is: {e}"),
                            );
                            staged.unreadable.insert(number);
                        }
                        Err(e) => return Err(e),
                    }
                }
                monitor.advance(1, action.bytes());
            }
            Ok(staged)
        };
        let groups = actions.par_chunks(STAGE_GROUP).enumerate().map(group);
        groups.try_reduce(Staged::default, |a, b| Ok(a.and(b)))
    }

    fn publish(&mut self, number: usize, action: &Action) {
        let staged = Stage::name(number);
        let outcome = match action {
            Action::Put { new, old } => self.publisher.put(&staged, new, old.as_ref()),
            Action::Link { new, old } => self.publisher.link(&staged, new, old.as_ref()),
            Action::Meta { new } => self.publisher.meta(new),
            Action::Remove { old } => self.publisher.remove(&staged, old),
        };
        let done = &mut self.done;
        match (outcome, action) {
            (Err(e), _) => {
                done.failed += 1;
                self.monitor.problem(action.path(), &format!("cannot be put in place: {e}"));
            }
            (Ok(()), Action::Put { .. } | Action::Link { .. }) => {
                done.written += 1;
                done.bytes += action.bytes();
            }
            (Ok(()), Action::Meta { .. }) => done.touched += 1,
            (Ok(()), Action::Remove { .. }) => done.removed += 1,
        }
    }
}
