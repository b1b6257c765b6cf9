//! The assembler: what was read becomes chunks in the store and entries in the manifest, in path order (floor 3).

use super::Error;
use super::blocks::{Blocks, Question};
use super::budget::Lease;
use super::lane::Exit;
use super::piece::{Parcel, Piece, Plain, Whole};
use super::replica::Replica;
use crate::entry::{CARRIED_FORWARD, CHANGED_WHILE_READ, ChunkRef, Content, Entry, Extent, Meta, Node};
use crate::format::pack::BlockKind;
use crate::format::snapshot::Totals;
use crate::id::Id;
use crate::limits::{ALIKE_FILE, QUESTIONS};
use crate::manifest;
use crate::manifest::build::Builder;
use crate::manifest::extents::ContentBuilder;
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::store::chunks::Alike;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Finds an entry of the parent manifest by its path.
pub(super) type Lookup<'a> = dyn Fn(&RelPath) -> Result<Option<Entry>, manifest::Error> + 'a;

pub(super) struct Assembler<'a> {
    blocks: Blocks<'a>,
    builder: Builder,
    /// The large file that is being streamed.
    content: ContentBuilder,
    monitor: &'a dyn Monitor,
    in_parent: &'a Lookup<'a>,
    /// In a look at a tree of ours: its entries keep the identity that they have on the source.
    replica: Option<&'a Replica<'a>>,
    /// First names of files with several, and what each became, unless it could not be read: then the others cannot be linked to it.
    leaders: HashMap<RelPath, Option<First>>,
    outcome: Outcome,
}

/// A parcel, and what the store was asked about it.
type Asked<'a> = (Parcel, Option<Question<'a>>);

/// What the first name of a file became in the manifest.
struct First {
    meta: Meta,
    /// Where it is an earlier version, because what is there now could not be read: the inode that it had then.
    earlier: Option<u64>,
}

/// What a snapshot amounts to, before it has a record.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) totals: Totals,
    pub(super) users: BTreeSet<u32>,
    pub(super) groups: BTreeSet<u32>,
}

impl<'a> Assembler<'a> {
    pub(super) fn new(
        blocks: Blocks<'a>,
        monitor: &'a dyn Monitor,
        in_parent: &'a Lookup<'a>,
        replica: Option<&'a Replica<'a>>,
    ) -> Self {
        let (builder, content, leaders, outcome) = Default::default();
        Self { blocks, builder, content, monitor, in_parent, replica, leaders, outcome }
    }

    /// Takes all that comes out of the lane. The store is asked about a parcel when it comes, and the answer is waited for when there is nothing more
    /// to ask: a store that is far away has many questions at a time, and one that is near costs nothing.
    ///
    /// Nothing waits in a circle: the feeder may wait for the leases of the parcels that are held here, but while any is, this waits for the store and
    /// the writer only, neither of which waits for the feeder; and for the lane only when none is.
    pub(super) fn take_all(&mut self, parcels: &mut Exit<Parcel>) -> Result<(), Error> {
        let mut asked = VecDeque::new();
        loop {
            while asked.len() < QUESTIONS
                && let Some(parcel) = if asked.is_empty() { parcels.next() } else { parcels.at_once() }
            {
                asked.push_back(self.ask(parcel)?);
            }
            match asked.pop_front() {
                Some(oldest) => self.take(oldest)?,
                None => return Ok(()),
            }
        }
    }

    fn ask(&mut self, parcel: Parcel) -> Result<Asked<'a>, Error> {
        let ids: Vec<Id> = parcel
            .pieces
            .iter()
            .flat_map(|piece| match piece {
                Piece::Whole(whole) => whole.chunks.as_slice(),
                Piece::Data(chunk) => std::slice::from_ref(chunk),
                _ => &[],
            })
            .map(|chunk| chunk.id)
            .collect();
        self.blocks.resemble(parcel.pieces.iter().filter_map(alike).collect());
        let question = if ids.is_empty() { None } else { Some(self.blocks.ask(ids)?) };
        Ok((parcel, question))
    }

    fn take(&mut self, (parcel, question): Asked<'a>) -> Result<(), Error> {
        let missing = question.map(|question| self.blocks.answer(question)).transpose()?;
        let mut missing = missing.unwrap_or_default().into_iter();
        let lease = parcel.lease.map(Arc::new);
        for piece in parcel.pieces {
            self.piece(piece, &mut missing, lease.as_ref())?;
        }
        Ok(())
    }

    fn piece(
        &mut self,
        piece: Piece,
        missing: &mut dyn Iterator<Item = bool>,
        lease: Option<&Arc<Lease>>,
    ) -> Result<(), Error> {
        match piece {
            Piece::Ready(entry) => self.entry(entry),
            Piece::Shared(path) => {
                self.leaders.insert(path, None);
                Ok(())
            }
            Piece::Whole(whole) => {
                let Whole { entry, chunks, previous } = *whole;
                for chunk in chunks {
                    self.chunk(chunk, missing, None)?;
                }
                self.monitor.advance(1, entry.size());
                self.entry(self.settle(entry, previous))
            }
            Piece::Data(chunk) => {
                let extent = Extent::Data { id: chunk.id, length: length(&chunk.bytes) };
                self.chunk(chunk, missing, lease)?;
                self.extent(extent)
            }
            Piece::Hole(length) => self.extent(Extent::Hole { length }),
            Piece::Again => {
                self.content = ContentBuilder::default();
                Ok(())
            }
            Piece::End(mut entry, previous) => {
                let content = std::mem::take(&mut self.content);
                let size = content.size();
                let content = content.finish(&mut node_sink(&mut self.blocks))?;
                entry.node = Node::File { size, content };
                self.entry(self.settle(entry, previous.map(|old| *old)))
            }
            Piece::Failed(path, error, previous) => self.failed(&path, &error, previous.map(|old| *old)),
            Piece::Closed(path, error, kept) => {
                let what = match (kept, self.replica.is_some()) {
                    (false, _) => "nothing that is in it is in this snapshot",
                    (true, false) => "what was in it when it could be read is kept",
                    (true, true) => "what is in it is taken to be as it was left",
                };
                self.problem(&path, &format!("cannot be read ({error}); {what}"));
                Ok(())
            }
        }
    }

    /// What was read again and found as it was is, on a mirror, the entry that it was made from.
    fn settle(&self, entry: Entry, previous: Option<Entry>) -> Entry {
        match self.replica {
            Some(replica) => replica.settle(entry, previous),
            None => entry,
        }
    }

    fn chunk(
        &mut self,
        chunk: Plain,
        missing: &mut dyn Iterator<Item = bool>,
        lease: Option<&Arc<Lease>>,
    ) -> Result<(), Error> {
        if missing.next() == Some(true) {
            let name = ChunkRef { id: chunk.id, length: length(&chunk.bytes) };
            self.blocks.add(BlockKind::Data, name, chunk.bytes, lease)?;
        }
        Ok(())
    }

    fn extent(&mut self, extent: Extent) -> Result<(), Error> {
        Ok(self.content.push(extent, &mut node_sink(&mut self.blocks))?)
    }

    /// Reports a path that could not be read, and keeps its last good version where there is one. On a mirror, what someone changed and nobody can
    /// read is in no snapshot: it is left out, so that no plan will touch it. A folder is in any case, or what is in it would be nowhere.
    fn failed(&mut self, path: &RelPath, error: &str, previous: Option<Entry>) -> Result<(), Error> {
        let Some(mut entry) = previous.filter(|entry| self.replica.is_none() || entry.is_directory()) else {
            self.problem(path, &format!("cannot be read ({error}) and is not in this snapshot"));
            return Ok(());
        };
        if self.replica.is_some() {
            self.problem(path, &format!("cannot be read ({error}); it is taken to be as it was left"));
        } else {
            self.monitor.problem(path, &format!("cannot be read ({error}); its last good version is kept"));
            entry.flags |= CARRIED_FORWARD;
        }
        self.entry(entry)
    }

    fn problem(&mut self, path: &RelPath, message: &str) {
        self.outcome.totals.problems += 1;
        self.monitor.problem(path, message);
    }

    fn entry(&mut self, mut entry: Entry) -> Result<(), Error> {
        let is_carried = entry.flags & CARRIED_FORWARD != 0;
        if let Node::HardLink { leader } = &entry.node {
            match self.leaders.get(leader) {
                // All names are one file: what became of it since its first name was read is for the next night.
                Some(Some(first)) if !is_carried && self.is_name_of(first, &entry, leader)? => {
                    entry.meta = first.meta.clone();
                }
                None if !is_carried => {}
                _ => {
                    // Its leader may be gone or be another file by now: it stands on its own, as it was.
                    let Some(alone) = self.alone_in_parent(&entry, leader)? else {
                        self.problem(&entry.path, "cannot be read and is not in this snapshot");
                        return Ok(());
                    };
                    entry = Entry { flags: alone.flags | CARRIED_FORWARD, ..alone };
                }
            }
        } else if let Some(slot) = self.leaders.get_mut(&entry.path) {
            let earlier = (is_carried && self.replica.is_none()).then_some(entry.identity.inode);
            *slot = Some(First { meta: entry.meta.clone(), earlier });
        }
        self.count(&entry);
        Ok(self.builder.push(&entry, &mut node_sink(&mut self.blocks))?)
    }

    /// Whether what the first name of a file became is this name's file, too: an earlier version of it may have been another file.
    fn is_name_of(&self, first: &First, link: &Entry, leader: &RelPath) -> Result<bool, Error> {
        let Some(inode) = first.earlier else { return Ok(true) };
        Ok(match (self.in_parent)(&link.path)? {
            Some(Entry { node: Node::HardLink { leader: earlier }, .. }) => earlier == *leader,
            Some(_) => false,
            None => inode == link.identity.inode,
        })
    }

    /// What the parent has at a path, as a file of its own; or else what it has at the first name of the very same file.
    fn alone_in_parent(&self, link: &Entry, leader: &RelPath) -> Result<Option<Entry>, Error> {
        let (leader, is_known) = match (self.in_parent)(&link.path)? {
            Some(Entry { node: Node::HardLink { leader }, .. }) => (leader, true),
            Some(own) => return Ok(Some(own)),
            None => (leader.clone(), false),
        };
        let found = (self.in_parent)(&leader)?.filter(|first| {
            let is_same = is_known || first.identity.inode == link.identity.inode;
            is_same && !matches!(first.node, Node::HardLink { .. })
        });
        Ok(found.map(|first| Entry { path: link.path.clone(), ..first }))
    }

    fn count(&mut self, entry: &Entry) {
        let totals = &mut self.outcome.totals;
        match &entry.node {
            Node::File { size, .. } => {
                totals.files += 1;
                totals.bytes = totals.bytes.saturating_add(*size);
            }
            Node::Directory => totals.directories += 1,
            _ => totals.others += 1,
        }
        // On a mirror the marks are those of the night that it holds, not of this look.
        if entry.flags & CARRIED_FORWARD != 0 && self.replica.is_none() {
            totals.problems += 1;
        }
        if entry.flags & CHANGED_WHILE_READ != 0 && self.replica.is_none() {
            totals.problems += 1;
            self.monitor.problem(&entry.path, "changed each time it was read; what was read is kept and marked");
        }
        self.outcome.users.insert(entry.meta.uid);
        self.outcome.groups.insert(entry.meta.gid);
    }

    /// Ends the manifest and gives its root.
    pub(super) fn finish(mut self) -> Result<(ChunkRef, Outcome), Error> {
        let root = self.builder.finish(&mut node_sink(&mut self.blocks))?;
        self.blocks.finish()?;
        Ok((root, self.outcome))
    }
}

/// The chunks of a file that changed, and those that it had.
fn alike(piece: &Piece) -> Option<Alike> {
    let Piece::Whole(whole) = piece else { return None };
    let Whole { chunks, previous, .. } = &**whole;
    let Some(Entry { node: Node::File { content: Content::Direct(extents), size }, .. }) = previous else {
        return None;
    };
    let old: Vec<ChunkRef> = extents.iter().filter_map(Extent::chunk).collect();
    let new: Vec<Id> = chunks.iter().map(|chunk| chunk.id).filter(|id| old.iter().all(|old| old.id != *id)).collect();
    (*size <= ALIKE_FILE && !new.is_empty() && !old.is_empty()).then_some(Alike { new, old })
}

fn length(bytes: &[u8]) -> u32 {
    // Chunks are at most 4 MiB.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Nodes and extent lists go to the store like content, if it lacks them.
fn node_sink(blocks: &mut Blocks<'_>) -> impl FnMut(ChunkRef, Vec<u8>) -> Result<(), manifest::Error> {
    |node, bytes| {
        let as_store = |e: Error| match e {
            Error::Store(e) => manifest::Error::Store(e),
            Error::Manifest(e) => e,
            Error::Unseen { .. } => manifest::Error::Store(crate::store::Error::Gone("nothing was seen")),
        };
        if blocks.lacks(node.id).map_err(as_store)? {
            blocks.add(BlockKind::Manifest, node, bytes, None).map_err(as_store)?;
        }
        Ok(())
    }
}
