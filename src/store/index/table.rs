//! One table of an index, read from front to back a piece at a time (floor 2).

use super::file::IndexFile;
use crate::format;
use crate::format::index::{BLOCK_ROW, BlockRow, CHUNK_ROW, CONTAINER_ROW, ChunkRow, ContainerRow, HEADER_LEN};
use crate::limits::INDEX_PIECE;
use crate::store::Error;

/// The rows of a table that were not taken yet.
pub struct Table<'f, T> {
    file: &'f IndexFile,
    /// Where the next piece begins, and how many rows are left from there on.
    at: u64,
    left: u64,
    width: usize,
    decode: fn(&[u8]) -> Result<T, format::Error>,
    piece: Vec<u8>,
    /// Bytes of the piece that were taken.
    taken: usize,
}

impl<'f> Table<'f, ContainerRow> {
    /// The containers of an index.
    pub fn containers(file: &'f IndexFile) -> Self {
        Self::new(file, HEADER_LEN as u64, file.counts().containers.into(), CONTAINER_ROW, ContainerRow::decode)
    }
}

impl<'f> Table<'f, BlockRow> {
    /// The blocks of an index.
    pub fn blocks(file: &'f IndexFile) -> Self {
        Self::new(file, file.counts().blocks_at(), file.counts().blocks.into(), BLOCK_ROW, BlockRow::decode)
    }
}

impl<'f> Table<'f, ChunkRow> {
    /// The chunks of an index.
    pub fn chunks(file: &'f IndexFile) -> Self {
        Self::new(file, file.counts().chunks_at(), file.counts().chunks, CHUNK_ROW, ChunkRow::decode)
    }
}

impl<'f, T> Table<'f, T> {
    fn new(
        file: &'f IndexFile,
        at: u64,
        left: u64,
        width: usize,
        decode: fn(&[u8]) -> Result<T, format::Error>,
    ) -> Self {
        Self { file, at, left, width, decode, piece: Vec::new(), taken: 0 }
    }

    fn step(&mut self) -> Result<Option<T>, Error> {
        if self.taken >= self.piece.len() {
            let rows = self.left.min((INDEX_PIECE / self.width) as u64);
            self.piece.resize(usize::try_from(rows).unwrap_or(0) * self.width, 0);
            self.file.read(self.at, &mut self.piece)?;
            self.at += self.piece.len() as u64;
            self.left -= rows;
            self.taken = 0;
        }
        let Some(row) = self.piece.get(self.taken..self.taken + self.width) else { return Ok(None) };
        self.taken += self.width;
        (self.decode)(row).map(Some).map_err(|e| self.file.damaged(e))
    }
}

impl<T> Iterator for Table<'_, T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
