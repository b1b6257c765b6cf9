//! A directory that is held, so that whoever renames or replaces it leads us nowhere else (floor 1; reference: openat2(2), proc(5)).
//!
//! What is below it is reached by paths that begin at the descriptor: `/proc/self/fd/N/...`. Such a path is of this process alone: it is never written
//! to a disk ([`lasting`]) and shown by the name of the directory ([`called`]). It is good for as long as the [`Pin`] is there.

use super::Error;
use super::dir::Dir;
use crate::path::{RelPath, called};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::{Errno, retry_on_intr};
use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A held directory.
#[derive(Debug)]
pub struct Pin {
    dir: Dir,
    path: PathBuf,
}

impl Pin {
    /// Holds the directory of this path; its last name must not be a symlink.
    pub fn hold(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::open(path, flags, Mode::empty());
        let dir = retry_on_intr(open).map_err(|e| Error::new("open", path, e))?;
        Self::of(Dir(dir), path)
    }

    /// Holds an open directory, and calls it so.
    pub fn of(dir: Dir, name: &Path) -> Result<Self, Error> {
        let path = Path::new(called::DESCRIPTORS).join(dir.0.as_raw_fd().to_string());
        // Where /proc is not mounted nothing below could be reached.
        let there = Dir::way(&path).and_then(|there| Ok(there.stat_self()?.is_same(&dir.stat_self()?)));
        match there {
            Ok(true) => {}
            Ok(false) => return Err(Error::new("open", &path, io::ErrorKind::NotFound)),
            Err(e) => return Err(Error::new("open", &path, e)),
        }
        called::call(&path, name);
        Ok(Self { dir, path })
    }

    /// The path that leads here whatever becomes of the name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Holds the directory at a path below this one, or the nearest above it that is there, and gives the path that begins at it. Whatever of it
    /// exists must be reached through directories only: nothing that is a symlink, a file, or outside.
    pub fn below(self: &Arc<Self>, below: &RelPath) -> io::Result<Held> {
        for at in std::iter::successors(Some(below.clone()), RelPath::parent).take_while(|at| !at.is_root()) {
            match self.find(&at) {
                Err(Errno::NOENT) => {}
                found => {
                    let pin = Self::of(Dir(found?), &self.path.join(at.as_path())).map_err(|e| e.source)?;
                    let rest = below.as_path().strip_prefix(at.as_path()).unwrap_or(Path::new(""));
                    return Ok(Held::at(&Arc::new(pin), rest));
                }
            }
        }
        Ok(Held::at(self, below.as_path()))
    }

    fn find(&self, below: &RelPath) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match retry_on_intr(|| openat2(&self.dir.0, below.as_path(), flags, Mode::empty(), within)) {
            // Before Linux 5.6, or where a sandbox does not know the call: name by name.
            Err(Errno::NOSYS | Errno::PERM) => self.walk(below),
            opened => opened,
        }
    }

    fn walk(&self, below: &RelPath) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at: Option<OwnedFd> = None;
        for name in below.names() {
            let dir = at.as_ref().unwrap_or(&self.dir.0);
            at = Some(retry_on_intr(|| rustix::fs::openat(dir, name, flags, Mode::empty()))?);
        }
        at.ok_or(Errno::NOENT)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        called::forget(&self.path);
    }
}

/// A path, with the held directory that it begins at if it begins at one.
#[derive(Clone, Debug)]
pub struct Held {
    path: PathBuf,
    pin: Option<Arc<Pin>>,
}

impl Held {
    /// Below a held directory.
    pub fn at(pin: &Arc<Pin>, below: &Path) -> Self {
        // A slash at the end would be a name of its own to some.
        let path = if below.as_os_str().is_empty() { pin.path.clone() } else { pin.path.join(below) };
        Self { path, pin: Some(Arc::clone(pin)) }
    }

    /// An open directory; by its name where `/proc` is not mounted, which nobody but root can bring about.
    pub fn or_named(dir: Dir, name: &Path) -> Self {
        match Pin::of(dir, name) {
            Ok(pin) => Self::at(&Arc::new(pin), Path::new("")),
            Err(_) => Self::named(name.to_path_buf()),
        }
    }

    /// A path that begins at no held directory.
    pub const fn named(path: PathBuf) -> Self {
        Self { path, pin: None }
    }

    /// What is below it, held as this is.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self { path: self.path.join(name), pin: self.pin.clone() }
    }
}

impl Deref for Held {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// A path to be written to a disk: one that begins at a held directory is replaced by that of the place where it leads.
pub fn lasting(path: &Path) -> PathBuf {
    if path.starts_with(called::DESCRIPTORS) { super::durable::real_path(path) } else { path.to_path_buf() }
}

#[cfg(test)]
mod tests {
    use super::Pin;
    use crate::fs::dir::Dir;
    use crate::path::{RelPath, shown_path};
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    #[test]
    fn only_directories_are_gone_through_and_what_is_missing_is_no_fault() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        symlink("a", root.join("to-a")).unwrap();
        symlink(scratch.path(), root.join("a/out")).unwrap();
        symlink("nowhere", root.join("a/dangling")).unwrap();
        let pin = Arc::new(Pin::hold(&root).unwrap());
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
            let held = pin.below(&path);
            assert_eq!(held.is_ok(), fine, "{path}");
            assert_eq!(pin.walk(&path).is_ok() || held.is_ok(), fine, "{path}");
            if let Ok(held) = held {
                assert_eq!(shown_path(&held), shown_path(&root.join(path.as_path())).trim_end_matches('/'));
            }
        }
        assert!(Pin::hold(&root.join("to-a")).is_err() && Pin::hold(&root.join("file")).is_err());
    }

    /// What was proved is what is used: the name may be a symlink by then.
    #[test]
    fn who_replaces_a_directory_that_was_found_or_puts_a_symlink_where_none_was_leads_nowhere() {
        let scratch = tempfile::tempdir().unwrap();
        let (root, outside) = (scratch.path().join("root"), scratch.path().join("outside"));
        std::fs::create_dir_all(root.join("m/x")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        let pin = Arc::new(Pin::hold(&root).unwrap());
        let [found, missing, made] =
            ["m/x", "m/new/below", "m/made/below"].map(|path| pin.below(&RelPath::new(path).unwrap()).unwrap());
        std::fs::rename(root.join("m/x"), root.join("moved")).unwrap();
        for name in ["m/x", "m/new"] {
            symlink(&outside, root.join(name)).unwrap();
        }
        Dir::open(&found).unwrap().make_dir(b"inside").unwrap();
        assert!(root.join("moved/inside").is_dir());
        assert!(Dir::open(&missing).is_err() && Dir::open_or_make(&missing).is_err());
        Dir::open_or_make(&made).unwrap();
        assert!(root.join("m/made/below").is_dir());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }
}
