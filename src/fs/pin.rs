//! A directory that is held, so that whoever renames or replaces it leads us nowhere else (floor 1; reference: openat2(2), proc(5)).
//!
//! What is below it is reached by paths that begin at the descriptor: `/proc/self/fd/N/...`. Such a path is of this process alone: it is never written
//! to a disk ([`lasting`]) and never shown.

use super::Error;
use super::dir::Dir;
use crate::path::RelPath;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::{Errno, retry_on_intr};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

const FOLDER: &str = "/proc/self/fd";

/// A held directory.
#[derive(Debug)]
pub struct Pin {
    dir: OwnedFd,
    path: PathBuf,
}

impl Pin {
    /// Holds this directory; its last name must not be a symlink.
    pub fn hold(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::open(path, flags, Mode::empty());
        let dir = retry_on_intr(open).map_err(|e| Error::new("open", path, e))?;
        let path = PathBuf::from(format!("{FOLDER}/{}", dir.as_raw_fd()));
        // Where /proc is not mounted nothing below could be reached.
        Dir::open(&path).map_err(|e| Error::new("open", &path, e))?;
        Ok(Self { dir, path })
    }

    /// The path that leads here whatever becomes of the name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Proves that as much of a path below it as exists leads through directories only: nothing that is a symlink, a file, or outside.
    pub fn prove(&self, below: &RelPath) -> io::Result<()> {
        for at in std::iter::successors(Some(below.clone()), RelPath::parent) {
            match self.open(&at) {
                Err(Errno::NOENT) => {}
                other => return Ok(other?),
            }
        }
        Ok(())
    }

    fn open(&self, below: &RelPath) -> Result<(), Errno> {
        if below.is_root() {
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match retry_on_intr(|| openat2(&self.dir, below.as_path(), flags, Mode::empty(), within)) {
            // Before Linux 5.6, or where a sandbox does not know the call: name by name.
            Err(Errno::NOSYS | Errno::PERM) => self.walk(below),
            opened => opened.map(drop),
        }
    }

    fn walk(&self, below: &RelPath) -> Result<(), Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at: Option<OwnedFd> = None;
        for name in below.names() {
            let dir = at.as_ref().unwrap_or(&self.dir);
            at = Some(retry_on_intr(|| rustix::fs::openat(dir, name, flags, Mode::empty()))?);
        }
        Ok(())
    }
}

/// A path to be written to a disk: one that begins at a held directory is replaced by that of the place where it leads.
pub fn lasting(path: &Path) -> PathBuf {
    if path.starts_with(FOLDER) { super::durable::real_path(path) } else { path.to_path_buf() }
}

#[cfg(test)]
mod tests {
    use super::Pin;
    use crate::path::RelPath;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_directories_are_gone_through_and_what_is_missing_is_no_fault() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        symlink("a", root.join("to-a")).unwrap();
        symlink(scratch.path(), root.join("a/out")).unwrap();
        symlink("nowhere", root.join("a/dangling")).unwrap();
        let pin = Pin::hold(&root).unwrap();
        for (path, fine) in [
            ("", true),
            ("a", true),
            ("a/b", true),
            ("a/new", true),
            ("new/below", true),
            ("to-a", false),
            ("to-a/b", false),
            ("to-a/new", false),
            ("a/out", false),
            ("a/out/root", false),
            ("a/dangling", false),
            ("a/dangling/x", false),
            ("file", false),
            ("file/x", false),
        ] {
            let path = RelPath::new(path).unwrap();
            assert_eq!(pin.prove(&path).is_ok(), fine, "{path}");
            assert_eq!(pin.walk(&path).is_ok() || pin.prove(&path).is_ok(), fine, "{path}");
        }
        assert!(Pin::hold(&root.join("to-a")).is_err() && Pin::hold(&root.join("file")).is_err());
    }
}
