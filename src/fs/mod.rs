//! The only room with system calls on files (floor 1).
//!
//! Two halves. Trees that others may write to are reached by held directory descriptors and single names ([`dir`], [`chain`], [`meta`],
//! [`content`], [`fidelity`]); these return plain `io::Error`s and the caller adds the path inside the target. Our own files are reached by path
//! ([`durable`], [`lock`], [`map`], [`replace`], [`scratch`]) and their errors name it.

pub mod chain;
pub mod clock;
pub mod content;
pub mod dir;
pub mod durable;
pub mod fidelity;
pub mod lock;
pub mod map;
pub mod meta;
pub mod names;
pub mod pin;
pub mod probe;
pub mod replace;
pub mod scratch;
pub mod space;
pub mod stat;
pub mod sync;
pub mod writeback;

use crate::path::shown_path;
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// Whether the kernel said one of these.
pub(crate) fn is_one_of(e: &io::Error, errnos: &[Errno]) -> bool {
    e.raw_os_error().is_some_and(|n| errnos.iter().any(|errno| errno.raw_os_error() == n))
}

/// Takes from the process's umask (umask(2)) what would shut us out of our own files and folders.
pub fn let_owner_in() {
    let given = rustix::process::umask(rustix::fs::Mode::RWXU);
    rustix::process::umask(given.difference(rustix::fs::Mode::RWXU));
}

/// A failed operation on one of our own files.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path}: {source}")]
pub struct Error {
    doing: &'static str,
    path: String,
    /// What the kernel said.
    pub source: io::Error,
}

impl Error {
    /// `doing` completes "cannot ...".
    pub fn new(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self { doing, path: shown_path(path), source: source.into() }
    }

    /// Whether the file simply is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }
}
