//! What new chunks are like (floor 5): where the store has an earlier version of them, only what differs is sent.
//!
//! Of content the engine tells which chunks are of a file that changed, and the other end is asked for the sums of what it had. Of a manifest the last
//! version is at hand, in the cache of nodes. What must stay true: what is remembered is bounded; and where anything is missing, or little is gained, the
//! whole block is sent.

use super::cache::{Nodes, Opened};
use super::delta::{Signature, Step, diff};
use super::far_put::pack;
use super::message::{Answer, Ask, Packed, Patch};
use super::talk::{Pending, Talk};
use super::unpack::decode;
use crate::chunk::codec::{Decoder, Encoder};
use crate::entry::ChunkRef;
use crate::format::manifest::{Items, decode_node};
use crate::format::pack::{BlockHeader, BlockKind};
use crate::id::Id;
use crate::limits::{ALIKE_ASKED, ALIKE_BYTES, ALIKE_NODE_BLOCK};
use crate::path::RelPath;
use crate::store::Error;
use crate::store::block::Block;
use crate::store::chunks::Alike;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of chunks that may be put.
#[derive(Default)]
pub struct Resembling<'t> {
    state: Mutex<State<'t>>,
}

#[derive(Default)]
struct State<'t> {
    asked: VecDeque<Asked<'t>>,
    /// How many questions were forgotten.
    gone: usize,
    /// For each new chunk the number of the question and of the file in it.
    places: HashMap<Id, (usize, usize)>,
    tools: Option<(Decoder, Encoder)>,
}

/// A question for sums.
struct Asked<'t> {
    alike: Vec<Alike>,
    pending: Option<Pending<'t>>,
    come: Vec<Option<Signature>>,
}

/// A patch that is being made.
#[derive(Default)]
struct Making {
    old: Vec<ChunkRef>,
    old_length: u32,
    steps: Vec<Step>,
    sent: Vec<u8>,
}

impl Making {
    /// Adds a chunk, made of these old ones whose sums are known, or not at all.
    fn add(&mut self, plain: &[u8], like: Option<(&[ChunkRef], &Signature)>) {
        let Some((old, signature)) = like else { return self.send(plain) };
        let length = old.iter().fold(0_u32, |sum, chunk| sum.saturating_add(chunk.length));
        let all = u64::from(self.old_length).saturating_add(u64::from(length));
        let (steps, sent) = diff(signature, plain);
        if all > ALIKE_BYTES || sent.len() >= plain.len() {
            return self.send(plain);
        }
        // Chunks of one file come one after the other.
        let known = self.old.len().checked_sub(old.len()).filter(|at| self.old.get(*at..) == Some(old));
        let start = if known.is_some() { self.old_length.saturating_sub(length) } else { self.old_length };
        if known.is_none() {
            self.old.extend_from_slice(old);
            self.old_length = self.old_length.saturating_add(length);
        }
        self.steps.extend(steps.into_iter().map(|step| match step {
            Step::Old(at, count) => Step::Old(at.saturating_add(start), count),
            step @ Step::New(_) => step,
        }));
        self.sent.extend_from_slice(&sent);
    }

    fn send(&mut self, plain: &[u8]) {
        self.steps.push(Step::New(u32::try_from(plain.len()).unwrap_or(u32::MAX)));
        self.sent.extend_from_slice(plain);
    }

    /// The patch in place of a block, if it is much smaller.
    fn finish(self, kind: BlockKind, block: &Packed, encoder: &mut Encoder) -> Option<Patch> {
        let length = u32::try_from(self.sent.len()).ok()?;
        if self.old.is_empty() || self.sent.is_empty() {
            return None;
        }
        let chunk = ChunkRef { id: Id::of(&self.sent), length };
        let sent = pack(Block::encode(kind, vec![chunk], &self.sent, encoder).ok()?).ok()?;
        // An id and a length; two numbers.
        let around = self.old.len().saturating_mul(36).saturating_add(self.steps.len().saturating_mul(6));
        let size = sent.stored.len().saturating_add(around);
        let chunks = block.chunks.iter().map(|(_, chunk)| *chunk).collect();
        (size < block.stored.len() / 8 * 7).then_some(Patch { chunks, old: self.old, steps: self.steps, sent })
    }
}

impl<'t> Resembling<'t> {
    fn state(&self) -> MutexGuard<'_, State<'t>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the sums of what these are like. A line that fails says so to who puts.
    pub fn ask(&self, talk: &'t Talk, alike: Vec<Alike>) {
        let old = alike.iter().map(|alike| alike.old.clone()).collect();
        let Ok(pending) = talk.begin(Ask::Signatures(old)) else { return };
        let mut state = self.state();
        let number = state.gone.saturating_add(state.asked.len());
        for (file, alike) in alike.iter().enumerate() {
            state.places.extend(alike.new.iter().map(|id| (*id, (number, file))));
        }
        state.asked.push_back(Asked { alike, pending: Some(pending), come: Vec::new() });
        if state.asked.len() > ALIKE_ASKED {
            state.forget();
        }
    }

    /// A patch in place of a block, where that is known to be much smaller.
    pub fn patch(&self, block: &Packed, nodes: &Nodes, last: Option<ChunkRef>) -> Result<Option<Patch>, Error> {
        let mut state = self.state();
        let kind = BlockHeader::decode(&block.header)?.kind;
        let of_file = |state: &State<'t>| block.chunks.iter().any(|(_, chunk)| state.places.contains_key(&chunk.id));
        if if kind == BlockKind::Data { !of_file(&state) } else { last.is_none() } {
            return Ok(None);
        }
        let (mut decoder, mut encoder) = match state.tools.take() {
            Some(tools) => tools,
            None => (Decoder::new()?, Encoder::new()?),
        };
        let plain = decode(block, &mut decoder).unwrap_or_default();
        let mut making = Making::default();
        let mut earlier = Earlier { nodes, opened: Opened::default(), decoder: &mut decoder };
        for (offset, chunk) in &block.chunks {
            let bytes = plain.get(*offset as usize..).and_then(|rest| rest.get(..chunk.length as usize));
            let Some(bytes) = bytes else { return Ok(None) };
            match last.filter(|_| kind == BlockKind::Manifest) {
                Some(root) => {
                    let like = earlier.like(root, bytes);
                    making.add(bytes, like.as_ref().map(|(old, signature)| (old.as_slice(), signature)));
                }
                None => making.add(bytes, state.like(&chunk.id)),
            }
        }
        let patch = making.finish(kind, block, &mut encoder);
        state.tools = Some((decoder, encoder));
        Ok(patch)
    }
}

impl State<'_> {
    fn forget(&mut self) {
        let Some(oldest) = self.asked.pop_front() else { return };
        for id in oldest.alike.iter().flat_map(|alike| &alike.new) {
            if self.places.get(id).is_some_and(|(number, _)| *number == self.gone) {
                self.places.remove(id);
            }
        }
        self.gone = self.gone.saturating_add(1);
    }

    /// What a chunk is like, and the sums of that; waits for them.
    fn like(&mut self, new: &Id) -> Option<(&[ChunkRef], &Signature)> {
        let (number, file) = *self.places.get(new)?;
        let asked = self.asked.get_mut(number.checked_sub(self.gone)?)?;
        if let Some(pending) = asked.pending.take()
            && let Ok(Answer::Signatures(come)) = pending.wait()
        {
            asked.come = come;
        }
        let old = &asked.alike.get(file)?.old;
        Some((old, asked.come.get(file)?.as_ref()?))
    }
}

/// The manifest of the night before.
struct Earlier<'a> {
    nodes: &'a Nodes,
    opened: Opened,
    decoder: &'a mut Decoder,
}

impl Earlier<'_> {
    /// The segments that had the paths of this one, and their sums.
    fn like(&mut self, root: ChunkRef, segment: &[u8]) -> Option<(Vec<ChunkRef>, Signature)> {
        let Items::Segment(entries) = decode_node(segment).ok()? else { return None };
        let (first, last) = (&entries.first()?.path, &entries.last()?.path);
        let mut old = Vec::new();
        self.between(root, first, last, &mut old);
        let mut bytes = Vec::new();
        for node in &old {
            bytes.extend_from_slice(&self.nodes.read(node, &mut self.opened, self.decoder)?);
        }
        (!old.is_empty()).then(|| (old, Signature::of(&bytes, ALIKE_NODE_BLOCK, 0)))
    }

    /// The segments below a node, as far as the store is known to have them, that may have paths from `first` to `last`.
    fn between(&mut self, node: ChunkRef, first: &RelPath, last: &RelPath, found: &mut Vec<ChunkRef>) -> Option<()> {
        let bytes = self.nodes.read(&node, &mut self.opened, self.decoder)?;
        let Items::Inner(level, children) = decode_node(&bytes).ok()? else { return None };
        let until = children.partition_point(|child| child.first <= *last);
        let from = children.partition_point(|child| child.first <= *first).saturating_sub(1);
        for child in children.get(from..until)? {
            if level > 1 {
                self.between(child.node, first, last, found);
            } else if self.nodes.is_known(&child.node.id) {
                found.push(child.node);
            }
        }
        Some(())
    }
}
