//! What was found in common makes the very bytes again, and is found where it is.

use super::{Signature, Step, diff, follow};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from(state >> 56).unwrap()
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn a_few_bytes_put_into_a_file_are_nearly_all_that_is_sent() {
    let old = noise(100_000);
    let mut new = old.clone();
    new.splice(40_000..40_000, *b"a line more");
    new.splice(70_000..70_020, []);
    let (steps, sent) = diff(&Signature::of(&old, 1024, 9), &new);
    assert!(sent.len() < 11 + 2 * 1024 + 1024, "{}", sent.len());
    assert!(steps.len() <= 7, "{steps:?}");
    assert_eq!(follow(&steps, &old, &sent, new.len()).unwrap(), new);
}

#[test]
fn steps_that_do_not_fit_make_nothing() {
    let old = b"0123456789";
    assert_eq!(follow(&[Step::Old(2, 3), Step::New(2)], old, b"ab", 5).unwrap(), b"234ab");
    let none = |steps: &[Step], length| assert_eq!(follow(steps, old, b"ab", length), None, "{steps:?}");
    none(&[Step::Old(2, 3), Step::New(2)], 4);
    none(&[Step::Old(2, 3), Step::New(2)], 6);
    none(&[Step::Old(2, 3), Step::New(1)], 4);
    none(&[Step::Old(2, 3), Step::New(3)], 6);
    none(&[Step::Old(8, 3), Step::New(2)], 5);
    none(&[Step::Old(u32::MAX, u32::MAX), Step::New(2)], 5);
    none(&[Step::Old(0, 10), Step::Old(0, 10), Step::New(2)], 12);
}

#[test]
fn many_equal_blocks_take_no_longer_than_others() {
    let old = vec![0; 1 << 20];
    let (steps, sent) = diff(&Signature::of(&old, 32, 1), &old);
    assert_eq!((steps.len() <= 2, sent.len()), (true, 0), "{steps:?}");
}

proptest! {
    #[test]
    fn what_was_diffed_is_made_again(
        old in prop::collection::vec(0..3_u8, 0..400),
        cuts in prop::collection::vec((0..400_usize, 0..60_usize, prop::collection::vec(0..3_u8, 0..20)), 0..5),
        block in 1..40_u32,
        salt in any::<u64>(),
    ) {
        let mut new = old.clone();
        for (at, gone, more) in cuts {
            let at = at.min(new.len());
            new.splice(at..(at + gone).min(new.len()), more);
        }
        let (steps, sent) = diff(&Signature::of(&old, block, salt), &new);
        prop_assert!(sent.len() <= new.len());
        prop_assert_eq!(follow(&steps, &old, &sent, new.len()), Some(new));
    }

    #[test]
    fn a_hostile_signature_does_no_harm(
        rows in prop::collection::vec(any::<u8>(), 0..100),
        block in any::<u32>(),
        new in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (steps, sent) = diff(&Signature { block, salt: 0, rows }, &new);
        let made = follow(&steps, &new, &sent, new.len());
        prop_assert!(made.is_none_or(|made| made.len() == new.len()));
    }
}
