//! How much room a plan takes while it is carried out (floor 3). Pure: the old files of a batch go only when the new ones are there, and by then those of
//! the next batch may be there, too.

use crate::entry::{Entry, Extent, Node};
use crate::fs::space::Need;
use crate::limits::{PUBLISH_BYTES, PUBLISH_FILES, PUBLISH_FIRST};
use crate::manifest::{Error, extents};
use crate::store::chunks::ChunkReader;

/// What an entry takes in a tree.
fn weight(entry: &Entry, reader: &mut dyn ChunkReader) -> Need {
    match &entry.node {
        Node::HardLink { .. } => Need::default(),
        Node::Directory => Need::of_file(1),
        _ => Need::of_file(data(entry, reader)),
    }
}

/// Bytes of a file that are no holes. A list of extents that cannot be had is the business of who writes the file.
fn data(entry: &Entry, reader: &mut dyn ChunkReader) -> u64 {
    let Node::File { size, content } = &entry.node else { return 0 };
    let mut bytes = 0_u64;
    let counted = extents::for_each(content, reader, &mut |extent, _| {
        if matches!(extent, Extent::Data { .. }) {
            bytes = bytes.saturating_add(extent.length());
        }
        Ok::<(), Error>(())
    });
    if counted.is_ok() { bytes } else { *size }
}

/// How many actions a batch may have, by its number.
pub(super) fn batch_of(number: usize) -> usize {
    let doublings = u32::try_from(number).unwrap_or(u32::MAX);
    PUBLISH_FIRST.checked_shl(doublings).filter(|files| (1..PUBLISH_FILES).contains(files)).unwrap_or(PUBLISH_FILES)
}

/// Adds up a plan, action by action, in the batches in which it is carried out.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// What the batches so far have taken, and what those have given back that are published by then.
    taken: Need,
    given: Need,
    /// What the last batch gives back.
    giving: Need,
    /// What the batch makes, and what goes with it.
    made: Need,
    gone: Need,
    actions: usize,
    bytes: u64,
    batches: usize,
    peak: Need,
}

impl Tally {
    /// Adds an action that makes `new` and lets `old` go.
    pub(super) fn add(&mut self, new: Option<&Entry>, old: Option<&Entry>, reader: &mut dyn ChunkReader) {
        let mut weigh = |entry: Option<&Entry>| entry.map_or_else(Need::default, |entry| weight(entry, reader));
        self.made = self.made.and(weigh(new));
        self.gone = self.gone.and(weigh(old));
        self.actions += 1;
        self.bytes = self.bytes.saturating_add(new.map_or(0, Entry::size));
        if self.actions >= batch_of(self.batches) || self.bytes >= PUBLISH_BYTES {
            self.end_batch();
        }
    }

    fn end_batch(&mut self) {
        self.taken = self.taken.and(self.made);
        self.peak = self.peak.most(self.taken.without(self.given));
        self.given = self.given.and(std::mem::replace(&mut self.giving, self.gone));
        (self.made, self.gone, self.actions, self.bytes) = Default::default();
        self.batches += 1;
    }

    /// The most that is needed at any time, over what there is at the beginning.
    pub(super) fn peak(mut self) -> Need {
        self.end_batch();
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, batch_of};
    use crate::entry::{ChunkRef, Content, Entry, Extent, Identity, Meta, Node, Time};
    use crate::fs::space::Need;
    use crate::id::Id;
    use crate::limits::{PUBLISH_FILES, PUBLISH_FIRST};
    use crate::path::RelPath;
    use crate::store::Error;
    use crate::store::chunks::ChunkReader;

    struct Nothing;

    impl ChunkReader for Nothing {
        fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
            Err(Error::MissingChunk(chunk.id))
        }
    }

    /// A file of these bytes and a hole.
    fn file(length: u32) -> Entry {
        let extents = vec![Extent::Data { id: Id::of(b"x"), length }, Extent::Hole { length: 1 << 16 }];
        let node = Node::File { size: (1 << 16) + u64::from(length), content: Content::Direct(extents) };
        let meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
        Entry { path: RelPath::new("f").unwrap(), meta, identity: Identity::default(), flags: 0, node }
    }

    fn peak(actions: impl IntoIterator<Item = (Option<Entry>, Option<Entry>)>) -> (u64, u64) {
        let mut tally = Tally::default();
        actions.into_iter().for_each(|(new, old)| tally.add(new.as_ref(), old.as_ref(), &mut Nothing));
        let Need { bytes, inodes } = tally.peak();
        (bytes, inodes)
    }

    #[test]
    fn what_goes_makes_room_for_the_batch_after_the_next() {
        let put = |old: Option<u32>| (Some(file(5000)), old.map(file));
        let remove = || (None, Some(file(5000)));
        assert_eq!(peak([]), (0, 0));
        assert_eq!(peak([remove(), put(None)]), (8192, 1), "all of a batch is staged before anything goes");
        assert_eq!(peak([put(Some(9000)), put(Some(9000))]), (2 * 8192, 2));
        let replaced = |actions| peak((0..actions).map(|_| put(Some(5000)))).1;
        let first = PUBLISH_FIRST;
        assert_eq!(replaced(first), first as u64);
        assert_eq!(replaced(3 * first), 3 * first as u64, "one is made while the other is published");
        assert_eq!(replaced(7 * first), 6 * first as u64, "by then the first has given back what it had");
        assert_eq!(replaced(9 * PUBLISH_FILES), 2 * PUBLISH_FILES as u64, "many need no more than two of the largest");
        let made = peak((0..9 * PUBLISH_FILES).map(|_| put(None)));
        assert_eq!(made, (9 * 8192 * PUBLISH_FILES as u64, 9 * PUBLISH_FILES as u64));
    }

    #[test]
    fn batches_grow_to_the_limit() {
        let sizes: Vec<_> = (0..7).map(batch_of).collect();
        assert_eq!(sizes, [512, 1024, 2048, 4096, 8192, PUBLISH_FILES, PUBLISH_FILES]);
        assert!((50..100).chain([usize::MAX]).all(|number| batch_of(number) == PUBLISH_FILES));
    }
}
