//! The name of a chunk: the BLAKE3-256 hash of its plain bytes (floor 0).
//!
//! Also names packs, indexes and records, which are hashed the same way.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A BLAKE3-256 hash used as a name (format-spec.md, 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id([u8; Id::LEN]);

impl Id {
    /// Length of an id in bytes.
    pub const LEN: usize = 32;

    /// The id of these plain bytes.
    pub fn of(plain: &[u8]) -> Self {
        Self(*blake3::hash(plain).as_bytes())
    }

    /// An id from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// An id from a slice of exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// An id from 64 lower-case hexadecimal digits, the form of file names.
    pub fn parse(hex: &str) -> Option<Self> {
        let lower = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let hash = blake3::Hash::from_hex(hex).ok()?;
        lower.then_some(Self(*hash.as_bytes()))
    }

    /// The first 8 bytes as a big-endian number: ids are uniform, so it tells where in a sorted table an id stands.
    pub fn prefix(&self) -> u64 {
        self.0.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head))
    }

    /// The first 2 bytes as a little-endian number, for content-defined cuts.
    pub fn cut_bits(&self) -> u16 {
        self.0.first_chunk::<2>().map_or(0, |head| u16::from_le_bytes(*head))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn hex_and_back() {
        let id = Id::of(b"chunk");
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        assert_eq!(Id::parse(&id.to_string().to_uppercase()), None);
        assert_eq!(Id::parse("00"), None);
    }
}
