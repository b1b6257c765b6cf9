//! One index, searched as it lies (floor 2). A damaged row can only send a reader to the wrong place, where hashes tell; it never makes a panic.
//!
//! A small one is mapped when it is looked into for a while; of a larger one each look-up reads a few windows, and nothing of it is kept: mapped, it
//! would be in memory, in pages that are counted as ours, in the end with all of its chunks.

use super::Location;
use crate::format::index::{BLOCK_ROW, BlockRow, CHUNK_ROW, CONTAINER_ROW, ChunkRow, ContainerRow, Counts, HEADER_LEN};
use crate::format::pack::BLOCK_HEADER_LEN;
use crate::fs::Error as FsError;
use crate::fs::content::read_at;
use crate::fs::map::Map;
use crate::id::Id;
use crate::limits::{INDEX_LOOKS, INDEX_WINDOW};
use crate::store::Error;
use std::cmp::Ordering;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of the rows that one look into the chunk table takes.
const WINDOW: usize = INDEX_WINDOW / CHUNK_ROW * CHUNK_ROW;
/// Guesses by interpolation: then, if ids are not as evenly spread as hashes are, halving.
const GUESSES: u32 = 8;

/// An open index.
#[derive(Debug)]
pub struct IndexFile {
    path: PathBuf,
    file: File,
    length: u64,
    counts: Counts,
    /// Whether all of it may be mapped.
    may_map: bool,
    /// Times that it was looked into.
    looks: AtomicU32,
    /// All of it, mapped.
    mapped: OnceLock<Map>,
}

/// What a window says of where an id is.
enum Place {
    /// At this number in the window.
    Here(usize),
    /// Before the window, which begins with this key.
    Before(u64),
    /// Behind it; it ends with this key.
    Behind(u64),
    /// Nowhere: the window has its neighbours.
    Nowhere,
}

impl IndexFile {
    /// Opens an index and proves its header; the rows are proved by `-check` and by what they lead to.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|e| FsError::new("open", path, e))?;
        let length = file.metadata().map_err(|e| FsError::new("look at", path, e))?.len();
        let (counts, looks, mapped) = Default::default();
        let mut index = Self { path: path.to_path_buf(), file, length, counts, may_map: false, looks, mapped };
        let mut head = [0; HEADER_LEN];
        let head = head.get_mut(..usize::try_from(length).unwrap_or(HEADER_LEN).min(HEADER_LEN)).unwrap_or_default();
        index.counts = Counts::decode(index.read(0, head)?, length).map_err(|e| Error::damaged(path, e))?;
        Ok(index)
    }

    /// Whether all of it may be mapped: if so, it is when it is looked into often enough.
    pub fn may_map(&mut self, may: bool) {
        self.may_map = may;
        if !may {
            self.mapped = OnceLock::new();
        }
    }

    fn mapped(&self) -> Result<Option<&[u8]>, Error> {
        if let Some(all) = self.mapped.get() {
            return Ok(Some(all));
        }
        if !self.may_map || self.looks.fetch_add(1, Relaxed) < INDEX_LOOKS {
            return Ok(None);
        }
        let all = Map::of(&self.file, &self.path)?;
        Ok(Some(self.mapped.get_or_init(|| all)))
    }

    /// Bytes that it has.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many rows it has.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The name that its bytes give it.
    pub fn hash(&self) -> Result<Id, Error> {
        let (mut hasher, mut at) = (blake3::Hasher::new(), 0);
        let mut buffer = vec![0; 1 << 18];
        while at < self.length {
            let length = usize::try_from(self.length - at).unwrap_or(usize::MAX).min(buffer.len());
            hasher.update(self.read(at, buffer.get_mut(..length).unwrap_or_default())?);
            at += length as u64;
        }
        Ok(Id::from_bytes(*hasher.finalize().as_bytes()))
    }

    /// Fills the buffer with what is at this place.
    pub(super) fn read<'b>(&self, at: u64, buffer: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let read = read_at(&self.file, at, buffer).map_err(|e| FsError::new("read", &self.path, e))?;
        if read == buffer.len() { Ok(buffer) } else { Err(self.damaged(crate::format::Error::Truncated("an index"))) }
    }

    pub(in crate::store) fn damaged(&self, source: crate::format::Error) -> Error {
        Error::damaged(&self.path, source)
    }

    /// As [`IndexFile::read`], from memory if it is there.
    fn bytes<'b>(&'b self, at: u64, buffer: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let Some(all) = self.mapped()? else { return self.read(at, buffer) };
        let rest = usize::try_from(at).ok().and_then(|at| all.get(at..)?.get(..buffer.len()));
        rest.ok_or_else(|| self.damaged(crate::format::Error::Truncated("an index")))
    }

    fn row<const WIDTH: usize, T>(
        &self,
        (table, number, count): (u64, u64, u64),
        decode: fn(&[u8]) -> Result<T, crate::format::Error>,
    ) -> Result<T, Error> {
        let outside = || self.damaged(crate::format::Error::Invalid("a row of an index"));
        let number = Some(number).filter(|number| *number < count).ok_or_else(outside)?;
        decode(self.bytes(table + number * WIDTH as u64, &mut [0; WIDTH])?).map_err(|e| self.damaged(e))
    }

    /// A row of the container table.
    pub fn container(&self, number: u32) -> Result<ContainerRow, Error> {
        let at = (HEADER_LEN as u64, number.into(), self.counts.containers.into());
        self.row::<CONTAINER_ROW, _>(at, ContainerRow::decode)
    }

    /// A row of the block table.
    pub fn block(&self, number: u32) -> Result<BlockRow, Error> {
        let at = (self.counts.blocks_at(), number.into(), self.counts.blocks.into());
        self.row::<BLOCK_ROW, _>(at, BlockRow::decode)
    }

    /// A row of the chunk table.
    pub fn chunk(&self, number: u64) -> Result<ChunkRow, Error> {
        let at = (self.counts.chunks_at(), number, self.counts.chunks);
        self.row::<CHUNK_ROW, _>(at, ChunkRow::decode)
    }

    /// The row of a chunk.
    pub fn find_row(&self, id: &Id) -> Result<Option<ChunkRow>, Error> {
        Ok(self.find_numbered(id)?.map(|(_, row)| row))
    }

    /// The row of a chunk, and its number: ids are uniform, so a window around the place where it should be seldom is far from it.
    pub fn find_numbered(&self, id: &Id) -> Result<Option<(u64, ChunkRow)>, Error> {
        const ROWS: u64 = (WINDOW / CHUNK_ROW) as u64;
        let (mut low, mut high) = (0, self.counts.chunks);
        let (mut low_key, mut high_key) = (0, u64::MAX);
        let mut buffer = [0; WINDOW];
        for step in 0_u32.. {
            if low >= high {
                break;
            }
            let middle = if step < GUESSES {
                interpolate(low, high, id.prefix(), low_key, high_key)
            } else {
                low + (high - low) / 2
            };
            let first = middle.saturating_sub(ROWS / 2).max(low).min(high.saturating_sub(ROWS).max(low));
            let rows = (high - first).min(ROWS);
            let room = buffer.get_mut(..usize::try_from(rows).unwrap_or(0) * CHUNK_ROW).unwrap_or_default();
            let window = self.bytes(self.counts.chunks_at() + first * CHUNK_ROW as u64, room)?;
            match place(window, id) {
                Place::Here(number) => return Ok(Some((first + number as u64, self.chunk_in(window, number)?))),
                Place::Before(key) => (high, high_key) = (first, key),
                Place::Behind(key) => (low, low_key) = (first + rows, key),
                Place::Nowhere => break,
            }
        }
        Ok(None)
    }

    fn chunk_in(&self, window: &[u8], number: usize) -> Result<ChunkRow, Error> {
        let row = window.chunks_exact(CHUNK_ROW).nth(number).unwrap_or_default();
        ChunkRow::decode(row).map_err(|e| self.damaged(e))
    }

    /// Where a chunk is.
    pub fn find(&self, id: &Id) -> Result<Option<Location>, Error> {
        self.find_row(id)?.map(|row| self.locate(&row)).transpose()
    }

    /// Where the chunk of a row is.
    pub fn locate(&self, row: &ChunkRow) -> Result<Location, Error> {
        let block = self.block(row.block)?;
        let pack = self.container(block.container)?.name;
        let span = BLOCK_HEADER_LEN as u64 + 4 * u64::from(block.chunks) + u64::from(block.stored);
        Ok(Location { pack, block: block.offset, span, offset: row.offset, length: row.length })
    }
}

/// Looks for an id in the sorted rows of a window.
fn place(window: &[u8], id: &Id) -> Place {
    let (rows, _) = window.as_chunks::<CHUNK_ROW>();
    let key = |row: &[u8; CHUNK_ROW]| row.first_chunk().map_or(0, |key| u64::from_be_bytes(*key));
    let of = |row: &[u8; CHUNK_ROW]| row.get(..Id::LEN).unwrap_or_default().cmp(id.as_bytes().as_slice());
    match (rows.binary_search_by(of), rows.first(), rows.last()) {
        (Ok(number), ..) => Place::Here(number),
        (Err(0), Some(first), _) if of(first) == Ordering::Greater => Place::Before(key(first)),
        (Err(number), _, Some(last)) if number == rows.len() => Place::Behind(key(last)),
        _ => Place::Nowhere,
    }
}

/// A guess at the row of `key` in `low..high`, whose keys lie between the two.
fn interpolate(low: u64, high: u64, key: u64, low_key: u64, high_key: u64) -> u64 {
    let width = high_key.saturating_sub(low_key).max(1);
    let ahead = key.saturating_sub(low_key).min(width);
    let rows = u128::from(high - low - 1) * u128::from(ahead) / u128::from(width);
    low + u64::try_from(rows).unwrap_or(0).min(high - low - 1)
}
