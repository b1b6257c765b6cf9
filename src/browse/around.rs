//! The directories around the snapshots (floor 3): the root, `latest`, and `by-date`.
//!
//! ```text
//! 000042-2026-11-21T03:00/     a snapshot
//! latest                       -> the newest of the source
//! by-date/2026/11/21/          -> the snapshots of a day
//! ```

use super::Error;
use super::facts::Kind;
use super::history::History;
use super::number::{Date, Number};
use super::title::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;

const LATEST: &str = "latest";
const BY_DATE: &str = "by-date";

/// A name in one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it means.
    pub number: Number,
    /// What it is.
    pub kind: Kind,
    /// The name.
    pub name: String,
}

impl Item {
    fn new(number: Number, kind: Kind, name: impl Into<String>) -> Self {
        Self { number, kind, name: name.into() }
    }
}

/// What is in one of them, in the order of the inode numbers.
pub fn items(history: &History<'_>, of: Number) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    match of {
        Number::Root => {
            if history.latest()?.is_some() {
                items.push(Item::new(Number::Latest, Kind::Symlink, LATEST));
            }
            items.push(Item::new(Number::ByDate, Kind::Directory, BY_DATE));
            let folder = |s: &Arc<Snapshot>| Item::new(Number::Snapshot(s.sequence), Kind::Directory, s.title.as_str());
            items.extend(history.all()?.iter().map(folder));
        }
        Number::ByDate => items.extend(dates(history, None)?),
        Number::Date(day) if day.day > 0 => {
            let link = |s: &Arc<Snapshot>| Item::new(Number::Day(s.sequence), Kind::Symlink, s.title.as_str());
            items.extend(history.all()?.iter().filter(|snapshot| snapshot.day == Some(day)).map(link));
        }
        Number::Date(date) => items.extend(dates(history, Some(date))?),
        _ => return Err(Error::NoDirectory),
    }
    Ok(items)
}

/// The years, or the months or days of a date.
fn dates(history: &History<'_>, of: Option<Date>) -> Result<Vec<Item>, Error> {
    let below = |day: Date| {
        let ways = [day.above().and_then(Date::above), day.above(), Some(day)];
        ways.into_iter().flatten().find(|date| date.above() == of)
    };
    let days: BTreeSet<Date> = history.all()?.iter().filter_map(|snapshot| snapshot.day).collect();
    let found: BTreeSet<Date> = days.into_iter().filter_map(below).collect();
    Ok(found.into_iter().map(|date| Item::new(Number::Date(date), Kind::Directory, date.name())).collect())
}

/// What a name means.
pub fn find(history: &History<'_>, of: Number, name: &[u8]) -> Result<Number, Error> {
    if of == Number::Root {
        let snapshot = || Ok::<_, Error>(history.named(name)?.map(|snapshot| Number::Snapshot(snapshot.sequence)));
        return match name {
            b"by-date" => Some(Number::ByDate),
            b"latest" => history.latest()?.map(|_| Number::Latest),
            _ => snapshot()?,
        }
        .ok_or(Error::Absent);
    }
    let found = items(history, of)?.into_iter().find(|item| item.name.as_bytes() == name);
    found.map(|item| item.number).ok_or(Error::Absent)
}

/// What they lie in.
pub fn above(of: Number) -> Number {
    match of {
        Number::Date(date) => date.above().map_or(Number::ByDate, Number::Date),
        _ => Number::Root,
    }
}

/// Where a link leads.
pub fn target(history: &History<'_>, of: Number) -> Result<String, Error> {
    match of {
        Number::Latest => Ok(history.latest()?.ok_or(Error::Absent)?.title.clone()),
        Number::Day(sequence) => Ok(format!("../../../../{}", history.get(sequence)?.title)),
        _ => Err(Error::NoFile),
    }
}
