//! Reads a pack: its table of contents, one block, or all of it in parts (floor 2).

use super::hash::{Hashed, PART};
use crate::chunk::codec::Decoder;
use crate::format::pack::{self, BLOCK_HEADER_LEN, BlockHeader, BlockRow, FOOTER_LEN, Footer, HEADER_LEN};
use crate::fs::{Error as FsError, content};
use crate::id::Id;
use crate::limits::PACK_MAX;
use crate::path::shown_path;
use crate::store::Error;
use crate::store::layout::Layout;
use std::fs::File;
use std::path::PathBuf;

/// An open pack.
#[derive(Debug)]
pub struct PackReader {
    path: PathBuf,
    file: File,
    length: u64,
}

/// A part of a pack.
#[derive(Debug)]
pub struct Part<'r> {
    at: u64,
    end: u64,
    /// The blocks that begin in it; the last one may end in the next part.
    pub rows: &'r [BlockRow],
}

/// A decoded block.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Plain length of each chunk.
    pub lengths: Vec<u32>,
    /// The plain bytes of all chunks, one after the other.
    pub plain: Vec<u8>,
}

/// What reading blocks takes, one for each thread: it is used again and again.
pub struct Scratch {
    decoder: Decoder,
    /// Bytes of the pack; grows to what was read at a time.
    bytes: Vec<u8>,
}

impl Scratch {
    /// A new one.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { decoder: Decoder::new()?, bytes: Vec::new() })
    }
}

/// A block as it lies in a pack. Its header and its lengths were proved; what is stored was not.
#[derive(Debug)]
pub struct RawBlock {
    /// What the header says.
    pub header: BlockHeader,
    /// Plain length of each chunk.
    pub lengths: Vec<u32>,
    /// The header and the length table.
    pub head: Vec<u8>,
    /// The encoded bytes.
    pub stored: Vec<u8>,
}

impl PackReader {
    /// Opens a pack by its name.
    pub fn open(layout: &Layout, name: &Id) -> Result<Self, Error> {
        let path = layout.pack(name);
        let file = File::open(&path).map_err(|e| FsError::new("open", &path, e))?;
        let length = file.metadata().map_err(|e| FsError::new("look at", &path, e))?.len();
        if length > PACK_MAX {
            return Err(Error::damaged(&path, crate::format::Error::Limit("the length of a pack")));
        }
        Ok(Self { path, file, length })
    }

    /// The whole of it, in parts that can be read in any order: each has the blocks of `rows` that begin in it.
    pub fn parts<'r>(&self, rows: &'r [BlockRow]) -> Vec<Part<'r>> {
        let mut rest = rows;
        let starts = (0..self.length).step_by(PART);
        starts
            .map(|at| {
                let end = self.length.min(at + PART as u64);
                let (own, after) = rest.split_at(rest.partition_point(|row| u64::from(row.offset) < end));
                rest = after;
                Part { at, end, rows: own }
            })
            .collect()
    }

    /// Length of the file.
    pub const fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, at: u64, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.read_into(at, length, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads to the front of a buffer, which is made longer where it must be, and gives what was read.
    fn read_into<'b>(&self, at: u64, length: u64, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Error> {
        let short = || Error::damaged(&self.path, crate::format::Error::Truncated("a pack"));
        if at.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(short());
        }
        let length = usize::try_from(length).map_err(|_| short())?;
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let bytes = buffer.get_mut(..length).unwrap_or_default();
        let read = content::read_at(&self.file, at, bytes).map_err(|e| FsError::new("read", &self.path, e))?;
        if read == length { Ok(bytes) } else { Err(short()) }
    }

    /// The blocks, from the table of contents.
    pub fn contents(&self) -> Result<Vec<BlockRow>, Error> {
        let damaged = |e| Error::damaged(&self.path, e);
        pack::check_header(&self.read(0, HEADER_LEN as u64)?).map_err(damaged)?;
        let at = self.length.saturating_sub(FOOTER_LEN as u64);
        let footer = Footer::decode(&self.read(at, FOOTER_LEN as u64)?, self.length).map_err(damaged)?;
        footer.decode_toc(&self.read(footer.offset, footer.toc_len())?).map_err(damaged)
    }

    /// Reads the block at `offset`, whose header, length table and stored bytes are `span` bytes long together.
    pub fn raw(&self, offset: u64, span: u64) -> Result<RawBlock, Error> {
        let mut head = self.read(offset, span)?;
        let (header, lengths) = self.proved(offset, &head)?;
        let stored = head.split_off(BLOCK_HEADER_LEN + 4 * lengths.len());
        Ok(RawBlock { header, lengths, head, stored })
    }

    /// Header and lengths of the block that these bytes are.
    fn proved(&self, offset: u64, bytes: &[u8]) -> Result<(BlockHeader, Vec<u32>), Error> {
        let damaged = |e| Error::damaged(&self.path, e);
        let header = BlockHeader::decode(bytes).map_err(damaged)?;
        if header.total_len() + u64::from(header.stored) != bytes.len() as u64 {
            return Err(self.bad(offset));
        }
        Ok((header, header.check(bytes).map_err(damaged)?))
    }

    /// As [`PackReader::raw`], decoded.
    pub fn block(&self, offset: u64, span: u64, scratch: &mut Scratch, into: &mut Decoded) -> Result<(), Error> {
        let Scratch { decoder, bytes } = scratch;
        self.decode(offset, self.read_into(offset, span, bytes)?, decoder, into)
    }

    fn decode(&self, offset: u64, bytes: &[u8], decoder: &mut Decoder, into: &mut Decoded) -> Result<(), Error> {
        let (header, lengths) = self.proved(offset, bytes)?;
        let stored = bytes.get(BLOCK_HEADER_LEN + 4 * lengths.len()..).unwrap_or_default();
        into.lengths = lengths;
        decoder.decode(header.codec, stored, header.plain as usize, &mut into.plain).map_err(|_| self.bad(offset))
    }

    /// Reads a part of the pack and the blocks that begin in it, each byte once. Each block is decoded, or is nothing where it cannot be, and given to
    /// `each` with its row; what comes of it is the hash of the part.
    pub fn part(
        &self,
        part: &Part<'_>,
        scratch: &mut Scratch,
        into: &mut Decoded,
        each: &mut dyn FnMut(&BlockRow, &[u8]),
    ) -> Result<Hashed, Error> {
        let Scratch { decoder, bytes } = scratch;
        let end = part.rows.last().map_or(part.end, |row| part.end.max(u64::from(row.offset) + row.span()));
        let bytes = self.read_into(part.at, end.saturating_sub(part.at), bytes)?;
        for row in part.rows {
            let from = usize::try_from(u64::from(row.offset).saturating_sub(part.at)).unwrap_or(usize::MAX);
            let to = from.saturating_add(usize::try_from(row.span()).unwrap_or(usize::MAX));
            let block = bytes.get(from..to).unwrap_or_default();
            let decoded = self.decode(row.offset.into(), block, decoder, into);
            each(row, if decoded.is_ok() { &into.plain } else { &[] });
        }
        let own = usize::try_from(part.end.saturating_sub(part.at)).unwrap_or(usize::MAX);
        Ok(Hashed::of(part.at, bytes.get(..own).unwrap_or(bytes)))
    }

    /// The error for a block that does not hold what it should.
    pub fn bad(&self, offset: u64) -> Error {
        Error::BadBlock { path: shown_path(&self.path), offset }
    }
}
