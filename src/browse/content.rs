//! The bytes of a file of a snapshot, from any place in it (floor 3).

use super::shared::Shared;
use crate::entry::{ChunkRef, Content, Extent};
use crate::format::manifest::decode_extents;
use crate::limits::{BROWSED_AHEAD, BROWSED_CHUNKS, BROWSED_LISTS};
use crate::manifest::Error;
use crate::store::chunks::ChunkReader;
use std::sync::Arc;

/// Memory that an extent takes.
const EXTENT: usize = 64;

/// What was read of all files.
#[derive(Debug)]
pub struct Pieces {
    chunks: Shared<[u8]>,
    lists: Shared<Vec<(u64, Extent)>>,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { chunks: Shared::new(BROWSED_CHUNKS), lists: Shared::new(BROWSED_LISTS) }
    }
}

/// Extents, each with where it begins in the file or in the list.
type Placed = Arc<Vec<(u64, Extent)>>;

/// A file that can be read.
#[derive(Clone, Debug)]
pub struct OpenFile {
    size: u64,
    parts: Parts,
}

#[derive(Clone, Debug)]
enum Parts {
    Direct(Placed),
    /// Lists of extents, each with where in the file what it lists begins.
    Lists(Vec<(u64, ChunkRef)>),
}

impl OpenFile {
    /// Of a content, which must have this size.
    pub fn new(size: u64, content: &Content, pieces: &Pieces, reader: &mut dyn ChunkReader) -> Result<Self, Error> {
        let (parts, end) = match content {
            Content::Direct(extents) => {
                let placed = place(extents)?;
                let end = end_of(&placed);
                (Parts::Direct(Arc::new(placed)), end)
            }
            Content::Indirect(lists) => {
                let (mut placed, mut end) = (Vec::with_capacity(lists.len()), 0_u64);
                if reader.looks_ahead() {
                    ChunkReader::expect(reader, lists);
                }
                for list in lists {
                    placed.push((end, *list));
                    end = end.checked_add(end_of(&pieces.list(list, reader)?)).ok_or(Error::Length)?;
                }
                (Parts::Lists(placed), end)
            }
        };
        if end == size { Ok(Self { size, parts }) } else { Err(Error::Length) }
    }

    /// Up to `length` bytes from `at` on; fewer only at the end.
    pub fn read(
        &self,
        (at, length): (u64, usize),
        pieces: &Pieces,
        reader: &mut dyn ChunkReader,
    ) -> Result<Vec<u8>, Error> {
        let end = self.size.min(at.saturating_add(length as u64));
        let mut bytes = Vec::with_capacity(usize::try_from(end.saturating_sub(at)).unwrap_or(0));
        let mut now = at;
        while now < end {
            let (start, extent) = self.at(now, pieces, reader)?.ok_or(Error::Length)?;
            let from = now.saturating_sub(start);
            let until = extent.length().min(end.saturating_sub(start));
            match extent.chunk() {
                None => {
                    let zeros = usize::try_from(until.saturating_sub(from)).map_err(|_| Error::Length)?;
                    bytes.resize(bytes.len().saturating_add(zeros), 0);
                }
                Some(chunk) => {
                    let plain = match pieces.chunks.get(&chunk.id) {
                        Some(plain) => plain,
                        None => self.fetch(start, &chunk, pieces, reader)?,
                    };
                    let place = |n: u64| usize::try_from(n).map_err(|_| Error::Length);
                    bytes.extend_from_slice(plain.get(place(from)?..place(until)?).ok_or(Error::Length)?);
                }
            }
            now = start.saturating_add(until);
        }
        Ok(bytes)
    }

    /// Where data begins at or after `at`, or a hole: the end of the file is one. None if `at` is behind the end, or only a hole is left.
    pub fn seek(
        &self,
        at: u64,
        data: bool,
        pieces: &Pieces,
        reader: &mut dyn ChunkReader,
    ) -> Result<Option<u64>, Error> {
        let mut now = at;
        while now < self.size {
            let (start, extent) = self.at(now, pieces, reader)?.ok_or(Error::Length)?;
            if extent.chunk().is_some() == data {
                return Ok(Some(now));
            }
            now = start.saturating_add(extent.length());
        }
        Ok((!data && at < self.size).then_some(self.size))
    }

    /// Bytes that are not in holes.
    pub fn allocated(&self, pieces: &Pieces, reader: &mut dyn ChunkReader) -> Result<u64, Error> {
        let data = |extents: &[(u64, Extent)]| {
            let data = extents.iter().filter(|(_, extent)| extent.chunk().is_some());
            data.fold(0_u64, |sum, (_, extent)| sum.saturating_add(extent.length()))
        };
        match &self.parts {
            Parts::Direct(extents) => Ok(data(extents)),
            Parts::Lists(lists) => {
                let mut sum = 0_u64;
                for (_, list) in lists {
                    sum = sum.saturating_add(data(&pieces.list(list, reader)?));
                }
                Ok(sum)
            }
        }
    }

    /// The extent that has the byte at `at`, and where it begins.
    fn at(&self, at: u64, pieces: &Pieces, reader: &mut dyn ChunkReader) -> Result<Option<(u64, Extent)>, Error> {
        Ok(self.from(at, pieces, reader)?.and_then(|(base, extents, first)| {
            extents.get(first).map(|(start, extent)| (base.saturating_add(*start), *extent))
        }))
    }

    /// The extents of the list that has the byte at `at`, where in the file that list begins, and which of them has the byte.
    fn from(
        &self,
        at: u64,
        pieces: &Pieces,
        reader: &mut dyn ChunkReader,
    ) -> Result<Option<(u64, Placed, usize)>, Error> {
        let (base, extents) = match &self.parts {
            Parts::Direct(extents) => (0, Arc::clone(extents)),
            Parts::Lists(lists) => match last_at(lists, at).and_then(|found| lists.get(found)) {
                Some((base, list)) => (*base, pieces.list(list, reader)?),
                None => return Ok(None),
            },
        };
        let found = last_at(&extents, at.saturating_sub(base));
        Ok(found.map(|found| (base, extents, found)))
    }

    /// Reads a chunk, and where chunks come from afar says which will be wanted next.
    fn fetch(
        &self,
        start: u64,
        chunk: &ChunkRef,
        pieces: &Pieces,
        reader: &mut dyn ChunkReader,
    ) -> Result<Arc<[u8]>, Error> {
        if reader.looks_ahead()
            && let Some((_, extents, first)) = self.from(start, pieces, reader)?
        {
            let mut left = BROWSED_AHEAD;
            let next = extents.iter().skip(first).filter_map(|(_, extent)| extent.chunk());
            let wanted = next.take_while(|chunk| {
                let fits = left > 0;
                left = left.saturating_sub(u64::from(chunk.length));
                fits
            });
            let wanted: Vec<ChunkRef> = wanted.filter(|chunk| pieces.chunks.get(&chunk.id).is_none()).collect();
            ChunkReader::expect(reader, &wanted);
        }
        pieces.chunks.get_or(&chunk.id, || {
            let plain: Arc<[u8]> = reader.read(chunk)?.into();
            let weight = plain.len();
            Ok((plain, weight))
        })
    }
}

impl Pieces {
    fn list(&self, list: &ChunkRef, reader: &mut dyn ChunkReader) -> Result<Placed, Error> {
        self.lists.get_or(&list.id, || {
            let wrong = |source| Error::Node { node: list.id, source };
            let extents = place(&decode_extents(reader.read(list)?).map_err(wrong)?)?;
            let weight = extents.len().saturating_mul(EXTENT);
            Ok((Arc::new(extents), weight))
        })
    }
}

fn place(extents: &[Extent]) -> Result<Vec<(u64, Extent)>, Error> {
    let mut next = 0_u64;
    let mut placed = Vec::with_capacity(extents.len());
    for extent in extents {
        placed.push((next, *extent));
        next = next.checked_add(extent.length()).ok_or(Error::Length)?;
    }
    Ok(placed)
}

fn end_of(extents: &[(u64, Extent)]) -> u64 {
    extents.last().map_or(0, |(start, extent)| start.saturating_add(extent.length()))
}

/// The last that begins at or before `at`.
fn last_at<T>(placed: &[(u64, T)], at: u64) -> Option<usize> {
    placed.partition_point(|(start, _)| *start <= at).checked_sub(1)
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
