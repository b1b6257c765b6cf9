//! Finding chunks: immutable sorted files that are searched where they lie (floor 2).
//!
//! [`mod@file`] searches one, [`table`] reads one through, [`build`] writes one, [`merge`] joins several, `sift` does so without some packs, [`set`] is all of them together with what is not yet in any.

pub mod build;
pub mod file;
pub mod merge;
pub mod set;
mod sift;
pub mod table;

use crate::id::Id;

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The pack.
    pub pack: Id,
    /// Offset of the block in the pack.
    pub block: u64,
    /// Length of the block in the pack, header and length table included.
    pub span: u64,
    /// Offset of the chunk in the plain bytes of the block.
    pub offset: u32,
    /// Plain length of the chunk.
    pub length: u32,
}
