//! Small text files that people may read and that check themselves: `config` and `role` (format-spec.md, 9 and 10; floor 1).
//!
//! Lines `keyword value`, the last one `check` with the BLAKE3 of all before it.

use super::{Error, VERSION};
use crate::id::Id;
use std::fmt::Write as _;

/// Makes such a file of a title and its lines.
pub fn seal(title: &str, lines: &[(&str, String)]) -> Vec<u8> {
    let mut text = format!("{title}\nformat {VERSION}\n");
    for (keyword, value) in lines {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{keyword} {value}");
    }
    let check = Id::of(text.as_bytes());
    let _infallible = writeln!(text, "check {check}");
    text.into_bytes()
}

/// The lines of such a file after its checksum, title and version have been proved.
pub struct Lines<'a> {
    rest: std::str::Lines<'a>,
    what: &'static str,
}

/// Opens such a file; `what` names it in errors.
pub fn open<'a>(bytes: &'a [u8], title: &'static str, what: &'static str) -> Result<Lines<'a>, Error> {
    let text = str::from_utf8(bytes).map_err(|_| Error::Magic(what))?;
    let at = text.rfind("check ").ok_or(Error::Truncated(what))?;
    let (covered, check) = text.split_at_checked(at).ok_or(Error::Truncated(what))?;
    if check.strip_prefix("check ").and_then(|c| c.strip_suffix('\n')).and_then(Id::parse)
        != Some(Id::of(covered.as_bytes()))
    {
        return Err(Error::Checksum(what));
    }
    let mut lines = Lines { rest: covered.lines(), what };
    if lines.rest.next() != Some(title) {
        return Err(Error::Magic(what));
    }
    match lines.value("format")?.parse() {
        Ok(VERSION) => Ok(lines),
        Ok(other) => Err(Error::Version(other)),
        Err(_) => Err(Error::Invalid(what)),
    }
}

impl<'a> Lines<'a> {
    /// The value of the next line, which must have this keyword.
    pub fn value(&mut self, keyword: &str) -> Result<&'a str, Error> {
        let line = self.rest.next().ok_or(Error::Truncated(self.what))?;
        line.strip_prefix(keyword).and_then(|rest| rest.strip_prefix(' ')).ok_or(Error::Invalid(self.what))
    }
}
