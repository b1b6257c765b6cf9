//! A table with SOURCE and MIRROR of one target exchanged, for a fail-over (floor 1). Bytes in, bytes out.
//!
//! What must stay true:
//! - every byte of the table but the two values is kept: comments, blanks, order, line ends, a last line without one;
//! - the new table is read again before it is given out: it means what the old one did, but for the exchange.
//!
//! A STORE is a folder on the host of the old mirror, and would be taken on that of the new one: its line becomes a
//! comment that says where it was.

use std::ops::Range;
use std::path::Path;

use crate::table::error::Error;
use crate::table::keyword::Keyword;
use crate::table::parse::{MARK, words};
use crate::table::{Table, Target};

/// Where the values of the target are, as ranges of the bytes of the table.
#[derive(Debug, Default)]
struct Values {
    source: Option<Range<usize>>,
    mirror: Option<Range<usize>>,
    /// From the keyword to the end of the value.
    store: Option<Range<usize>>,
}

impl Table {
    /// The bytes of this table, which were read from `bytes`, with SOURCE and MIRROR of `name` exchanged. The other
    /// arguments are those of [`Table::parse`].
    ///
    /// # Errors
    /// When the exchanged table would be refused, with its own words.
    pub fn exchanged(
        &self,
        bytes: &[u8],
        name: &str,
        file: &Path,
        folder: &Path,
        this_host: &str,
    ) -> Result<Vec<u8>, Error> {
        let wrong = |message: &str| Error { file: file.to_path_buf(), line: None, message: message.to_owned() };
        let by_hand = || wrong(&format!("SOURCE and MIRROR of {name} cannot be exchanged (do it by hand)"));
        let new = exchange(bytes, name).ok_or_else(by_hand)?;
        let table = Self::parse(&new, file, folder, this_host).map_err(|e| {
            let message = format!("with SOURCE and MIRROR of {name} exchanged it would be refused: {}", e.message);
            Error { message, ..e }
        })?;
        if self.is_exchanged(&table, name) { Ok(new) } else { Err(by_hand()) }
    }

    /// Whether the other table is this one, but for the exchange of the two places of `name`.
    fn is_exchanged(&self, other: &Self, name: &str) -> bool {
        self.targets.len() == other.targets.len()
            && self
                .targets
                .iter()
                .zip(&other.targets)
                .all(|(old, new)| if old.name == name { is_exchanged(old, new) } else { old == new })
    }
}

fn is_exchanged(old: &Target, new: &Target) -> bool {
    let rest = |target: &Target| {
        let Target { name, dirs, excludes, keep, hold, rsh, .. } = target.clone();
        (name, dirs, excludes, keep, hold, rsh)
    };
    (&old.source, &old.mirror) == (&new.mirror, &new.source) && new.store.is_none() && rest(old) == rest(new)
}

/// The exchange itself; none if the target or one of its places is not there.
fn exchange(bytes: &[u8], name: &str) -> Option<Vec<u8>> {
    let Values { source, mirror, store } = find(bytes, name)?;
    let (source, mirror) = (source?, mirror?);
    let (at_source, at_mirror) = (bytes.get(source.clone())?, bytes.get(mirror.clone())?);
    let mut edits = vec![(source, at_mirror.to_vec()), (mirror, at_source.to_vec())];
    if let Some(store) = store {
        let line = bytes.get(store.clone())?;
        edits.push((store, [b"# ", line, b"   (of ", at_mirror, b" until the swap)"].concat()));
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut new = Vec::with_capacity(bytes.len());
    let mut done = 0;
    for (range, text) in edits {
        new.extend_from_slice(bytes.get(done..range.start)?);
        new.extend_from_slice(&text);
        done = range.end;
    }
    new.extend_from_slice(bytes.get(done..)?);
    Some(new)
}

fn find(bytes: &[u8], name: &str) -> Option<Values> {
    let mut values = Values::default();
    let mut inside = false;
    let mut start = if bytes.starts_with(MARK) { MARK.len() } else { 0 };
    for line in bytes.get(start..)?.split(|byte| *byte == b'\n') {
        if let Some((keyword, value)) = words(line).ok()? {
            let range = range_of(line, value, start)?;
            match keyword {
                Keyword::Target => inside = value == name.as_bytes(),
                Keyword::Source if inside => values.source = Some(range),
                Keyword::Mirror if inside => values.mirror = Some(range),
                Keyword::Store if inside => {
                    let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                    values.store = Some(start + blanks..range.end);
                }
                _ => {}
            }
        }
        start += line.len() + 1;
    }
    Some(values)
}

/// Where the value of a line is: it is the last of it, but for blanks and the line end.
fn range_of(line: &[u8], value: &[u8], start: usize) -> Option<Range<usize>> {
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    let blanks = text.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let end = text.len().checked_sub(blanks)?;
    let begin = end.checked_sub(value.len())?;
    (text.get(begin..end)? == value).then_some(start + begin..start + end)
}
