//! Files of another user in the same file system, which the attacker can only give further names: each looks, by size and time, like a file of a
//! tree.
//!
//! Whoever gives such a name owner, mode or attributes of that file of the tree gives away the other user's file; or, the other way round, gives the
//! content of one user to another, perhaps to be run as that user.

use crate::site;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, linkat, statat, utimensat};
use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

/// A user who has nothing but this.
const OTHER: u32 = 3_133_732;
const BYTE: u8 = b'#';

#[derive(Debug)]
pub(crate) struct Vault {
    root: PathBuf,
}

impl Vault {
    pub(crate) fn new(root: &Path) -> Self {
        fs::create_dir_all(root).unwrap();
        Self { root: root.to_owned() }
    }

    /// Whether this is a further name of the file that is kept under that name.
    pub(crate) fn is_name_of(&self, folder: &OwnedFd, name: &str, kept: &str) -> bool {
        let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
        let Ok(there) = self.root.join(kept).symlink_metadata() else { return false };
        found.is_ok_and(|found| found.st_ino == there.ino())
    }

    /// Keeps a file that looks like the one of this name, and gives it a further name in `beside`.
    pub(crate) fn match_with(&self, folder: &OwnedFd, name: &str, beside: &OwnedFd, kept: &str) {
        let (at, model) = (self.root.join(kept), site::path(folder).join(name));
        let Ok(model) = model.symlink_metadata() else { return };
        let fits = at.symlink_metadata().is_ok_and(|own| {
            (own.size(), own.mtime(), own.mtime_nsec()) == (model.size(), model.mtime(), model.mtime_nsec())
        });
        let further = site::path(beside).join(kept);
        if fits && further.symlink_metadata().is_ok() {
            return;
        }
        fs::remove_file(&further).ok();
        fs::remove_file(&at).ok();
        fs::write(&at, vec![BYTE; usize::try_from(model.size()).unwrap()]).unwrap();
        lchown(&at, Some(OTHER), Some(OTHER)).unwrap();
        fs::set_permissions(&at, Permissions::from_mode(0o600)).unwrap();
        let time = Timespec { tv_sec: model.mtime(), tv_nsec: model.mtime_nsec() };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, &at, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        self.lend(beside, kept);
    }

    /// Gives it a further name again.
    pub(crate) fn lend(&self, beside: &OwnedFd, kept: &str) {
        linkat(CWD, self.root.join(kept), beside, kept, AtFlags::empty()).ok();
    }

    /// All of it still is the other user's alone.
    pub(crate) fn is_untouched(&self) -> Result<(), String> {
        for item in fs::read_dir(&self.root).unwrap() {
            let path = item.unwrap().path();
            let found = path.symlink_metadata().unwrap();
            let mut value = [0; 64];
            let attributes = rustix::fs::llistxattr(&path, &mut value).unwrap_or_default();
            let (is_its_own, mode) = ((found.uid(), found.gid()) == (OTHER, OTHER), found.mode() & 0o7777);
            if !is_its_own
                || mode != 0o600
                || attributes > 0
                || fs::read(&path).unwrap().iter().any(|byte| *byte != BYTE)
            {
                let (uid, gid, name) = (found.uid(), found.gid(), path.display());
                return Err(format!(
                    "another user's {name} is now of {uid}:{gid}, {mode:o}, with {attributes} bytes of attributes"
                ));
            }
        }
        Ok(())
    }
}
