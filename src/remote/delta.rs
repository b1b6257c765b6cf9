//! What new bytes have in common with old ones that are elsewhere (floor 5): the way of rsync. Pure: bytes in, values out.
//!
//! A [`Signature`] has a rolling and a strong sum of each block of the old bytes. Who has it and the new bytes finds [`Step`]s, by which who has the old
//! bytes makes the new ones. What must stay true: sums only make it likely that blocks are equal, so whoever follows steps proves what came of them; and
//! no signature and no steps, whatever they say, make more than the length that was asked for.

use crate::format::fixed::short_checksum;
use serde::{Deserialize, Serialize};

/// Of each block: the rolling sum, and so much of the strong one.
const WEAK: usize = 4;
const STRONG: usize = 5;
const ROW: usize = WEAK + STRONG;
/// Multiplier of the rolling sum.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// Blocks with the same rolling sum that are tried.
const TRIED: usize = 8;
/// Bits of the sieve that tells most sums at once that no block has.
const SIEVE: usize = 1 << 16;

/// The sums of old bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Length of a block; what is left at the end has no sums.
    pub block: u32,
    /// Goes into the strong sums, so that nobody can make files beforehand whose blocks look alike.
    pub salt: u64,
    /// One row a block.
    #[serde(with = "serde_bytes")]
    pub rows: Vec<u8>,
}

/// How new bytes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// From the old bytes: where, and how many.
    Old(u32, u32),
    /// So many that are sent.
    New(u32),
}

impl Signature {
    /// The sums of these bytes.
    pub fn of(old: &[u8], block: u32, salt: u64) -> Self {
        let mut rows = Vec::new();
        for block in old.chunks_exact(block.max(1) as usize) {
            rows.extend_from_slice(&weak(whole(block)).to_le_bytes());
            rows.extend_from_slice(&strong(salt, block));
        }
        Self { block: block.max(1), salt, rows }
    }

    fn strong(&self, number: u32) -> Option<&[u8]> {
        let start = (number as usize).checked_mul(ROW)?.checked_add(WEAK)?;
        self.rows.get(start..start.checked_add(STRONG)?)
    }
}

fn weak(sum: u64) -> u32 {
    u32::try_from(sum >> 32).unwrap_or_default()
}

fn strong(salt: u64, block: &[u8]) -> [u8; STRONG] {
    short_checksum(&[&salt.to_le_bytes(), block]).first_chunk().copied().unwrap_or_default()
}

fn roll(sum: u64, byte: u8) -> u64 {
    sum.wrapping_mul(FACTOR).wrapping_add(u64::from(byte).wrapping_add(1))
}

fn whole(block: &[u8]) -> u64 {
    block.iter().fold(0, |sum, byte| roll(sum, *byte))
}

/// The blocks of a signature by their rolling sums.
struct Table<'a> {
    signature: &'a Signature,
    sums: Vec<(u32, u32)>,
    sieve: Vec<bool>,
}

impl<'a> Table<'a> {
    fn new(signature: &'a Signature) -> Self {
        let rows = signature.rows.chunks_exact(ROW).zip(0..);
        let sum = |(row, number): (&[u8], u32)| Some((u32::from_le_bytes(*row.first_chunk()?), number));
        let mut sums: Vec<(u32, u32)> = rows.filter_map(sum).collect();
        sums.sort_unstable();
        let mut sieve = vec![false; SIEVE];
        for (sum, _) in &sums {
            if let Some(bit) = sieve.get_mut(*sum as usize % SIEVE) {
                *bit = true;
            }
        }
        Self { signature, sums, sieve }
    }

    /// The number of the old block that is like this one; best the one that comes next.
    fn find(&self, sum: u32, block: &[u8], next: Option<u32>) -> Option<u32> {
        if self.sieve.get(sum as usize % SIEVE) != Some(&true) {
            return None;
        }
        let first = self.sums.partition_point(|(known, _)| *known < sum);
        let alike = self.sums.get(first..)?.iter().take_while(|(known, _)| *known == sum).take(TRIED);
        let mut alike = alike.map(|(_, number)| *number).peekable();
        alike.peek()?;
        let strong = strong(self.signature.salt, block);
        let same = |number: &u32| self.signature.strong(*number) == Some(&strong[..]);
        next.filter(same).or_else(|| alike.find(same))
    }
}

/// How to make `new` of the old bytes, and the bytes that have to be sent for it.
pub fn diff(old: &Signature, new: &[u8]) -> (Vec<Step>, Vec<u8>) {
    let (table, length) = (Table::new(old), old.block.max(1) as usize);
    // What a byte adds to a sum when it is the first of its block; no block is longer than what there is.
    let out = (1..length.min(new.len())).fold(1_u64, |power, _| power.wrapping_mul(FACTOR));
    let (mut steps, mut sent) = (Steps::default(), Vec::new());
    let (mut at, mut sum, mut next) = (0_usize, new.get(..length).map(whole), None);
    while let (Some(known), Some(block)) = (sum, new.get(at..at.saturating_add(length))) {
        let end = at.saturating_add(length);
        if let Some(found) = table.find(weak(known), block, next) {
            steps.old(found.saturating_mul(old.block), old.block);
            next = found.checked_add(1);
            at = end;
            sum = new.get(at..at.saturating_add(length)).map(whole);
            continue;
        }
        let Some(&first) = block.first() else { break };
        steps.sent();
        sent.push(first);
        let gone = u64::from(first).wrapping_add(1).wrapping_mul(out);
        sum = new.get(end).map(|coming| roll(known.wrapping_sub(gone), *coming));
        at = at.saturating_add(1);
    }
    for byte in new.get(at..).unwrap_or_default() {
        steps.sent();
        sent.push(*byte);
    }
    (steps.0, sent)
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn old(&mut self, at: u32, length: u32) {
        match self.0.last_mut() {
            Some(Step::Old(from, before)) if from.checked_add(*before) == Some(at) => {
                *before = before.saturating_add(length);
            }
            _ => self.0.push(Step::Old(at, length)),
        }
    }

    fn sent(&mut self) {
        match self.0.last_mut() {
            Some(Step::New(count)) => *count = count.saturating_add(1),
            _ => self.0.push(Step::New(1)),
        }
    }
}

/// Follows steps. Nothing if they do not make exactly so many bytes of these.
pub fn follow(steps: &[Step], old: &[u8], mut sent: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut new = Vec::with_capacity(length);
    for step in steps {
        let piece = match *step {
            Step::Old(at, count) => old.get(at as usize..(at as usize).checked_add(count as usize)?)?,
            Step::New(count) => {
                let (piece, rest) = sent.split_at_checked(count as usize)?;
                sent = rest;
                piece
            }
        };
        if new.len().checked_add(piece.len())? > length {
            return None;
        }
        new.extend_from_slice(piece);
    }
    (new.len() == length && sent.is_empty()).then_some(new)
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
