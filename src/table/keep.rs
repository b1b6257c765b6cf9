//! KEEP: which snapshots to keep. Only the words are read here; `retention` gives them their meaning.

use crate::path::shown;
use crate::table::closest::closest;
use crate::table::error::Mistake;

/// The value of KEEP: `last 7 daily 30 within 90d`. At least one rule is set, and none is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// The newest so many.
    pub last: Option<u32>,
    /// The newest of each of so many hours.
    pub hourly: Option<u32>,
    /// The newest of each of so many days.
    pub daily: Option<u32>,
    /// The newest of each of so many weeks.
    pub weekly: Option<u32>,
    /// The newest of each of so many months.
    pub monthly: Option<u32>,
    /// The newest of each of so many years.
    pub yearly: Option<u32>,
    /// All that are younger than so many seconds.
    pub within: Option<u64>,
    /// The `lastcopy` rule's time, in seconds.
    pub lastcopy: Option<u64>,
}

const WORDS: [&str; 8] = ["last", "hourly", "daily", "weekly", "monthly", "yearly", "within", "lastcopy"];

impl Keep {
    /// Reads pairs of a word and a count, or for `within` and `lastcopy` a time.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Mistake> {
        let mut keep = Self::default();
        let mut words = text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let name = name_of(word)?;
            let value = words.next();
            match name {
                "last" => count(name, value, &mut keep.last)?,
                "hourly" => count(name, value, &mut keep.hourly)?,
                "daily" => count(name, value, &mut keep.daily)?,
                "weekly" => count(name, value, &mut keep.weekly)?,
                "monthly" => count(name, value, &mut keep.monthly)?,
                "yearly" => count(name, value, &mut keep.yearly)?,
                "within" => time(name, value, &mut keep.within)?,
                _ => time(name, value, &mut keep.lastcopy)?,
            }
        }
        if keep == Self::default() {
            return Err(Mistake::KeepNothing);
        }
        Ok(keep)
    }
}

fn name_of(word: &[u8]) -> Result<&'static str, Mistake> {
    let known = WORDS.into_iter().find(|known| known.as_bytes() == word);
    known.ok_or_else(|| {
        let text = String::from_utf8_lossy(word);
        let hint = match closest(&text, WORDS) {
            Some(near) => format!("{near}?"),
            None => format!("one of {}", WORDS.join(", ")),
        };
        Mistake::KeepWord(shown(word), hint)
    })
}

/// Reads a count into the field of its rule.
fn count(name: &'static str, value: Option<&[u8]>, field: &mut Option<u32>) -> Result<(), Mistake> {
    let value = value.ok_or(Mistake::KeepNoCount(name))?;
    let wrong = || Mistake::KeepCount(name, shown(value));
    let number: u32 = number(value).ok_or_else(wrong)?;
    set(name, number, number == 0, field)
}

/// Reads a time into the field of its rule, as seconds.
fn time(name: &'static str, value: Option<&[u8]>, field: &mut Option<u64>) -> Result<(), Mistake> {
    let value = value.ok_or(Mistake::KeepNoTime(name))?;
    let wrong = || Mistake::KeepTime(name, shown(value));
    let seconds = seconds(value).ok_or_else(wrong)?;
    set(name, seconds, seconds == 0, field)
}

fn set<T>(name: &'static str, value: T, is_zero: bool, field: &mut Option<T>) -> Result<(), Mistake> {
    if is_zero {
        return Err(Mistake::KeepZero(name));
    }
    match field.replace(value) {
        Some(_) => Err(Mistake::KeepAgain(name)),
        None => Ok(()),
    }
}

/// `12h`, `30d`, `2w`, `1y` (365 days). No `m`: one would read months, another minutes.
fn seconds(text: &[u8]) -> Option<u64> {
    let (unit, digits) = text.split_last()?;
    let hours: u64 = match unit {
        b'h' => 1,
        b'd' => 24,
        b'w' => 7 * 24,
        b'y' => 365 * 24,
        _ => return None,
    };
    let number = number::<u32>(digits)?;
    // Cannot overflow: a u32 of years is below 2^57 seconds.
    Some(u64::from(number) * hours * 3600)
}

/// A whole number in digits alone: `parse` by itself would take `+7`.
fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}
