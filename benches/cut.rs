//! Micro-benchmark of the cutter: `cargo bench --bench cut`. Beside it, the hash of the same chunks, which is the other cost of every byte.
#![allow(missing_docs, reason = "a bench has no readers")]

use backup::chunk::cut::{Chunker, Cutter};
use backup::id::Id;
use divan::{Bencher, counter::BytesCount};

const LEN: usize = 64 << 20;
const KINDS: [Kind; 3] = [Kind::Random, Kind::Text, Kind::Zeros];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Random,
    /// Lines that repeat themselves with small changes.
    Text,
    /// No cut but the longest.
    Zeros,
}

fn main() {
    divan::main();
}

fn data(kind: Kind) -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    match kind {
        Kind::Random => blake3::Hasher::new().update(b"cut").finalize_xof().fill(&mut bytes),
        Kind::Text => {
            let mut line = 0_u64;
            for place in bytes.chunks_mut(43) {
                line += 1;
                let text = format!("\tif (dev->state != {:>9}) return {:>4};\n", line * line % 977, line % 13);
                place.copy_from_slice(text.as_bytes().get(..place.len()).unwrap_or_default());
            }
        }
        Kind::Zeros => {}
    }
    bytes
}

/// Calls `each` for every chunk.
fn chunks(bytes: &[u8], mut each: impl FnMut(&[u8])) -> usize {
    let cutter = Cutter::new(Chunker::default());
    let (mut rest, mut count) = (bytes, 0);
    while !rest.is_empty() {
        let window = rest.get(..cutter.window()).unwrap_or(rest);
        let (chunk, behind) = rest.split_at(cutter.next(window));
        each(chunk);
        (rest, count) = (behind, count + 1);
    }
    count
}

#[divan::bench(args = KINDS, sample_count = 20)]
fn cut(bencher: Bencher, kind: Kind) {
    let bytes = data(kind);
    bencher.counter(BytesCount::new(LEN)).bench_local(|| chunks(&bytes, |_| {}));
}

#[divan::bench(args = KINDS, sample_count = 20)]
fn cut_and_hash(bencher: Bencher, kind: Kind) {
    let bytes = data(kind);
    bencher.counter(BytesCount::new(LEN)).bench_local(|| {
        chunks(&bytes, |chunk| {
            divan::black_box(Id::of(chunk));
        })
    });
}
