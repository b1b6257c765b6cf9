//! Tests of the block codec: what goes in comes out, and what is not ours is refused.
use proptest::prelude::*;

use super::*;

const ALL: [Codec; 6] = [Codec::Raw, Codec::Zstd, Codec::Shuffle2, Codec::Shuffle4, Codec::Shuffle8, Codec::Predict2];

/// Encodes with a codec of our choice.
fn stored_as(codec: Codec, plain: &[u8]) -> Vec<u8> {
    if codec == Codec::Raw {
        return plain.to_vec();
    }
    let mut encoder = Encoder::new().unwrap();
    let model = Model { odd: true, shift: 3 };
    encoder.encode_as(Plan { model, ..Plan::new(codec, Effort::Quick) }, plain).unwrap();
    encoder.stored
}

/// Noise that is the same in every run.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(step).collect()
}

/// A sky of 16-bit big-endian pixels around 1000, with some 6 bits of noise.
fn sky(pixels: usize) -> Vec<u8> {
    noise(pixels).iter().flat_map(|n| (1000 + u16::from(*n >> 2)).to_be_bytes()).collect()
}

/// Pairs of a number of two bits and one of eight.
fn rows(count: usize) -> Vec<u8> {
    noise(2 * count).as_chunks::<2>().0.iter().flat_map(|[a, b]| [a & 0xc0, *b]).collect()
}

fn text(len: usize) -> Vec<u8> {
    (0..).flat_map(|i: u32| format!("line {i} of {}\n", i.wrapping_mul(2_654_435_761)).into_bytes()).take(len).collect()
}

#[test]
fn a_worker_thread_may_own_them() {
    const fn is_send<T: Send>() {}
    is_send::<Encoder>();
    is_send::<Decoder>();
}

#[test]
fn numbers_are_those_of_the_format() {
    for (number, codec) in (0_u8..).zip(ALL) {
        assert_eq!(u8::from(codec), number);
        assert_eq!(Codec::try_from(number), Ok(codec));
    }
    assert_eq!(Codec::try_from(6), Err(UnknownCodec(6)));
}

#[test]
fn chooses_what_suits() {
    let mut encoder = Encoder::new().unwrap();
    let random = noise(1 << 20);
    let pairs = random.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
    let f32s: Vec<u8> = pairs.clone().flat_map(|n| (1.0 + f32::from(n) * 1e-7).to_be_bytes()).collect();
    let f64s: Vec<u8> = pairs.flat_map(|n| (1.0 + f64::from(n).sqrt() * 1e-5).to_be_bytes()).collect();
    let cases = [
        (noise(1 << 20), Codec::Raw),
        (text(1 << 20), Codec::Zstd),
        (rows(1 << 19), Codec::Shuffle2),
        (sky(1 << 19), Codec::Predict2),
        (sky(1 << 19).split_off(1), Codec::Predict2),
        (f32s, Codec::Shuffle4),
        (f64s, Codec::Shuffle8),
        (vec![7], Codec::Raw),
        (vec![], Codec::Raw),
    ];
    // Twice, and interleaved, because the encoder remembers.
    for (plain, expected) in cases.iter().chain(&cases) {
        let (codec, stored) = encoder.encode(plain).unwrap();
        assert_eq!(codec, *expected, "{} bytes", plain.len());
        assert!(stored.len() <= plain.len());
        let mut out = Vec::new();
        Decoder::new().unwrap().decode(codec, stored, plain.len(), &mut out).unwrap();
        assert!(out == *plain);
    }
}

#[test]
fn stays_right_over_many_blocks_and_notices_a_change() {
    let mut encoder = Encoder::new().unwrap();
    let (random, sky, text) = (noise(3 << 18), sky(3 << 17), text(1 << 18));
    for _ in 0..2 {
        for start in 0..LONG {
            // Chunks are cut anywhere, also within an element.
            assert_eq!(encoder.encode(&sky[start * 4001..][..1 << 18]).unwrap().0, Codec::Predict2);
        }
        for start in 0..LONG {
            assert_eq!(encoder.encode(&random[start * 4001..][..1 << 18]).unwrap().0, Codec::Raw);
            assert_eq!(encoder.encode(&text[start * 401..]).unwrap().0, Codec::Zstd);
        }
    }
}

/// More blocks than the encoder keeps a choice without looking again.
const LONG: usize = 130;

#[test]
fn a_frame_has_no_checksum_and_no_dictionary() {
    for codec in &ALL[1..] {
        let stored = stored_as(*codec, &text(100_000));
        let descriptor = stored[4]; // RFC 8878, 3.1.1.1.1
        assert_eq!(descriptor & 0b0000_0111, 0, "neither checksum nor dictionary id");
    }
}

#[test]
fn a_large_buffer_does_not_let_an_overlong_block_through() {
    let mut decoder = Decoder::new().unwrap();
    let plain = text(100_000);
    let mut out = Vec::with_capacity(1 << 20);
    for codec in ALL {
        let stored = stored_as(codec, &plain);
        assert!(decoder.decode(codec, &stored, plain.len() - 1, &mut out).is_err());
        assert!(decoder.decode(codec, &stored, plain.len() + 1, &mut out).is_err());
        assert!(decoder.decode(codec, &stored, MAX_PLAIN + 1, &mut out).is_err());
        assert!(decoder.decode(codec, &stored, usize::MAX, &mut out).is_err());
        decoder.decode(codec, &stored, plain.len(), &mut out).unwrap();
        assert!(out == plain, "usable after errors");
    }
}

#[test]
fn exactly_one_frame() {
    let (plain, mut out, mut decoder) = (text(1000), Vec::new(), Decoder::new().unwrap());
    let half = stored_as(Codec::Zstd, &plain[..500]);
    let two = [half.clone(), stored_as(Codec::Zstd, &plain[500..])].concat();
    assert!(matches!(decoder.decode(Codec::Zstd, &two, 1000, &mut out), Err(Error::NotOneFrame)));
    let skippable = [&half[..], &[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9]].concat();
    assert!(matches!(decoder.decode(Codec::Zstd, &skippable, 500, &mut out), Err(Error::NotOneFrame)));
    assert!(decoder.decode(Codec::Zstd, &skippable[half.len()..], 0, &mut out).is_err());
    assert!(decoder.decode(Codec::Zstd, &[], 0, &mut out).is_err());
}

#[test]
fn a_predicted_block_ends_in_a_model() {
    let (plain, mut out, mut decoder) = (sky(1000), Vec::new(), Decoder::new().unwrap());
    let mut stored = stored_as(Codec::Predict2, &plain);
    assert_eq!(stored.pop(), Some(7), "odd, over 8");
    assert!(matches!(decoder.decode(Codec::Predict2, &[], 0, &mut out), Err(Error::NoModel)));
    for byte in 0..=255 {
        let found = decoder.decode(Codec::Predict2, &[&stored[..], &[byte]].concat(), 2000, &mut out);
        assert_eq!(found.is_ok(), byte < 16, "{byte}: {found:?}");
        assert_eq!(out == plain, byte == 7, "{byte}");
    }
}

#[test]
fn takes_no_more_memory_than_promised() {
    // Eight MiB of zeros in a few hundred bytes.
    let bomb = stored_as(Codec::Zstd, &vec![0; MAX_PLAIN]);
    for codec in [Codec::Zstd, Codec::Shuffle2, Codec::Predict2] {
        let (mut out, mut decoder) = (Vec::new(), Decoder::new().unwrap());
        assert!(decoder.decode(codec, &bomb, 1000, &mut out).is_err());
        assert!(out.capacity() <= 1000 && decoder.arranged.capacity() <= 1000);
    }
    assert!(matches!(Encoder::new().unwrap().encode(&vec![0; MAX_PLAIN + 1]), Err(Error::TooLong(_))));
}

/// Bytes with some structure, of lengths around the multiples of the strides and of the tiles of the shuffle.
fn blocks() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![
        0_usize..200,
        60_usize..70,
        (0_usize..40, 0_usize..17).prop_map(|(k, d)| k * 64 + d),
        0_usize..300_000
    ];
    (len, any::<u8>(), any::<u8>()).prop_map(|(len, mask, base)| {
        noise(len).iter().enumerate().map(|(i, n)| base ^ if mask >> (i % 8) & 1 == 1 { *n } else { n & 3 }).collect()
    })
}

proptest! {
    #[test]
    fn every_codec_gives_back_what_it_took(plain in blocks()) {
        let (mut decoder, mut out) = (Decoder::new().unwrap(), Vec::new());
        for codec in ALL {
            let stored = stored_as(codec, &plain);
            decoder.decode(codec, &stored, plain.len(), &mut out).unwrap();
            prop_assert!(out == plain);
        }
    }

    #[test]
    fn the_chosen_codec_gives_back_what_it_took(plains in proptest::collection::vec(blocks(), 1..6)) {
        let (mut encoder, mut decoder, mut out) = (Encoder::new().unwrap(), Decoder::new().unwrap(), Vec::new());
        for plain in plains {
            let (codec, stored) = encoder.encode(&plain).unwrap();
            prop_assert!(stored.len() <= plain.len());
            decoder.decode(codec, stored, plain.len(), &mut out).unwrap();
            prop_assert!(out == plain);
        }
    }

    #[test]
    fn a_wrong_length_is_refused(plain in blocks(), wrong in 0_usize..400_000) {
        prop_assume!(wrong != plain.len());
        let (mut decoder, mut out) = (Decoder::new().unwrap(), Vec::new());
        for codec in ALL {
            prop_assert!(decoder.decode(codec, &stored_as(codec, &plain), wrong, &mut out).is_err());
        }
    }

    #[test]
    fn garbage_never_panics(stored in proptest::collection::vec(any::<u8>(), 0..2000), len in 0_usize..5000) {
        let (mut decoder, mut out) = (Decoder::new().unwrap(), Vec::new());
        for codec in ALL {
            if decoder.decode(codec, &stored, len, &mut out).is_ok() {
                prop_assert_eq!(out.len(), len);
            }
        }
    }

    #[test]
    fn damage_never_panics(plain in blocks(), at in any::<proptest::sample::Index>(), flip in 1_u8.., cut in any::<proptest::sample::Index>()) {
        let (mut decoder, mut out) = (Decoder::new().unwrap(), Vec::new());
        for codec in &ALL[1..] {
            let mut stored = stored_as(*codec, &plain);
            let short = &stored[..cut.index(stored.len())];
            prop_assert!(decoder.decode(*codec, short, plain.len(), &mut out).is_err());
            let at = at.index(stored.len());
            stored[at] ^= flip;
            if decoder.decode(*codec, &stored, plain.len(), &mut out).is_ok() {
                prop_assert_eq!(out.len(), plain.len());
            }
        }
    }
}
