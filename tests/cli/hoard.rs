//! Everything that there was before somebody made a mistake, by hash; and the proof that all of it is still there.
//!
//! Trees are read here, stores by `tests/reader.py`, which was written from format-spec.md alone: nothing of the program judges itself.

use crate::support::{Site, names, reader};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The content of files, and the targets of links, each with a place where it was seen.
#[derive(Debug)]
pub(crate) struct Hoard {
    root: PathBuf,
    wanted: BTreeMap<String, String>,
}

impl Hoard {
    /// What stands on these trees, folders of the site, and in the snapshots of those that are mirrors.
    #[track_caller]
    pub(crate) fn of(site: &Site, places: &[&str]) -> Self {
        let mut hoard = Self { root: site.path(""), wanted: BTreeMap::new() };
        hoard.take(places);
        assert!(hoard.wanted.len() > 10, "too little to prove anything: {hoard:?}");
        hoard
    }

    /// What came since.
    #[track_caller]
    pub(crate) fn take(&mut self, places: &[&str]) {
        let root = self.root.clone();
        self.wanted.extend(places.iter().flat_map(|place| seen(&root.join(place))));
    }

    /// All of it stands on one of these trees or in one of their snapshots.
    #[track_caller]
    pub(crate) fn is_kept(&self, places: &[&str]) {
        let found: BTreeSet<String> =
            places.iter().flat_map(|place| seen(&self.root.join(place)).into_keys()).collect();
        let lost: Vec<_> = self.wanted.iter().filter(|(hash, _)| !found.contains(*hash)).map(|(_, at)| at).collect();
        assert!(lost.is_empty(), "of {} contents these are lost:\n{lost:#?}", self.wanted.len());
    }
}

/// Hashes on a tree and in its store.
#[track_caller]
fn seen(place: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if place.is_dir() {
        walk(place, &mut all);
    }
    let store = place.join(".backup/store");
    if store.join("config").exists() {
        in_snapshots(&store, &mut all);
    }
    all
}

fn walk(folder: &Path, all: &mut BTreeMap<String, String>) {
    for name in names(folder).into_iter().filter(|name| name != ".backup") {
        let path = folder.join(name);
        let kind = path.symlink_metadata().unwrap().file_type();
        let bytes = if kind.is_dir() {
            walk(&path, all);
            continue;
        } else if kind.is_file() {
            fs::read(&path).unwrap()
        } else if kind.is_symlink() {
            fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
        } else {
            continue;
        };
        all.insert(blake3::hash(&bytes).to_hex().to_string(), path.display().to_string());
    }
}

#[track_caller]
fn in_snapshots(store: &Path, all: &mut BTreeMap<String, String>) {
    let done = reader(store, &["hashes"]);
    let (out, err) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && err.is_empty(), "tests/reader.py {} hashes:\n{err}", store.display());
    for line in out.lines() {
        let mut parts = line.splitn(3, '\t');
        let (number, hash, path) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        all.insert(hash.to_owned(), format!("{} {number}: {path}", store.display()));
    }
}
