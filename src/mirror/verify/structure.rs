//! From every snapshot to all its chunks: is each in an index, in a pack that is there, with the right length? (floor 4)
//!
//! Nodes that several snapshots share are followed once.

use crate::entry::{ChunkRef, Entry, Node};
use crate::format::snapshot::Record;
use crate::id::Id;
use crate::manifest::cursor::{Cursor, Head};
use crate::manifest::{self, extents};
use crate::mirror::Error;
use crate::monitor::Monitor;
use crate::store::Store;
use crate::store::chunks::{ChunkReader, ChunkSource};
use std::collections::HashSet;

struct Follower<'a> {
    store: &'a Store,
    bad: &'a HashSet<Id>,
    monitor: &'a dyn Monitor,
    seen: HashSet<Id>,
}

/// Follows every snapshot; gives their number.
pub(super) fn follow(store: &Store, bad: &HashSet<Id>, monitor: &dyn Monitor) -> Result<u64, Error> {
    let mut follower = Follower { store, bad, monitor, seen: HashSet::new() };
    let mut count = 0;
    let mut before: Option<(u64, Id)> = None;
    for sequence in store.sequences()? {
        count += 1;
        match store.sealed_record(sequence) {
            Err(e) => {
                monitor.wrong(&e.to_string());
                before = None;
            }
            Ok((record, seal)) => {
                if before.is_some_and(|(n, seal)| n + 1 == sequence && record.parent != Some(seal)) {
                    monitor
                        .wrong(&format!("snapshot {sequence}: the record before it is not the one that it followed"));
                }
                before = Some((sequence, seal));
                if let Err(e) = follower.snapshot(&record) {
                    monitor.wrong(&format!("snapshot {sequence}: {e}"));
                }
            }
        }
    }
    Ok(count)
}

impl Follower<'_> {
    fn snapshot(&mut self, record: &Record) -> Result<(), manifest::Error> {
        if !self.seen.insert(record.root.id) {
            return Ok(());
        }
        let mut cursor = Cursor::new(record.root, self.store.reader()?)?;
        let mut lists = self.store.reader()?;
        loop {
            let known = match cursor.head() {
                Head::End => return Ok(()),
                Head::Node(child, _) => Some(!self.seen.insert(child.node.id)),
                Head::Entry(_) => None,
            };
            match known {
                Some(true) => cursor.skip(),
                Some(false) => {
                    if let Err(e) = cursor.open() {
                        self.monitor.wrong(&format!("snapshot {}: {e}", record.sequence));
                    }
                }
                None => {
                    if let Some(entry) = cursor.next_entry()? {
                        self.entry(record.sequence, &entry, lists.as_mut());
                    }
                }
            }
        }
    }

    fn entry(&self, sequence: u64, entry: &Entry, reader: &mut dyn ChunkReader) {
        let Node::File { size, content } = &entry.node else { return };
        let mut missing = 0_u64;
        let followed = extents::prove(*size, content, reader, &mut |extent, _| {
            if let Some(chunk) = extent.chunk()
                && !self.is_there(&chunk)?
            {
                missing += 1;
            }
            Ok::<(), manifest::Error>(())
        });
        if let Err(e) = followed {
            self.monitor.problem(&entry.path, &format!("in snapshot {sequence}: {e}"));
        } else if missing > 0 {
            let message =
                format!("in snapshot {sequence}: {missing} of its chunks are missing or damaged in the store");
            self.monitor.problem(&entry.path, &message);
        }
    }

    fn is_there(&self, chunk: &ChunkRef) -> Result<bool, manifest::Error> {
        let found = self.store.locate(&chunk.id)?;
        Ok(found.is_some_and(|place| place.length == chunk.length) && !self.bad.contains(&chunk.id))
    }
}
