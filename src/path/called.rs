//! What directories that are held are called (floor 0): a path that begins at a descriptor is of this process alone, and means nothing to people.
//!
//! What must stay true: a name is here for as long as the descriptor is open, for its number is given to another file after that.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// Where the descriptors of this process are.
pub const DESCRIPTORS: &str = "/proc/self/fd";

static NAMES: RwLock<BTreeMap<PathBuf, PathBuf>> = RwLock::new(BTreeMap::new());

/// Calls a held directory by a name, which may itself begin at one.
pub fn call(held: &Path, name: &Path) {
    let name = called(name).into_owned();
    NAMES.write().unwrap_or_else(PoisonError::into_inner).insert(held.to_path_buf(), name);
}

/// To be said before it is let go of.
pub fn forget(held: &Path) {
    NAMES.write().unwrap_or_else(PoisonError::into_inner).remove(held);
}

/// The held directory that a path begins at, and what is below it.
pub fn split(path: &Path) -> Option<(PathBuf, &Path)> {
    let number = path.strip_prefix(DESCRIPTORS).ok()?.components().next()?;
    let held = Path::new(DESCRIPTORS).join(number);
    let is_held = NAMES.read().unwrap_or_else(PoisonError::into_inner).contains_key(&held);
    let below = path.strip_prefix(&held).ok()?;
    is_held.then_some((held, below))
}

/// The path as people know it.
pub fn called(path: &Path) -> Cow<'_, Path> {
    let Some((held, below)) = split(path) else { return Cow::Borrowed(path) };
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    match names.get(&held) {
        Some(name) if below.as_os_str().is_empty() => Cow::Owned(name.clone()),
        Some(name) => Cow::Owned(name.join(below)),
        None => Cow::Borrowed(path),
    }
}

#[cfg(test)]
mod tests {
    use super::{call, called, forget, split};
    use crate::path::shown_path;
    use std::path::Path;

    #[test]
    fn a_held_directory_is_shown_by_its_name_until_it_is_let_go_of() {
        // No process has so many files open.
        let (outer, inner) = (Path::new("/proc/self/fd/4000000001"), Path::new("/proc/self/fd/4000000002"));
        call(outer, Path::new("/srv/m"));
        call(inner, &outer.join(".backup"));
        assert_eq!(shown_path(&inner.join("role")), "/srv/m/.backup/role");
        assert_eq!(shown_path(inner), "/srv/m/.backup");
        assert_eq!(shown_path(Path::new("/proc/self/fd/40000000011")), "/proc/self/fd/40000000011");
        assert_eq!(split(&inner.join("a/b")), Some((inner.to_path_buf(), Path::new("a/b"))));
        forget(outer);
        assert_eq!(called(outer), outer);
        assert_eq!(shown_path(inner), "/srv/m/.backup");
        forget(inner);
        assert_eq!(split(inner), None);
    }
}
