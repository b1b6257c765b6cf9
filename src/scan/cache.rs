//! Directories that say of themselves that they are caches (floor 2; Cache Directory Tagging Specification, bford.info/cachedir).

use crate::fs::content::read_at;
use crate::fs::dir::Dir;
use crate::fs::names::Names;

/// The file that says it.
pub(super) const TAG: &[u8] = b"CACHEDIR.TAG";
/// What it begins with.
const SIGNATURE: &[u8; 43] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Whether a directory with these names is one. A tag that cannot be read is none: in doubt everything is kept.
pub(super) fn is_cache(dir: &Dir, names: &Names) -> bool {
    let read = || {
        let mut found = [0; SIGNATURE.len()];
        let (file, _) = dir.open_file(TAG)?;
        read_at(&file, 0, &mut found).map(|_| found == *SIGNATURE)
    };
    names.iter().any(|name| name == TAG) && read().unwrap_or(false)
}
