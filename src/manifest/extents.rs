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

#[cfg(test)]
mod tests {
    use super::{Beside, ContentBuilder};
    use crate::entry::{ChunkRef, Content, Extent};
    use crate::id::Id;
    use crate::store;
    use crate::store::chunks::ChunkReader;
    use std::collections::HashMap;

    struct Lists(HashMap<Id, Vec<u8>>);

    impl ChunkReader for Lists {
        fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], store::Error> {
            self.0.get(&chunk.id).map(Vec::as_slice).ok_or(store::Error::MissingChunk(chunk.id))
        }
    }

    fn data(n: u32) -> Extent {
        Extent::Data { id: Id::of(&n.to_le_bytes()), length: 100 + n % 7 }
    }

    fn content(extents: impl IntoIterator<Item = Extent>, lists: &mut Lists) -> Content {
        let mut builder = ContentBuilder::default();
        let mut sink = |list: ChunkRef, bytes: Vec<u8>| {
            lists.0.insert(list.id, bytes);
            Ok(())
        };
        extents.into_iter().for_each(|extent| builder.push(extent, &mut sink).unwrap());
        builder.finish(&mut sink).unwrap()
    }

    /// How many extents of the second are in the first at the same place.
    fn common(old: &Content, new: &[Extent], lists: &mut Lists) -> usize {
        let (mut old, mut at) = (Beside::new(old), 0);
        new.iter()
            .filter(|extent| {
                at += extent.length();
                old.has(at - extent.length(), extent, lists).unwrap()
            })
            .count()
    }

    #[test]
    fn extents_at_the_same_place_are_found_whether_they_are_listed_or_not() {
        let mut lists = Lists(HashMap::new());
        for count in [1000, 20_000] {
            let old: Vec<_> = (0..count).map(data).collect();
            let content = content(old.iter().copied(), &mut lists);
            assert_eq!(matches!(content, Content::Indirect(_)), count > 1000);
            let all = old.len();
            assert_eq!(common(&content, &old, &mut lists), all);
            // Two become one that is as long; then all that follows is where it was.
            let mut new = old.clone();
            let both = u32::try_from(new[4].length() + new[5].length()).unwrap();
            new.splice(4..6, [Extent::Data { id: Id::of(b"other"), length: both }]);
            assert_eq!(common(&content, &new, &mut lists), all - 2);
            // One byte more, and nothing is.
            new[0] = Extent::Hole { length: 101 };
            assert_eq!(common(&content, &new, &mut lists), 0);
            assert_eq!(common(&content, &[&old[..], &[data(9)]].concat(), &mut lists), all, "appended");
            assert_eq!(common(&content, &old[..all / 2], &mut lists), all / 2, "cut");
        }
    }
}
