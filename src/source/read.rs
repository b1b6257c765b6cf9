//! Reading one file or the facts of one entry (floor 3). A file that changes while it is read is read again; if it never holds still,
//! what was read is kept and flagged.

use super::budget::Budget;
use super::known;
use super::lane::{Closed, Entrance};
use super::piece::{Parcel, Piece, Plain, Stopped};
use crate::chunk::cut::Cutter;
use crate::entry::{CHANGED_WHILE_READ, Content, Entry, Extent, Meta, Node};
use crate::fs::clock;
use crate::fs::content::{next_data, read_at};
use crate::fs::dir::Dir;
use crate::fs::meta::At;
use crate::fs::stat::Stat;
use crate::id::Id;
use crate::limits::REREADS;
use crate::path::RelPath;
use crate::scan::walk::Found;
use crate::store::chunks::ChunkStore;
use rustix::fs::FileType;
use std::fs::File;
use std::io;

/// The entry of what was found, with this node and these attributes.
pub(super) fn entry(path: &RelPath, stat: &Stat, at: At<'_>, node: Node) -> io::Result<Entry> {
    let meta = Meta { mode: stat.mode, uid: stat.uid, gid: stat.gid, mtime: stat.mtime, xattrs: at.xattrs()? };
    Ok(Entry { path: path.clone(), meta, identity: stat.identity(), flags: 0, node })
}

/// The entry of anything that has no content to read.
pub(super) fn plain_entry(found: &Found, leader: Option<RelPath>) -> io::Result<Entry> {
    let (dir, name) = (&*found.dir, found.name());
    let (major, minor) = found.stat.special;
    let node = match (leader, found.stat.kind) {
        (Some(leader), _) => Node::HardLink { leader },
        (None, FileType::Directory) => Node::Directory,
        (None, FileType::Symlink) => Node::Symlink { target: dir.read_link(name)? },
        (None, FileType::Fifo) => Node::Fifo,
        (None, FileType::Socket) => Node::Socket,
        (None, FileType::CharacterDevice) => Node::CharDevice { major, minor },
        (None, FileType::BlockDevice) => Node::BlockDevice { major, minor },
        (None, _) => return Err(io::Error::other("it is of no kind that can be kept")),
    };
    entry(&found.path, &found.stat, At::Name(dir, name), node)
}

/// A change in the same tick of the clock as the last look cannot be seen by its time: such a file gets older first. Whether it had to.
fn let_it_age(stat: &Stat) -> bool {
    let now = clock::now();
    let age = (now.seconds - stat.ctime.seconds, i64::from(now.nanoseconds) - i64::from(stat.ctime.nanoseconds));
    let nanoseconds = age.0.saturating_mul(1_000_000_000).saturating_add(age.1);
    let is_young = (0..i64::try_from(clock::TICK.as_nanos()).unwrap_or(i64::MAX)).contains(&nanoseconds);
    if is_young {
        std::thread::sleep(clock::TICK);
    }
    is_young
}

/// Opens a file and makes sure that a later change of it would show.
pub(super) fn open(dir: &Dir, name: &[u8]) -> io::Result<(File, Stat)> {
    let (file, stat) = dir.open_file(name)?;
    let is_aged = let_it_age(&stat);
    let stat = if is_aged { Stat::of_open(&file)? } else { stat };
    Ok((file, stat))
}

/// Reads a small file whole; one that we made from an entry along the extents of that, if it can be.
pub(super) fn small(found: &Found, cutter: Cutter, made_from: Option<&Entry>) -> io::Result<(Entry, Vec<Plain>)> {
    let mut attempt = 0;
    loop {
        let (file, before) = open(&found.dir, found.name())?;
        let as_known = match known::content_of(made_from, &before) {
            Some(Content::Direct(extents)) => known::small(&file, extents)?,
            _ => None,
        };
        let (extents, chunks) = match as_known {
            Some(content) => content,
            None => small_content(&file, &before, cutter)?,
        };
        let still = Stat::of_open(&file)?.is_unchanged_since(&before);
        if still || attempt >= REREADS {
            let size = extents.iter().map(Extent::length).sum();
            let node = Node::File { size, content: Content::Direct(extents) };
            let mut entry = entry(&found.path, &before, At::file(&file), node)?;
            entry.flags |= if still { 0 } else { CHANGED_WHILE_READ };
            return Ok((entry, chunks));
        }
        attempt += 1;
    }
}

fn small_content(file: &File, stat: &Stat, cutter: Cutter) -> io::Result<(Vec<Extent>, Vec<Plain>)> {
    let (mut extents, mut chunks, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = 0;
    while at < stat.size {
        let range = if stat.may_have_holes() { next_data(file, at, stat.size)? } else { Some((at, stat.size)) };
        let (start, end) = range.unwrap_or((stat.size, stat.size));
        if start > at {
            extents.push(Extent::Hole { length: start - at });
        }
        buffer.resize(usize::try_from(end - start).map_err(io::Error::other)?, 0);
        let read = read_at(file, start, &mut buffer)?;
        let mut rest = buffer.get(..read).unwrap_or_default();
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at(cutter.next(rest));
            let plain = Plain::new(chunk);
            extents.push(Extent::Data { id: plain.id, length: u32::try_from(chunk.len()).map_err(io::Error::other)? });
            chunks.push(plain);
            rest = tail;
        }
        at = end;
        if (read as u64) < end - start {
            // It was cut meanwhile; the caller will see that by its size.
            break;
        }
    }
    Ok((extents, chunks))
}

/// Streams large files, one at a time.
pub(super) struct Streamer<'a> {
    pub(super) lane: &'a Entrance<Parcel>,
    pub(super) budget: &'a Budget,
    pub(super) cutter: Cutter,
    pub(super) buffer: Vec<u8>,
    /// On a mirror, the store with the lists of the extents that its files were made of.
    pub(super) of_mirror: Option<&'a dyn ChunkStore>,
}

impl Streamer<'_> {
    fn send(&self, piece: Piece) -> Result<(), Closed> {
        self.lane.ready(Parcel { pieces: vec![piece], lease: None })
    }

    /// Sends the content of a file, then its entry. One of a mirror that has the mode and the time that we left it with is cut as it was.
    pub(super) fn large(&mut self, found: &Found, previous: Option<&Entry>, as_left: bool) -> Result<(), Stopped> {
        let mut attempt = 0;
        loop {
            let (file, before) = open(&found.dir, found.name())?;
            let size = self.content(&file, &before, previous.filter(|_| as_left))?;
            let still = Stat::of_open(&file)?.is_unchanged_since(&before);
            if still || attempt >= REREADS {
                let node = Node::File { size, content: Content::Direct(Vec::new()) };
                let mut entry = entry(&found.path, &before, At::file(&file), node)?;
                entry.flags |= if still { 0 } else { CHANGED_WHILE_READ };
                return Ok(self.send(Piece::End(entry, previous.cloned().map(Box::new)))?);
            }
            self.send(Piece::Again)?;
            attempt += 1;
        }
    }

    fn content(&mut self, file: &File, stat: &Stat, previous: Option<&Entry>) -> Result<u64, Stopped> {
        if let Some(store) = self.of_mirror
            && let Some(content) = known::content_of(previous, stat)
        {
            if known::large(file, stat, content, store, self.lane, self.budget)? {
                return Ok(stat.size);
            }
            self.send(Piece::Again)?;
        }
        let mut at = 0;
        while at < stat.size {
            let (start, end) = next_data(file, at, stat.size)?.unwrap_or((stat.size, stat.size));
            if start > at {
                self.send(Piece::Hole(start - at))?;
            }
            let done = self.range(file, start, end)?;
            if done < end {
                return Ok(done);
            }
            at = end;
        }
        Ok(at)
    }

    /// Sends the data from `at` to `end`, and says how far it came.
    fn range(&mut self, file: &File, mut at: u64, end: u64) -> Result<u64, Stopped> {
        let window = self.cutter.window();
        // Twice the window: bytes are moved to the front once a window, not once a chunk.
        self.buffer.resize(2 * window, 0);
        let (mut from, mut to, mut finished) = (0, 0, at >= end);
        let mut filled = at;
        loop {
            if !finished && to - from < window {
                self.buffer.copy_within(from..to, 0);
                (from, to) = (0, to - from);
                let room = usize::try_from(end - filled).unwrap_or(usize::MAX).min(self.buffer.len() - to);
                let read = read_at(file, filled, self.buffer.get_mut(to..to + room).unwrap_or_default())?;
                to += read;
                filled += read as u64;
                finished = read < room || filled >= end;
            }
            let ready = self.buffer.get(from..to).unwrap_or_default();
            if ready.is_empty() {
                return Ok(at);
            }
            let chunk = ready.get(..self.cutter.next(ready)).unwrap_or_default().to_vec();
            from += chunk.len();
            at += chunk.len() as u64;
            let lease = Some(self.budget.take(chunk.len()));
            self.lane.submit(move || {
                let pieces = vec![Piece::Data(Plain { id: Id::of(&chunk), bytes: chunk })];
                Parcel { pieces, lease }
            })?;
        }
    }
}
