//! Prediction of 16-bit numbers: what each differs by from the mean of those before it, regrouped into planes, and back.
//!
//! Floor 1, used only by `codec`. The pixels of a raw frame scatter around a background that changes slowly. What is left when
//! it is taken away fits into the low byte, wherever the background lies, and the high byte hardly ever changes. (Shuffled as they
//! are, pixels of 1520 to 1600 have a high byte of 5 or 6, by chance: it takes a bit of each.)
//!
//! What must stay true, because stored blocks depend on it: format-spec.md, chapter 3. A mean is the sum of all differences before,
//! divided: so who decodes goes from a number to the next by one addition. A block has two halves, each with a sum of its own,
//! so that who encodes, for whom it is longer, can go both ways at once.

use std::iter::zip;

/// What a block was predicted with; one byte of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// Whether numbers begin at the second byte of the block: chunks are cut anywhere.
    pub odd: bool,
    /// The mean is over some `1 << shift` numbers; 0 to 7.
    pub shift: u8,
}

impl Model {
    /// The byte that stands for it.
    pub const fn byte(self) -> u8 {
        self.shift << 1 | self.odd as u8
    }

    /// The model that a byte stands for, if one.
    pub const fn of(byte: u8) -> Option<Self> {
        if byte < 16 { Some(Self { odd: byte & 1 == 1, shift: byte >> 1 }) } else { None }
    }
}

/// Added to a difference, so that small ones of both signs have the same high byte.
const MIDDLE: i16 = 128;

/// Numbers restored at a time: LLVM packs them into vector registers.
const TILE: usize = 8;

/// Writes the predicted form of `plain` to `predicted`, whose content is replaced: as many bytes.
pub fn predict(model: Model, plain: &[u8], predicted: &mut Vec<u8>) {
    predicted.resize(plain.len(), 0);
    let (front, body) = plain.split_at(plain.len().min(model.odd.into()));
    let half = body.len() / 4;
    let (numbers, back) = body.split_at(4 * half);
    let ((high, rest), numbers) = (predicted.split_at_mut(2 * half), numbers.as_chunks().0.split_at(half));
    let (low, rest) = rest.split_at_mut(2 * half);
    let (high, low) = (high.split_at_mut(half), low.split_at_mut(half));
    let first = zip(numbers.0, zip(high.0, low.0));
    let second = zip(numbers.1, zip(high.1, low.1));
    let mut sums = (Sum { sum: 0, shift: model.shift }, Sum { sum: 0, shift: model.shift });
    for ((a, (high_a, low_a)), (b, (high_b, low_b))) in zip(first, second) {
        [*high_a, *low_a] = sums.0.predict(*a);
        [*high_b, *low_b] = sums.1.predict(*b);
    }
    for (to, byte) in zip(rest, front.iter().chain(back)) {
        *to = *byte;
    }
}

/// Writes the plain form of `predicted` to `plain`, whose content is replaced.
pub fn restore(model: Model, predicted: &[u8], plain: &mut Vec<u8>) {
    plain.resize(predicted.len(), 0);
    let (front, body) = plain.split_at_mut(predicted.len().min(model.odd.into()));
    let half = body.len() / 4;
    let (numbers, back) = body.split_at_mut(4 * half);
    let (high, rest) = predicted.split_at(2 * half);
    let (low, rest) = rest.split_at(2 * half);
    let planes = zip(high.chunks(half.max(1)), low.chunks(half.max(1)));
    for (numbers, (high, low)) in zip(numbers.as_chunks_mut().0.chunks_mut(half.max(1)), planes) {
        restore_half(model.shift, high, low, numbers);
    }
    for (to, byte) in zip(front.iter_mut().chain(back), rest) {
        *to = *byte;
    }
}

fn restore_half(shift: u8, high: &[u8], low: &[u8], numbers: &mut [[u8; 2]]) {
    let mut sum = Sum { sum: 0, shift };
    let ((tiles, last), high, low) = (numbers.as_chunks_mut::<TILE>(), high.as_chunks(), low.as_chunks());
    for (tile, (high, low)) in zip(tiles, zip(high.0, low.0)) {
        *tile = sum.restore(high, low);
    }
    for (number, (high, low)) in zip(last, zip(high.1, low.1)) {
        [*number] = sum.restore(&[*high], &[*low]);
    }
}

/// The sum of all differences up to a place.
struct Sum {
    sum: i32,
    shift: u8,
}

impl Sum {
    fn predict(&mut self, number: [u8; 2]) -> [u8; 2] {
        let difference = i16::from_be_bytes(number).wrapping_sub(self.mean());
        self.sum = self.sum.wrapping_add(difference.into());
        difference.wrapping_add(MIDDLE).to_be_bytes()
    }

    /// In three steps, for vector registers.
    fn restore<const N: usize>(&mut self, high: &[u8; N], low: &[u8; N]) -> [[u8; 2]; N] {
        let mut numbers = [0_i16; N];
        for (number, (high, low)) in zip(&mut numbers, zip(high, low)) {
            *number = i16::from_be_bytes([*high, *low]).wrapping_sub(MIDDLE);
        }
        let mut means = [0_i32; N];
        for (mean, difference) in zip(&mut means, &numbers) {
            *mean = self.sum;
            self.sum = self.sum.wrapping_add((*difference).into());
        }
        for (number, sum) in zip(&mut numbers, means) {
            *number = number.wrapping_add(Self { sum, ..*self }.mean());
        }
        numbers.map(i16::to_be_bytes)
    }

    #[expect(clippy::cast_possible_truncation, reason = "numbers go round")]
    const fn mean(&self) -> i16 {
        (self.sum >> self.shift) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, number by number.
    fn plainly(model: Model, plain: &[u8]) -> Vec<u8> {
        let odd = plain.len().min(usize::from(model.odd));
        let half = (plain.len() - odd) / 4;
        let numbers: Vec<u16> = plain[odd..][..4 * half].chunks(2).map(|n| u16::from_be_bytes([n[0], n[1]])).collect();
        let mut out = Vec::new();
        for run in numbers.chunks(half.max(1)) {
            let mut sum = 0_i64;
            for number in run {
                let mean = sum.div_euclid(1 << model.shift);
                let difference = (i64::from(*number) - mean + 32768).rem_euclid(65536) - 32768;
                sum += difference;
                out.push(u16::try_from((difference + 128).rem_euclid(65536)).unwrap().to_be_bytes());
            }
        }
        let planes = out.iter().map(|n| n[0]).chain(out.iter().map(|n| n[1]));
        planes.chain(plain[..odd].iter().copied()).chain(plain[odd + 4 * half..].iter().copied()).collect()
    }

    #[test]
    fn does_what_the_definition_says_for_every_length_and_model() {
        let (mut predicted, mut back) = (vec![9; 1000], Vec::new());
        let noise = (0_u32..).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
        let sky = (0_u32..).flat_map(|i| (1500 + (i.wrapping_mul(2_654_435_761) >> 25) as u16).to_be_bytes());
        // Steps of 30,000 go round and round.
        let steps = (0_u16..).flat_map(|i| i.wrapping_mul(30_000).to_be_bytes());
        let all: [Vec<u8>; 3] =
            [noise.take(200_001).collect(), sky.take(5001).collect(), steps.take(100_001).collect()];
        for plain in &all {
            for len in (0..200).chain([plain.len() - 1, plain.len()]) {
                for byte in 0..16 {
                    let model = Model::of(byte).unwrap();
                    assert_eq!(model.byte(), byte);
                    predict(model, &plain[..len], &mut predicted);
                    assert!(predicted == plainly(model, &plain[..len]), "{model:?}, {len}");
                    restore(model, &predicted, &mut back);
                    assert!(back == plain[..len], "{model:?}, {len}");
                }
            }
        }
        assert_eq!(Model::of(16), None);
    }

    #[test]
    fn a_background_goes_away() {
        let sky: Vec<u8> =
            (0..1000_u32).flat_map(|i| (1500 + (i.wrapping_mul(2_654_435_761) >> 26) as u16).to_be_bytes()).collect();
        let mut predicted = Vec::new();
        predict(Model { odd: true, shift: 4 }, &sky[1..], &mut predicted);
        let high = &predicted[100..400];
        assert!(high.iter().all(|byte| *byte == 0), "{high:?}");
    }
}
