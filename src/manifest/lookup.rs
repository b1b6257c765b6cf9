//! One path in many manifests (floor 2): a node that several of them have is read once, and all of a level are told of before they are read, so that a
//! store on another host is asked as often as a manifest has levels, however many there are.

use super::Error;
use super::cursor::load;
use crate::entry::{ChunkRef, Entry};
use crate::format::manifest::{Child, Items};
use crate::id::Id;
use crate::path::RelPath;
use crate::store::chunks::{ChunkReader, ChunkSource};
use std::collections::HashMap;
use std::sync::Arc;

/// What a manifest has at a path; or why that cannot be told.
pub type Found = Result<Option<Arc<Entry>>, Arc<Error>>;

/// What a node says.
enum Step {
    /// It is below this one.
    Down(Id),
    /// That is all.
    End(Found),
}

/// A node to be read, and what is said of it one level up.
struct Wanted {
    node: ChunkRef,
    said: Option<(Child, u8)>,
}

/// The entry at a path of each of the manifests with these roots, in this order. An error that is not of one of them alone ends it.
pub fn find_in_all(roots: &[ChunkRef], source: &dyn ChunkSource, path: &RelPath) -> Result<Vec<Found>, Error> {
    let mut reader = source.reader()?;
    let mut steps: HashMap<Id, Step> = HashMap::new();
    let mut wanted: Vec<Wanted> = roots.iter().map(|root| Wanted { node: *root, said: None }).collect();
    // Entries that are equal are kept once: most nights nothing happens to a path.
    let mut last: Option<Arc<Entry>> = None;
    while !wanted.is_empty() {
        if source.looks_ahead() {
            ChunkSource::expect(source, wanted.iter().map(|wanted| wanted.node).collect());
        }
        let mut next = Vec::new();
        for Wanted { node, said } in wanted {
            if steps.contains_key(&node.id) {
                continue;
            }
            let step = match read(reader.as_mut(), node, said, path) {
                Ok(Read::Down(child, level)) => {
                    let down = child.node.id;
                    next.push(Wanted { node: child.node, said: Some((child, level)) });
                    Step::Down(down)
                }
                Ok(Read::Entry(entry)) => Step::End(Ok(entry.map(|entry| keep(entry, &mut last)))),
                Err(e) if e.is_lost() => return Err(e),
                Err(e) => Step::End(Err(Arc::new(e))),
            };
            steps.insert(node.id, step);
        }
        wanted = next;
    }
    Ok(roots.iter().map(|root| follow(&steps, root.id)).collect())
}

/// What is found in a node.
enum Read {
    Down(Child, u8),
    Entry(Option<Entry>),
}

fn read(
    reader: &mut dyn ChunkReader,
    node: ChunkRef,
    said: Option<(Child, u8)>,
    path: &RelPath,
) -> Result<Read, Error> {
    let items = load(reader, node)?;
    if let Some((child, level)) = said {
        items.are_of(&child, level).map_err(|source| Error::Node { node: node.id, source })?;
    }
    Ok(match items {
        Items::Segment(entries) => Read::Entry(entries.into_iter().find(|entry| entry.path == *path)),
        Items::Inner(level, children) => match children.into_iter().rev().find(|child| child.first <= *path) {
            Some(child) => Read::Down(child, level.saturating_sub(1)),
            None => Read::Entry(None),
        },
    })
}

fn keep(entry: Entry, last: &mut Option<Arc<Entry>>) -> Arc<Entry> {
    match last {
        Some(last) if **last == entry => Arc::clone(last),
        _ => Arc::clone(last.insert(Arc::new(entry))),
    }
}

fn follow(steps: &HashMap<Id, Step>, root: Id) -> Found {
    let mut at = root;
    // Each step is a level lower.
    while let Some(Step::Down(down)) = steps.get(&at) {
        at = *down;
    }
    match steps.get(&at) {
        Some(Step::End(found)) => found.clone(),
        _ => Ok(None),
    }
}
