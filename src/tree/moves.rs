//! Which files of a plan are moved (floor 3). Pure.
//!
//! To a plan, a file that was renamed is one that goes and one that comes. Here the two are found to be one, by their content: it is told by the
//! manifests alone, and so holds for a restore, and whatever a file is called. What goes also goes where something else takes its place, so files that
//! change names with each other, or are passed on as old logs are, are moved as well.
//!
//! Files with several names are left out, and files without content. What is remembered is bounded: what does not fit is written anew.

use super::kept::Kept;
use super::plan::{Action, Plan, Scope, has_rights};
use crate::entry::{Apart, ChunkRef, Content, Entry, Extent, Meta, Node};
use crate::format::manifest::encode_extents;
use crate::fs::fidelity::Fidelity;
use crate::id::Id;
use crate::limits::{MOVES_ALIKE, MOVES_BYTES};
use crate::manifest;
use crate::manifest::cursor::Cursor;
use crate::manifest::diff::{Change, Diff};
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::store::chunks::ChunkSource;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem::size_of;

/// What a plan moves.
#[derive(Debug, Default)]
pub struct Moves {
    /// By the place where it shall be.
    to: HashMap<RelPath, Move>,
    /// By the place where it is.
    from: HashMap<RelPath, Way>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Move {
    /// Where the file is.
    pub from: RelPath,
    pub(super) way: Way,
    /// Whether it has the metadata that it shall have.
    pub(super) is_dressed: bool,
}

/// Which of its two places comes first in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The new one: the file gets a further name there, and loses the old one later.
    Ahead,
    /// The old one: it waits aside, under this number.
    Behind(usize),
}

/// What a file holds.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Chunk(Id),
    Extents(Id),
    Lists(Id),
}

/// A file that goes.
struct Going {
    path: RelPath,
    meta: Meta,
    /// Which action lets it go.
    at: usize,
}

/// All files that go, and the first names of what has several.
struct Search {
    going: HashMap<Key, Vec<Going>>,
    leaders: HashSet<RelPath>,
    /// Bytes that may still be remembered.
    room: usize,
}

impl Moves {
    /// Of a plan, which is gone through twice; `shared` are first names of what has further names elsewhere.
    pub(super) fn of<'p, D, E>(
        kept: &Kept,
        plan: impl Fn() -> Result<Plan<'p, D>, E>,
        shared: &BTreeSet<RelPath>,
    ) -> Result<Self, E>
    where
        D: Iterator<Item = Result<Change, manifest::Error>>,
        E: From<manifest::Error>,
    {
        let mut search = Search { going: HashMap::new(), leaders: HashSet::new(), room: MOVES_BYTES };
        kept.each(&plan, |at, action| search.note(at, action, shared))?;
        search.forget_leaders();
        let mut moves = Self::default();
        if search.going.is_empty() {
            return Ok(moves);
        }
        kept.each(&plan, |at, action| {
            if let Action::Put { new, .. } = action
                && let Some(found) = search.take(at, new, moves.to.len())
            {
                moves.from.insert(found.from.clone(), found.way);
                moves.to.insert(new.path.clone(), found);
            }
        })?;
        Ok(moves)
    }

    /// What the difference of two manifests moves, of the whole tree.
    pub fn between(from: ChunkRef, to: ChunkRef, chunks: &dyn ChunkSource) -> Result<Self, manifest::Error> {
        let (selection, apart, fidelity) = (Selection::everything(), Apart::default(), Fidelity::assumed());
        let scope = Scope { selection: &selection, delete: true, apart: &apart, fidelity: &fidelity };
        let cursor = |root| Cursor::new(root, chunks.reader()?);
        let diff = || Ok::<_, manifest::Error>(Diff::new(Some(cursor(from)?), Some(cursor(to)?)));
        let plan = || Ok::<_, manifest::Error>(Plan::new(diff()?, scope));
        Self::of(&Kept::of(plan()?)?, plan, &apart.shared)
    }

    /// Whether it moves nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    /// The file that is moved by an action.
    pub fn by(&self, action: &Action) -> Option<&Move> {
        if let Action::Put { new, .. } = action { self.to(&new.path) } else { None }
    }

    /// The file that is moved to this place.
    pub fn to(&self, path: &RelPath) -> Option<&Move> {
        self.to.get(path)
    }

    /// All of them: where each is, and where it shall be.
    pub fn all(&self) -> impl Iterator<Item = (&RelPath, &RelPath)> {
        self.to.iter().map(|(to, found)| (&found.from, to))
    }

    /// Whether the file in this place is moved to another.
    pub fn takes(&self, path: &RelPath) -> bool {
        self.from.contains_key(path)
    }

    /// The number of the file in this place, if it has to wait aside.
    pub(super) fn behind(&self, path: &RelPath) -> Option<usize> {
        match self.from.get(path)? {
            Way::Ahead => None,
            Way::Behind(number) => Some(*number),
        }
    }
}

impl Search {
    fn note(&mut self, at: usize, action: &Action, shared: &BTreeSet<RelPath>) {
        let (new, old) = match action {
            Action::Put { new, old } | Action::Link { new, old } => (Some(new), old.as_ref()),
            Action::Remove { old } => (None, Some(old)),
            Action::Meta { .. } => return,
        };
        for entry in new.into_iter().chain(old) {
            if let Node::HardLink { leader } = &entry.node
                && self.fits(leader, 0)
            {
                self.leaders.insert(leader.clone());
            }
        }
        let Some(old) = old.filter(|old| !shared.contains(&old.path)) else { return };
        // The file that stays where it is goes from nowhere to nowhere.
        let stays = new.is_some_and(|new| new.node == old.node);
        if let Some(key) = key(old).filter(|_| !stays)
            && self.fits(&old.path, size_of::<(Key, Vec<Going>)>() + size_of::<Going>())
        {
            let (path, meta) = (old.path.clone(), old.meta.clone());
            self.going.entry(key).or_default().push(Going { path, meta, at });
        }
    }

    fn forget_leaders(&mut self) {
        let leaders = &self.leaders;
        self.going.retain(|_, alike| {
            alike.retain(|going| !leaders.contains(&going.path));
            !alike.is_empty()
        });
    }

    /// Takes so much of the room: the path is kept twice of what is found.
    fn fits(&mut self, path: &RelPath, more: usize) -> bool {
        let rest = self.room.checked_sub(2 * (path.as_bytes().len() + size_of::<(RelPath, Move)>()) + more);
        self.room = rest.unwrap_or(self.room);
        rest.is_some()
    }

    /// The file that goes and can be moved to where `new` shall be. One with its metadata is best.
    fn take(&mut self, at: usize, new: &Entry, number: usize) -> Option<Move> {
        if self.leaders.contains(&new.path) {
            return None;
        }
        let alike = self.going.get_mut(&key(new)?)?;
        let last = alike.len().saturating_sub(MOVES_ALIKE);
        let few = || alike.iter().enumerate().skip(last).rev();
        // While a file still has its old name too, that must not show metadata which it never had.
        let is_next_best = |going: &Going| going.at < at && !has_rights(new);
        let best = few().find(|(_, going)| going.meta == new.meta);
        let (index, _) = best.or_else(|| few().find(|(_, going)| is_next_best(going)))?;
        let Going { path: from, meta, at: gone } = alike.swap_remove(index);
        let way = if gone > at { Way::Ahead } else { Way::Behind(number) };
        Some(Move { from, way, is_dressed: meta == new.meta })
    }
}

/// What a file with content holds, in short.
fn key(entry: &Entry) -> Option<Key> {
    let Node::File { size: 1.., content } = &entry.node else { return None };
    let mut bytes = Vec::new();
    match content {
        Content::Direct(extents) => {
            if let [Extent::Data { id, .. }] = extents[..] {
                return Some(Key::Chunk(id));
            }
            encode_extents(extents, &mut bytes).ok()?;
            Some(Key::Extents(Id::of(&bytes)))
        }
        Content::Indirect(lists) => {
            for list in lists {
                bytes.extend_from_slice(list.id.as_bytes());
            }
            Some(Key::Lists(Id::of(&bytes)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Search, key};
    use crate::entry::{Content, Entry, Extent, Identity, Meta, Node, Time};
    use crate::id::Id;
    use crate::path::RelPath;
    use crate::tree::plan::Action;
    use std::collections::{BTreeSet, HashMap, HashSet};

    fn file(path: &str, mode: u32) -> Entry {
        let extents = vec![Extent::Data { id: Id::of(b"same"), length: 4 }];
        let node = Node::File { size: 4, content: Content::Direct(extents) };
        let meta = Meta { mode, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
        Entry { path: RelPath::new(path).unwrap(), meta, identity: Identity::default(), flags: 0, node }
    }

    fn search(room: usize, gone: &[Entry]) -> Search {
        let mut search = Search { going: HashMap::new(), leaders: HashSet::new(), room };
        for (at, old) in gone.iter().enumerate() {
            search.note(at, &Action::Remove { old: old.clone() }, &BTreeSet::new());
        }
        search
    }

    #[test]
    fn what_does_not_fit_into_memory_is_not_moved() {
        let gone: Vec<_> = (0..100).map(|n| file(&format!("old/{n:03}"), 0o644)).collect();
        let mut search = search(10_000, &gone);
        let found = (0..100).filter(|n| search.take(100, &file(&format!("x/{n}"), 0o644), *n).is_some()).count();
        assert!((5..50).contains(&found), "{found}");
    }

    #[test]
    fn of_files_that_are_alike_the_one_with_the_right_metadata_is_taken() {
        let mut search = search(1 << 20, &[file("a", 0o600), file("b", 0o644), file("c", 0o640)]);
        let from = |found: Option<super::Move>| found.map(|found| (found.from.to_string(), found.is_dressed));
        assert_eq!(from(search.take(9, &file("x", 0o600), 0)), Some(("a".to_owned(), true)));
        assert_eq!(from(search.take(9, &file("y", 0o755), 1)), Some(("b".to_owned(), false)));
        assert_eq!(from(search.take(0, &file("z", 0o755), 2)), None, "its old name would show the new mode");
        assert_eq!(from(search.take(9, &file("z", 0o4644), 2)), None, "a program with rights becomes a new file");
        assert_eq!(from(search.take(0, &file("z", 0o640), 2)), Some(("c".to_owned(), true)));
        assert_eq!(from(search.take(9, &file("z", 0o640), 3)), None, "each is moved once");
    }

    #[test]
    fn content_that_is_listed_is_no_list() {
        let of = |content| key(&Entry { node: Node::File { size: 4, content }, ..file("a", 0) });
        let chunk = crate::entry::ChunkRef { id: Id::of(b"same"), length: 4 };
        assert!(
            of(Content::Direct(vec![Extent::Data { id: chunk.id, length: 4 }])) != of(Content::Indirect(vec![chunk]))
        );
        assert!(key(&Entry { node: Node::Fifo, ..file("a", 0) }).is_none());
    }
}
