//! Which codec suits a block: a look at its byte planes, a memory of like blocks, and else a trial on a sample.
//!
//! Floor 1, used only by `codec`. Nothing here is part of the format: a reader needs the codec's number and nothing else,
//! and a wrong choice costs space, never data.
//!
//! How it goes, with times for a block of 1 MiB, which itself takes 0.7 (shuffle and zstd -1) to 4 ms (text):
//! 1. A fingerprint: the entropies of the eight byte planes over 8 KiB of slices (5 us). Noise is stored raw when a short
//!    sample shows no repetitions either (20 us); data whose planes are all alike are text and need no trial.
//! 2. A block whose fingerprint is like one of the last few is of the same kind and gets the same plan, whichever byte of an
//!    element it starts at, for chunks are cut anywhere. So a long file is tried once in a while, not block by block.
//! 3. Of a new kind, 32 KiB of slices are compressed in all ways that its planes do not rule out (100 to 400 us).
//! 4. The eighth block of a kind is itself compressed in the best ways (3 to 8 ms): there will be more such blocks, and
//!    only a whole block shows what distant matches are worth.

use super::codec::{Codec, Error, Zstd};
use super::fingerprint::{Entropy, Fingerprint, LOOK, LOOK_SLICE, alike};
use super::predict::{Model, predict};
use super::shuffle::{Stride, shuffle};

/// A codec and how hard zstd works for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) codec: Codec,
    pub(super) effort: Effort,
    /// Only for [`Codec::Predict2`].
    pub(super) model: Model,
}

/// Settings of zstd, each measured to be worth its time on some kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// zstd -1.
    Quick,
    /// zstd -3 with matches from seven bytes up: in shuffled noise shorter ones are chance and cost more than they save.
    Planes,
    /// zstd -3.
    Text,
}

impl Effort {
    /// Level and shortest match (0: the level's own).
    pub(super) const fn settings(self) -> (i32, u32) {
        match self {
            Self::Quick => (1, 0),
            Self::Planes => (3, 7),
            Self::Text => (3, 0),
        }
    }
}

impl Plan {
    const RAW: Self = Self::new(Codec::Raw, Effort::Quick);
    const TEXT: Self = Self::new(Codec::Zstd, Effort::Text);

    pub(super) const fn new(codec: Codec, effort: Effort) -> Self {
        Self { codec, effort, model: Model { odd: false, shift: 0 } }
    }

    /// Matches in what is left of a background are chance.
    const fn predicted(model: Model) -> Self {
        Self { codec: Codec::Predict2, effort: Effort::Quick, model }
    }

    /// As what it takes part in a contest.
    fn variants(self, odd: bool) -> Vec<Self> {
        match self.codec {
            Codec::Predict2 => SHIFTS.map(|shift| Self::predicted(Model { odd, shift })).to_vec(),
            Codec::Raw | Codec::Zstd => vec![Self::TEXT],
            _ => vec![Self::new(self.codec, Effort::Planes)],
        }
    }

    /// Whether storing `plain` bytes in `stored` is worth decompressing them again: 2 % or more.
    pub(super) const fn gains(plain: usize, stored: usize) -> bool {
        stored < plain - plain / 50
    }
}

/// Bytes compressed for a trial, in slices. Twice as many cost twice the time and were no better.
const TRIAL: usize = 32 << 10;
const TRIAL_SLICE: usize = 8 << 10;
/// Bytes compressed for a contest, in one piece. A quarter of it misses the distant matches of tables (4 % larger).
const CONTEST: usize = 1 << 20;
/// Kinds of data remembered.
const MEMORY: usize = 4;
/// Which block of a kind holds the contest. Three: choosing takes twice the time, and gains 0.3 %.
const SETTLE: u32 = 8;
/// How many blocks of a kind pass before it is tried anew.
const LAST: u32 = 128;
/// How many blocks of a kind are stored raw after one that gained nothing.
const RESPITE: u32 = 4;
/// A plane of noise, over 1024 bytes, shows 7.82 bits.
const NOISE: f32 = 7.6;
/// When all planes are within so many bits of each other, there are no planes,
const SAME: f32 = 0.35;
/// unless there is hardly anything in them: masks and quality maps may still gain.
const EMPTY: f32 = 2.0;
/// Bytes by which the frame of a short plane is longer, for its header and Huffman table, than its part of a block.
const OVERHEAD: usize = 60;
/// A wider shuffle must be better by one part in so many: among equals the true width is best on whole blocks.
const TIE: usize = 100;
/// A plan takes part in the contest when the sample says that it is at most one part in so many larger than the best. With
/// ten, tables come out 2 % larger: what repeats in them repeats far away.
const RIVAL: usize = 4;
/// The greater effort must make a block smaller by one part in so many: it takes up to twice the time.
const WORTH: usize = 80;
/// A kind is forgotten when its gain has changed by one part in so many.
const DRIFT: usize = 4;

/// The means that are tried: over 2 numbers where there is structure, over 32 where there is noise on a flat background.
const SHIFTS: [u8; 3] = [1, 2, 5];
/// Till then one between.
const SHIFT: u8 = 2;
/// Planes whose entropies differ by no more bits are the same plane of the next number.
const REPEAT: f32 = 0.1;

/// The codecs that shuffle.
const SHUFFLES: [Codec; 3] = [Codec::Shuffle2, Codec::Shuffle4, Codec::Shuffle8];

/// A kind of data met a short while ago.
struct Kind {
    fingerprint: Fingerprint,
    /// Best first.
    plans: Vec<Plan>,
    /// Blocks met.
    met: u32,
    /// What the first plan made of a block, in parts of 10,000.
    gained: Option<usize>,
}

/// Chooses plans, one block after the other.
pub(super) struct Chooser {
    zstd: Zstd,
    entropy: Entropy,
    sample: Vec<u8>,
    arranged: Vec<u8>,
    stored: Vec<u8>,
    /// The one met last comes first.
    kinds: Vec<Kind>,
    /// How the last contest won by a codec with shuffle ended: where a new kind begins.
    habit: [(Codec, Effort); 3],
}

impl Chooser {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {
            zstd: Zstd::new()?,
            entropy: Entropy::new(),
            sample: Vec::new(),
            arranged: Vec::new(),
            stored: Vec::new(),
            kinds: Vec::with_capacity(MEMORY),
            habit: SHUFFLES.map(|codec| (codec, Effort::Planes)),
        })
    }

    /// The plan for this block. [`Self::learn`] wants to know what came of it.
    pub(super) fn choose(&mut self, plain: &[u8]) -> Result<Plan, Error> {
        sample(plain, LOOK, LOOK_SLICE, &mut self.sample);
        let fingerprint = self.entropy.planes(&self.sample);
        if fingerprint.iter().all(|plane| *plane > NOISE) {
            return self.noise(plain);
        }
        let known = self.kinds.iter().position(|kind| alike(&kind.fingerprint, &fingerprint));
        let mut kind = match known.map(|at| self.kinds.remove(at)).filter(|kind| kind.met < LAST) {
            Some(kind) => kind,
            None => Kind { fingerprint, plans: self.trial(plain, &fingerprint)?, met: 0, gained: None },
        };
        kind.met = kind.met.saturating_add(1);
        if kind.met == SETTLE && kind.plans != [Plan::TEXT] {
            self.contest(plain, &mut kind, is_odd(&fingerprint))?;
        }
        let mut plan = kind.plans.first().copied().unwrap_or(Plan::TEXT);
        plan.model.odd = is_odd(&fingerprint);
        self.kinds.truncate(MEMORY - 1);
        self.kinds.insert(0, kind);
        Ok(plan)
    }

    /// Takes note of what the plan just chosen made of the block.
    pub(super) fn learn(&mut self, plan: Plan, plain: usize, stored: usize) {
        let now = stored.saturating_mul(10_000) / plain.max(1);
        let Some(kind) =
            self.kinds.first_mut().filter(|kind| kind.plans.first().is_some_and(|p| p.codec == plan.codec))
        else {
            return;
        };
        let then = *kind.gained.get_or_insert(now);
        if !Plan::gains(plain, stored) {
            // No more compressing in vain, for a few blocks.
            kind.plans = vec![Plan::RAW];
            kind.met = LAST - RESPITE;
        } else if now.abs_diff(then) > then / DRIFT + 20 {
            self.kinds.remove(0);
        }
    }

    /// The plan for what looks like noise: raw, unless a sample shows repetitions. Tried on every such block, at a
    /// fiftieth of the price of compressing it in vain.
    fn noise(&mut self, plain: &[u8]) -> Result<Plan, Error> {
        sample(plain, TRIAL, TRIAL_SLICE, &mut self.sample);
        self.zstd.compress(Effort::Quick, &self.sample, &mut self.stored)?;
        Ok(if Plan::gains(self.sample.len(), self.stored.len()) { Plan::TEXT } else { Plan::RAW })
    }

    /// The plans that make the least of a sample, best first. Shuffled data get the greater effort for now: what it finds
    /// (matches a row or an image line away) no sample shows.
    fn trial(&mut self, plain: &[u8], fingerprint: &Fingerprint) -> Result<Vec<Plan>, Error> {
        let (low, high) = fingerprint.iter().fold((8.0_f32, 0.0_f32), |(l, h), plane| (l.min(*plane), h.max(*plane)));
        if high - low < SAME && high > EMPTY {
            return Ok(vec![Plan::TEXT]);
        }
        sample(plain, TRIAL, TRIAL_SLICE, &mut self.sample);
        let mut found = vec![(self.by_planes(Plan::TEXT)?, Plan::TEXT)];
        for (wider, (codec, effort)) in self.habit.into_iter().enumerate() {
            if wider > 0 && repeats(fingerprint, 1 << wider) {
                break;
            }
            let plan = Plan::new(codec, effort);
            let len = self.by_planes(plan)?;
            found.push((len + len / TIE * wider, plan));
        }
        let limit = |found: &[(usize, Plan)]| found.iter().map(|(len, _)| len + len / RIVAL).min().unwrap_or(0);
        // Only numbers of 16 bits can be predicted, and these a shuffle by 2 suits too.
        if found.iter().any(|(len, plan)| plan.codec == Codec::Shuffle2 && *len <= limit(&found)) {
            let plan = Plan::predicted(Model { odd: is_odd(fingerprint), shift: SHIFT });
            found.push((self.by_planes(plan)?, plan));
        }
        found.sort_by_key(|(len, _)| *len);
        let limit = limit(&found);
        Ok(found.into_iter().filter(|(len, _)| *len <= limit).map(|(_, plan)| plan).collect())
    }

    /// How long the sample becomes, plane by plane: in a real block each plane has Huffman tables of its own, in one short
    /// frame they would share one (which made float32 and int16 0.3 % larger in the end). Always zstd -1: with -3 for the
    /// unshuffled sample a trial takes 270 us instead of 150, and choices are no better.
    fn by_planes(&mut self, plan: Plan) -> Result<usize, Error> {
        let (source, width) = arrange(plan, &self.sample, &mut self.arranged);
        let mut len = 0;
        for plane in source.chunks(source.len().div_ceil(width).max(1)) {
            self.zstd.compress(Effort::Quick, plane, &mut self.stored)?;
            let compressed = self.stored.len() + OVERHEAD < plane.len();
            len += if compressed { self.stored.len().saturating_sub(OVERHEAD) } else { plane.len() };
        }
        Ok(len)
    }

    /// Settles with what a kind is stored from now on, by doing it. Worth its time because there are more such blocks.
    fn contest(&mut self, plain: &[u8], kind: &mut Kind, odd: bool) -> Result<(), Error> {
        let plain = plain.get(..CONTEST).unwrap_or(plain);
        let mut best = (usize::MAX, Plan::TEXT);
        for plan in kind.plans.drain(..).flat_map(|plan| plan.variants(odd)) {
            let len = self.whole(plan, plain)?;
            best = if len < best.0 { (len, plan) } else { best };
        }
        let quick = Plan { effort: Effort::Quick, ..best.1 };
        if best.1.effort == Effort::Planes && self.whole(quick, plain)? <= best.0 + best.0 / WORTH {
            best.1 = quick;
        }
        for (_, effort) in self.habit.iter_mut().filter(|(codec, _)| *codec == best.1.codec) {
            *effort = best.1.effort;
        }
        kind.plans.push(best.1);
        kind.gained = None;
        Ok(())
    }

    /// How long `plain` becomes.
    fn whole(&mut self, plan: Plan, plain: &[u8]) -> Result<usize, Error> {
        let (source, _) = arrange(plan, plain, &mut self.arranged);
        self.zstd.compress(plan.effort, source, &mut self.stored)?;
        Ok(self.stored.len())
    }
}

/// The bytes as zstd is to see them, and into how many planes they fall.
pub(super) fn arrange<'a>(plan: Plan, plain: &'a [u8], arranged: &'a mut Vec<u8>) -> (&'a [u8], usize) {
    match (plan.codec, plan.codec.stride()) {
        (Codec::Predict2, _) => {
            predict(plan.model, plain, arranged);
            (arranged, 2)
        }
        (_, Some(stride)) => {
            shuffle(stride, plain, arranged);
            (arranged, stride.width())
        }
        _ => (plain, 1),
    }
}

/// Whether the planes are those of numbers of so many bytes: then a wider shuffle is no better.
fn repeats(fingerprint: &Fingerprint, width: usize) -> bool {
    fingerprint.iter().zip(fingerprint.iter().skip(width)).all(|(a, b)| (a - b).abs() <= REPEAT)
}

/// Whether 16-bit numbers of a block begin at its second byte: the planes of their high bytes hold less than those of their low ones.
fn is_odd(fingerprint: &Fingerprint) -> bool {
    let sum = |first| fingerprint.iter().skip(first).step_by(2).sum::<f32>();
    sum(0) > sum(1)
}

/// Gathers slices from all over the block, `total` bytes together or all of it. They begin at whole elements of the block.
fn sample(plain: &[u8], total: usize, slice: usize, out: &mut Vec<u8>) {
    out.clear();
    if plain.len() <= total {
        return out.extend_from_slice(plain);
    }
    let step = plain.len() / (total / slice) / Stride::Eight.width() * Stride::Eight.width();
    for part in plain.chunks(step).take(total / slice) {
        out.extend_from_slice(part.get(..slice).unwrap_or(part));
    }
}
