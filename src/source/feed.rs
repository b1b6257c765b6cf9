//! The feeder: walks the tree, merges it with the parent manifest, and sends what has to be read to be read (floor 3).
//!
//! An entry whose size, times, inode, mode and owner are as the parent has them is taken over unread. What cannot be looked at is carried forward
//! from the parent, never taken for deleted.

use super::Error;
use super::budget::Budget;
use super::lane::Closed;
use super::piece::{Parcel, Piece, Stopped, Whole};
use super::prove;
use super::read::{self, Streamer};
use super::replica::Replica;
use super::snapshot::Trust;
use crate::chunk::cut::Cutter;
use crate::entry::{Apart, CARRIED_FORWARD, Entry, Node};
use crate::fs::dir::Dir;
use crate::limits::{BATCH_BYTES, BATCH_ENTRIES, BATCH_FOLDERS, MANY_NAMES, SMALL_FILE};
use crate::manifest::cursor::Cursor;
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use crate::scan::walk::{Found, Item, Walk};
use rustix::fs::FileType;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

pub(super) struct Feeder<'a> {
    pub(super) selection: &'a Selection,
    pub(super) parent: Option<Cursor<'a>>,
    pub(super) trust: Trust,
    pub(super) replica: Option<&'a Replica<'a>>,
    pub(super) monitor: &'a dyn Monitor,
    pub(super) streamer: Streamer<'a>,
    pub(super) batch: Batch,
    /// Bounds the directories that batches hold open.
    pub(super) folders: Budget,
    /// Inodes with several names.
    pub(super) leaders: HashMap<(u64, u64), Leader>,
    /// First names of those with so many that the file system may give them no more, and their sizes.
    pub(super) full: HashMap<RelPath, u64>,
    /// Below this path the parent's entries are carried forward.
    pub(super) carrying: Option<RelPath>,
    /// Below this folder, which has no entry, nothing can have one.
    pub(super) skipping: Option<RelPath>,
    /// The directory that was met last: it, and those above it, are there.
    pub(super) inside: RelPath,
    /// What a mirror cannot hold, and what its manifest has all the same.
    pub(super) absent: BTreeSet<RelPath>,
}

/// What is known of an inode with several names.
pub(super) struct Leader {
    /// The first of them.
    path: RelPath,
    /// Those that were not met yet.
    elsewhere: u64,
}

/// Entries waiting to be read together by one worker.
#[derive(Default)]
pub(super) struct Batch {
    items: Vec<Waiting>,
    /// Of the files and, as deep in a tree each is long, of the paths.
    bytes: u64,
    /// Directories that are held open, and the last of them.
    folders: usize,
    last: Option<Arc<Dir>>,
}

enum Waiting {
    Piece(Piece),
    Small(Box<Small>),
}

/// A small file.
struct Small {
    found: Found,
    /// What the parent has.
    previous: Option<Entry>,
    /// Whether it is dressed as we left it.
    as_left: bool,
}

/// Why the feeder stopped early.
pub(super) enum Halt {
    Error(Error),
    Closed,
}

impl From<Closed> for Halt {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(e: E) -> Self {
        Self::Error(e.into())
    }
}

impl Feeder<'_> {
    /// Sends everything that the walk finds; gives what the entries do not say.
    pub(super) fn run(mut self, walk: Walk<'_>) -> Result<Apart, Halt> {
        for item in walk {
            let path = match &item {
                Item::Found(found) => &found.path,
                Item::Unreadable(path, _) | Item::Unlistable(path, _) => path,
            };
            let previous = self.advance(Some(path))?;
            if self.skipping.as_ref().is_some_and(|top| path.is_below(top)) {
                continue;
            }
            match item {
                Item::Found(found) => self.found(found, previous)?,
                Item::Unreadable(path, error) => {
                    self.require(&path, &error)?;
                    self.carrying = Some(path.clone());
                    self.wait(Waiting::Piece(failed(path, &error, previous)))?;
                }
                Item::Unlistable(path, error) => {
                    self.require(&path, &error)?;
                    self.carrying = Some(path.clone());
                    if !self.is_closed_by_us(&error) {
                        let kept = self.has_below(&path)?;
                        self.wait(Waiting::Piece(Piece::Closed(path, error.to_string(), kept)))?;
                    }
                }
            }
        }
        self.advance(None)?;
        self.flush()?;
        let shared = self.leaders.into_values().filter(|leader| leader.elsewhere > 0);
        Ok(Apart { shared: shared.map(|leader| leader.path).collect(), absent: self.absent })
    }

    /// Whoever cannot see the root, or what leads from there to the selected part, has seen nothing: that is no tree to compare with another.
    fn require(&self, path: &RelPath, error: &io::Error) -> Result<(), Halt> {
        if !path.is_root() && self.selection.standing_on_walk(path) != Standing::Above {
            return Ok(());
        }
        Err(Halt::Error(Error::Unseen { path: path.clone(), why: error.to_string() }))
    }

    /// Moves the parent to `path` and gives its entry there. What it has before is gone from the tree, or carried forward.
    fn advance(&mut self, path: Option<&RelPath>) -> Result<Option<Entry>, Halt> {
        loop {
            let Some(cursor) = &mut self.parent else { return Ok(None) };
            let Some(next) = cursor.peek()? else { return Ok(None) };
            if path.is_some_and(|path| next.path > *path) {
                return Ok(None);
            }
            let Some(mut entry) = cursor.next_entry()? else { return Ok(None) };
            if path == Some(&entry.path) {
                return Ok(Some(entry));
            }
            if self.cannot_be_there(&entry) {
                self.absent.insert(entry.path.clone());
                self.wait(Waiting::Piece(Piece::Ready(entry)))?;
                continue;
            }
            let carried = self.carrying.as_ref().is_some_and(|top| entry.path.is_below(top));
            if carried && self.selection.standing(&entry.path) == Standing::Inside {
                // On a mirror this is not a loss to be marked: what cannot be seen is as it was left, or is found out by who changes it.
                entry.flags |= if self.replica.is_some() { 0 } else { CARRIED_FORWARD };
                self.wait(Waiting::Piece(Piece::Ready(entry)))?;
            }
        }
    }

    /// Whether it is no wonder that a mirror does not have this.
    fn cannot_be_there(&self, entry: &Entry) -> bool {
        let Some(replica) = self.replica else { return false };
        let is_beyond = match &entry.node {
            Node::HardLink { leader } => self.absent.contains(leader),
            node => !replica.makes(node),
        };
        is_beyond
            && entry.path.parent().is_some_and(|parent| self.inside.is_within(&parent))
            && self.selection.standing(&entry.path) == Standing::Inside
    }

    /// Whether the parent has anything below a path that it was moved to.
    fn has_below(&mut self, path: &RelPath) -> Result<bool, Halt> {
        let Some(cursor) = &mut self.parent else { return Ok(false) };
        Ok(cursor.peek()?.is_some_and(|next| next.path.is_below(path)))
    }

    /// An ordinary user's mirror has folders that even its owner may not list, because the source has: they were left so by us.
    fn is_closed_by_us(&self, error: &io::Error) -> bool {
        let is_users = self.replica.is_some_and(|replica| !replica.fidelity.owners);
        is_users && matches!(self.trust, Trust::Before(_)) && error.kind() == io::ErrorKind::PermissionDenied
    }

    fn found(&mut self, found: Found, previous: Option<Entry>) -> Result<(), Halt> {
        if self.replica.is_some() && found.stat.is_directory() {
            self.inside.clone_from(&found.path);
        }
        if found.cache {
            self.monitor.note(&format!("{}: a cache, by its CACHEDIR.TAG; what is in it is left out", found.path));
        }
        if found.foreign {
            self.monitor.note(&format!("{}: another file system is mounted here; it is not entered", found.path));
            self.carrying = Some(found.path.clone());
        }
        let leader = self.leader(&found)?;
        let is_retyped = previous.as_ref().is_some_and(|old| old.is_directory() != found.stat.is_directory());
        // On a mirror it is somebody's change, which is not undone by not seeing it.
        let previous = previous.filter(|_| !(is_retyped && self.replica.is_some()));
        let previous = match previous {
            Some(old) if self.is_unchanged(&found, leader.as_ref(), &old) => {
                self.monitor.advance(1, old.size());
                return self.wait(Waiting::Piece(Piece::Ready(old)));
            }
            other => other,
        };
        if leader.is_some() || found.stat.kind != FileType::RegularFile {
            self.monitor.advance(1, 0);
            let is_link = leader.is_some();
            let piece = match read::plain_entry(&found, leader) {
                // A further name is looked at again when its first one is put in place.
                Ok(entry) => Piece::Ready(match self.replica.filter(|_| !is_link) {
                    Some(replica) => replica.settle(entry, previous),
                    None => entry,
                }),
                Err(e) => self.unread(&found, &e, previous),
            };
            return self.wait(Waiting::Piece(piece));
        }
        // Where a folder was before, what comes of it must be known before the walk goes on.
        let is_dressed =
            |replica: &Replica<'_>| previous.as_ref().is_some_and(|old| replica.is_dressed(&found.stat, old));
        let as_left = self.replica.is_some_and(is_dressed);
        if let Some(entry) = self.proved(&found, previous.as_ref(), as_left) {
            self.monitor.advance(1, found.stat.size);
            return self.wait(Waiting::Piece(Piece::Ready(entry)));
        }
        if found.stat.size <= SMALL_FILE && !is_retyped {
            return self.wait(Waiting::Small(Box::new(Small { found, previous, as_left })));
        }
        self.flush()?;
        match self.streamer.large(&found, previous.as_ref(), as_left) {
            Ok(()) => {}
            Err(Stopped::Closed) => return Err(Halt::Closed),
            Err(Stopped::Source(e)) => {
                let pieces = vec![Piece::Again, self.unread(&found, &e, previous)];
                self.streamer.lane.ready(Parcel { pieces, lease: None })?;
            }
        }
        self.monitor.advance(1, found.stat.size);
        Ok(())
    }

    /// The entry of a large file that is only to be proved, if it is.
    fn proved(&self, found: &Found, previous: Option<&Entry>, as_left: bool) -> Option<Entry> {
        let replica = self.replica.filter(|replica| replica.proves && as_left && found.stat.size > SMALL_FILE)?;
        let (store, previous) = (self.streamer.of_mirror?, previous?);
        let entry = prove::large(found, previous, store, self.streamer.lane.pool())?;
        Some(replica.settle(entry, Some(previous.clone())))
    }

    fn is_unchanged(&self, found: &Found, leader: Option<&RelPath>, old: &Entry) -> bool {
        is_unchanged(found, self.as_was_left(found, old).or(leader), old, self.trust, self.replica)
    }

    /// What could not be read is as it was before: a folder with all that was in it, anything else with nothing below it.
    fn unread(&mut self, found: &Found, error: &io::Error, previous: Option<Entry>) -> Piece {
        match (previous.as_ref().is_some_and(Entry::is_directory), found.stat.is_directory()) {
            (true, false) => self.carrying = Some(found.path.clone()),
            (false, true) => self.skipping = Some(found.path.clone()),
            _ => {}
        }
        failed(found.path.clone(), error, previous)
    }

    /// The first name of an inode that was met before; a new one is remembered.
    fn leader(&mut self, found: &Found) -> Result<Option<RelPath>, Halt> {
        if found.stat.links < 2 || found.stat.is_directory() {
            return Ok(None);
        }
        let key = (found.stat.device, found.stat.inode);
        if let Some(leader) = self.leaders.get_mut(&key) {
            leader.elsewhere = leader.elsewhere.saturating_sub(1);
            return Ok(Some(leader.path.clone()));
        }
        if found.stat.links >= MANY_NAMES {
            self.full.insert(found.path.clone(), found.stat.size);
        }
        self.leaders.insert(key, Leader { path: found.path.clone(), elsewhere: found.stat.links - 1 });
        self.wait(Waiting::Piece(Piece::Shared(found.path.clone())))?;
        Ok(None)
    }

    /// The first name of the file that a name is taken to be of, where a mirror's file system could give that no more names: it is of a copy, as we
    /// left it.
    fn as_was_left<'e>(&self, found: &Found, old: &'e Entry) -> Option<&'e RelPath> {
        let Node::HardLink { leader } = &old.node else { return None };
        let is_copy = self.full.get(leader) == Some(&found.stat.size) && found.stat.is_file();
        (is_copy && self.replica.is_some() && matches!(self.trust, Trust::Before(_))).then_some(leader)
    }

    fn wait(&mut self, waiting: Waiting) -> Result<(), Halt> {
        let batch = &mut self.batch;
        match &waiting {
            Waiting::Small(small) => {
                let found = &small.found;
                batch.bytes += found.stat.size + found.path.as_bytes().len() as u64;
                if !batch.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, &found.dir)) {
                    batch.folders += 1;
                    batch.last = Some(Arc::clone(&found.dir));
                }
            }
            Waiting::Piece(Piece::Ready(entry)) => batch.bytes += entry.path.as_bytes().len() as u64,
            Waiting::Piece(_) => {}
        }
        batch.items.push(waiting);
        let full = batch.bytes >= BATCH_BYTES || batch.items.len() >= BATCH_ENTRIES || batch.folders >= BATCH_FOLDERS;
        if full { self.flush() } else { Ok(()) }
    }

    /// Sends the batch to a worker.
    fn flush(&mut self) -> Result<(), Halt> {
        let batch = std::mem::take(&mut self.batch);
        if batch.items.is_empty() {
            return Ok(());
        }
        let bytes = usize::try_from(batch.bytes).unwrap_or(usize::MAX);
        let lease = (bytes > 0).then(|| self.streamer.budget.take(bytes));
        let folders = (batch.folders > 0).then(|| self.folders.take(batch.folders));
        let cutter = self.streamer.cutter;
        let mut window = self.replica.filter(|replica| replica.proves).map(|_| Vec::new());
        let nothing_to_read = batch.folders == 0;
        let work = move || {
            let pieces = batch.items.into_iter().map(|waiting| finish(waiting, cutter, window.as_mut())).collect();
            drop((batch.last, folders));
            Parcel { pieces, lease }
        };
        let lane = self.streamer.lane;
        // No worker is woken for what is known already.
        Ok(if nothing_to_read { lane.ready(work()) } else { lane.submit(work) }?)
    }
}

/// Does what an entry still waits for; where files are only to be proved, with a window to read them by.
fn finish(waiting: Waiting, cutter: Cutter, window: Option<&mut Vec<u8>>) -> Piece {
    match waiting {
        Waiting::Piece(piece) => piece,
        Waiting::Small(small) => {
            let Small { found, previous, as_left } = *small;
            let made_from = previous.as_ref().filter(|_| as_left);
            let proved = window.zip(made_from).and_then(|(window, known)| prove::small(&found, known, window));
            match proved.map_or_else(|| read::small(&found, cutter, made_from), |entry| Ok((entry, Vec::new()))) {
                Ok((entry, chunks)) => Piece::Whole(Box::new(Whole { entry, chunks, previous })),
                Err(e) => failed(found.path, &e, previous),
            }
        }
    }
}

fn failed(path: RelPath, error: &io::Error, previous: Option<Entry>) -> Piece {
    Piece::Failed(path, error.to_string(), previous.map(Box::new))
}

/// Whether nothing that the file system tells has changed since the parent's entry was made.
pub(super) fn is_unchanged(
    found: &Found,
    leader: Option<&RelPath>,
    old: &Entry,
    trust: Trust,
    replica: Option<&Replica<'_>>,
) -> bool {
    let stat = &found.stat;
    let kind = match &old.node {
        Node::HardLink { leader: old_leader } => leader == Some(old_leader),
        _ if leader.is_some() => false,
        Node::File { size, .. } => stat.is_file() && stat.size == *size,
        Node::Directory => stat.is_directory(),
        Node::Symlink { .. } => stat.kind == FileType::Symlink,
        Node::Fifo => stat.kind == FileType::Fifo,
        Node::Socket => stat.kind == FileType::Socket,
        Node::CharDevice { .. } => stat.kind == FileType::CharacterDevice,
        Node::BlockDevice { .. } => stat.kind == FileType::BlockDevice,
    };
    let owner = (old.meta.uid, old.meta.gid) == (stat.uid, stat.gid);
    let is_dressed = || match replica {
        Some(replica) => replica.is_dressed(stat, old),
        None => old.meta.mtime == stat.mtime && old.meta.mode == stat.mode,
    };
    kind && is_dressed()
        && match trust {
            Trust::Nothing => false,
            Trust::Identity(began) => {
                owner && old.flags == 0 && old.identity == stat.identity() && stat.shows_changes_after(began)
            }
            Trust::Before(time) => {
                (owner || replica.is_some_and(|replica| !replica.fidelity.owners)) && stat.ctime < time
            }
        }
}
