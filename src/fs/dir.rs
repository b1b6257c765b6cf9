//! A held directory: every access to a tree is one name below an open descriptor (floor 1).
//!
//! Whoever swaps a directory for a symlink while we work changes nothing for us: no path string is ever resolved below a root, and
//! no last component is followed. A call that only looks, and that a signal interrupts, is made again: what cannot be seen is said of a tree only
//! when that is true.

use super::clock;
use super::names::Names;
use super::stat::Stat;
use crate::entry::Time;
use crate::path::RelPath;
use crate::path::called;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags, openat2};
use rustix::io::{Errno, retry_on_intr};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// An open directory.
#[derive(Debug)]
pub struct Dir(pub(super) OwnedFd);

/// So many symlinks are followed, as by the kernel.
const LINKS_MAX: usize = 40;
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// A directory that is only gone through: nobody needs to be let list it.
const WAY: OFlags = DIRECTORY.union(OFlags::PATH);

impl Dir {
    /// Opens a root that the operator named. Symlinks on the way to it are followed; it may be one itself, if nobody but root or who runs this can have
    /// made that. Below a directory that is held ([`super::pin`]) none is followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut path = Cow::Borrowed(path);
        for _ in 0..LINKS_MAX {
            // Without the slash at its end, with which the last name would be followed.
            let plain = path.components().as_path();
            match Self::open_as(plain, DIRECTORY | OFlags::NOFOLLOW) {
                Err(e) if called::split(plain).is_none() && e.kind() == io::ErrorKind::NotADirectory => {
                    path = Cow::Owned(follow(plain)?);
                }
                opened => return opened,
            }
        }
        Err(Errno::LOOP.into())
    }

    /// As [`Dir::open`], only to go on from there: what is in it cannot be listed.
    pub fn way(path: &Path) -> io::Result<Self> {
        Self::open_as(path, WAY)
    }

    fn open_as(path: &Path, flags: OFlags) -> io::Result<Self> {
        let open =
            |path: &Path, flags: OFlags| Ok(Self(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?));
        let Some((held, below)) = called::split(path) else { return open(path, flags) };
        let mut names = below.components().peekable();
        let mut at = open(&held, if names.peek().is_some() { WAY } else { flags.difference(OFlags::NOFOLLOW) })?;
        while let Some(name) = names.next() {
            at = at.child_as(name.as_os_str().as_bytes(), if names.peek().is_some() { WAY } else { flags })?;
        }
        Ok(at)
    }

    /// Opens a root that the operator named, and makes it and what is above it first where they are missing.
    pub fn open_or_make(path: &Path) -> io::Result<Self> {
        match called::split(path) {
            Some((held, below)) => Self::make_below(&held, below, Mode::RWXU | Mode::RWXG | Mode::RWXO),
            None => std::fs::create_dir_all(path).and_then(|()| Self::open(path)),
        }
    }

    /// Makes what is missing below a held directory, name by name.
    pub(super) fn make_below(held: &Path, below: &Path, mode: Mode) -> io::Result<Self> {
        let mut at = Self::open(held)?;
        for name in below.components().map(|name| name.as_os_str().as_bytes()) {
            match rustix::fs::mkdirat(&at.0, name, mode) {
                Err(Errno::EXIST) => {}
                made => made?,
            }
            at = at.child(name)?;
        }
        Ok(at)
    }

    /// Opens a directory in this one; a symlink is an error.
    pub fn child(&self, name: &[u8]) -> io::Result<Self> {
        self.child_as(name, DIRECTORY)
    }

    /// As [`Dir::child`], only to be looked at and gone through: what is in it cannot be listed.
    pub fn child_to_pass(&self, name: &[u8]) -> io::Result<Self> {
        self.child_as(name, WAY)
    }

    /// The same directory, opened so that it can be listed.
    pub fn to_list(&self) -> io::Result<Self> {
        self.child(b".")
    }

    fn child_as(&self, name: &[u8], flags: OFlags) -> io::Result<Self> {
        let open = || rustix::fs::openat(&self.0, name, flags | OFlags::NOFOLLOW, Mode::empty());
        Ok(Self(retry_on_intr(open)?))
    }

    /// As [`Dir::child`], but nothing that is mounted there: not another file system, and not a folder of this one either, which has the same device.
    /// That is [`io::ErrorKind::CrossesDevices`].
    pub fn child_not_mounted(&self, name: &[u8]) -> io::Result<Self> {
        let open = || openat2(&self.0, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty(), ResolveFlags::NO_XDEV);
        match retry_on_intr(open) {
            // Before Linux 5.6, or where a sandbox does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => self.child(name),
            opened => Ok(Self(opened?)),
        }
    }

    /// The directory that this one is in, wherever that is by now.
    pub(super) fn parent(&self) -> io::Result<Self> {
        self.child_to_pass(b"..")
    }

    /// A second descriptor of the same directory.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// The names in a directory below it.
    pub fn names_of(&self, path: &RelPath) -> io::Result<Names> {
        let mut at = self.try_clone()?;
        for name in path.names() {
            at = at.child(name)?;
        }
        at.names()
    }

    /// The names in it, without `.` and `..`.
    pub fn names(&self) -> io::Result<Names> {
        loop {
            match self.list() {
                // A listing that was interrupted does not go on: it begins again.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                listed => return listed,
            }
        }
    }

    fn list(&self) -> io::Result<Names> {
        let mut names = Names::default();
        for item in rustix::fs::Dir::read_from(&self.0)? {
            let item = item?;
            let name = item.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.add(name)?;
            }
        }
        names.sort();
        Ok(names)
    }

    /// What is at `name`; a symlink is not followed.
    pub fn stat(&self, name: &[u8]) -> io::Result<Stat> {
        Ok(retry_on_intr(|| rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW))?.into())
    }

    /// As [`Dir::stat`]; nothing there is not an error.
    pub fn stat_if_any(&self, name: &[u8]) -> io::Result<Option<Stat>> {
        match self.stat(name) {
            Ok(stat) => Ok(Some(stat)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What this directory itself is.
    pub fn stat_self(&self) -> io::Result<Stat> {
        Stat::of_open(&self.0)
    }

    /// A time that is later than every change made in this file system before the call, and not later than any made after it.
    pub fn settled(&self) -> Time {
        // In doubt the longer wait.
        clock::settled(self.stat_self().map_or(true, |stat| stat.is_coarse()))
    }

    /// Opens a file for reading and proves by the descriptor that it is a regular file: never blocks on a pipe, never follows a
    /// symlink, leaves the access time alone where it may.
    pub fn open_file(&self, name: &[u8]) -> io::Result<(File, Stat)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = |flags| retry_on_intr(|| rustix::fs::openat(&self.0, name, flags, Mode::empty()));
        let fd = match open(flags | OFlags::NOATIME) {
            Err(Errno::PERM) => open(flags)?,
            other => other?,
        };
        let stat = Stat::of_open(&fd)?;
        if stat.is_file() {
            Ok((File::from(fd), stat))
        } else {
            Err(io::Error::other("it is no regular file any more"))
        }
    }

    /// Makes a new file, readable and writable by us alone; an existing name is an error.
    pub fn create_file(&self, name: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Makes a file on this directory's file system that never has a name, and goes when it is closed.
    pub fn nameless_file(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, c".", flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Makes a directory that only we can enter; an existing name is an error.
    pub fn make_dir(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.0, name, Mode::RWXU)?)
    }

    /// Opens a directory in this one, made first where it is missing.
    pub fn child_or_new(&self, name: &[u8]) -> io::Result<Self> {
        match self.make_dir(name) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
            _ => self.child(name),
        }
    }

    /// Makes a symlink.
    pub fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &self.0, name)?)
    }

    /// Makes a fifo, socket or device with mode 0600.
    pub fn make_special(&self, name: &[u8], kind: FileType, device: (u32, u32)) -> io::Result<()> {
        let number = rustix::fs::makedev(device.0, device.1);
        Ok(rustix::fs::mknodat(&self.0, name, kind, Mode::RUSR | Mode::WUSR, number)?)
    }

    /// Makes `name` in `to` a further name of `from` in this directory.
    pub fn link(&self, from: &[u8], to: &Self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.0, from, &to.0, name, AtFlags::empty())?)
    }

    /// Where the symlink `name` points.
    pub fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(retry_on_intr(|| rustix::fs::readlinkat(&self.0, name, Vec::new()))?.into_bytes())
    }

    /// Moves `from` to `name` in `to`; an existing `name` is an error.
    pub fn rename_new(&self, from: &[u8], to: &Self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(&self.0, from, &to.0, name, RenameFlags::NOREPLACE)?)
    }

    /// Swaps `from` with `name` in `to`, atomically, whatever kinds they are.
    pub fn exchange(&self, from: &[u8], to: &Self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(&self.0, from, &to.0, name, RenameFlags::EXCHANGE)?)
    }

    /// Removes a name that is not a directory.
    pub fn unlink(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Makes the names in it durable.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// The kind of its file system, as a magic number (statfs(2)).
    pub fn file_system(&self) -> io::Result<u64> {
        let kind = retry_on_intr(|| rustix::fs::fstatfs(&self.0))?.f_type;
        // The kernel's own type has a sign on some architectures; the numbers are 32 bits wide.
        Ok(u64::try_from(kind & 0xFFFF_FFFF).unwrap_or(0))
    }

    /// Takes the lock of this directory for as long as it is open; `false` if another process has it.
    pub fn try_lock(&self) -> io::Result<bool> {
        match rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes everything of this directory's file system to the medium.
    pub fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }

    /// The descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Where a symlink leads that the operator named in place of a directory.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let link = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
    let stat = Stat::of_open(&link)?;
    if stat.kind != FileType::Symlink {
        return Err(Errno::NOTDIR.into());
    }
    if ![0, clock::effective_uid()].contains(&stat.uid) {
        let why = format!("it is a symlink of user {}: only those of root and of who runs this are followed", stat.uid);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let target = retry_on_intr(|| rustix::fs::readlinkat(&link, c"", Vec::new()))?;
    Ok(path.parent().unwrap_or(Path::new("/")).join(OsStr::from_bytes(target.to_bytes())))
}

/// Descriptors that this process may have open at a time.
pub fn max_open() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}
