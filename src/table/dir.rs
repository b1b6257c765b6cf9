//! DIR: a folder of SOURCE that is backed up, and the folder of the same path on MIRROR.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::path::shown;
use crate::table::error::Mistake;

/// The one folder at the top of a mirror that is ours and never part of a snapshot.
pub(crate) const OWN: &str = ".backup";

/// The value of a DIR: a relative path without `.`, `..` or empty components, so that two of them can be compared
/// byte by byte. `DIR .` is the empty path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dir(Vec<u8>);

impl Dir {
    /// Reads the value of a DIR line; `a/`, `a//b` and `./a` are accepted and tidied.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Mistake> {
        if text.starts_with(b"/") {
            return Err(Mistake::DirAbsolute(shown(text)));
        }
        let parts: Vec<&[u8]> =
            text.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
        if parts.contains(&&b".."[..]) {
            return Err(Mistake::DirParent(shown(text)));
        }
        if parts.first() == Some(&OWN.as_bytes()) {
            return Err(Mistake::DirOwn(shown(text)));
        }
        Ok(Self(parts.join(&b'/')))
    }

    /// Whether this is `DIR .`, the whole of SOURCE.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// The path below SOURCE and below MIRROR, components joined by `/`; empty for `DIR .`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as a path, to be joined to that of SOURCE or MIRROR.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The components from the top; none for `DIR .`.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// Whether `inner` is this folder or lies in it.
    #[must_use]
    pub fn holds(&self, inner: &Self) -> bool {
        inner.as_path().starts_with(self.as_path())
    }
}

impl fmt::Display for Dir {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole() { out.write_str(".") } else { out.write_str(&shown(&self.0)) }
    }
}
