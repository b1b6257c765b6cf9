//! `--bwlimit`: so many bytes a second, and not more (floor 5).
//!
//! One [`Throttle`] may be shared by several pipes and threads: together they keep the rate. What was not used is not saved up, but for 1/8 s.

use crate::path::shown;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// So many times a second at least, a pipe that is never idle moves.
const PARTS: u64 = 8;

/// A text that is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a rate (bytes a second, as in 500K, 10M, 1.5G)")]
pub struct BadRate(String);

/// Bytes a second as rsync reads them: `500K`, `10M`, `1.5G`, where K is 1024; a number without a letter is K.
pub fn parse(text: &str) -> Result<u64, BadRate> {
    rate(text).filter(|rate| *rate > 0).ok_or_else(|| BadRate(shown(text.as_bytes())))
}

fn rate(text: &str) -> Option<u64> {
    let (number, unit) = match text.as_bytes().last()?.to_ascii_uppercase() {
        b'K' => (text.get(..text.len().checked_sub(1)?)?, 1_u64 << 10),
        b'M' => (text.get(..text.len().checked_sub(1)?)?, 1 << 20),
        b'G' => (text.get(..text.len().checked_sub(1)?)?, 1 << 30),
        _ => (text, 1 << 10),
    };
    let digits = |text: &str| {
        let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if all { text.parse::<u64>().ok() } else { None }
    };
    let Some((whole, part)) = number.split_once('.') else { return digits(number)?.checked_mul(unit) };
    let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part = digits(part)?.checked_mul(unit)?.checked_div(scale)?;
    digits(whole)?.checked_mul(unit)?.checked_add(part)
}

/// A rate that is kept.
#[derive(Debug)]
pub struct Throttle {
    rate: u64,
    /// When all that was let through so far would have passed at this rate.
    passed: Mutex<Instant>,
}

impl Throttle {
    /// At so many bytes a second.
    pub fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), passed: Mutex::new(Instant::now()) }
    }

    /// Waits until so many bytes more may have passed.
    pub fn pass(&self, bytes: usize) {
        let time = u128::try_from(bytes).unwrap_or(u128::MAX).saturating_mul(1_000_000_000) / u128::from(self.rate);
        let time = Duration::from_nanos(u64::try_from(time).unwrap_or(u64::MAX));
        let now = Instant::now();
        let until = {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = now.checked_sub(Duration::from_secs(1) / 8).unwrap_or(now);
            *passed = (*passed).max(earliest).checked_add(time).unwrap_or(now);
            *passed
        };
        thread::sleep(until.saturating_duration_since(now));
    }

    /// Bytes that may move at one go.
    fn part(&self) -> usize {
        usize::try_from((self.rate / PARTS).max(1)).unwrap_or(usize::MAX)
    }
}

/// A pipe that keeps a rate; without one it is the pipe.
#[derive(Debug)]
pub struct Limited<P> {
    pipe: P,
    throttle: Option<Arc<Throttle>>,
}

impl<P> Limited<P> {
    /// Keeps the rate of `throttle`.
    pub const fn new(pipe: P, throttle: Option<Arc<Throttle>>) -> Self {
        Self { pipe, throttle }
    }

    fn part(&self, length: usize) -> usize {
        self.throttle.as_ref().map_or(length, |throttle| throttle.part().min(length))
    }

    fn pass(&self, bytes: usize) {
        if let Some(throttle) = &self.throttle {
            throttle.pass(bytes);
        }
    }
}

impl<P: Read> Read for Limited<P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = self.part(buffer.len());
        let count = self.pipe.read(buffer.get_mut(..part).unwrap_or_default())?;
        self.pass(count);
        Ok(count)
    }
}

impl<P: Write> Write for Limited<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = self.part(bytes.len());
        let count = self.pipe.write(bytes.get(..part).unwrap_or_default())?;
        self.pass(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
