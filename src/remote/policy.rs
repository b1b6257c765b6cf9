//! What an agent lets a client do (floor 5): where it may work, and whether it may take anything away.
//!
//! An agent that an ordinary login started is open: the same user could do all of it anyway. A forced command pins it to one directory. What must stay
//! true: that directory is opened once, before anything is said, and never looked up by name again; what a client names is compared with its name
//! as text, every part of it that exists is a directory and no symlink, and the directory that was found so is the one that is worked in.

use super::message::Fault;
use crate::fs::Error as FsError;
use crate::fs::pin::{Held, Pin};
use crate::path::{RelPath, shown};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// Longest path that the kernel takes.
const PATH_MAX: usize = 4095;

/// What an agent lets a client do.
#[derive(Debug)]
pub struct Policy {
    pinned: Option<Pinned>,
    append_only: bool,
}

#[derive(Debug)]
struct Pinned {
    pin: Arc<Pin>,
    /// The root as it was named, without a slash at its end.
    root: Vec<u8>,
}

impl Policy {
    /// No restriction.
    pub fn open() -> Self {
        Self { pinned: None, append_only: false }
    }

    /// Nothing but `root` and what is below it; with `append_only`, nothing that makes the mirror live data, or less than it is.
    pub fn pinned(root: &Path, append_only: bool) -> Result<Self, FsError> {
        let absolute = std::path::absolute(root).map_err(|e| FsError::new("find", root, e))?;
        let mut name = absolute.as_os_str().as_bytes().to_vec();
        while name.len() > 1 && name.ends_with(b"/") {
            name.pop();
        }
        let pin = Arc::new(Pin::hold(Path::new(OsStr::from_bytes(&name)))?);
        Ok(Self { pinned: Some(Pinned { pin, root: name }), append_only })
    }

    /// The path to work with for a place that a client named. One that is relative begins at the current directory, or at the root if there is one.
    pub fn admit(&self, path: &Path) -> Result<Held, Fault> {
        let bytes = path.as_os_str().as_bytes();
        let refused = |why: &str| Fault::Refused(format!("{}: {why} (nothing was written)", cut(bytes)));
        if bytes.is_empty() || bytes.contains(&0) || bytes.len() > PATH_MAX {
            return Err(refused("this cannot be a path"));
        }
        let Some(pinned) = &self.pinned else {
            return std::path::absolute(path).map(Held::named).map_err(|e| refused(&e.to_string()));
        };
        let root = shown(&pinned.root);
        let below = pinned.below(bytes).ok_or_else(|| {
            refused(&format!("this agent works only in {root}: name that, or what is below it, without . and .."))
        })?;
        let inside = pinned.pin.below(&below);
        inside.map_err(|e| refused(&format!("below {root} it must be a directory, not reached by a symlink ({e})")))
    }

    /// Whether nothing may be taken away.
    pub fn append_only(&self) -> bool {
        self.append_only
    }
}

impl Pinned {
    /// Where a path is below the root, as text alone tells.
    fn below(&self, path: &[u8]) -> Option<RelPath> {
        let below = if path.starts_with(b"/") {
            let rest = path.strip_prefix(self.root.as_slice())?;
            match rest.strip_prefix(b"/") {
                Some(below) => below,
                None if rest.is_empty() || self.root == b"/" => rest,
                None => return None,
            }
        } else {
            path
        };
        if below == b"." && !path.starts_with(b"/") {
            return Some(RelPath::root());
        }
        let plain = below.strip_suffix(b"/").filter(|plain| !plain.is_empty()).unwrap_or(below);
        RelPath::new(plain).ok()
    }
}

/// What a client sent, escaped, and no more of it than an operator wants to see.
fn cut(bytes: &[u8]) -> String {
    match bytes.get(..200) {
        Some(first) => format!("{}...", shown(first)),
        None => shown(bytes),
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
