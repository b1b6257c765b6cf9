//! Which part of a tree is meant: the DIRs of a target or the PATHs of a restore, less what EXCLUDE names (floor 2).

use crate::path::RelPath;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Names at the root of a tree that are never part of it: our own folder, and what mkfs makes on every new partition.
const NEVER: [&[u8]; 2] = [b".backup", b"lost+found"];

/// Where a path stands to the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Neither selected nor on the way to something selected.
    Outside,
    /// A directory on the way to something selected.
    Above,
    /// Selected.
    Inside,
}

/// A set of subtrees.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Sorted, none inside another.
    tops: Vec<RelPath>,
    excludes: Vec<String>,
    by_path: GlobSet,
    by_name: GlobSet,
}

/// A pattern that is no glob.
#[derive(Debug, thiserror::Error)]
#[error("not a valid pattern: {0}")]
pub struct BadGlob(#[from] globset::Error);

impl Selection {
    /// These subtrees without what the globs match: a glob without `/` matches a name anywhere, one with `/` the whole path.
    pub fn new(tops: impl IntoIterator<Item = RelPath>, excludes: &[String]) -> Result<Self, BadGlob> {
        let mut all: Vec<RelPath> = tops.into_iter().collect();
        all.sort();
        let mut tops: Vec<RelPath> = Vec::new();
        for top in all {
            if !tops.last().is_some_and(|outer| top.is_within(outer)) {
                tops.push(top);
            }
        }
        let (mut by_path, mut by_name) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for text in excludes {
            let glob = GlobBuilder::new(text.trim_start_matches('/')).literal_separator(true).build()?;
            if text.contains('/') { &mut by_path } else { &mut by_name }.add(glob);
        }
        Ok(Self { tops, excludes: excludes.to_vec(), by_path: by_path.build()?, by_name: by_name.build()? })
    }

    /// The whole tree.
    pub fn everything() -> Self {
        Self { tops: vec![RelPath::root()], excludes: Vec::new(), by_path: GlobSet::empty(), by_name: GlobSet::empty() }
    }

    /// The subtrees.
    pub fn tops(&self) -> &[RelPath] {
        &self.tops
    }

    /// The globs of what is left out, as they were given.
    pub fn excludes(&self) -> &[String] {
        &self.excludes
    }

    /// Where a path stands. What is below something excluded is excluded too.
    pub fn standing(&self, path: &RelPath) -> Standing {
        let above = || std::iter::successors(Some(path.clone()), RelPath::parent);
        self.stands(path, &|top| above().take_while(|at| at.is_within(top)).any(|at| self.is_excluded(&at)))
    }

    /// Where a path stands of which it is known that nothing above it is excluded, as a walk knows that it comes by.
    pub fn standing_on_walk(&self, path: &RelPath) -> Standing {
        self.stands(path, &|_| self.is_excluded(path))
    }

    fn stands(&self, path: &RelPath, is_excluded: &dyn Fn(&RelPath) -> bool) -> Standing {
        // The only candidates are the last top at or before the path, and the first after it.
        let after = self.tops.partition_point(|top| top <= path);
        let before = after.checked_sub(1).and_then(|before| self.tops.get(before));
        if let Some(top) = before.filter(|top| path.is_within(top)) {
            return if self.has_excludes() && is_excluded(top) { Standing::Outside } else { Standing::Inside };
        }
        match self.tops.get(after) {
            Some(top) if top.is_below(path) => Standing::Above,
            _ => Standing::Outside,
        }
    }

    /// The names in a directory that stands above selected paths which lead to them.
    pub fn names_below(&self, path: &RelPath) -> Vec<Vec<u8>> {
        let depth = path.names().count();
        let below = self.tops.iter().filter(|top| top.is_below(path));
        let mut names: Vec<Vec<u8>> = below.filter_map(|top| top.names().nth(depth).map(<[u8]>::to_vec)).collect();
        names.dedup();
        names
    }

    /// Whether this name at the root of a tree is never part of it.
    pub fn is_never(parent: &RelPath, name: &[u8]) -> bool {
        parent.is_root() && NEVER.contains(&name)
    }

    /// Whether anything can be excluded.
    pub fn has_excludes(&self) -> bool {
        !self.by_name.is_empty() || !self.by_path.is_empty()
    }

    fn is_excluded(&self, path: &RelPath) -> bool {
        (!self.by_name.is_empty() && self.by_name.is_match(OsStr::from_bytes(path.name())))
            || (!self.by_path.is_empty() && self.by_path.is_match(OsStr::from_bytes(path.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::{Selection, Standing};
    use crate::path::RelPath;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn a_path_is_inside_above_or_outside() {
        let selection =
            Selection::new(["b/c", "a", "b/d", "a/x"].map(path), &["*.tmp".to_owned(), "a/skip/*".to_owned()]).unwrap();
        assert_eq!(selection.tops(), ["a", "b/c", "b/d"].map(path));
        for (text, expected) in [
            ("", Standing::Above),
            ("a", Standing::Inside),
            ("a/y/z", Standing::Inside),
            ("a.b", Standing::Outside),
            ("b", Standing::Above),
            ("b/c/1", Standing::Inside),
            ("b/cc", Standing::Outside),
            ("c", Standing::Outside),
            ("a/y/z.tmp", Standing::Outside),
            ("a/skip", Standing::Inside),
            ("a/skip/1", Standing::Outside),
            ("a/skip/1/2/3", Standing::Outside),
            ("a/y.tmp/z/1", Standing::Outside),
            ("b/c/1.tmp/z", Standing::Outside),
        ] {
            assert_eq!(selection.standing(&path(text)), expected, "{text:?}");
        }
        assert_eq!(selection.names_below(&path("b")), [b"c".to_vec(), b"d".to_vec()]);
        assert_eq!(selection.names_below(&path("")), [b"a".to_vec(), b"b".to_vec()]);
    }
}
