//! RSH: the command that reaches another host, in place of `ssh`.
//!
//! No shell ever sees it: it is cut into words here, at blanks outside of quotes, and run as they are.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use crate::table::error::Mistake;

/// The value of RSH: a program and its first arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rsh {
    program: OsString,
    arguments: Vec<OsString>,
}

impl Rsh {
    /// Cuts `ssh -o 'User x'` into words. Single and double quotes hold a word together; nothing else is special.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Mistake> {
        let mut words = words(text)?.into_iter().map(OsString::from_vec);
        let program = words.next().filter(|program| !program.is_empty());
        Ok(Self { program: program.ok_or(Mistake::RshProgram)?, arguments: words.collect() })
    }

    /// The program to run.
    #[must_use]
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// What comes before the host name.
    #[must_use]
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }
}

fn words(text: &[u8]) -> Result<Vec<Vec<u8>>, Mistake> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    for byte in text.iter().copied() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                // Two quotes with nothing between them are a word too.
                word.get_or_insert_default();
            }
            (None, b' ' | b'\t') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    if quote.is_some() {
        return Err(Mistake::RshQuote);
    }
    words.extend(word);
    Ok(words)
}
