//! Lines over pipes of the system, with ends that are slow, silent, dead, strange or damaged.

use super::{Line, Options, Port, join};
use crate::remote::Error;
use crate::remote::frame::{Frame, Hello, TALK, TUNNEL};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

type Ends = (PipeReader, PipeWriter);

fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn pipes() -> (Ends, Ends) {
    let ((to_far, from_near), (to_near, from_far)) = (pipe().unwrap(), pipe().unwrap());
    ((to_near, from_near), (to_far, from_far))
}

fn quick() -> Options {
    Options { keep_alive: milliseconds(20), silence: milliseconds(300), ..Options::default() }
}

fn open(name: &str, (input, output): Ends, options: Options) -> Result<Line, Error> {
    Line::open(name.to_owned(), input, output, options)
}

fn two(near: Options, far: Options) -> (Result<Line, Error>, Result<Line, Error>) {
    let (here, there) = pipes();
    let far = thread::spawn(move || open("the caller", there, far));
    (open("uhane", here, near), far.join().unwrap())
}

fn pair() -> (Line, Line) {
    let (near, far) = two(quick(), quick());
    (near.unwrap(), far.unwrap())
}

fn greeting() -> Vec<u8> {
    let mut bytes = Vec::new();
    Hello::ours().write(&mut bytes).unwrap();
    bytes
}

fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame { channel, payload: payload.to_vec() }.write(&mut bytes).unwrap();
    bytes
}

/// A line whose other end says exactly this, and hangs up.
fn told(bytes: Vec<u8>, options: Options) -> Result<Line, Error> {
    let (here, (_input, mut output)) = pipes();
    let speaker = thread::spawn(move || output.write_all(&bytes));
    let line = open("uhane", here, options);
    speaker.join().unwrap().unwrap();
    line
}

fn all(port: &Port) -> (Vec<Vec<u8>>, Option<Error>) {
    let mut messages = Vec::new();
    loop {
        match port.receive() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, None),
            Err(error) => return (messages, Some(error)),
        }
    }
}

#[test]
fn messages_of_many_threads_arrive_whole_on_their_ports() {
    let (near, far) = pair();
    let big = vec![9; 300_000];
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..40).for_each(|_| near.talk().send(&big).unwrap()));
            scope.spawn(|| (0..40).for_each(|n| near.tunnel().send(&[1, n]).unwrap()));
        }
        let talk = scope.spawn(|| (0..120).all(|_| far.talk().receive().unwrap().unwrap() == big));
        let tunnel = scope.spawn(|| (0..120).all(|_| far.tunnel().receive().unwrap().unwrap().len() == 2));
        assert!(talk.join().unwrap() && tunnel.join().unwrap());
    });
    far.talk().send(b"back").unwrap();
    assert_eq!(near.talk().receive().unwrap().unwrap(), b"back");
    assert_eq!((near.host(), near.their_version()), ("uhane", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_line_that_is_idle_is_kept_alive_and_hanging_up_ends_it() {
    let (near, far) = pair();
    thread::sleep(milliseconds(900));
    near.talk().send(b"still here").unwrap();
    assert_eq!(far.talk().receive().unwrap().unwrap(), b"still here");
    drop(near);
    assert!(far.talk().receive().unwrap().is_none() && far.tunnel().receive().unwrap().is_none());
}

#[test]
fn a_silent_peer_ends_in_an_error_before_and_after_its_hello() {
    for said in [Vec::new(), b"BKUP".to_vec(), greeting(), [greeting(), frame(TALK, b"x")].concat()] {
        let (here, (_input, mut output)) = pipes();
        output.write_all(&said).unwrap();
        let output = Arc::new(Mutex::new(Some(output)));
        let killed = Arc::clone(&output);
        let kill = Box::new(move || drop(killed.lock().unwrap().take()));
        let begun = Instant::now();
        let error = match open("uhane", here, Options { kill, ..quick() }) {
            Ok(line) => {
                let error = all(&line.talk()).1.unwrap();
                assert!(matches!(line.talk().send(b"x"), Err(Error::Silent { .. })), "sends give the same error");
                assert!(matches!(line.tunnel().receive(), Err(Error::Silent { .. })), "the other port too");
                error
            }
            Err(error) => error,
        };
        assert!(matches!(error, Error::Silent { .. }), "{error}");
        assert!(output.lock().unwrap().is_none(), "what hangs was killed");
        assert!((milliseconds(280)..milliseconds(2000)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_port_that_is_slow_is_not_taken_for_silence() {
    let (near, far) = pair();
    thread::scope(|scope| {
        scope.spawn(|| (0..200).for_each(|_| near.talk().send(&[5; 5000]).unwrap()));
        thread::sleep(milliseconds(900));
        for _ in 0..200 {
            assert_eq!(far.talk().receive().unwrap().unwrap().len(), 5000);
        }
    });
}

#[test]
fn two_ends_that_wait_for_each_other_do_not_wait_for_ever() {
    let (here, (input, output)) = pipes();
    let spare = Arc::new(Mutex::new(Some((input.try_clone().unwrap(), output.try_clone().unwrap()))));
    let killed = Arc::clone(&spare);
    let (failed, failure) = std::sync::mpsc::channel();
    let explain = Box::new(move |error: Error, _| {
        failed.send(error.clone()).unwrap();
        error
    });
    let kill = Box::new(move || drop(killed.lock().unwrap().take()));
    let options = Options { silence: milliseconds(60), explain, kill, ..quick() };
    // The other end sends and never reads. Nobody receives here: only the line itself can find out.
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    thread::spawn(move || {
        let (_input, mut output) = (input, output);
        output.write_all(&greeting()).unwrap();
        while !over.load(Ordering::Relaxed) && output.write_all(&frame(TALK, &vec![5; 50_000])).is_ok() {}
    });
    let line = open("uhane", here, options).unwrap();
    let talk = line.talk();
    thread::spawn(move || while talk.send(&vec![5; 50_000]).is_ok() {});
    let error = failure.recv_timeout(Duration::from_secs(10)).unwrap();
    is_over.store(true, Ordering::Relaxed);
    assert!(matches!(error, Error::Silent { .. }), "{error}");
}

#[test]
fn a_port_that_is_closed_does_not_stop_the_other_one() {
    let (near, far) = pair();
    far.tunnel().close();
    for _ in 0..500 {
        near.tunnel().send(&[1; 3000]).unwrap();
    }
    near.talk().send(b"through").unwrap();
    assert_eq!(far.talk().receive().unwrap().unwrap(), b"through");
    assert!(near.tunnel().receive().unwrap().is_none(), "the other end learns of it");
    assert!(matches!(far.tunnel().send(b"x"), Err(Error::Closed { .. })));
}

#[test]
fn a_server_that_goes_is_an_error_and_a_client_that_goes_is_not() {
    let said = [greeting(), frame(TALK, b"1"), frame(TUNNEL, b"2")].concat();
    let line = told(said.clone(), quick()).unwrap();
    assert_eq!(all(&line.talk()).0, [b"1"]);
    assert!(line.tunnel().receive().unwrap().is_some() && line.tunnel().receive().unwrap().is_none());

    let explain = Box::new(|error, _| match error {
        Error::Closed { host, .. } => Error::Closed { host, last: "the disk burns".to_owned() },
        error => error,
    });
    let line = told(said, Options { may_end: false, explain, ..quick() }).unwrap();
    let (messages, error) = all(&line.talk());
    assert_eq!(messages, [b"1"], "what it said before is not lost");
    assert!(error.unwrap().to_string().starts_with("uhane: the other end went away: the disk burns ("));
    assert!(line.talk().send(b"x").unwrap_err().to_string().contains("the disk burns"));
}

#[test]
fn whatever_byte_it_is_cut_at_no_message_is_torn_and_none_is_made_up() {
    let pieces = [greeting(), frame(TALK, b"one"), frame(TALK, &vec![2; 70_000]), frame(TALK, b"three")];
    let whole = pieces.concat();
    let ends: Vec<usize> = pieces
        .iter()
        .scan(0, |at, piece| {
            *at += piece.len();
            Some(*at)
        })
        .collect();
    // Of the long payload one byte in a thousand.
    for cut in (0..=whole.len()).filter(|cut| *cut < ends[1] + 20 || *cut > ends[2] - 20 || cut % 1000 == 0) {
        match told(whole[..cut].to_vec(), quick()) {
            Err(error) => assert!(cut < ends[0] && matches!(error, Error::Closed { .. }), "{cut}: {error}"),
            Ok(line) => {
                let (messages, error) = all(&line.talk());
                assert_eq!(messages.len(), ends.iter().skip(1).filter(|end| **end <= cut).count(), "{cut}");
                assert_eq!(error.is_none(), ends.contains(&cut), "{cut}: {error:?}");
            }
        }
    }
}

#[test]
fn damage_ends_the_line_and_every_later_call_says_so() {
    let good = [greeting(), frame(TALK, b"one"), frame(TALK, b"two")].concat();
    let from = greeting().len() + frame(TALK, b"one").len();
    for at in from..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let line = told(bad, quick()).unwrap();
        let (messages, error) = all(&line.talk());
        assert_eq!(messages, [b"one"], "{at}");
        // A length that was made longer runs into the end.
        assert!(matches!(error, Some(Error::Damaged { .. } | Error::Closed { .. })), "{at}: {error:?}");
        assert_eq!(line.tunnel().receive().unwrap_err().to_string(), error.unwrap().to_string());
    }
}

#[test]
fn versions_that_do_not_fit_are_told_on_both_ends() {
    let other = Hello { protocol: 7, program: "9.9".to_owned() };
    let (near, far) = two(Options { may_end: false, ..quick() }, Options { hello: other, ..quick() });
    let (near, far) = (near.err().unwrap().to_string(), far.err().unwrap().to_string());
    let ours = Hello::ours().named();
    assert!(near.starts_with(&format!("uhane has backup 9.9 (protocol 7), here is {ours}:")), "{near}");
    assert!(far.starts_with(&format!("the caller has backup {ours}, here is 9.9 (protocol 7):")), "{far}");
    assert!(near.contains(" on uhane: scp /") && !far.contains("scp"), "{near}; {far}");
    assert!(!near.contains('\n') && !far.contains('\n'));
}

#[test]
fn a_banner_is_shown_by_its_line_at_once_even_if_the_peer_then_waits() {
    let (here, (_input, mut output)) = pipes();
    output.write_all(b"\nWelcome to \x1b[1muhane\x1b[0m, observer\nmail: none\n").unwrap();
    let begun = Instant::now();
    let error = open("uhane", here, Options::default()).err().unwrap().to_string();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let shown = "uhane answered with \"Welcome to \\x1b[1muhane\\x1b[0m, observer\" instead of the protocol of backup:";
    assert!(error.starts_with(shown), "{error}");
}

#[test]
fn a_message_that_is_too_long_is_refused_and_the_line_goes_on() {
    let (near, far) = pair();
    assert!(matches!(near.talk().send(&vec![0; crate::limits::FRAME_MAX + 1]), Err(Error::Damaged { .. })));
    near.talk().send(b"short").unwrap();
    assert_eq!(far.talk().receive().unwrap().unwrap(), b"short");
}

#[test]
fn joined_lines_pass_on_both_ways_until_one_ends() {
    for engine_ends in [true, false] {
        let ((engine_there, engine), (mirror, mirror_there)) = (pair(), pair());
        let (tunnel, talk) = (engine.tunnel(), mirror.talk());
        let joined = thread::spawn(move || join(&tunnel, &talk));
        for n in 0..300_u16 {
            engine_there.tunnel().send(&n.to_le_bytes()).unwrap();
            assert_eq!(mirror_there.talk().receive().unwrap().unwrap(), n.to_le_bytes());
            mirror_there.talk().send(&[3; 2000]).unwrap();
            assert_eq!(engine_there.tunnel().receive().unwrap().unwrap().len(), 2000);
        }
        if engine_ends {
            engine_there.tunnel().close();
            assert!(mirror_there.talk().receive().unwrap().is_none());
        } else {
            drop(mirror_there);
            assert!(engine_there.tunnel().receive().unwrap().is_none());
        }
        joined.join().unwrap().unwrap();
        engine_there.talk().send(b"the rest goes on").unwrap();
        assert_eq!(engine.talk().receive().unwrap().unwrap(), b"the rest goes on");
    }
}

#[test]
fn a_joined_line_that_is_damaged_closes_the_other_and_is_the_reason() {
    let (engine_there, engine) = pair();
    let bad = [greeting(), vec![0xff; 100]].concat();
    let mirror = told(bad, Options { may_end: false, ..quick() }).unwrap();
    let error = join(&engine.tunnel(), &mirror.talk()).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(engine_there.tunnel().receive().unwrap().is_none());
}

#[test]
fn a_line_that_hangs_up_closes_its_pipe() {
    let (here, (mut input, mut output)) = pipes();
    output.write_all(&greeting()).unwrap();
    drop(open("uhane", here, quick()).unwrap());
    let mut rest = Vec::new();
    input.read_to_end(&mut rest).unwrap();
    assert!(rest.starts_with(&greeting()));
}
