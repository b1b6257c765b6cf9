//! Manifest nodes of a store on another host, kept on this one (floor 5): an unchanged night fetches nothing that it fetched the night before.
//!
//! ```text
//! file    BKUPNODE, u32 1, root (id, u32 length), 8 bytes checksum of all that
//! record  u32 length of the head, u32 length of the block, 8 bytes checksum of id of the root, both lengths and the head; head, block
//! head    bin: header of the block (format-spec.md, 4), and each node as (offset in the plain bytes, id, length)
//! ```
//!
//! One file a store, named after it. Every node in it is below its root, so a store that lists a snapshot with this root has them all. What must stay
//! true: each node is hashed when it is read, and each record proved when the file is opened, so the cache can be old, short or damaged, but never
//! wrong; and whatever fails here costs time only: nobody is told.

use super::message::Packed;
use super::unpack::{Bytes, decode, slice};
use crate::chunk::codec::Decoder;
use crate::entry::ChunkRef;
use crate::format::bin;
use crate::format::config::StoreId;
use crate::format::fixed::{Fields, short_checksum};
use crate::format::manifest::{Items, decode_node};
use crate::format::pack::{BlockHeader, BlockKind};
use crate::fs::durable::TMP;
use crate::fs::scratch::Scratch;
use crate::id::Id;
use crate::limits::{BLOCK_MAX, CACHE_MAX, DECODED_BLOCKS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

const MAGIC: &[u8; 8] = b"BKUPNODE";
const VERSION: u32 = 1;
const WHAT: &str = "a cache of nodes";
/// Length of what stands before the records.
const FRONT: usize = 56;
/// Length of what stands before a head.
const LENGTHS: usize = 16;
/// A head that a reader accepts.
const HEAD_MAX: usize = 4 << 20;

/// The nodes of one store that are at hand.
pub struct Nodes {
    path: Option<PathBuf>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    old: Option<Scratch>,
    old_root: Option<ChunkRef>,
    /// What came or was made in this run. It has no name, and no more than the process.
    fresh: Option<Scratch>,
    records: Vec<Place>,
    /// In which record each node is.
    nodes: HashMap<Id, usize>,
    /// Nodes that the store has.
    known: HashSet<Id>,
}

/// Where a record is.
#[derive(Clone, Copy)]
struct Place {
    is_fresh: bool,
    /// Offset of its head.
    at: u64,
    head: usize,
    block: usize,
}

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(with = "serde_bytes")]
    header: Vec<u8>,
    chunks: Vec<(u32, ChunkRef)>,
}

/// The blocks of nodes that one reader has opened.
#[derive(Default)]
pub struct Opened(VecDeque<Block>);

/// An open block.
struct Block {
    record: usize,
    chunks: Vec<(u32, ChunkRef)>,
    plain: Bytes,
}

impl Nodes {
    /// Those of a store, kept in this folder, if there is one. `lists` tells whether the store has a snapshot with a root, and all that it needs.
    pub fn open(folder: Option<&Path>, store: StoreId, lists: impl FnOnce(&ChunkRef) -> bool) -> Self {
        let path = folder.map(|folder| folder.join(format!("{store}.nodes")));
        let mut state = path.as_deref().and_then(State::open).unwrap_or_default();
        if state.old_root.as_ref().is_some_and(lists) {
            state.known = state.nodes.keys().copied().collect();
        }
        state.fresh = folder.and_then(|folder| Scratch::nameless(folder).ok());
        Self { path, state: RwLock::new(state) }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the store is known to have a node.
    pub fn is_known(&self, node: &Id) -> bool {
        self.state().known.contains(node)
    }

    /// The manifest that an earlier run left here, if the store has it.
    pub fn last(&self) -> Option<ChunkRef> {
        let state = self.state();
        state.old_root.filter(|root| state.known.contains(&root.id))
    }

    /// Whether a node can be read here.
    pub fn has(&self, node: &Id) -> bool {
        self.state().nodes.contains_key(node)
    }

    /// Keeps the nodes of a block that came from the store or goes there. A block of content is none of ours.
    pub fn keep(&self, block: &Packed) {
        let kind = BlockHeader::decode(&block.header).map(|header| header.kind);
        if kind.is_ok_and(|kind| kind == BlockKind::Manifest) {
            self.state.write().unwrap_or_else(PoisonError::into_inner).keep(block);
        }
    }

    /// A node, if it is at hand.
    pub fn read(&self, node: &ChunkRef, opened: &mut Opened, decoder: &mut Decoder) -> Option<Bytes> {
        self.state().read(node, opened, decoder)
    }

    /// Leaves what is at hand of the manifest with this root for the next run.
    pub fn save(&self, root: ChunkRef) {
        if let Some(path) = &self.path {
            let _costs_time = self.state().save(root, path);
        }
    }
}

impl State {
    /// What an earlier run left, as far as it is whole.
    fn open(path: &Path) -> Option<Self> {
        let old = Scratch::open(path).ok()?;
        let front = old.read(0, FRONT).ok()?;
        let mut fields = Fields::new(&front, WHAT);
        fields.magic(MAGIC).ok()?;
        (fields.u32().ok()? == VERSION).then_some(())?;
        let root = ChunkRef { id: fields.id().ok()?, length: fields.u32().ok()? };
        fields.short_checksum(&[front.get(..FRONT - 8)?]).ok()?;
        let mut state = Self { old_root: Some(root), ..Self::default() };
        let mut at = FRONT as u64;
        while let Some((place, head)) = record(&old, at, &root.id) {
            state.note(place, &head.chunks);
            at = place.at.checked_add((place.head as u64).checked_add(place.block as u64)?)?;
        }
        state.old = Some(old);
        Some(state)
    }

    fn note(&mut self, place: Place, chunks: &[(u32, ChunkRef)]) {
        let number = self.records.len();
        self.records.push(place);
        self.nodes.extend(chunks.iter().map(|(_, node)| (node.id, number)));
    }

    fn keep(&mut self, block: &Packed) {
        let before = self.known.len();
        self.known.extend(block.chunks.iter().map(|(_, node)| node.id));
        let Some(fresh) = self.fresh.as_mut().filter(|fresh| fresh.length() < CACHE_MAX) else { return };
        if before == self.known.len() && block.chunks.iter().all(|(_, node)| self.nodes.contains_key(&node.id)) {
            return;
        }
        let head = Head { header: block.header.clone(), chunks: block.chunks.clone() };
        if let Some(place) = append(fresh, &Id::of(b""), &head, &block.stored) {
            self.note(Place { is_fresh: true, ..place }, &head.chunks);
        }
    }

    fn file(&self, place: &Place) -> Option<&Scratch> {
        if place.is_fresh { self.fresh.as_ref() } else { self.old.as_ref() }
    }

    fn load(&self, number: usize) -> Option<Packed> {
        let place = self.records.get(number)?;
        let bytes = self.file(place)?.read(place.at, place.head.checked_add(place.block)?).ok()?;
        let (head, stored) = bytes.split_at_checked(place.head)?;
        let head: Head = bin::decode(&mut &*head, WHAT).ok()?;
        Some(Packed { header: head.header, chunks: head.chunks, stored: stored.to_vec() })
    }

    fn read(&self, node: &ChunkRef, opened: &mut Opened, decoder: &mut Decoder) -> Option<Bytes> {
        let number = *self.nodes.get(&node.id)?;
        let opened = &mut opened.0;
        if let Some(at) = opened.iter().position(|block| block.record == number) {
            opened.swap(0, at);
        } else {
            let packed = self.load(number)?;
            let plain = Arc::new(decode(&packed, decoder)?);
            opened.truncate(DECODED_BLOCKS.saturating_sub(1));
            opened.push_front(Block { record: number, chunks: packed.chunks, plain });
        }
        let Block { chunks, plain, .. } = opened.front()?;
        let (offset, _) = chunks.iter().find(|(_, chunk)| chunk == node)?;
        Some(Arc::new(slice(plain, *offset, node)?.to_vec()))
    }

    /// The nodes at hand that are below a root, by record.
    fn below(&self, root: ChunkRef) -> BTreeMap<usize, HashSet<Id>> {
        let mut found: BTreeMap<usize, HashSet<Id>> = BTreeMap::new();
        let Ok(mut decoder) = Decoder::new() else { return found };
        let (mut opened, mut seen, mut next) = (Opened::default(), HashSet::new(), vec![(root, false)]);
        while let Some((node, is_leaf)) = next.pop() {
            let Some(&record) = self.nodes.get(&node.id).filter(|_| seen.insert(node.id)) else { continue };
            found.entry(record).or_default().insert(node.id);
            let items = if is_leaf { None } else { self.read(&node, &mut opened, &mut decoder) };
            if let Some(Ok(Items::Inner(level, children))) = items.map(|bytes| decode_node(&bytes)) {
                next.extend(children.into_iter().rev().map(|child| (child.node, level <= 1)));
            }
        }
        found
    }

    fn save(&self, root: ChunkRef, path: &Path) -> Option<()> {
        let is_new = |place: &Place| place.is_fresh;
        if self.old_root == Some(root) && !self.records.iter().any(is_new) {
            return None;
        }
        let name = path.file_name()?.to_string_lossy();
        let mut file = Scratch::create(&path.with_file_name(format!("{TMP}{name}"))).ok()?;
        let front = [MAGIC, &VERSION.to_le_bytes()[..], root.id.as_bytes(), &root.length.to_le_bytes()].concat();
        file.append(&[&front[..], &short_checksum(&[&front])].concat()).ok()?;
        for (number, nodes) in self.below(root) {
            let Some(Packed { header, mut chunks, stored }) = self.load(number) else { continue };
            chunks.retain(|(_, node)| nodes.contains(&node.id));
            if file.length().saturating_add(stored.len() as u64) > CACHE_MAX {
                break;
            }
            append(&mut file, &root.id, &Head { header, chunks }, &stored)?;
        }
        file.rename(path).ok()
    }
}

/// The place and the head of the record that begins here, if it is whole.
fn record(file: &Scratch, at: u64, root: &Id) -> Option<(Place, Head)> {
    let front = file.read(at, LENGTHS).ok()?;
    let mut fields = Fields::new(&front, WHAT);
    let (head, block) = (fields.u32().ok()? as usize, fields.u32().ok()? as usize);
    if head > HEAD_MAX || block > 2 * BLOCK_MAX {
        return None;
    }
    let at = at.checked_add(LENGTHS as u64)?;
    let bytes = file.read(at, head).ok()?;
    fields.short_checksum(&[root.as_bytes(), front.get(..8)?, &bytes]).ok()?;
    let end = at.checked_add((head as u64).checked_add(block as u64)?)?;
    let place = Place { is_fresh: false, at, head, block };
    (end <= file.length()).then_some(())?;
    Some((place, bin::decode(&mut bytes.as_slice(), WHAT).ok()?))
}

fn append(file: &mut Scratch, root: &Id, head: &Head, block: &[u8]) -> Option<Place> {
    let mut bytes = Vec::new();
    bin::encode(head, &mut bytes).ok().filter(|()| bytes.len() <= HEAD_MAX)?;
    let lengths = [u32::try_from(bytes.len()).ok()?.to_le_bytes(), u32::try_from(block.len()).ok()?.to_le_bytes()];
    let lengths = lengths.concat();
    let sum = short_checksum(&[root.as_bytes(), &lengths, &bytes]);
    let start = file.append(&[&lengths[..], &sum, &bytes, block].concat()).ok()?;
    let at = start.checked_add(LENGTHS as u64)?;
    Some(Place { is_fresh: false, at, head: bytes.len(), block: block.len() })
}
