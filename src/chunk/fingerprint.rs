//! The fingerprint of a block: the entropies of its eight byte planes.
//!
//! Floor 1, used only by `choose`. Eight planes, because their widths 2, 4 and 8 all show in them: int16 pixels as two
//! values in turn, float32 as four. Cheap enough for every block (5 us). Not part of the format.

/// Bytes looked at for a fingerprint, in slices.
pub(super) const LOOK: usize = 8 << 10;
pub(super) const LOOK_SLICE: usize = 512;
/// Fingerprints are alike when no plane differs by more bits than this.
const ALIKE: f32 = 0.35;
/// Entropy in bits of each of the eight byte planes.
pub(super) type Fingerprint = [f32; 8];

/// Whether two fingerprints are of the same kind of data, the elements perhaps begun at another byte.
pub(super) fn alike(a: &Fingerprint, b: &Fingerprint) -> bool {
    (0..8).any(|turn| a.iter().cycle().skip(turn).zip(b).all(|(x, y)| (x - y).abs() <= ALIKE))
}

/// Counts bytes and knows logarithms.
pub(super) struct Entropy {
    /// n log2 n for every count that can occur.
    parts: Vec<f32>,
}

impl Entropy {
    #[expect(clippy::cast_precision_loss, reason = "counts to 1024")]
    pub(super) fn new() -> Self {
        Self { parts: (0..=LOOK / 8).map(|n| if n == 0 { 0.0 } else { n as f32 * (n as f32).log2() }).collect() }
    }

    /// The entropy of each plane of a sample of at most [`LOOK`] bytes.
    #[expect(clippy::cast_precision_loss, reason = "counts to 1024")]
    pub(super) fn planes(&self, sample: &[u8]) -> Fingerprint {
        let mut counts = [[0_u16; 256]; 8];
        let (elements, _) = sample.as_chunks::<8>();
        for element in elements {
            for (plane, byte) in counts.iter_mut().zip(element) {
                if let Some(count) = plane.get_mut(usize::from(*byte)) {
                    *count += 1;
                }
            }
        }
        let total = elements.len().max(1) as f32;
        counts.map(|plane| {
            let sum: f32 = plane.iter().filter_map(|n| self.parts.get(usize::from(*n))).sum();
            (total.log2() - sum / total).max(0.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropies_are_those_of_the_planes() {
        // Plane 0 constant, plane 1 of two values, plane 7 of 256.
        let sample: Vec<u8> = (0..4).flat_map(|_| 0..=255_u8).flat_map(|i| [7, i % 2, 0, 0, 0, 0, 0, i]).collect();
        let found = Entropy::new().planes(&sample);
        for (plane, bits) in found.iter().zip([0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0_f32]) {
            assert!((plane - bits).abs() < 1e-4, "{found:?}");
        }
        assert_eq!(Entropy::new().planes(&[]).map(f32::to_bits), [0; 8]);
    }

    #[test]
    fn alike_at_any_phase() {
        let [a, b] = [[2.0, 7.0, 7.7, 7.7, 2.1, 7.1, 7.7, 7.7], [7.7, 7.7, 2.0, 7.0, 7.7, 7.7, 2.1, 7.1]];
        assert!(alike(&a, &b) && alike(&b, &a) && alike(&a, &a));
        assert!(!alike(&a, &[5.0; 8]));
    }
}
