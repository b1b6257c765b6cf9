//! Reading and writing of fixed layouts: little-endian integers one after the other (floor 1).

use super::Error;
use crate::id::Id;

/// Reads a fixed layout from front to back.
pub struct Fields<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Fields<'a> {
    /// Over these bytes; `what` names the layout in errors.
    pub const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Error::Truncated(self.what))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Error::Truncated(self.what))?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    /// The next 4 bytes as a number.
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next 8 bytes as a number.
    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next 32 bytes as an id.
    pub fn id(&mut self) -> Result<Id, Error> {
        self.array().map(Id::from_bytes)
    }

    /// The next bytes must be this text.
    pub fn magic(&mut self, text: &[u8]) -> Result<(), Error> {
        if self.bytes(text.len())? == text { Ok(()) } else { Err(Error::Magic(self.what)) }
    }

    /// The next `n` bytes must be zero.
    pub fn reserved(&mut self, n: usize) -> Result<(), Error> {
        if self.bytes(n)?.iter().all(|&b| b == 0) { Ok(()) } else { Err(Error::Invalid(self.what)) }
    }

    /// The next 4 bytes must be a version that this program knows.
    pub fn version(&mut self) -> Result<(), Error> {
        match self.u32()? {
            super::VERSION => Ok(()),
            other => Err(Error::Version(other)),
        }
    }

    /// The next 8 bytes must be the beginning of the BLAKE3 of `covered`.
    pub fn short_checksum(&mut self, covered: &[&[u8]]) -> Result<(), Error> {
        let expected = short_checksum(covered);
        if self.bytes(8)? == expected { Ok(()) } else { Err(Error::Checksum(self.what)) }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// The first 8 bytes of the BLAKE3 of these pieces.
pub fn short_checksum(pieces: &[&[u8]]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize().as_bytes().first_chunk::<8>().copied().unwrap_or_default()
}
