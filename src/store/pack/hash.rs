//! The BLAKE3 of a pack, from those of its parts, which were hashed apart from each other (floor 2).
//!
//! BLAKE3 is the root of a tree over the bytes. A part is as long as some whole subtree of it, but for the last one; so the hashes of the parts are
//! nodes of that tree, from which the root is had.

use crate::id::Id;
use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a part, but for the last: a power of two, and more than the 1024 bytes of a leaf.
pub const PART: usize = 4 << 20;
const _: () = assert!(PART.is_power_of_two() && PART > 1024);

/// What is known of the hash of a whole by one part of it.
#[derive(Clone, Copy, Debug)]
pub struct Hashed {
    node: ChainingValue,
    /// The hash, if the part is the whole.
    alone: Option<Id>,
}

impl Hashed {
    /// Of the part that begins at this offset, a multiple of [`PART`].
    pub fn of(at: u64, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(at);
        hasher.update(bytes);
        // Only the first part can be the whole.
        let alone = (at == 0).then(|| Id::from_bytes(*hasher.finalize().as_bytes()));
        Self { node: hasher.finalize_non_root(), alone }
    }

    /// The hash of the whole, whose parts these are, in order.
    pub fn whole(parts: &[Self]) -> Option<Id> {
        match parts {
            [] => None,
            [one] => one.alone,
            many => {
                let (left, right) = many.split_at(left_of(many));
                Some(Id::from_bytes(*merge_subtrees_root(&node(left)?, &node(right)?, Mode::Hash).as_bytes()))
            }
        }
    }
}

/// The left subtree has all parts but the fewest that leave it a power of two.
const fn left_of(parts: &[Hashed]) -> usize {
    parts.len().next_power_of_two() / 2
}

fn node(parts: &[Hashed]) -> Option<ChainingValue> {
    match parts {
        [] => None,
        [one] => Some(one.node),
        many => {
            let (left, right) = many.split_at(left_of(many));
            Some(merge_subtrees_non_root(&node(left)?, &node(right)?, Mode::Hash))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hashed, PART};
    use crate::id::Id;

    #[test]
    fn parts_have_the_hash_of_the_whole() {
        let bytes: Vec<u8> = (0..8_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let lengths = [1, 1024, PART - 1, PART, PART + 1, 2 * PART, 3 * PART, 5 * PART + 99, 7 * PART, bytes.len()];
        for length in lengths {
            let whole = &bytes[..length];
            let parts = whole.chunks(PART).enumerate().map(|(n, part)| Hashed::of((n * PART) as u64, part));
            assert_eq!(Hashed::whole(&parts.collect::<Vec<_>>()), Some(Id::of(whole)), "{length} bytes");
        }
    }
}
