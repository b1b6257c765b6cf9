//! The lines of one target as they were written, for printing and for messages that name a line.

use crate::path::shown;
use crate::table::error::Seen;
use crate::table::keyword::Keyword;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) keyword: Keyword,
    /// The value exactly as written, without the blanks around it.
    pub(crate) value: Vec<u8>,
    /// Counted from 1.
    pub(crate) number: usize,
}

/// In the order of the table, TARGET first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    pub(crate) fn push(&mut self, keyword: Keyword, value: &[u8], number: usize) {
        self.0.push(Line { keyword, value: value.to_vec(), number });
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Line> {
        self.0.iter()
    }

    pub(crate) fn of(&self, keyword: Keyword) -> impl Iterator<Item = &Line> {
        self.0.iter().filter(move |line| line.keyword == keyword)
    }

    /// The number of the first line with this keyword.
    pub(crate) fn number(&self, keyword: Keyword) -> Option<usize> {
        self.of(keyword).next().map(|line| line.number)
    }
}

impl From<&Line> for Seen {
    fn from(line: &Line) -> Self {
        Self { text: shown(&line.value), line: line.number }
    }
}
