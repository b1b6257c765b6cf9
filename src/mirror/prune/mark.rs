//! From every snapshot that stays to all that it needs (floor 4). Nodes that several share are followed once.

use crate::entry::{ChunkRef, Content, Entry, Node};
use crate::format::manifest::{Child, Items};
use crate::manifest::cursor::load;
use crate::manifest::{self, extents};
use crate::mirror::Error;
use crate::monitor::{Monitor, Phase};
use crate::path::RelPath;
use crate::store::Store;
use crate::store::chunks::{ChunkReader, ChunkSource};
use crate::store::sweep::live::Live;

/// Marks all that these snapshots need. If anything is missing, that is a refusal: it is said what, and of which.
pub(super) fn mark(store: &Store, kept: &[u64], live: &mut Live, monitor: &dyn Monitor) -> Result<(), Error> {
    monitor.begin(Phase::Verifying, Some(kept.len() as u64), None);
    let mut marker = Marker { nodes: store.reader()?, lists: store.reader()?, live };
    for sequence in kept {
        let record = store.record(*sequence).map_err(|e| refused(*sequence, &e.to_string()))?;
        marker.node(record.root, None).map_err(|fault| match fault {
            Fault::At(path, e) => refused(*sequence, &format!("{path}: {e}")),
            Fault::Of(e) => refused(*sequence, &e.to_string()),
        })?;
        monitor.advance(1, 0);
    }
    Ok(())
}

fn refused(sequence: u64, what: &str) -> Error {
    Error::Refused(format!(
        "snapshot {sequence} cannot be read in full, and what it needs cannot be told from what nobody needs, so nothing was removed: {what}. \
         backup -check TARGET --data names all that is wrong. If it cannot be mended, move the record of that snapshot out of store/snapshots: then \
         it is given up"
    ))
}

/// What is wrong, and where, if it is with one path.
enum Fault {
    At(RelPath, manifest::Error),
    Of(manifest::Error),
}

impl From<manifest::Error> for Fault {
    fn from(error: manifest::Error) -> Self {
        Self::Of(error)
    }
}

impl From<crate::store::Error> for Fault {
    fn from(error: crate::store::Error) -> Self {
        Self::Of(error.into())
    }
}

struct Marker<'a> {
    nodes: Box<dyn ChunkReader + 'a>,
    lists: Box<dyn ChunkReader + 'a>,
    live: &'a mut Live,
}

impl Marker<'_> {
    /// Marks a node and all below it, unless that was done. Levels fall by one each time, so this ends.
    fn node(&mut self, node: ChunkRef, above: Option<(&Child, u8)>) -> Result<(), Fault> {
        if !self.live.enter(&node)? {
            return Ok(());
        }
        let items = load(self.nodes.as_mut(), node)?;
        if let Some((child, level)) = above {
            let wrong = |source| manifest::Error::Node { node: node.id, source };
            items.are_of(child, level).map_err(wrong)?;
        }
        match items {
            Items::Segment(entries) => entries.iter().try_for_each(|entry| self.entry(entry)),
            Items::Inner(level, children) => {
                let below = level.saturating_sub(1);
                children.iter().try_for_each(|child| self.node(child.node, Some((child, below))))
            }
        }
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Fault> {
        let Node::File { size, content } = &entry.node else { return Ok(()) };
        let live = &mut *self.live;
        let mut mark = |content: &Content, lists: &mut dyn ChunkReader| {
            if let Content::Indirect(nodes) = content {
                nodes.iter().try_for_each(|node| live.need(node))?;
            }
            extents::prove(*size, content, lists, &mut |extent, _| match extent.chunk() {
                Some(chunk) => Ok::<_, manifest::Error>(live.need(&chunk)?),
                None => Ok(()),
            })
        };
        mark(content, self.lists.as_mut()).map_err(|e| Fault::At(entry.path.clone(), e))
    }
}
