//! Proving that a file of a mirror has the content that it was made of (floor 3): it is read and hashed along those extents, and nothing is kept.
//!
//! What is not proved is read as any other file is, and what keeps it from being read is told there.

use super::read;
use crate::entry::{Content, Entry, Extent, Node};
use crate::fs::content::read_at;
use crate::fs::meta::At;
use crate::fs::stat::Stat;
use crate::id::Id;
use crate::limits::{PROVED_AT_ONCE, READ_WINDOW};
use crate::manifest::{self, extents};
use crate::scan::walk::Found;
use crate::source::known::is_zero;
use crate::store::chunks::ChunkSource;
use rayon::ThreadPool;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::fs::File;
use std::io;

/// The entry of a small file, by one worker.
pub(super) fn small(found: &Found, made_from: &Entry, window: &mut Vec<u8>) -> Option<Entry> {
    entry(found, made_from, &mut |file, content| {
        let Content::Direct(extents) = content else { return Ok(false) };
        let mut at = 0;
        for extent in extents {
            if !holds(file, at, extent, window)? {
                return Ok(false);
            }
            at += extent.length();
        }
        Ok(at == made_from.size())
    })
}

/// The entry of a large file, by all workers together.
pub(super) fn large(found: &Found, made_from: &Entry, store: &dyn ChunkSource, pool: &ThreadPool) -> Option<Entry> {
    entry(found, made_from, &mut |file, content| {
        let all_hold = |some: &[(u64, Extent)]| {
            let each = |window: &mut Vec<u8>, (at, extent): &(u64, Extent)| match holds(file, *at, extent, window) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Halt::Different),
                Err(e) => Err(Halt::Unreadable(e)),
            };
            pool.install(|| some.par_iter().try_for_each_init(Vec::new, each))
        };
        let (mut at, mut some) = (0, Vec::new());
        let mut reader = store.reader().map_err(io::Error::other)?;
        let proved = extents::prove(made_from.size(), content, reader.as_mut(), &mut |extent, _| {
            some.push((at, *extent));
            at += extent.length();
            if some.len() < PROVED_AT_ONCE {
                return Ok(());
            }
            all_hold(&std::mem::take(&mut some))
        });
        match proved.and_then(|()| all_hold(&some)) {
            Ok(()) => Ok(true),
            Err(Halt::Different) => Ok(false),
            Err(Halt::Unreadable(e)) => Err(e),
        }
    })
}

/// Why a file is not gone through to its end.
enum Halt {
    /// It is not what it was, or the list of its extents is lost.
    Different,
    Unreadable(io::Error),
}

impl From<manifest::Error> for Halt {
    fn from(_lost: manifest::Error) -> Self {
        Self::Different
    }
}

/// The file as it is, if it has the very content of `made_from` and did not change meanwhile.
fn entry(
    found: &Found,
    made_from: &Entry,
    is_proved: &mut dyn FnMut(&File, &Content) -> io::Result<bool>,
) -> Option<Entry> {
    let Node::File { size, content } = &made_from.node else { return None };
    let (file, before) = read::open(&found.dir, found.name()).ok()?;
    let proved = before.size == *size
        && is_proved(&file, content).ok()?
        && Stat::of_open(&file).ok()?.is_unchanged_since(&before);
    if !proved {
        return None;
    }
    read::entry(&found.path, &before, At::file(&file), made_from.node.clone()).ok()
}

/// Whether a file has this extent at `at`.
fn holds(file: &File, at: u64, extent: &Extent, window: &mut Vec<u8>) -> io::Result<bool> {
    match *extent {
        Extent::Hole { length } => is_zero(file, at, length),
        Extent::Data { id, length } => Ok(hash(file, at, length.into(), window)? == Some(id)),
    }
}

/// The hash of a part of a file, which is read a window at a time: what is hashed is in a cache of the processor still. Nothing if the file ends in it.
fn hash(file: &File, mut at: u64, length: u64, window: &mut Vec<u8>) -> io::Result<Option<Id>> {
    let end = at.saturating_add(length);
    let mut hasher = blake3::Hasher::new();
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(READ_WINDOW);
        if window.len() < wanted {
            window.resize(wanted, 0);
        }
        let bytes = window.get_mut(..wanted).unwrap_or_default();
        if read_at(file, at, bytes)? != wanted {
            return Ok(None);
        }
        if wanted as u64 == length {
            // Of what is there as a whole the hash is had in less time.
            return Ok(Some(Id::of(bytes)));
        }
        hasher.update(bytes);
        at += wanted as u64;
    }
    Ok(Some(Id::from_bytes(*hasher.finalize().as_bytes())))
}
