//! Micro-benchmark of the block codec on generated data: `cargo bench --bench codec`.
#![allow(missing_docs, reason = "a bench has no readers")]
#![allow(clippy::unwrap_used, reason = "a bench may stop")]

use backup::chunk::codec::{Decoder, Encoder};
use backup::chunk::predict::{Model, predict, restore};
use backup::chunk::shuffle::{Stride, shuffle, unshuffle};
use divan::{Bencher, counter::BytesCount};

const LEN: usize = 1 << 20;
const KINDS: [Kind; 4] = [Kind::Sky16, Kind::Flat32, Kind::Text, Kind::Random];
const WIDTHS: [usize; 3] = [2, 4, 8];

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Big-endian int16 with Poisson noise around 1000 electrons.
    Sky16,
    /// Big-endian float32, 1 +- 0.003.
    Flat32,
    Text,
    Random,
}

fn main() {
    divan::main();
}

/// A linear congruential generator: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// Normal, near enough: twelve uniform numbers. (Poisson at 1000 is normal.)
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| f64::from(self.next()) / f64::from(u32::MAX)).sum::<f64>() - 6.0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "small by construction")]
fn block(kind: Kind) -> Vec<u8> {
    let mut numbers = Numbers(7);
    match kind {
        Kind::Sky16 => (0..LEN / 2)
            .flat_map(|_| ((1000.0 + (1000.0 + numbers.normal() * 31.8) / 1.6 - 32768.0) as i16).to_be_bytes())
            .collect(),
        Kind::Flat32 => (0..LEN / 4).flat_map(|_| ((1.0 + numbers.normal() * 0.003) as f32).to_be_bytes()).collect(),
        Kind::Text => {
            let words =
                ["static ", "int ", "return ", "struct ", "{\n\t", "}\n", "(void)", " = ", ";\n", "0x", "err", "dev"];
            let mut text = String::new();
            while text.len() < LEN {
                let number = numbers.next();
                text += words.get(number as usize % words.len()).unwrap_or(&"");
                if number >> 29 == 0 {
                    text += &(number >> 8 & 0xfff).to_string();
                }
            }
            text.into_bytes()
        }
        Kind::Random => (0..LEN).map(|_| numbers.next().to_le_bytes()[3]).collect(),
    }
}

/// Blocks of a long file: the encoder knows the kind.
#[divan::bench(args = KINDS)]
fn encode(bencher: Bencher, kind: Kind) {
    let (plain, mut encoder) = (block(kind), Encoder::new().unwrap());
    bencher.counter(BytesCount::new(LEN)).bench_local(|| encoder.encode(&plain).unwrap().1.len());
}

/// The first block of a new kind, with a trial.
#[divan::bench(args = KINDS)]
fn encode_first(bencher: Bencher, kind: Kind) {
    let plain = block(kind);
    bencher
        .counter(BytesCount::new(LEN))
        .with_inputs(|| {
            // Buffers in use, and another kind in mind.
            let mut encoder = Encoder::new().unwrap();
            encoder.encode(&vec![1; LEN]).unwrap();
            encoder
        })
        .bench_local_values(|mut encoder| encoder.encode(&plain).unwrap().1.len());
}

#[divan::bench(args = KINDS)]
fn decode(bencher: Bencher, kind: Kind) {
    let (plain, mut encoder, mut decoder) = (block(kind), Encoder::new().unwrap(), Decoder::new().unwrap());
    let (codec, stored) = encoder.encode(&plain).unwrap();
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(LEN)).bench_local(|| decoder.decode(codec, stored, LEN, &mut out).unwrap());
}

const fn stride(width: usize) -> Stride {
    match width {
        2 => Stride::Two,
        4 => Stride::Four,
        _ => Stride::Eight,
    }
}

#[divan::bench(args = WIDTHS)]
fn shuffled(bencher: Bencher, width: usize) {
    let (plain, mut out) = (block(Kind::Random), Vec::new());
    bencher.counter(BytesCount::new(LEN)).bench_local(|| shuffle(stride(width), &plain, &mut out));
}

#[divan::bench(args = WIDTHS)]
fn unshuffled(bencher: Bencher, width: usize) {
    let (plain, mut out) = (block(Kind::Random), Vec::new());
    bencher.counter(BytesCount::new(LEN)).bench_local(|| unshuffle(stride(width), &plain, &mut out));
}

const MODEL: Model = Model { odd: true, shift: 4 };

#[divan::bench]
fn predicted(bencher: Bencher) {
    let (plain, mut out) = (block(Kind::Sky16), Vec::new());
    bencher.counter(BytesCount::new(LEN)).bench_local(|| predict(MODEL, &plain, &mut out));
}

#[divan::bench]
fn restored(bencher: Bencher) {
    let (predicted, mut out) = (block(Kind::Sky16), Vec::new());
    bencher.counter(BytesCount::new(LEN)).bench_local(|| restore(MODEL, &predicted, &mut out));
}
