//! DIR: a folder of SOURCE that is backed up, and the folder of the same path on MIRROR (floor 1).

use crate::path::{RelPath, shown};
use crate::table::error::Mistake;

/// The one folder at the top of a mirror that is ours and never part of a snapshot.
pub(crate) const OWN: &str = ".backup";

/// Reads the value of a DIR line; `a/`, `a//b` and `./a` are accepted and tidied. `DIR .` is the root.
pub(crate) fn parse(text: &[u8]) -> Result<RelPath, Mistake> {
    if text.starts_with(b"/") {
        return Err(Mistake::DirAbsolute(shown(text)));
    }
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        return Err(Mistake::DirParent(shown(text)));
    }
    if parts.first() == Some(&OWN.as_bytes()) {
        return Err(Mistake::DirOwn(shown(text)));
    }
    RelPath::new(parts.join(&b'/')).map_err(|_| Mistake::DirName(shown(text)))
}
