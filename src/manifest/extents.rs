//! The extents of a file: a few stand in its entry, many are listed in chunks of their own (floor 2; format-spec.md, 6).

use super::Error;
use crate::entry::{ChunkRef, Content, Extent};
use crate::format::manifest;
use crate::id::Id;
use crate::limits::{EXTENT_LIST_MAX, EXTENT_LIST_MODULUS, EXTENTS_DIRECT};
use crate::manifest::build::NodeSink;
use crate::store::chunks::ChunkReader;

/// The content of a file that is being read.
#[derive(Debug, Default)]
pub struct ContentBuilder {
    extents: Vec<Extent>,
    lists: Vec<ChunkRef>,
    size: u64,
}

impl ContentBuilder {
    /// Adds the next extent.
    pub fn push(&mut self, extent: Extent, sink: &mut NodeSink<'_>) -> Result<(), Error> {
        self.size = self.size.saturating_add(extent.length());
        self.extents.push(extent);
        let cut = match extent {
            Extent::Data { id, .. } => id.cut_bits().is_multiple_of(EXTENT_LIST_MODULUS),
            Extent::Hole { .. } => false,
        };
        let long = self.extents.len() > EXTENTS_DIRECT;
        if self.extents.len() >= EXTENT_LIST_MAX || (cut && (long || !self.lists.is_empty())) {
            self.list(sink)
        } else {
            Ok(())
        }
    }

    fn list(&mut self, sink: &mut NodeSink<'_>) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let encoded = manifest::encode_extents(&self.extents, &mut bytes);
        let list = ChunkRef { id: Id::of(&bytes), length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) };
        encoded.map_err(|source| Error::Node { node: list.id, source })?;
        self.extents.clear();
        self.lists.push(list);
        sink(list, bytes)
    }

    /// Bytes so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Ends the content.
    pub fn finish(mut self, sink: &mut NodeSink<'_>) -> Result<Content, Error> {
        if self.lists.is_empty() && self.extents.len() <= EXTENTS_DIRECT {
            return Ok(Content::Direct(self.extents));
        }
        if !self.extents.is_empty() {
            self.list(sink)?;
        }
        Ok(Content::Indirect(self.lists))
    }
}

/// What is done with each of them; the reader that they came from is lent to it.
pub type Each<'e, T, E> = dyn FnMut(&T, &mut dyn ChunkReader) -> Result<(), E> + 'e;

/// Calls `each` for every extent of a content, in order.
pub fn for_each<E: From<Error>>(
    content: &Content,
    reader: &mut dyn ChunkReader,
    each: &mut Each<'_, Extent, E>,
) -> Result<(), E> {
    walk(content, reader, &mut |extents, reader| extents.iter().try_for_each(|extent| each(extent, reader)))
}

/// As [`for_each`], for a file of this size, which the extents must add up to.
pub fn prove<E: From<Error>>(
    size: u64,
    content: &Content,
    reader: &mut dyn ChunkReader,
    each: &mut Each<'_, Extent, E>,
) -> Result<(), E> {
    let mut total = Some(0_u64);
    for_each(content, reader, &mut |extent, reader| {
        total = total.and_then(|sum| sum.checked_add(extent.length()));
        each(extent, reader)
    })?;
    if total == Some(size) { Ok(()) } else { Err(Error::Length.into()) }
}

/// As [`for_each`], where `each` reads the chunk of every extent: the reader is told of them.
pub fn for_each_read<E: From<Error>>(
    content: &Content,
    reader: &mut dyn ChunkReader,
    each: &mut Each<'_, Extent, E>,
) -> Result<(), E> {
    walk(content, reader, &mut |extents, reader| {
        if reader.looks_ahead() {
            let chunks: Vec<ChunkRef> = extents.iter().filter_map(Extent::chunk).collect();
            ChunkReader::expect(reader, &chunks);
        }
        extents.iter().try_for_each(|extent| each(extent, reader))
    })
}

/// Calls `each` for every list of extents.
fn walk<E: From<Error>>(
    content: &Content,
    reader: &mut dyn ChunkReader,
    each: &mut Each<'_, [Extent], E>,
) -> Result<(), E> {
    let lists = match content {
        Content::Direct(extents) => return each(extents, reader),
        Content::Indirect(lists) => lists,
    };
    ChunkReader::expect(reader, lists);
    lists.iter().try_for_each(|list| {
        let bytes = reader.read(list).map_err(Error::from)?;
        let extents = manifest::decode_extents(bytes).map_err(|source| Error::Node { node: list.id, source })?;
        each(&extents, reader)
    })
}

/// The extents of a content with where each begins, to be compared with those of another that is gone through beside it.
#[derive(Debug)]
pub struct Beside<'c> {
    lists: std::slice::Iter<'c, ChunkRef>,
    extents: std::vec::IntoIter<Extent>,
    /// The next one.
    head: Option<Extent>,
    at: u64,
}

impl<'c> Beside<'c> {
    /// At the beginning.
    pub fn new(content: &'c Content) -> Self {
        let (lists, extents) = match content {
            Content::Direct(extents) => (&[][..], extents.clone()),
            Content::Indirect(lists) => (&lists[..], Vec::new()),
        };
        Self { lists: lists.iter(), extents: extents.into_iter(), head: None, at: 0 }
    }

    /// Whether the very extent stands at this offset, too. Offsets come in order.
    pub fn has(&mut self, offset: u64, extent: &Extent, reader: &mut dyn ChunkReader) -> Result<bool, Error> {
        loop {
            let Some(head) = self.head else {
                self.head = self.next(reader)?;
                if self.head.is_none() {
                    return Ok(false);
                }
                continue;
            };
            if self.at >= offset {
                return Ok(self.at == offset && head == *extent);
            }
            self.at = self.at.saturating_add(head.length());
            self.head = None;
        }
    }

    fn next(&mut self, reader: &mut dyn ChunkReader) -> Result<Option<Extent>, Error> {
        loop {
            if let Some(extent) = self.extents.next() {
                return Ok(Some(extent));
            }
            let Some(list) = self.lists.next() else { return Ok(None) };
            let extents = manifest::decode_extents(reader.read(list)?);
            self.extents = extents.map_err(|source| Error::Node { node: list.id, source })?.into_iter();
        }
    }
}
