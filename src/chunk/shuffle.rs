//! Byte shuffle: the bytes of fixed-width elements regrouped into planes, and back.
//!
//! Floor 1, used only by `codec`. FITS pixels are big-endian 16-, 32- or 64-bit numbers whose high bytes hardly change
//! and whose low bytes are noise. Side by side they hide each other's pattern from zstd; apart, each compresses as it
//! deserves.
//!
//! What must stay true, because stored blocks depend on it: plane `p` of the output holds byte `p` of every whole
//! element in order, planes follow each other from 0 up, and the `len % N` bytes after the last whole element are
//! appended as they are. The output is exactly as long as the input.
//!
//! The work is done eight elements at a time in `u64` words, which needs no `unsafe` and no CPU detection; LLVM packs the
//! words into whatever vector registers the target has.

#![expect(clippy::many_single_char_names, reason = "the letters are the bytes or words of a tile, in order")]

/// A width the shuffle knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stride {
    /// 16-bit elements.
    Two,
    /// 32-bit elements.
    Four,
    /// 64-bit elements.
    Eight,
}

impl Stride {
    /// The width in bytes.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

/// Writes the shuffled form of `plain` to `shuffled`, whose content is replaced and whose capacity is kept.
pub fn shuffle(stride: Stride, plain: &[u8], shuffled: &mut Vec<u8>) {
    // No clear() first: bytes that are already there need no zeroing, every one is overwritten.
    shuffled.resize(plain.len(), 0);
    match stride {
        Stride::Two => split(plain, shuffled, gather2),
        Stride::Four => split(plain, shuffled, gather4),
        Stride::Eight => split(plain, shuffled, gather8),
    }
}

/// Writes the plain form of `shuffled` to `plain`, whose content is replaced and whose capacity is kept.
pub fn unshuffle(stride: Stride, shuffled: &[u8], plain: &mut Vec<u8>) {
    plain.resize(shuffled.len(), 0);
    match stride {
        Stride::Two => join(shuffled, plain, scatter2),
        Stride::Four => join(shuffled, plain, scatter4),
        Stride::Eight => join(shuffled, plain, scatter8),
    }
}

/// Eight elements, turned at once.
type Tile<const N: usize> = [[u8; N]; 8];

/// One byte of each of the eight elements, the first element in the lowest byte; one word a plane.
type Words<const N: usize> = [u64; N];

fn split<const N: usize>(plain: &[u8], shuffled: &mut [u8], gather: impl Fn(&Tile<N>) -> Words<N>) {
    let (elements, tail) = plain.as_chunks::<N>();
    let (tiles, rest) = elements.as_chunks::<8>();
    let mut left = shuffled;
    let mut planes: [&mut [u8]; N] = std::array::from_fn(|_| left.split_off_mut(..elements.len()).unwrap_or_default());
    left.copy_from_slice(tail);
    let mut heads = planes.each_mut().map(|plane| plane.as_chunks_mut::<8>());
    for (t, tile) in tiles.iter().enumerate() {
        for (head, word) in heads.iter_mut().zip(gather(tile)) {
            if let Some(slot) = head.0.get_mut(t) {
                *slot = word.to_le_bytes();
            }
        }
    }
    for (e, element) in rest.iter().enumerate() {
        for (head, byte) in heads.iter_mut().zip(element) {
            if let Some(slot) = head.1.get_mut(e) {
                *slot = *byte;
            }
        }
    }
}

fn join<const N: usize>(shuffled: &[u8], plain: &mut [u8], scatter: impl Fn(Words<N>) -> Tile<N>) {
    let (elements, tail) = plain.as_chunks_mut::<N>();
    let mut left = shuffled;
    let planes: [&[u8]; N] = std::array::from_fn(|_| left.split_off(..elements.len()).unwrap_or_default());
    tail.copy_from_slice(left);
    let heads = planes.map(|plane| plane.as_chunks::<8>());
    let (tiles, rest) = elements.as_chunks_mut::<8>();
    for (t, tile) in tiles.iter_mut().enumerate() {
        *tile = scatter(heads.map(|head| head.0.get(t).map_or(0, |bytes| u64::from_le_bytes(*bytes))));
    }
    for (e, element) in rest.iter_mut().enumerate() {
        for (head, byte) in heads.iter().zip(element) {
            *byte = head.1.get(e).copied().unwrap_or_default();
        }
    }
}

/// Exchanges the bytes of `low` that `mask` selects after a shift by `by` bits with those of `high` that it selects as
/// they are. Doing it for one bit of the word number and one bit of the byte number swaps these two bits in the address
/// of every byte; a few such swaps make the transpose. Its own inverse.
const fn swap(low: u64, high: u64, by: u32, mask: u64) -> (u64, u64) {
    let moved = ((low >> by) ^ high) & mask;
    (low ^ (moved << by), high ^ moved)
}

const ODD1: u64 = 0x00ff_00ff_00ff_00ff;
const ODD2: u64 = 0x0000_ffff_0000_ffff;
const ODD4: u64 = 0x0000_0000_ffff_ffff;

fn gather2([a, b, c, d, e, f, g, h]: &Tile<2>) -> Words<2> {
    [[a[0], b[0], c[0], d[0], e[0], f[0], g[0], h[0]], [a[1], b[1], c[1], d[1], e[1], f[1], g[1], h[1]]]
        .map(u64::from_le_bytes)
}

fn scatter2([x, y]: Words<2>) -> Tile<2> {
    let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) = (x.to_le_bytes(), y.to_le_bytes());
    [[a, i], [b, j], [c, k], [d, l], [e, m], [f, n], [g, o], [h, p]]
}

fn gather4([a, b, c, d, e, f, g, h]: &Tile<4>) -> Words<4> {
    // Elements four apart share a word, so that two swaps are enough.
    let pair = |x: &[u8; 4], y: &[u8; 4]| u64::from(u32::from_le_bytes(*x)) | (u64::from(u32::from_le_bytes(*y)) << 32);
    turn4([pair(a, e), pair(b, f), pair(c, g), pair(d, h)])
}

fn scatter4(words: Words<4>) -> Tile<4> {
    let [ae, bf, cg, dh] = turn4(words).map(|w| {
        let [a, b, c, d, e, f, g, h] = w.to_le_bytes();
        ([a, b, c, d], [e, f, g, h])
    });
    [ae.0, bf.0, cg.0, dh.0, ae.1, bf.1, cg.1, dh.1]
}

const fn turn4([a, b, c, d]: Words<4>) -> Words<4> {
    let ((a, c), (b, d)) = (swap(a, c, 16, ODD2), swap(b, d, 16, ODD2));
    let ((a, b), (c, d)) = (swap(a, b, 8, ODD1), swap(c, d, 8, ODD1));
    [a, b, c, d]
}

fn gather8(tile: &Tile<8>) -> Words<8> {
    turn8(tile.map(u64::from_le_bytes))
}

fn scatter8(words: Words<8>) -> Tile<8> {
    turn8(words).map(u64::to_le_bytes)
}

const fn turn8([a, b, c, d, e, f, g, h]: Words<8>) -> Words<8> {
    let ((a, e), (b, f)) = (swap(a, e, 32, ODD4), swap(b, f, 32, ODD4));
    let ((c, g), (d, h)) = (swap(c, g, 32, ODD4), swap(d, h, 32, ODD4));
    let ((a, c), (b, d)) = (swap(a, c, 16, ODD2), swap(b, d, 16, ODD2));
    let ((e, g), (f, h)) = (swap(e, g, 16, ODD2), swap(f, h, 16, ODD2));
    let ((a, b), (c, d)) = (swap(a, b, 8, ODD1), swap(c, d, 8, ODD1));
    let ((e, f), (g, h)) = (swap(e, f, 8, ODD1), swap(g, h, 8, ODD1));
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, byte by byte.
    fn plainly(width: usize, plain: &[u8]) -> Vec<u8> {
        let whole = plain.len() / width * width;
        let planes = (0..width).flat_map(|p| plain[..whole].iter().skip(p).step_by(width));
        planes.chain(&plain[whole..]).copied().collect()
    }

    #[test]
    fn does_what_the_definition_says_for_every_length() {
        let (mut shuffled, mut back) = (vec![9; 1000], Vec::new());
        for len in (0..300).chain([4095, 4096, 4097]) {
            let plain: Vec<u8> = (0_u32..).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).take(len).collect();
            for stride in [Stride::Two, Stride::Four, Stride::Eight] {
                shuffle(stride, &plain, &mut shuffled);
                assert_eq!(shuffled, plainly(stride.width(), &plain), "{stride:?}, {len}");
                unshuffle(stride, &shuffled, &mut back);
                assert_eq!(back, plain, "{stride:?}, {len}");
            }
        }
    }
}
