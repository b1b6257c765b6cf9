//! Makes aside what batches of actions put into the tree, in parallel (floor 3).

use super::make::Maker;
use super::plan::Action;
use super::share::Sharing;
use super::stage::{self, Stage};
use super::trust::Trust;
use super::{Error, Partial};
use crate::entry::{ChunkRef, Content, Extent, Node};
use crate::fs::dir::Dir;
use crate::limits::{STAGE_GROUP, STAGE_TURNS};
use crate::manifest;
use crate::monitor::Monitor;
use crate::store;
use crate::store::chunks::ChunkSource;
use rayon::iter::{ParallelBridge, ParallelIterator};
use std::collections::{HashMap, HashSet};

/// An action, and its number in its batch.
pub(super) type Numbered<'b> = (usize, &'b Action);

/// What came of staging a batch.
#[derive(Default)]
pub(super) struct Staged {
    /// Whether there is anything to sync.
    pub(super) any_file: bool,
    /// Numbers of the actions whose object could not be made.
    pub(super) unmade: HashSet<usize>,
    /// Numbers of those that this file system cannot hold, and what it says.
    pub(super) beyond: HashMap<usize, String>,
    /// What was made with a part of its metadata.
    pub(super) partial: Partial,
    /// Bytes that need not be written.
    pub(super) shared: u64,
}

impl Staged {
    pub(super) fn and(mut self, other: Self) -> Self {
        self.any_file |= other.any_file;
        self.unmade.extend(other.unmade);
        self.beyond.extend(other.beyond);
        self.partial = self.partial.and(other.partial);
        self.shared = self.shared.saturating_add(other.shared);
        self
    }
}

/// All that making takes.
#[derive(Clone, Copy)]
pub(super) struct Stager<'a> {
    pub(super) stage: &'a Stage,
    pub(super) chunks: &'a dyn ChunkSource,
    /// What is known of the tree as it was seen: old versions may be shared.
    pub(super) trust: &'a Trust<'a>,
    pub(super) sharing: &'a Sharing<'a>,
    pub(super) monitor: &'a dyn Monitor,
}

impl Stager<'_> {
    /// Makes the objects of actions in a folder of the stage. What the store cannot give, or this file system cannot hold, is reported and left out:
    /// the rest is not held back by it.
    pub(super) fn make_all(&self, making: &Dir, actions: &[Numbered<'_>]) -> Result<Staged, Error> {
        if self.chunks.looks_ahead() {
            ChunkSource::expect(self.chunks, actions.iter().flat_map(|(_, action)| wanted(action)).collect());
        }
        // In order, as was told, and as it lies in the packs.
        let groups = actions.chunks(group_of(actions.len())).par_bridge();
        groups.map(|group| self.make_group(making, group)).try_reduce(Staged::default, |a, b| Ok(a.and(b)))
    }

    fn make_group(&self, making: &Dir, actions: &[Numbered<'_>]) -> Result<Staged, Error> {
        let maker = Maker { stage: self.stage, making, trust: self.trust, sharing: self.sharing };
        let mut reader = self.chunks.reader()?;
        let mut staged = Staged::default();
        for (number, action) in actions {
            if let Action::Put { new, old } = action {
                match maker.make(&stage::name(*number), new, old.as_ref(), reader.as_mut()) {
                    Ok(made) => {
                        staged.any_file |= matches!(new.node, Node::File { .. });
                        staged.shared = staged.shared.saturating_add(made.shared);
                        if !made.is_whole {
                            staged.partial.note(&new.path);
                        }
                    }
                    Err(Error::Beyond(e)) => {
                        staged.beyond.insert(*number, e.to_string());
                    }
                    Err(e) => {
                        let why = why_left_out(e)?;
                        self.monitor.problem(&new.path, &why);
                        staged.unmade.insert(*number);
                    }
                }
            }
            self.monitor.advance(1, action.bytes());
        }
        Ok(staged)
    }
}

/// How many actions of so many are staged together: all workers are to be busy to the end.
fn group_of(actions: usize) -> usize {
    (actions / (STAGE_TURNS * rayon::current_num_threads())).clamp(1, STAGE_GROUP)
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
