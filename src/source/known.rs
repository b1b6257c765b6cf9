//! Reading a file of a mirror, cut where the file that it was made from was cut (floor 3): if it still is that file, it has the same chunks.
//!
//! Where its holes are says nothing: a file system may fill one (xfs writes out what it had set aside behind a file that grew), and so does a copy.

use super::budget::Budget;
use super::lane::{Closed, Entrance};
use super::piece::{Parcel, Piece, Plain, Stopped};
use crate::entry::{Content, Entry, Extent, Node};
use crate::fs::content::{next_data, read_at};
use crate::fs::stat::Stat;
use crate::limits::CHUNK_MAX;
use crate::manifest::{self, extents};
use crate::store::chunks::ChunkStore;
use std::fs::File;
use std::io;

/// Bytes of a hole that are looked at at a time.
const WINDOW: usize = 1 << 20;

/// The content that a file had when it was made, if that was as long, and if there are or were holes in it: without them it is cut the same way anyhow.
pub(super) fn content_of<'e>(made_from: Option<&'e Entry>, stat: &Stat) -> Option<&'e Content> {
    match &made_from?.node {
        Node::File { size, content } if *size == stat.size && (stat.may_have_holes() || content.may_have_holes()) => {
            Some(content)
        }
        _ => None,
    }
}

/// Reads a small file along these extents; nothing if it is another by now.
pub(super) fn small(file: &File, known: &[Extent]) -> io::Result<Option<(Vec<Extent>, Vec<Plain>)>> {
    let (mut at, mut extents, mut chunks) = (0, Vec::new(), Vec::new());
    for extent in known {
        match *extent {
            Extent::Hole { length } if is_zero(file, at, length)? => extents.push(*extent),
            Extent::Data { id, length } => {
                let Some(bytes) = exactly(file, at, length)? else { return Ok(None) };
                let chunk = Plain::whole(bytes);
                if chunk.id != id {
                    return Ok(None);
                }
                chunks.push(chunk);
                extents.push(*extent);
            }
            Extent::Hole { .. } => return Ok(None),
        }
        at += extent.length();
    }
    Ok(Some((extents, chunks)))
}

/// Sends the data of a large file along the extents that it had; tells whether it is that file. Where not, what was sent is void.
pub(super) fn large(
    file: &File,
    stat: &Stat,
    known: &Content,
    store: &dyn ChunkStore,
    lane: &Entrance<Parcel>,
    budget: &Budget,
) -> Result<bool, Stopped> {
    let mut at = 0;
    let mut each = |extent: &Extent| -> Result<(), Halt> {
        match *extent {
            Extent::Hole { length } if is_zero(file, at, length)? => {
                lane.ready(Parcel { pieces: vec![Piece::Hole(length)], lease: None })?;
            }
            Extent::Data { id, length } => {
                let chunk = exactly(file, at, length)?.map(Plain::whole).filter(|chunk| chunk.id == id);
                let Some(chunk) = chunk else { return Err(Halt::Different) };
                let lease = Some(budget.take(chunk.bytes.len()));
                lane.ready(Parcel { pieces: vec![Piece::Data(chunk)], lease })?;
            }
            Extent::Hole { .. } => return Err(Halt::Different),
        }
        at += extent.length();
        Ok(())
    };
    let Ok(mut reader) = store.reader() else { return Ok(false) };
    match extents::for_each(known, reader.as_mut(), &mut |extent, _| each(extent)) {
        Ok(()) => Ok(at == stat.size),
        Err(Halt::Different) => Ok(false),
        Err(Halt::Stopped(stopped)) => Err(stopped),
    }
}

/// Why a file is not read to its end along its extents.
enum Halt {
    /// It is not what it was, or the list of them is lost.
    Different,
    Stopped(Stopped),
}

impl From<io::Error> for Halt {
    fn from(e: io::Error) -> Self {
        Self::Stopped(e.into())
    }
}

impl From<Closed> for Halt {
    fn from(e: Closed) -> Self {
        Self::Stopped(e.into())
    }
}

impl From<manifest::Error> for Halt {
    fn from(_lost: manifest::Error) -> Self {
        Self::Different
    }
}

fn exactly(file: &File, at: u64, length: u32) -> io::Result<Option<Vec<u8>>> {
    if length as usize > CHUNK_MAX {
        return Ok(None);
    }
    let mut bytes = vec![0; length as usize];
    let read = read_at(file, at, &mut bytes)?;
    Ok((read == bytes.len()).then_some(bytes))
}

pub(super) fn is_zero(file: &File, mut at: u64, length: u64) -> io::Result<bool> {
    let end = at.saturating_add(length);
    let mut buffer = Vec::new();
    while let Some((start, stop)) = next_data(file, at, end)? {
        buffer.resize(WINDOW, 0);
        let window = usize::try_from(stop - start).unwrap_or(usize::MAX).min(WINDOW);
        let read = read_at(file, start, buffer.get_mut(..window).unwrap_or_default())?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() || bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at = start + read as u64;
    }
    Ok(true)
}
