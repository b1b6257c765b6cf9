//! Reads a pack: its table of contents, or one block (floor 2).

use crate::chunk::codec::Decoder;
use crate::format::pack::{self, BLOCK_HEADER_LEN, BlockHeader, BlockRow, FOOTER_LEN, Footer, HEADER_LEN};
use crate::fs::{Error as FsError, content};
use crate::id::Id;
use crate::limits::PACK_MAX;
use crate::path::shown_path;
use crate::store::Error;
use crate::store::layout::Layout;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// An open pack.
#[derive(Debug)]
pub struct PackReader {
    path: PathBuf,
    file: File,
    length: u64,
}

/// A decoded block.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Plain length of each chunk.
    pub lengths: Vec<u32>,
    /// The plain bytes of all chunks, one after the other.
    pub plain: Vec<u8>,
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

    /// Length of the file.
    pub const fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, at: u64, length: u64) -> Result<Vec<u8>, Error> {
        let short = || Error::damaged(&self.path, crate::format::Error::Truncated("a pack"));
        if at.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(short());
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| short())?];
        let read = content::read_at(&self.file, at, &mut bytes).map_err(|e| FsError::new("read", &self.path, e))?;
        if read == bytes.len() { Ok(bytes) } else { Err(short()) }
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
        let damaged = |e| Error::damaged(&self.path, e);
        let header = BlockHeader::decode(&head).map_err(damaged)?;
        if header.total_len() + u64::from(header.stored) != span {
            return Err(self.bad(offset));
        }
        let lengths = header.check(&head).map_err(damaged)?;
        let stored = head.split_off(BLOCK_HEADER_LEN + 4 * lengths.len());
        Ok(RawBlock { header, lengths, head, stored })
    }

    /// As [`PackReader::raw`], decoded.
    pub fn block(&self, offset: u64, span: u64, decoder: &mut Decoder, into: &mut Decoded) -> Result<(), Error> {
        let RawBlock { header, lengths, stored, .. } = self.raw(offset, span)?;
        into.lengths = lengths;
        decoder.decode(header.codec, &stored, header.plain as usize, &mut into.plain).map_err(|_| self.bad(offset))
    }

    /// The error for a block that does not hold what it should.
    pub fn bad(&self, offset: u64) -> Error {
        Error::BadBlock { path: shown_path(&self.path), offset }
    }

    /// The BLAKE3 of the whole file, which must be its name.
    pub fn hash(&self) -> Result<Id, Error> {
        let mut hasher = blake3::Hasher::new();
        let mut file = &self.file;
        io::Seek::seek(&mut file, io::SeekFrom::Start(0))
            .and_then(|_| hasher.update_reader(file).map(|_| ()))
            .map_err(|e| FsError::new("read", &self.path, e))?;
        Ok(Id::from_bytes(*hasher.finalize().as_bytes()))
    }
}
