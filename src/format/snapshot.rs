//! Snapshot records (format-spec.md, 8; floor 1).

use super::{Error, VERSION, bin, fixed::Fields};
use crate::entry::{ChunkRef, Time};
use crate::id::Id;
use crate::path::RelPath;
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"BKUPSNAP";
const WHAT: &str = "a snapshot record";

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A state of SOURCE that was put on the mirror.
    Backup,
    /// Content saved before it was overwritten.
    Rescue,
    /// A state of SOURCE that has not been put on the mirror.
    Held,
}

/// The name that the source's host had for an owner or group number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// uid or gid.
    pub number: u32,
    /// Its name.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
}

/// What a snapshot amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Regular files, hard links not counted.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symlinks, hard links, devices and the like.
    pub others: u64,
    /// Sum of the sizes of the files.
    pub bytes: u64,
    /// Bytes that taking it added to the packs.
    pub new_bytes: u64,
    /// Paths that were not read or were carried forward.
    pub problems: u64,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number; order comes from it, never from the time.
    pub sequence: u64,
    /// Why it was taken.
    pub kind: Kind,
    /// When; a label for people.
    pub time: Time,
    /// The seal of the record before it.
    pub parent: Option<Id>,
    /// Name of the target.
    #[serde(with = "serde_bytes")]
    pub target: Vec<u8>,
    /// The place that was read, as in the table.
    #[serde(with = "serde_bytes")]
    pub source: Vec<u8>,
    /// The DIRs that it covers.
    pub dirs: Vec<RelPath>,
    /// Root of its manifest.
    pub root: ChunkRef,
    /// What it amounts to.
    pub totals: Totals,
    /// Names of the owners that occur.
    pub users: Vec<Owner>,
    /// Names of the groups that occur.
    pub groups: Vec<Owner>,
    /// For people.
    #[serde(with = "serde_bytes")]
    pub note: Vec<u8>,
}

impl Record {
    /// As bytes, sealed.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bin::encode(self, &mut bytes)?;
        let seal = Id::of(&bytes);
        bytes.extend_from_slice(seal.as_bytes());
        Ok(bytes)
    }

    /// From bytes; also gives the seal, by which the next record names this one.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Id), Error> {
        let (covered, seal) = bytes.split_last_chunk::<{ Id::LEN }>().ok_or(Error::Truncated(WHAT))?;
        let mut fields = Fields::new(covered, WHAT);
        fields.magic(MAGIC)?;
        let seal = Id::from_bytes(*seal);
        if seal != Id::of(covered) {
            return Err(Error::Checksum(WHAT));
        }
        fields.version()?;
        let mut body = fields.rest();
        let record: Self = bin::decode(&mut body, WHAT)?;
        if body.is_empty() { Ok((record, seal)) } else { Err(Error::Invalid(WHAT)) }
    }
}
