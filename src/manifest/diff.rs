//! Walks two manifests at once and tells where they differ; equal nodes are skipped unread (floor 2).

use super::Error;
use super::cursor::{Cursor, Head};
use crate::entry::Entry;
use crate::path::RelPath;
use std::cmp::Ordering;

/// An entry that is in only one of the manifests, or in both and not equal.
#[derive(Clone, Debug)]
pub struct Change {
    /// In the first manifest.
    pub old: Option<Entry>,
    /// In the second.
    pub new: Option<Entry>,
}

/// The differences of two manifests, in path order.
pub struct Diff<'a> {
    old: Option<Cursor<'a>>,
    new: Option<Cursor<'a>>,
}

/// What to do next.
enum Step {
    SkipBoth,
    OpenOld,
    OpenNew,
    OpenBoth,
    Take(Ordering),
    End,
}

impl<'a> Diff<'a> {
    /// From `old` to `new`; a missing manifest counts as empty.
    pub fn new(old: Option<Cursor<'a>>, new: Option<Cursor<'a>>) -> Self {
        Self { old, new }
    }

    fn step(&mut self) -> Step {
        let head = |cursor: &'_ mut Option<Cursor<'a>>| -> Place {
            match cursor.as_mut().map_or(Head::End, Cursor::head) {
                Head::Node(child, level) => Place::Node(child.first.clone(), child.node.id, level),
                Head::Entry(entry) => Place::Entry(entry.path.clone()),
                Head::End => Place::End,
            }
        };
        decide(head(&mut self.old), head(&mut self.new))
    }

    fn advance(&mut self) -> Result<Option<Change>, Error> {
        loop {
            match self.step() {
                Step::End => return Ok(None),
                Step::SkipBoth => {
                    self.old.iter_mut().chain(&mut self.new).for_each(Cursor::skip);
                }
                Step::OpenOld => self.old.as_mut().map_or(Ok(()), Cursor::open)?,
                Step::OpenNew => self.new.as_mut().map_or(Ok(()), Cursor::open)?,
                Step::OpenBoth => {
                    self.old.iter_mut().chain(&mut self.new).try_for_each(Cursor::open)?;
                }
                Step::Take(order) => {
                    let change = self.take(order)?;
                    if change.old != change.new {
                        return Ok(Some(change));
                    }
                }
            }
        }
    }

    fn take(&mut self, order: Ordering) -> Result<Change, Error> {
        let next = |cursor: &mut Option<Cursor<'a>>| cursor.as_mut().map_or(Ok(None), Cursor::next_entry);
        let old = if order == Ordering::Greater { None } else { next(&mut self.old)? };
        let new = if order == Ordering::Less { None } else { next(&mut self.new)? };
        Ok(Change { old, new })
    }
}

enum Place {
    Node(RelPath, crate::id::Id, u8),
    Entry(RelPath),
    End,
}

fn decide(old: Place, new: Place) -> Step {
    match (old, new) {
        (Place::End, Place::End) => Step::End,
        (Place::Node(_, a, _), Place::Node(_, b, _)) if a == b => Step::SkipBoth,
        (Place::Node(a, _, high), Place::Node(b, _, low)) => match a.cmp(&b).then(low.cmp(&high)) {
            Ordering::Less => Step::OpenOld,
            Ordering::Greater => Step::OpenNew,
            Ordering::Equal => Step::OpenBoth,
        },
        (Place::Node(a, ..), Place::Entry(b)) if a > b => Step::Take(Ordering::Greater),
        (Place::Entry(a), Place::Node(b, ..)) if b > a => Step::Take(Ordering::Less),
        (Place::Node(..), _) => Step::OpenOld,
        (_, Place::Node(..)) => Step::OpenNew,
        (Place::Entry(_), Place::End) => Step::Take(Ordering::Less),
        (Place::End, Place::Entry(_)) => Step::Take(Ordering::Greater),
        (Place::Entry(a), Place::Entry(b)) => Step::Take(a.cmp(&b)),
    }
}

impl Iterator for Diff<'_> {
    type Item = Result<Change, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
