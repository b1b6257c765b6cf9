//! A new version of a large file shares with the old one what both hold at the same place (floor 3), where the file system can: the new file begins as
//! a clone of the old one (`FICLONE`: btrfs, xfs), and only what differs is written over it.
//!
//! What must stay true: what is cloned is what was seen, before and after; else all of the content comes from the store.

use super::dirs::Dirs;
use super::trust::Trust;
use crate::entry::{Content, Entry, Node};
use crate::fs::content::clone_file;
use crate::fs::is_one_of;
use crate::fs::stat::Stat;
use crate::limits::{SHARED_FILE, SHARED_PART};
use crate::manifest::{self, extents};
use crate::store::chunks::ChunkReader;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the kernel says where nothing can be cloned.
const UNABLE: [Errno; 5] = [Errno::OPNOTSUPP, Errno::NOTTY, Errno::INVAL, Errno::XDEV, Errno::NOSYS];

/// The old versions of files that are made anew.
pub(super) struct Sharing<'a> {
    /// A chain of directories for all who make files.
    dirs: Mutex<Dirs<'a>>,
    /// Found out by trying.
    is_unable: AtomicBool,
}

impl<'a> Sharing<'a> {
    pub(super) fn new(dirs: Dirs<'a>, is_unable: bool) -> Self {
        Self { dirs: Mutex::new(dirs), is_unable: AtomicBool::new(is_unable) }
    }

    /// The content of the file that was cloned into the new one, if that is worth it and was possible. If not, the new one is empty.
    pub(super) fn begin<'o>(
        &self,
        file: &File,
        new: &Entry,
        old: Option<&'o Entry>,
        trust: &Trust<'_>,
        reader: &mut dyn ChunkReader,
    ) -> io::Result<Option<&'o Content>> {
        let Some(old) = old.filter(|_| !self.is_unable.load(Ordering::Relaxed)) else { return Ok(None) };
        let (Node::File { size, content: wanted }, Node::File { size: SHARED_FILE.., content }) =
            (&new.node, &old.node)
        else {
            return Ok(None);
        };
        // A list that cannot be read is told of by who reads the content.
        let (shared, data) = shared(wanted, content, reader).unwrap_or_default();
        if shared < SHARED_FILE || shared < data / SHARED_PART {
            return Ok(None);
        }
        let Some((source, before)) = self.open(old).filter(|(_, stat)| trust.is_seen(stat, old)) else {
            return Ok(None);
        };
        match clone_file(&source, file) {
            Ok(()) if Stat::of_open(&source)?.is_unchanged_since(&before) => {
                file.set_len(*size)?;
                return Ok(Some(content));
            }
            Err(e) if is_one_of(&e, &UNABLE) => self.is_unable.store(true, Ordering::Relaxed),
            _ => {}
        }
        file.set_len(0)?;
        Ok(None)
    }

    fn open(&self, old: &Entry) -> Option<(File, Stat)> {
        let mut dirs = self.dirs.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = dirs.enter(&old.path.parent()?).ok()?;
        dir.open_file(old.path.name()).ok()
    }
}

/// Bytes that both have at the same place, and bytes of the new one that are no holes.
fn shared(new: &Content, old: &Content, reader: &mut dyn ChunkReader) -> Result<(u64, u64), manifest::Error> {
    let (mut old, mut at, mut shared, mut data) = (extents::Beside::new(old), 0_u64, 0_u64, 0_u64);
    extents::for_each(new, reader, &mut |extent, reader| {
        let is_there = old.has(at, extent, reader)?;
        if extent.chunk().is_some() {
            data = data.saturating_add(extent.length());
            shared = shared.saturating_add(if is_there { extent.length() } else { 0 });
        }
        at = at.saturating_add(extent.length());
        Ok::<(), manifest::Error>(())
    })?;
    Ok((shared, data))
}
