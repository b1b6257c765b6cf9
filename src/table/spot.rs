//! A spot: a place resolved against this machine and the table's folder, so that two of them can be compared.
//!
//! Purely lexical: a symbolic link, a bind mount or a second name of a host can hide that two spots are one. Whoever
//! opens the trees must look again.

use std::path::{Component, Path, PathBuf};

use crate::place::{Place, same_host};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    /// None is this machine, whatever name it was given.
    host: Option<String>,
    /// The path to open. `..` is left to the kernel: after a symbolic link it leads elsewhere than the text says.
    path: PathBuf,
    /// The path to compare, `..` taken away.
    lexical: PathBuf,
}

impl Spot {
    /// Resolves a place as seen from this machine, for a table that lies in `folder`.
    pub(crate) fn of(place: &Place, folder: &Path, this_host: &str) -> Self {
        let (host, path) = if place.is_local(this_host) {
            (None, folder.join(&place.path))
        } else {
            (place.host.clone(), place.path.clone())
        };
        Self { host, lexical: lexical(&path), path: path.components().collect() }
    }

    /// The absolute path to open, when the spot is on this machine.
    pub(crate) fn local_path(&self) -> Option<&Path> {
        self.host.is_none().then_some(&self.path)
    }

    /// The spot of a folder below this one.
    pub(crate) fn below(&self, folder: &Path) -> Self {
        Self { host: self.host.clone(), path: self.path.join(folder), lexical: self.lexical.join(folder) }
    }

    pub(crate) fn same_machine(&self, other: &Self) -> bool {
        match (&self.host, &other.host) {
            (None, None) => true,
            (Some(one), Some(other)) => same_host(one, other),
            _ => false,
        }
    }

    /// Whether this spot is `outer` or lies in it.
    pub(crate) fn inside(&self, outer: &Self) -> bool {
        // A relative path on another host begins nobody knows where: it is compared with its like only.
        self.same_machine(outer)
            && self.lexical.has_root() == outer.lexical.has_root()
            && self.lexical.starts_with(&outer.lexical)
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.inside(other) && other.inside(self)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.inside(other) || other.inside(self)
    }
}

fn lexical(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match tidy.components().next_back() {
                Some(Component::Normal(_)) => {
                    tidy.pop();
                }
                // The parent of `/` is `/`.
                Some(Component::RootDir) => {}
                _ => tidy.push(part),
            },
            _ => tidy.push(part),
        }
    }
    tidy
}
