//! One mapped index (floor 2). A damaged row can only send a reader to the wrong place, where hashes tell; it never makes a panic.

use super::Location;
use crate::format::index::{BLOCK_ROW, BlockRow, CHUNK_ROW, CONTAINER_ROW, ChunkRow, ContainerRow, Counts, HEADER_LEN};
use crate::format::pack::BLOCK_HEADER_LEN;
use crate::fs::map::Map;
use crate::id::Id;
use crate::store::Error;
use std::path::{Path, PathBuf};

/// An open index.
#[derive(Debug)]
pub struct IndexFile {
    path: PathBuf,
    map: Map,
    counts: Counts,
}

impl IndexFile {
    /// Maps an index and proves its header; the rows are proved by `-check` and by what they lead to.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let map = Map::open(path)?;
        let head = map.get(..HEADER_LEN).unwrap_or_default();
        let counts = Counts::decode(head, map.len() as u64).map_err(|e| Error::damaged(path, e))?;
        Ok(Self { path: path.to_path_buf(), map, counts })
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
    pub fn hash(&self) -> Id {
        Id::of(&self.map)
    }

    fn row(&self, table: u64, width: usize, number: u64) -> Result<&[u8], Error> {
        let truncated = || Error::damaged(&self.path, crate::format::Error::Truncated("an index"));
        let at = number.checked_mul(width as u64).and_then(|at| at.checked_add(table)).ok_or_else(truncated)?;
        let at = usize::try_from(at).map_err(|_| truncated())?;
        self.map.get(at..at.saturating_add(width)).ok_or_else(truncated)
    }

    /// A row of the container table.
    pub fn container(&self, number: u32) -> Result<ContainerRow, Error> {
        self.in_table(number, self.counts.containers)?;
        let row = self.row(HEADER_LEN as u64, CONTAINER_ROW, number.into())?;
        ContainerRow::decode(row).map_err(|e| Error::damaged(&self.path, e))
    }

    /// A row of the block table.
    pub fn block(&self, number: u32) -> Result<BlockRow, Error> {
        self.in_table(number, self.counts.blocks)?;
        let row = self.row(self.counts.blocks_at(), BLOCK_ROW, number.into())?;
        BlockRow::decode(row).map_err(|e| Error::damaged(&self.path, e))
    }

    /// A row of the chunk table.
    pub fn chunk(&self, number: u64) -> Result<ChunkRow, Error> {
        let row = self.row(self.counts.chunks_at(), CHUNK_ROW, number)?;
        ChunkRow::decode(row).map_err(|e| Error::damaged(&self.path, e))
    }

    fn in_table(&self, number: u32, count: u32) -> Result<(), Error> {
        if number < count {
            Ok(())
        } else {
            Err(Error::damaged(&self.path, crate::format::Error::Invalid("a row of an index")))
        }
    }

    fn id_at(&self, number: u64) -> Result<Id, Error> {
        let row = self.row(self.counts.chunks_at(), Id::LEN, 0)?;
        debug_assert_eq!(row.len(), Id::LEN);
        self.chunk(number).map(|row| row.id)
    }

    /// The row of a chunk: interpolation on the first 8 bytes (ids are uniform) while it pays, then halving.
    pub fn find_row(&self, id: &Id) -> Result<Option<ChunkRow>, Error> {
        let (mut low, mut high) = (0, self.counts.chunks);
        let (mut low_key, mut high_key) = (0, u64::MAX);
        for step in 0_u32.. {
            if low >= high {
                break;
            }
            let middle =
                if step < 4 { interpolate(low, high, id.prefix(), low_key, high_key) } else { low + (high - low) / 2 };
            let found = self.id_at(middle)?;
            match found.cmp(id) {
                std::cmp::Ordering::Equal => return self.chunk(middle).map(Some),
                std::cmp::Ordering::Less => (low, low_key) = (middle + 1, found.prefix()),
                std::cmp::Ordering::Greater => (high, high_key) = (middle, found.prefix()),
            }
        }
        Ok(None)
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

/// A guess at the row of `key` in `low..high`, whose keys lie between the two.
fn interpolate(low: u64, high: u64, key: u64, low_key: u64, high_key: u64) -> u64 {
    let width = high_key.saturating_sub(low_key).max(1);
    let ahead = key.saturating_sub(low_key).min(width);
    let rows = u128::from(high - low - 1) * u128::from(ahead) / u128::from(width);
    low + u64::try_from(rows).unwrap_or(0).min(high - low - 1)
}
