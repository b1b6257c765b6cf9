//! Hellos and frames: round trips, damage of every kind, garbage.

use super::{ALIVE, Flaw, Frame, Hello, TALK, TUNNEL, check_of, write};
use crate::format::fixed::short_checksum;
use crate::limits::FRAME_MAX;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use proptest::strategy::Strategy;
use std::io::Read;

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.write(&mut bytes).unwrap();
    bytes
}

fn greeting(hello: &Hello) -> Vec<u8> {
    let mut bytes = Vec::new();
    hello.write(&mut bytes).unwrap();
    bytes
}

/// Gives out the bytes in small pieces, and counts.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = buffer.len().min(3);
        let n = self.0.read(&mut buffer[..n])?;
        self.1 += n;
        Ok(n)
    }
}

fn frames() -> impl Strategy<Value = Frame> {
    let talk = (select(vec![TALK, TUNNEL]), prop::collection::vec(any::<u8>(), 0..600));
    talk.prop_map(|(channel, payload)| Frame { channel, payload })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_that_were_written_are_read(frames in prop::collection::vec(frames(), 0..5)) {
        let bytes: Vec<u8> = frames.iter().flat_map(encoded).collect();
        let mut from = Drops(&bytes, 0);
        for frame in frames {
            prop_assert_eq!(Frame::read(&mut from).unwrap(), Some(frame));
        }
        prop_assert_eq!(Frame::read(&mut from).unwrap(), None);
    }

    #[test]
    fn garbage_is_an_error_and_nothing_worse(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        prop_assert!(Frame::read(&mut bytes.as_slice()).is_err());
        prop_assert!(Hello::read(&mut bytes.as_slice()).is_err());
    }

    #[test]
    fn hellos_that_were_written_are_read_and_nothing_behind_them(protocol: u16, program in "[ -~]{0,64}", rest in prop::collection::vec(any::<u8>(), 0..20)) {
        let hello = Hello { protocol, program };
        let bytes = [greeting(&hello), rest.clone()].concat();
        let mut from = Drops(&bytes, 0);
        prop_assert_eq!(Hello::read(&mut from).unwrap(), hello);
        prop_assert_eq!(from.0, rest.as_slice());
    }
}

#[test]
fn every_flipped_bit_of_a_frame_is_noticed() {
    for frame in
        [Frame { channel: TALK, payload: b"the night".to_vec() }, Frame { channel: ALIVE, payload: Vec::new() }]
    {
        let good = encoded(&frame);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // What follows may not help it either.
            bad.extend(&good);
            assert!(Frame::read(&mut bad.as_slice()).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn every_frame_and_hello_that_is_cut_is_noticed() {
    let good = encoded(&Frame { channel: TUNNEL, payload: vec![7; 50] });
    for length in 1..good.len() {
        assert!(matches!(Frame::read(&mut &good[..length]), Err(Flaw::Cut)), "{length}");
    }
    let good = greeting(&Hello::ours());
    for length in 0..good.len() {
        assert!(matches!(Hello::read(&mut &good[..length]), Err(Flaw::Cut)), "{length}");
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_length_alone() {
    let limit = u32::try_from(FRAME_MAX).unwrap();
    for length in [limit + 1, u32::MAX] {
        let covered = [&length.to_le_bytes()[..], &[0; 9]].concat();
        let mut from = Drops(&[&covered[..], &check_of(&covered), &[0; 1000]].concat(), 0);
        assert!(matches!(Frame::read(&mut from), Err(Flaw::Damaged("a frame that is too long"))));
        assert_eq!(from.1, 17, "only the head was read");
    }
    let mut out = Vec::new();
    assert!(write(&mut out, TALK, &vec![0; FRAME_MAX + 1]).is_err() && out.is_empty());
    let longest = Frame { channel: TALK, payload: vec![1; FRAME_MAX] };
    assert_eq!(Frame::read(&mut encoded(&longest).as_slice()).unwrap(), Some(longest));
}

#[test]
fn a_channel_that_does_not_exist_is_refused_even_with_a_right_checksum() {
    for (channel, payload) in [(2, &b""[..]), (254, b""), (ALIVE, b"x")] {
        let mut bytes = Vec::new();
        write(&mut bytes, channel, payload).unwrap();
        assert!(matches!(Frame::read(&mut bytes.as_slice()), Err(Flaw::Damaged(_))), "{channel}");
    }
}

#[test]
fn the_bytes_are_those_of_the_head_of_the_file() {
    let hello = Hello { protocol: 0x0102, program: "0.1".to_owned() };
    assert_eq!(greeting(&hello), b"BKUPWIRE\x02\x01\x03\x000.1");
    let covered = [&b"\x02\0\0\0\x01"[..], &short_checksum(&[b"\x02\0\0\0\x01hi"])].concat();
    let check = &short_checksum(&[&covered])[..4];
    assert_eq!(encoded(&Frame { channel: 1, payload: b"hi".to_vec() }), [&covered[..], check, b"hi"].concat());
}

#[test]
fn a_length_that_was_damaged_is_refused_without_waiting_for_what_it_says() {
    let good = encoded(&Frame { channel: TALK, payload: vec![7; 100] });
    for bit in 0..32 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut from = Drops(&bytes, 0);
        assert!(matches!(Frame::read(&mut from), Err(Flaw::Damaged(_))), "bit {bit}");
        assert_eq!(from.1, 17, "only the head was read");
    }
}

#[test]
fn a_hello_that_is_too_long_is_refused_and_a_strange_one_is_escaped() {
    assert!(matches!(Hello::read(&mut &b"BKUPWIRE\x01\0\x41\0"[..]), Err(Flaw::Damaged(_))));
    let hello = Hello::read(&mut &b"BKUPWIRE\x01\0\x04\0\x1b[2J"[..]).unwrap();
    assert_eq!(hello.program, "\\x1b[2J");
}

#[test]
fn an_answer_that_is_no_hello_is_shown_by_its_first_line() {
    for (answer, line) in [
        (&b"\r\n\nHowdy\r\n"[..], "Howdy"),
        (b"hi\n", "hi"),
        (b"\x1b[31mno\n", "\\x1b[31mno"),
        (b"BKUPwhat", "BKUPwhat"),
    ] {
        let message = Hello::read(&mut &answer[..]).unwrap_err().at("uhane").to_string();
        assert!(message.starts_with(&format!("uhane answered with \"{line}\" instead of")), "{message}");
    }
}
