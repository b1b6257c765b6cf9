//! How many names a file has (floor 3).
//!
//! A manifest says of each further name which one is the first, and not of the first how many follow. Who copies a tree looks at the count of a file to
//! know whether to look for its other names, so it must be right: it is counted, when it is first asked for, by going through the manifest once. Of
//! nodes that an earlier count has seen nothing is read again, and of a snapshot without anything but files and directories nothing at all.

use super::shared::Shared;
use super::title::Snapshot;
use crate::entry::{ChunkRef, Node};
use crate::format::manifest::{Child, Items};
use crate::id::Id;
use crate::limits::{BROWSED_LINKS, BROWSED_LINKS_NODES};
use crate::manifest;
use crate::manifest::cursor::load;
use crate::path::RelPath;
use crate::store;
use crate::store::chunks::ChunkReader;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A path, short.
type Key = u128;

/// Memory that a key takes in a count, about.
const WEIGHT: usize = 48;

/// The counts of some manifests.
pub struct Links {
    counts: Shared<HashMap<Key, u32>>,
    /// The leaders that are named in a segment: of most, none.
    seen: Mutex<HashMap<Id, Arc<[Key]>>>,
}

impl Default for Links {
    fn default() -> Self {
        Self { counts: Shared::new(BROWSED_LINKS), seen: Mutex::default() }
    }
}

impl Links {
    /// Names of the entry of a snapshot whose first name this is. Those in nodes that cannot be read are not counted, and each is told of.
    pub fn count(
        &self,
        snapshot: &Snapshot,
        leader: &RelPath,
        tell: &dyn Fn(&manifest::Error),
        reader: &mut dyn ChunkReader,
    ) -> u32 {
        if !snapshot.may_link {
            return 1;
        }
        let counts = self.counts.get_or(&snapshot.root.id, || {
            let mut walk = Walk { links: self, counts: HashMap::new(), tell, reader, is_lost: false };
            walk.node(snapshot.root, None);
            let weight = walk.counts.len().saturating_mul(WEIGHT);
            // Where there is no line any more, there may be one later.
            if walk.is_lost { Err(()) } else { Ok((Arc::new(walk.counts), weight)) }
        });
        counts.map_or(0, |counts| counts.get(&key(leader)).copied().unwrap_or(0)).saturating_add(1)
    }

    /// Whether a count would read nothing.
    pub fn is_known(&self, snapshot: &Snapshot) -> bool {
        !snapshot.may_link || self.counts.get(&snapshot.root.id).is_some()
    }

    fn seen(&self, node: &Id) -> Option<Arc<[Key]>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(node).cloned()
    }

    fn see(&self, node: Id, leaders: Arc<[Key]>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= BROWSED_LINKS_NODES {
            seen.clear();
        }
        seen.insert(node, leaders);
    }
}

/// A way through one manifest.
struct Walk<'w> {
    links: &'w Links,
    counts: HashMap<Key, u32>,
    tell: &'w dyn Fn(&manifest::Error),
    reader: &'w mut dyn ChunkReader,
    is_lost: bool,
}

impl Walk<'_> {
    /// Adds what is below a node, which the node above describes so: with its level.
    fn node(&mut self, node: ChunkRef, of: Option<(&Child, u8)>) {
        if let Some(leaders) = self.links.seen(&node.id) {
            return add(&leaders, &mut self.counts);
        }
        if self.is_lost {
            return;
        }
        match self.load(node, of) {
            Err(e) => {
                self.is_lost = matches!(&e, manifest::Error::Store(store::Error::Lost(_)));
                (self.tell)(&e);
            }
            Ok(Items::Segment(entries)) => {
                let leader = |node: &Node| if let Node::HardLink { leader } = node { Some(key(leader)) } else { None };
                let leaders: Arc<[Key]> = entries.iter().filter_map(|entry| leader(&entry.node)).collect();
                add(&leaders, &mut self.counts);
                self.links.see(node.id, leaders);
            }
            Ok(Items::Inner(level, children)) => {
                if self.reader.looks_ahead() {
                    let unseen = children.iter().filter(|child| self.links.seen(&child.node.id).is_none());
                    let nodes: Vec<ChunkRef> = unseen.map(|child| child.node).collect();
                    ChunkReader::expect(self.reader, &nodes);
                }
                for child in &children {
                    self.node(child.node, Some((child, level.saturating_sub(1))));
                }
            }
        }
    }

    fn load(&mut self, node: ChunkRef, of: Option<(&Child, u8)>) -> Result<Items, manifest::Error> {
        let items = load(self.reader, node)?;
        let wrong = |source| manifest::Error::Node { node: node.id, source };
        of.map_or(Ok(()), |(child, level)| items.are_of(child, level)).map_err(wrong)?;
        Ok(items)
    }
}

fn add(leaders: &[Key], counts: &mut HashMap<Key, u32>) {
    for leader in leaders {
        let count = counts.entry(*leader).or_default();
        *count = count.saturating_add(1);
    }
}

fn key(path: &RelPath) -> Key {
    Id::of(path.as_bytes()).as_bytes().first_chunk().map_or(0, |head| Key::from_be_bytes(*head))
}
