//! Front coding: of each path of a node only what it does not share with the one before it (floor 1; format-spec.md, 7).
//!
//! The form is canonical: as much is shared as can be. What the paths of a node are together when they are joined is bounded, whatever the bytes say.

use super::{Error, bin};
use crate::limits::NODE_PATHS_MAX;
use crate::path::RelPath;
use serde_bytes::Bytes;

/// The path that was coded last.
#[derive(Debug, Default)]
pub struct Front {
    last: RelPath,
}

impl Front {
    /// Appends the next path; gives how many bytes of it were left out.
    pub fn encode(&mut self, path: &RelPath, out: &mut Vec<u8>) -> Result<usize, Error> {
        let shared = self.last.shared_with(path);
        let rest = path.as_bytes().get(shared..).unwrap_or_default();
        bin::encode(&(shared as u64, Bytes::new(rest)), out)?;
        self.last.clone_from(path);
        Ok(shared)
    }

    /// Takes the next path from the front of `bytes`; gives also how many bytes of it had been left out.
    pub fn decode(&mut self, bytes: &mut &[u8], room: &mut Room) -> Result<(RelPath, usize), Error> {
        const WHAT: &str = "a path";
        let (shared, rest): (u64, &Bytes) = bin::decode(bytes, WHAT)?;
        let shared = usize::try_from(shared).map_err(|_| Error::Invalid(WHAT))?;
        room.take(shared.saturating_add(rest.len()))?;
        let before = self.last.as_bytes();
        // What is shared ends where they differ, or where one of them does.
        if rest.first().is_some_and(|next| before.get(shared) == Some(next)) {
            return Err(Error::Invalid(WHAT));
        }
        let path = self.last.continued(shared, rest).map_err(|_| Error::Invalid(WHAT))?;
        self.last.clone_from(&path);
        Ok((path, shared))
    }
}

/// How long the paths of one node may still be together.
#[derive(Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(NODE_PATHS_MAX)
    }
}

impl Room {
    /// Whether so many bytes fit.
    pub const fn has(&self, bytes: usize) -> bool {
        bytes <= self.0
    }

    /// Takes so many bytes.
    pub fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.0 = self.0.checked_sub(bytes).ok_or(Error::Limit("the paths of a manifest node"))?;
        Ok(())
    }
}
