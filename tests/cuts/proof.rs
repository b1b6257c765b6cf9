//! The cutter proves itself before anything is believed of it: what it does to `cat`, whose output is its input.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SLOWEST: Duration = Duration::from_millis(500);
const LENGTH: usize = 300_000;

struct Ran {
    code: Option<i32>,
    output: Vec<u8>,
    is_hit: bool,
    counts: String,
}

/// Sends the bytes to `cat` on a host named a, through the cutter.
fn send(bytes: &[u8], plan: &str) -> Ran {
    let log = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["rsh", "a", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.env("CUTTER", plan).env("CUTTER_LOG", log.path()).env("CUTTER_PATH", "/usr/bin");
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let copy = bytes.to_vec();
    // It may be cut, and then this can't be written.
    let writer = std::thread::spawn(move || input.write_all(&copy).ok());
    let done = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let note = std::fs::read_dir(log.path()).unwrap().map(|item| item.unwrap().path());
    let note = note.filter(|path| !path.ends_with("hit")).find_map(|path| std::fs::read_to_string(path).ok());
    Ran {
        code: done.status.code(),
        output: done.stdout,
        is_hit: log.path().join("hit").exists(),
        counts: note.unwrap_or_default(),
    }
}

/// Panics when something does not do what its name says.
pub(crate) fn prove() {
    let bytes: Vec<u8> = (0..LENGTH).map(|n| u8::try_from(n * n % 251).unwrap()).collect();
    let fastest = (0..5).map(|_| {
        let begun = Instant::now();
        send(b"", "");
        begun.elapsed()
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < SLOWEST, "it takes {fastest:?} to begin and end");

    let whole = send(&bytes, "");
    assert!(whole.code == Some(0) && whole.output == bytes && !whole.is_hit, "nothing was to happen");
    assert!(whole.counts.starts_with(&format!("a {LENGTH} ")), "counts: {}", whole.counts);
    let other = send(&bytes, "b in cut byte 5");
    assert!(other.output == bytes && !other.is_hit, "something was to happen to another host");
    for way in ["in", "out"] {
        for n in [0, 1, 70_000, LENGTH - 1] {
            let cut = send(&bytes, &format!("a {way} cut byte {n}"));
            let length = cut.output.len();
            assert!(cut.is_hit && cut.code == Some(255), "{way}, cut at {n}: {:?}", cut.code);
            assert!(bytes.starts_with(&cut.output) && length <= n, "{way}, cut at {n}: {length} bytes came");
            assert!(way == "in" || length == n, "cut at {n} of what comes out: {length} bytes came");
            let wrong = send(&bytes, &format!("a {way} corrupt byte {n}"));
            let pairs = wrong.output.iter().zip(&bytes).enumerate();
            let unlike: Vec<_> =
                pairs.filter(|(_, (a, b))| a != b).map(|(at, (a, b))| (at, (a ^ b).count_ones())).collect();
            assert!(wrong.code == Some(0) && wrong.output.len() == LENGTH, "corrupt at {n}");
            assert_eq!(unlike, [(n, 1)], "{way}, corrupt at {n}");
        }
    }
    let late = send(&bytes, &format!("a in cut byte {LENGTH}"));
    assert!(late.output == bytes && !late.is_hit, "a cut behind the end");
    let garbage = send(&bytes, "a out garbage byte 50");
    assert!(garbage.is_hit && garbage.output.starts_with(b"Welcome to") && garbage.output[50..] == bytes, "garbage");
    let killed = send(&bytes, "a in kill byte 70000");
    assert!(killed.is_hit && killed.code == Some(255) && killed.output.len() <= LENGTH, "killed: {:?}", killed.code);
}
