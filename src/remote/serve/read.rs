//! Content for a client (floor 5): blocks as they lie in their packs where most of one is wanted, else made anew of what is wanted.
//!
//! What is sent as it lies is not decoded here: whoever asked proves every chunk by its id. What must stay true: an answer fits into a frame; what does
//! not fit, and what is damaged, is left out of it, but never the first chunk.

use super::fault::out_of_turn;
use super::held::Mirror;
use crate::chunk::codec::{Decoder, Encoder};
use crate::entry::ChunkRef;
use crate::format::pack::BlockKind;
use crate::id::Id;
use crate::limits::{FETCH_CHUNKS, FRAME_MAX, OPEN_PACKS};
use crate::path::shown_path;
use crate::remote::message::{Fault, Packed};
use crate::store::block::Block;
use crate::store::index::Location;
use crate::store::pack::reader::{PackReader, RawBlock};
use crate::store::{Error as StoreError, Store};
use std::collections::{HashMap, VecDeque};

/// What a message takes around its blocks.
const AROUND: usize = 64 << 10;
/// What a block takes around its bytes, and for each chunk: offset, id, length, its row in the header.
const ROW: usize = 64;

/// Gets content. One a thread, for its tools.
pub(super) struct Fetcher {
    decoder: Decoder,
    encoder: Encoder,
    plain: Vec<u8>,
}

/// Chunks that are wanted of one block, each with its offset there.
struct Group {
    /// None where the chunk is in no pack.
    place: Option<Location>,
    chunks: Vec<(u32, ChunkRef)>,
}

impl Group {
    /// Bytes that are wanted.
    fn wanted(&self) -> usize {
        self.chunks.iter().fold(0, |sum, (_, chunk)| sum.saturating_add(chunk.length as usize))
    }
}

/// Open packs of one question.
struct Packs<'a> {
    store: &'a Store,
    open: VecDeque<(Id, PackReader)>,
}

impl Packs<'_> {
    fn get(&mut self, name: &Id) -> Result<&PackReader, StoreError> {
        if let Some(at) = self.open.iter().position(|(open, _)| open == name) {
            self.open.swap(0, at);
        } else {
            self.open.truncate(OPEN_PACKS - 1);
            self.open.push_front((*name, PackReader::open(self.store.layout(), name)?));
        }
        self.open.front().map(|(_, pack)| pack).ok_or(StoreError::Gone("no open pack"))
    }
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, Fault> {
        let failed = |e: crate::chunk::codec::Error| Fault::Failed(e.to_string());
        Ok(Self {
            decoder: Decoder::new().map_err(failed)?,
            encoder: Encoder::new().map_err(failed)?,
            plain: Vec::new(),
        })
    }

    /// Gets these chunks, or as many as fit and are sound; if the first cannot be had, why.
    pub(super) fn fetch(&mut self, mirror: &Mirror, wanted: &[ChunkRef]) -> Result<Vec<Packed>, Fault> {
        if wanted.is_empty() || wanted.len() > FETCH_CHUNKS {
            return Err(out_of_turn("too many chunks at once, or none"));
        }
        let seen = mirror.store().renewals();
        match self.fetch_once(mirror, wanted) {
            Err(e) if mirror.store().renew(&e, seen) => Ok(self.fetch_once(mirror, wanted)?),
            fetched => Ok(fetched?),
        }
    }

    fn fetch_once(&mut self, mirror: &Mirror, wanted: &[ChunkRef]) -> Result<Vec<Packed>, StoreError> {
        let mut packs = Packs { store: mirror.store(), open: VecDeque::new() };
        let mut answer = Vec::new();
        let mut room = FRAME_MAX.saturating_sub(AROUND);
        for group in groups(mirror.store(), wanted)? {
            let packed = match &group.place {
                Some(place) => self.stored(&mut packs, place, &group, room, answer.is_empty()),
                None => self.kept(mirror, &group),
            };
            match packed {
                Err(error) if answer.is_empty() => return Err(error),
                Err(_) => {}
                Ok(Some(packed)) if size(&packed) <= room => {
                    room = room.saturating_sub(size(&packed));
                    answer.push(packed);
                }
                // The client asks again for what did not fit.
                Ok(_) => break,
            }
        }
        Ok(answer)
    }

    /// What is wanted of a block; nothing if that does not fit.
    fn stored(
        &mut self,
        packs: &mut Packs<'_>,
        place: &Location,
        group: &Group,
        room: usize,
        is_first: bool,
    ) -> Result<Option<Packed>, StoreError> {
        let span = usize::try_from(place.span).unwrap_or(usize::MAX);
        let rows = ROW.saturating_mul(group.chunks.len().saturating_add(1));
        let fits = |bytes: usize| bytes.saturating_add(rows) <= room;
        if !is_first && !fits(span.min(group.wanted())) {
            return Ok(None);
        }
        let raw = packs.get(&place.pack)?.raw(place.block, place.span)?;
        let mostly = group.wanted().saturating_mul(2) >= raw.header.plain as usize;
        let bad =
            || StoreError::BadBlock { path: shown_path(&packs.store.layout().pack(&place.pack)), offset: place.block };
        match (mostly, fits(span)) {
            (true, true) if group.chunks.iter().all(|chunk| is_in(chunk, raw.header.plain)) => {
                Ok(Some(Packed { header: raw.head, chunks: group.chunks.clone(), stored: raw.stored }))
            }
            (true, false) if !is_first => Ok(None),
            _ => self.anew(&raw, group)?.ok_or_else(bad).map(Some),
        }
    }

    /// A block of what is wanted and sound; nothing if the first chunk is not.
    fn anew(&mut self, raw: &RawBlock, group: &Group) -> Result<Option<Packed>, StoreError> {
        if self.decoder.decode(raw.header.codec, &raw.stored, raw.header.plain as usize, &mut self.plain).is_err() {
            return Ok(None);
        }
        let (mut chunks, mut plain) = (Vec::new(), Vec::new());
        for (at, (offset, chunk)) in group.chunks.iter().enumerate() {
            let range = (*offset as usize)..(*offset as usize).saturating_add(chunk.length as usize);
            match self.plain.get(range).filter(|bytes| Id::of(bytes) == chunk.id) {
                Some(bytes) => {
                    plain.extend_from_slice(bytes);
                    chunks.push(*chunk);
                }
                None if at == 0 => return Ok(None),
                None => {}
            }
        }
        self.pack(raw.header.kind, chunks, &plain).map(Some)
    }

    /// A chunk that is in no pack: the history of a promoted place has some in memory.
    fn kept(&mut self, mirror: &Mirror, group: &Group) -> Result<Option<Packed>, StoreError> {
        let Some((_, chunk)) = group.chunks.first() else { return Ok(None) };
        let mut reader = mirror.service().reader()?;
        self.pack(BlockKind::Manifest, vec![*chunk], reader.read(chunk)?).map(Some)
    }

    fn pack(&mut self, kind: BlockKind, chunks: Vec<ChunkRef>, plain: &[u8]) -> Result<Packed, StoreError> {
        let block = Block::encode(kind, chunks, plain, &mut self.encoder)?;
        let header = block.header()?.encode(block.chunks.iter().map(|chunk| chunk.length));
        let mut next = 0_u32;
        let mut place = |chunk: ChunkRef| {
            let at = next;
            next = next.saturating_add(chunk.length);
            (at, chunk)
        };
        Ok(Packed { header, chunks: block.chunks.into_iter().map(&mut place).collect(), stored: block.stored })
    }
}

/// The chunks by the blocks in which they lie, in the order in which they are wanted.
fn groups(store: &Store, wanted: &[ChunkRef]) -> Result<Vec<Group>, StoreError> {
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<(Id, u64), usize> = HashMap::new();
    for chunk in wanted {
        let place = store.locate(&chunk.id)?.filter(|place| place.length == chunk.length);
        let row = (place.map_or(0, |place| place.offset), *chunk);
        let group = place.and_then(|place| known.get(&(place.pack, place.block)).copied());
        match group.and_then(|at| groups.get_mut(at)) {
            Some(group) if group.chunks.contains(&row) => {}
            Some(group) => group.chunks.push(row),
            None => {
                known.extend(place.map(|place| ((place.pack, place.block), groups.len())));
                groups.push(Group { place, chunks: vec![row] });
            }
        }
    }
    Ok(groups)
}

fn is_in((offset, chunk): &(u32, ChunkRef), plain: u32) -> bool {
    offset.checked_add(chunk.length).is_some_and(|end| end <= plain)
}

fn size(packed: &Packed) -> usize {
    let rows = ROW.saturating_mul(packed.chunks.len().saturating_add(1));
    packed.header.len().saturating_add(packed.stored.len()).saturating_add(rows)
}
