//! backup.tab: which trees are backed up where, and how long.
//!
//! Floor 1: bytes in, targets out. Never touches the file system, the clock or the network; where the table lies and
//! what this machine is called come in as arguments. Who may write to the table is checked by whoever opens it.
//!
//! What must stay true:
//! - a table with a mistake gives an error and no target at all, so nothing can be done with half of it;
//! - each value prints as it was written, with control characters escaped;
//! - in a table that was accepted no target writes where another writes, nor into what it backs up itself, as far as
//!   the text of the paths can tell.

mod check;
mod closest;
mod dir;
mod error;
mod exchange;
mod hold;
mod keep;
mod keyword;
mod lines;
mod parse;
mod rsh;
mod spot;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::path::{RelPath, shown};
use crate::place::Place;
use crate::table::lines::Lines;
use crate::table::spot::Spot;

pub use crate::table::error::Error;
pub use crate::table::hold::Hold;
pub use crate::table::keep::Keep;
pub use crate::table::keyword::Keyword;
pub use crate::table::rsh::Rsh;

/// A whole table without a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// At least one, in the order of the table; no two of a name.
    pub targets: Vec<Target>,
}

/// What the checks must know of the world, since they may not look.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// Where the table lies, absolute.
    pub(crate) folder: &'a Path,
    pub(crate) this_host: &'a str,
}

impl Table {
    /// Reads a table. `file` is how messages call it; `folder` is where it lies, absolute: relative local paths begin
    /// there.
    ///
    /// # Errors
    /// The first mistake of the table, with its line.
    pub fn parse(bytes: &[u8], file: &Path, folder: &Path, this_host: &str) -> Result<Self, Error> {
        let context = Context { folder, this_host };
        parse::targets(bytes, &context).map(|targets| Self { targets }).map_err(|fault| fault.in_file(file))
    }

    /// The target of exactly this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// The name someone may have meant who typed one that is not there.
    #[must_use]
    pub fn suggest(&self, name: &str) -> Option<&str> {
        closest::closest(name, self.targets.iter().map(|target| target.name.as_str()))
    }
}

/// An entry of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What commands call it: no white space, no `/`, not beginning with `-`.
    pub name: String,
    /// The tree that people work on, as written.
    pub source: Place,
    /// Where the copy is kept, as written.
    pub mirror: Place,
    /// What is backed up: at least one, none inside another.
    pub dirs: Vec<RelPath>,
    /// Patterns that `globset` accepts with `literal_separator`, as written.
    pub excludes: Vec<String>,
    /// Where the store lies instead of in `MIRROR/.backup`, as written; without a host it is on the mirror's.
    pub store: Option<Place>,
    /// Which snapshots to keep; none keeps all.
    pub keep: Option<Keep>,
    /// When to hold a run; none is the default.
    pub hold: Option<Hold>,
    /// What to run in place of `ssh`.
    pub rsh: Option<Rsh>,
    source_spot: Spot,
    mirror_spot: Spot,
    store_spot: Option<Spot>,
    lines: Lines,
}

impl Target {
    /// The absolute path of SOURCE, if it is on this machine.
    #[must_use]
    pub fn source_path(&self) -> Option<&Path> {
        self.source_spot.local_path()
    }

    /// The absolute path of MIRROR, if it is on this machine.
    #[must_use]
    pub fn mirror_path(&self) -> Option<&Path> {
        self.mirror_spot.local_path()
    }

    /// The absolute path of STORE, if the table sets one and MIRROR is on this machine.
    #[must_use]
    pub fn store_path(&self) -> Option<&Path> {
        self.store_spot.as_ref().and_then(Spot::local_path)
    }

    /// The line of the table on which this entry begins, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line_of(Keyword::Target).unwrap_or_default()
    }

    /// The line on which a keyword of this entry first stands.
    #[must_use]
    pub fn line_of(&self, keyword: Keyword) -> Option<usize> {
        self.lines.number(keyword)
    }

    /// The entry alone, as a table that means the same.
    #[must_use]
    pub fn entry(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for line in self.lines.all() {
            text.extend_from_slice(line.keyword.to_string().as_bytes());
            text.push(b' ');
            text.extend_from_slice(&line.value);
            text.push(b'\n');
        }
        text
    }

    /// What `-status` prints: a line for each value as it was written, all of them beginning in column 10.
    #[must_use]
    pub fn status(&self) -> Vec<u8> {
        let mut text = String::new();
        for keyword in Keyword::ALL {
            for line in self.lines.of(keyword) {
                text.extend([keyword.label(), shown(&line.value).as_str(), "\n"]);
            }
        }
        text.into_bytes()
    }
}
