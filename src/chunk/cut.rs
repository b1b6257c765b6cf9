//! Cutting content into chunks where the content says so, so that an insertion moves no other cut (floor 1).
//!
//! `FastCDC`, 2020 version: Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems",
//! IEEE TPDS 31(9), 2020; the package `fastcdc`.

use crate::limits;
use fastcdc::v2020::{Normalization, select_masks};
use serde::{Deserialize, Serialize};

/// How files are cut: sizes in bytes, normalisation level 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chunker {
    /// No chunk but the last of a file is shorter.
    pub min: usize,
    /// The usual length.
    pub average: usize,
    /// No chunk is longer.
    pub max: usize,
}

impl Default for Chunker {
    fn default() -> Self {
        Self { min: limits::CHUNK_MIN, average: limits::CHUNK_AVERAGE, max: limits::CHUNK_MAX }
    }
}

/// Finds cuts; made once for all files of a run.
#[derive(Clone, Copy, Debug)]
pub struct Cutter {
    chunker: Chunker,
    masks: (u64, u64),
}

impl Cutter {
    /// With the parameters of a store.
    pub fn new(chunker: Chunker) -> Self {
        Self { chunker, masks: select_masks(chunker.average, Normalization::Level1) }
    }

    /// Bytes that [`Cutter::next`] wants to see, unless the file ends before.
    pub const fn window(&self) -> usize {
        self.chunker.max
    }

    /// Length of the chunk at the front of `bytes`, which hold a whole window or the rest of the file. 0 only for no bytes.
    pub fn next(&self, bytes: &[u8]) -> usize {
        let Chunker { min, average, max } = self.chunker;
        if bytes.len() <= min {
            return bytes.len();
        }
        let (small, large) = self.masks;
        let (_hash, length) = fastcdc::v2020::cut(bytes, min, average, max, small, large, small << 1, large << 1);
        // Whatever the package says, a chunk is never empty and never leaves the bytes.
        length.clamp(1, bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunker, Cutter};

    fn noise(length: usize, seed: u8) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
        bytes
    }

    fn cuts(bytes: &[u8]) -> Vec<usize> {
        let cutter = Cutter::new(Chunker::default());
        let mut at = 0;
        let mut ends = Vec::new();
        while at < bytes.len() {
            at += cutter.next(&bytes[at..]);
            ends.push(at);
        }
        ends
    }

    /// Pinned: other cuts would make every old chunk useless for deduplication.
    #[test]
    fn cuts_of_known_bytes_stay_where_they_are() {
        assert_eq!(
            cuts(&noise(6 << 20, 1)),
            [387_249, 1_029_665, 2_098_002, 3_184_230, 4_499_156, 5_517_500, 6_291_456]
        );
    }

    #[test]
    fn an_insertion_moves_only_the_cuts_near_it() {
        let plain = noise(16 << 20, 2);
        let mut longer = plain.clone();
        longer.splice(100..100, *b"seven b");
        let (a, b) = (cuts(&plain), cuts(&longer));
        let shared = a.iter().filter(|cut| b.contains(&(*cut + 7))).count();
        assert!(shared + 2 >= a.len(), "{shared} of {}", a.len());
    }
}
