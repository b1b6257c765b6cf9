//! Rates: what is one, and whether it is kept.

use super::{Limited, Throttle, parse};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn rates_are_read_as_operators_write_them() {
    for (text, rate) in [
        ("1", 1024),
        ("500K", 512_000),
        ("500k", 512_000),
        ("10M", 10 << 20),
        ("1.5G", 3 << 29),
        ("1.5", 1536),
        ("0.001K", 1),
        ("18014398509481983", u64::MAX - 1023),
    ] {
        assert_eq!(parse(text), Ok(rate), "{text}");
    }
}

#[test]
fn what_is_no_rate_is_refused_and_escaped() {
    for text in [
        "",
        "0",
        "0K",
        "0.0M",
        "0.0009K",
        "K",
        ".5M",
        "1.M",
        "-1",
        "+1",
        "1e6",
        "10MB",
        "1,5M",
        " 1",
        "1_0",
        "\u{0661}",
        "é",
        "18446744073709551616",
        "99999999999999999G",
        "1.99999999999999999999999M",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    assert!(parse("\x1b[2J").unwrap_err().to_string().starts_with("\\x1b[2J is not a rate"));
}

#[test]
fn two_pipes_that_share_a_throttle_keep_its_rate_together() {
    let throttle = Arc::new(Throttle::new(400_000));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope
            .spawn(|| Limited::new(std::io::sink(), Some(Arc::clone(&throttle))).write_all(&vec![0; 100_000]).unwrap());
        scope.spawn(|| {
            let mut from = Limited::new(std::io::repeat(1), Some(Arc::clone(&throttle)));
            from.read_exact(&mut vec![0; 100_000]).unwrap();
        });
    });
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(370), "{took:?}: 200 kB at 400 kB/s, 1/8 s of it at once");
    assert!(took <= Duration::from_millis(1500), "{took:?}");
}

#[test]
fn time_in_which_nothing_passed_is_not_saved_up() {
    let throttle = Throttle::new(100_000);
    std::thread::sleep(Duration::from_millis(400));
    let begun = Instant::now();
    throttle.pass(30_000);
    assert!(begun.elapsed() >= Duration::from_millis(150), "{:?}", begun.elapsed());
}

#[test]
fn without_a_rate_everything_passes_at_once() {
    let begun = Instant::now();
    Limited::new(std::io::sink(), None).write_all(&vec![0; 50_000_000]).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
}
