//! Bytes to values and back: one file for each chapter of format-spec.md (floor 1).
//!
//! Pure: nothing here touches a disk. Every decoder survives any bytes: lengths are checked against `limits` before anything is
//! allocated, and what is wrong becomes an [`Error`], never a panic.

pub mod bin;
pub mod config;
pub mod fixed;
pub mod front;
pub mod index;
pub mod manifest;
pub mod pack;
pub mod prove;
pub mod role;
pub mod snapshot;
pub mod text;

/// The format version that this program writes, and the only one so far.
pub const VERSION: u32 = 1;

/// What is wrong with some bytes. The caller adds where they came from.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The bytes end too early.
    #[error("it ends too early, in {0}")]
    Truncated(&'static str),
    /// A fixed text at the start or end is not there.
    #[error("it is not {0}")]
    Magic(&'static str),
    /// Written by a later program.
    #[error("it has format version {0}; this program knows version {VERSION}: install a newer `backup`")]
    Version(u32),
    /// A checksum does not fit.
    #[error("the checksum of {0} does not fit: it is damaged")]
    Checksum(&'static str),
    /// A value is not one that the format allows.
    #[error("{0} is not valid: it is damaged")]
    Invalid(&'static str),
    /// A length or count is over its limit.
    #[error("{0} is over its limit")]
    Limit(&'static str),
}
