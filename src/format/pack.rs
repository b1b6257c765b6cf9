//! Packs: header, blocks, table of contents, footer (format-spec.md, 4; floor 1).

use super::fixed::{Fields, short_checksum};
use super::{Error, VERSION};
use crate::chunk::codec::Codec;
use crate::entry::ChunkRef;
use crate::id::Id;
use crate::limits::{BLOCK_CHUNKS_MAX, BLOCK_MAX, CHUNK_MAX};

const MAGIC: &[u8; 8] = b"BKUPPACK";
const TAIL_MAGIC: &[u8; 8] = b"PACKTAIL";
const BLOCK_MAGIC: &[u8; 4] = b"BLK1";

/// Length of the pack header.
pub const HEADER_LEN: usize = 16;
/// Length of a block header without its length table.
pub const BLOCK_HEADER_LEN: usize = 32;
/// Length of the footer.
pub const FOOTER_LEN: usize = 64;
const BLOCK_ROW: usize = 24;
const CHUNK_ROW: usize = 36;

/// What a block holds; the two kinds go to packs of their own, so that manifests are read without seeking over data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BlockKind {
    /// Content of files.
    Data = 0,
    /// Manifest nodes and extent lists.
    Manifest = 1,
}

impl BlockKind {
    fn from_byte(byte: u8) -> Result<Self, Error> {
        match byte {
            0 => Ok(Self::Data),
            1 => Ok(Self::Manifest),
            _ => Err(Error::Invalid("the kind of a block")),
        }
    }
}

/// The header of every pack.
pub fn encode_header() -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    let fields = MAGIC.iter().chain(&VERSION.to_le_bytes()).copied().collect::<Vec<u8>>();
    for (to, from) in header.iter_mut().zip(fields) {
        *to = from;
    }
    header
}

/// Proves the header of a pack.
pub fn check_header(bytes: &[u8]) -> Result<(), Error> {
    let mut fields = Fields::new(bytes, "a pack");
    fields.magic(MAGIC)?;
    fields.version()?;
    fields.reserved(4)
}

/// What stands before the stored bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// How the stored bytes were made.
    pub codec: Codec,
    /// What the block holds.
    pub kind: BlockKind,
    /// Number of chunks.
    pub chunks: u32,
    /// Sum of the plain lengths of the chunks.
    pub plain: u32,
    /// Length of the stored bytes.
    pub stored: u32,
}

impl BlockHeader {
    /// Length of the header with its length table.
    pub fn total_len(&self) -> u64 {
        BLOCK_HEADER_LEN as u64 + 4 * u64::from(self.chunks)
    }

    /// Header and length table as bytes.
    pub fn encode(&self, lengths: impl Iterator<Item = u32>) -> Vec<u8> {
        let mut front = Vec::with_capacity(BLOCK_HEADER_LEN);
        front.extend_from_slice(BLOCK_MAGIC);
        front.extend_from_slice(&[self.codec as u8, self.kind as u8, 0, 0]);
        for number in [self.chunks, self.plain, self.stored, 0] {
            front.extend_from_slice(&number.to_le_bytes());
        }
        let table: Vec<u8> = lengths.flat_map(u32::to_le_bytes).collect();
        let checksum = short_checksum(&[&front, &table]);
        [front.as_slice(), &checksum, &table].concat()
    }

    /// From the first 32 bytes. The checksum covers the length table too: [`BlockHeader::check`] proves both.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::new(bytes, "a block header");
        fields.magic(BLOCK_MAGIC)?;
        let codec = Codec::try_from(fields.u8()?).map_err(|_| Error::Invalid("the codec of a block"))?;
        let kind = BlockKind::from_byte(fields.u8()?)?;
        fields.reserved(2)?;
        let (chunks, plain, stored) = (fields.u32()?, fields.u32()?, fields.u32()?);
        fields.reserved(4)?;
        check_counts(chunks, plain)?;
        if u64::from(stored) > 2 * BLOCK_MAX as u64 {
            return Err(Error::Limit("the stored length of a block"));
        }
        Ok(Self { codec, kind, chunks, plain, stored })
    }

    /// Proves the checksum over header and length table, and gives the lengths. `bytes` begins with the header.
    pub fn check(&self, bytes: &[u8]) -> Result<Vec<u32>, Error> {
        let mut fields = Fields::new(bytes, "a block header");
        let front = fields.bytes(24)?;
        let mut sum = Fields::new(fields.bytes(8)?, "a block header");
        let table = fields.bytes(4 * self.chunks as usize)?;
        sum.short_checksum(&[front, table])?;
        let mut rows = Fields::new(table, "a block header");
        let lengths = (0..self.chunks).map(|_| rows.u32()).collect::<Result<Vec<_>, _>>()?;
        let total: u64 = lengths.iter().map(|&l| u64::from(l)).sum();
        let fits = lengths.iter().all(|&l| l > 0 && l as usize <= CHUNK_MAX.max(BLOCK_MAX));
        if fits && total == u64::from(self.plain) { Ok(lengths) } else { Err(Error::Invalid("the lengths of a block")) }
    }
}

fn check_counts(chunks: u32, plain: u32) -> Result<(), Error> {
    if chunks == 0 || chunks as usize > BLOCK_CHUNKS_MAX || chunks > plain {
        return Err(Error::Invalid("the chunk count of a block"));
    }
    if plain as usize > BLOCK_MAX { Err(Error::Limit("the plain length of a block")) } else { Ok(()) }
}

/// A block as the table of contents has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Offset of the block in the pack.
    pub offset: u32,
    /// Header fields of the block.
    pub header: BlockHeader,
    /// Its chunks in order.
    pub chunks: Vec<ChunkRef>,
}

impl BlockRow {
    /// Bytes that the block takes in the pack: header, length table and what is stored.
    pub fn span(&self) -> u64 {
        self.header.total_len() + u64::from(self.header.stored)
    }
}

/// The table of contents and the footer, as they end a pack; `offset` is where they begin.
pub fn encode_tail(offset: u64, blocks: &[BlockRow]) -> Vec<u8> {
    let chunk_count: usize = blocks.iter().map(|b| b.chunks.len()).sum();
    let mut toc = Vec::with_capacity(blocks.len() * BLOCK_ROW + chunk_count * CHUNK_ROW + FOOTER_LEN);
    for block in blocks {
        let header = &block.header;
        for number in [block.offset, header.chunks, header.plain, header.stored] {
            toc.extend_from_slice(&number.to_le_bytes());
        }
        toc.extend_from_slice(&[header.codec as u8, header.kind as u8, 0, 0, 0, 0, 0, 0]);
    }
    for chunk in blocks.iter().flat_map(|b| &b.chunks) {
        toc.extend_from_slice(chunk.id.as_bytes());
        toc.extend_from_slice(&chunk.length.to_le_bytes());
    }
    let hash = Id::of(&toc);
    toc.extend_from_slice(&offset.to_le_bytes());
    for count in [blocks.len(), chunk_count] {
        // A pack of at most 1 GiB has fewer than 2^32 of anything.
        toc.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }
    toc.extend_from_slice(&[0; 8]);
    toc.extend_from_slice(hash.as_bytes());
    toc.extend_from_slice(TAIL_MAGIC);
    toc
}

/// The last 64 bytes of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Where the table of contents begins.
    pub offset: u64,
    /// Number of blocks.
    pub blocks: u32,
    /// Number of chunks.
    pub chunks: u32,
    hash: Id,
}

impl Footer {
    /// From the last 64 bytes of a pack that is `pack_len` long.
    pub fn decode(bytes: &[u8], pack_len: u64) -> Result<Self, Error> {
        let mut fields = Fields::new(bytes, "the tail of a pack");
        let footer = Self { offset: fields.u64()?, blocks: fields.u32()?, chunks: fields.u32()?, hash: Id::of(b"") };
        fields.reserved(8)?;
        let footer = Self { hash: fields.id()?, ..footer };
        fields.magic(TAIL_MAGIC)?;
        let end = footer.offset.checked_add(footer.toc_len()).and_then(|e| e.checked_add(FOOTER_LEN as u64));
        if end == Some(pack_len) { Ok(footer) } else { Err(Error::Invalid("the footer of a pack")) }
    }

    /// Length of the table of contents.
    pub fn toc_len(&self) -> u64 {
        u64::from(self.blocks) * BLOCK_ROW as u64 + u64::from(self.chunks) * CHUNK_ROW as u64
    }

    /// Proves and decodes the table of contents.
    pub fn decode_toc(&self, toc: &[u8]) -> Result<Vec<BlockRow>, Error> {
        if Id::of(toc) != self.hash {
            return Err(Error::Checksum("the table of contents of a pack"));
        }
        let what = "the table of contents of a pack";
        let mut fields = Fields::new(toc, what);
        let rows = fields.bytes(self.blocks as usize * BLOCK_ROW)?;
        let mut rows = Fields::new(rows, what);
        let mut blocks = Vec::new();
        let mut next = HEADER_LEN as u64;
        for _ in 0..self.blocks {
            let block = decode_row(&mut rows, &mut fields)?;
            if u64::from(block.offset) != next {
                return Err(Error::Invalid("the offset of a block"));
            }
            next += block.span();
            blocks.push(block);
        }
        let complete = next == self.offset && fields.rest().is_empty();
        if complete { Ok(blocks) } else { Err(Error::Invalid(what)) }
    }
}

fn decode_row(rows: &mut Fields<'_>, ids: &mut Fields<'_>) -> Result<BlockRow, Error> {
    let (offset, chunks, plain, stored) = (rows.u32()?, rows.u32()?, rows.u32()?, rows.u32()?);
    let codec = Codec::try_from(rows.u8()?).map_err(|_| Error::Invalid("the codec of a block"))?;
    let kind = BlockKind::from_byte(rows.u8()?)?;
    rows.reserved(6)?;
    check_counts(chunks, plain)?;
    let header = BlockHeader { codec, kind, chunks, plain, stored };
    let chunks =
        (0..chunks).map(|_| Ok(ChunkRef { id: ids.id()?, length: ids.u32()? })).collect::<Result<Vec<_>, Error>>()?;
    let total: u64 = chunks.iter().map(|c| u64::from(c.length)).sum();
    let fits = total == u64::from(plain) && chunks.iter().all(|c| c.length > 0);
    if fits { Ok(BlockRow { offset, header, chunks }) } else { Err(Error::Invalid("the lengths of a block")) }
}
