//! Which points there are. A point follows from kind, scene, seed and the number of the call, so that it can be done again.

use crate::point::{Blow, Point};
use crate::random::Random;
use crate::scenes::Scene;
use crate::trace::Fault;
use nix::errno::Errno;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The program is killed.
    Kill,
    /// A call of the program fails.
    Errors,
    /// It is killed, and the next run is killed or a call of it fails.
    Double,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) points: u64,
    pub(crate) seed: u64,
    /// One point alone: seed of the scene, number of the call, and that of the second fault.
    pub(crate) one: Option<(u64, u64, u64)>,
}

/// Errors that are put in turn, once and for ever.
const ERRORS: [Errno; 9] = [
    Errno::EIO,
    Errno::ENOSPC,
    Errno::EDQUOT,
    Errno::EROFS,
    Errno::EMFILE,
    Errno::EACCES,
    Errno::ENOMEM,
    Errno::EINTR,
    Errno::ESTALE,
];

/// Before the call in one half, after it in the other; the next seed has it the other way round.
fn kill(seed: u64, at: u64) -> Blow {
    Blow { fault: if (seed + at).is_multiple_of(2) { Fault::KillBefore } else { Fault::KillAfter }, at }
}

/// All errors, each once and for ever, and a short write.
fn error(seed: u64, at: u64) -> Blow {
    let count = u64::try_from(ERRORS.len()).expect("a small number");
    let turn = (at * 7 + seed) % (2 * count + 1);
    let errno = ERRORS.get(usize::try_from(turn / 2).expect("a small number"));
    let fault = match errno {
        None => Fault::Short,
        Some(&errno) if turn.is_multiple_of(2) => Fault::Once(errno),
        Some(&errno) => Fault::Ever(errno),
    };
    Blow { fault, at }
}

/// The point at a call; of a double one also at a call of the second run.
pub(crate) fn point(kind: Kind, scene: &'static Scene, seed: u64, at: u64, then: u64) -> Point {
    let mut random = Random::new(seed ^ (at << 32));
    let errors = random.one_in(2);
    let second = match kind {
        Kind::Double if errors => Some(error(seed, then)),
        Kind::Double => Some(kill(seed, then)),
        _ => None,
    };
    let first = if kind == Kind::Errors { error(seed, at) } else { kill(seed, at) };
    // What people do between two nights, one of which was killed.
    let edited = kind == Kind::Double && random.one_in(2);
    Point { scene, seed, first, second, edited }
}

/// Of a scene that makes so many calls every one, or so many spread evenly.
pub(crate) fn points(kind: Kind, scene: &'static Scene, seed: u64, calls: u64, most: u64) -> Vec<Point> {
    let count = most.min(calls);
    let mut random = Random::new(seed);
    let offset = random.next() % (calls / count.max(1)).max(1);
    let one = |n| {
        let at = 1 + (n * calls / count.max(1) + offset) % calls.max(1);
        // Where errors are put in, looking counts too.
        point(kind, scene, seed, at, 1 + random.next() % (calls + calls / 2).max(1))
    };
    (0..count).map(one).collect()
}
