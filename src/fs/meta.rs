//! Reading and setting owner, mode, times and extended attributes (floor 1).
//!
//! Order when setting: owner (it clears setuid and capabilities), attributes, mode, times last.

use super::dir::Dir;
use super::fidelity::Fidelity;
use super::stat::Stat;
use crate::entry::{Meta, Time, Xattr};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// A file system with more room than this is not full when it says so of an attribute: 64 KiB is the longest, and there may be a few.
const XATTRS_ROOM: u64 = 1 << 20;

/// What metadata are given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A symbolic link: it has no mode of its own.
    Symlink,
    /// Anything else.
    Other,
}

/// How to reach an object: by its own descriptor where it can be opened, else by a name in a held directory.
#[derive(Clone, Copy)]
pub enum At<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// A symlink, fifo, socket or device, or anything that cannot be opened.
    Name(&'a Dir, &'a [u8]),
}

impl<'a> At<'a> {
    /// An open directory.
    pub fn dir(dir: &'a Dir) -> Self {
        At::Open(dir.fd())
    }

    /// An open file.
    pub fn file(file: &'a impl AsFd) -> Self {
        At::Open(file.as_fd())
    }

    /// The kernel has no xattr calls relative to a directory: this path leads through the descriptor and follows nothing below it.
    fn proc_path(dir: &Dir, name: &[u8]) -> io::Result<CString> {
        let mut path = format!("/proc/self/fd/{}/", dir.fd().as_raw_fd()).into_bytes();
        path.extend_from_slice(name);
        Ok(CString::new(path)?)
    }

    /// The extended attributes, sorted by name; none where the file system has none.
    pub fn xattrs(&self) -> io::Result<Vec<Xattr>> {
        let path = if let At::Name(dir, name) = self { Some(Self::proc_path(dir, name)?) } else { None };
        let list = grow(|buffer| match (self, &path) {
            (At::Open(fd), _) => rustix::fs::flistxattr(fd, buffer),
            (At::Name(..), Some(path)) => rustix::fs::llistxattr(path, buffer),
            (At::Name(..), None) => Ok(0),
        });
        let list = match list {
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for name in list.split(|&b| b == 0).filter(|name| !name.is_empty()) {
            let value = grow(|buffer| match (self, &path) {
                (At::Open(fd), _) => rustix::fs::fgetxattr(fd, name, buffer),
                (At::Name(..), Some(path)) => rustix::fs::lgetxattr(path, name, buffer),
                (At::Name(..), None) => Ok(0),
            });
            match value {
                Ok(value) => found.push(Xattr { name: name.to_vec(), value }),
                // Gone since it was listed, or not for us to see.
                Err(Errno::NODATA | Errno::NOTSUP) => {}
                Err(e) => return Err(e.into()),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    pub(super) fn set_xattr(&self, xattr: &Xattr) -> io::Result<()> {
        let (name, value, flags) = (xattr.name.as_slice(), xattr.value.as_slice(), XattrFlags::empty());
        match self {
            At::Open(fd) => rustix::fs::fsetxattr(fd, name, value, flags)?,
            At::Name(dir, at) => rustix::fs::lsetxattr(Self::proc_path(dir, at)?, name, value, flags)?,
        }
        Ok(())
    }

    fn remove_xattr(&self, name: &[u8]) -> io::Result<()> {
        match self {
            At::Open(fd) => rustix::fs::fremovexattr(fd, name)?,
            At::Name(dir, at) => rustix::fs::lremovexattr(Self::proc_path(dir, at)?, name)?,
        }
        Ok(())
    }

    fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            At::Open(fd) => rustix::fs::fchown(fd, uid, gid)?,
            At::Name(dir, name) => rustix::fs::chownat(dir.fd(), *name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?,
        }
        Ok(())
    }

    /// Sets the permissions; those of a symlink cannot be set, and it is not followed.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            At::Open(fd) => rustix::fs::fchmod(fd, mode)?,
            At::Name(dir, name) => {
                // chmodat(2) would follow a symlink that somebody has just put there; a descriptor of the object itself cannot be moved.
                let object = retry_on_intr(|| {
                    rustix::fs::openat(dir.fd(), *name, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
                })?;
                if Stat::of_open(&object)?.kind == FileType::Symlink {
                    return Err(io::Error::other("it has become a symlink"));
                }
                rustix::fs::chmod(format!("/proc/self/fd/{}", object.as_raw_fd()), mode)?;
            }
        }
        Ok(())
    }

    /// Sets the time of the last change of content.
    pub fn set_mtime(&self, mtime: Time) -> io::Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() },
        };
        match self {
            At::Open(fd) => rustix::fs::futimens(fd, &times)?,
            At::Name(dir, name) => rustix::fs::utimensat(dir.fd(), *name, &times, AtFlags::SYMLINK_NOFOLLOW)?,
        }
        Ok(())
    }

    /// Gives a new object its metadata, as far as its tree can hold it; tells whether that is all of it. What is not is in the manifest.
    pub fn give(&self, meta: &Meta, kind: Kind, fidelity: &Fidelity) -> io::Result<bool> {
        self.chown(Some(meta.uid).filter(|_| fidelity.owners), fidelity.group(meta))?;
        // An attribute cannot be set where the mode forbids its owner to write, and a list of rights sets bits of the mode: so the mode is last.
        let is_whole = self.set_xattrs(meta.xattrs.iter(), fidelity)?;
        if kind != Kind::Symlink {
            self.set_mode(fidelity.mode(meta, kind == Kind::Directory))?;
        }
        self.set_mtime(meta.mtime)?;
        Ok(is_whole && fidelity.holds_all(meta, kind == Kind::Directory))
    }

    /// As [`At::give`], to an existing object whose state is `now`.
    pub fn change(&self, now: &Stat, meta: &Meta, fidelity: &Fidelity) -> io::Result<bool> {
        let is_directory = now.is_directory();
        let uid = Some(meta.uid).filter(|uid| fidelity.owners && *uid != now.uid);
        let gid = fidelity.group(meta).filter(|gid| *gid != now.gid);
        let moved = uid.is_some() || gid.is_some();
        if moved {
            self.chown(uid, gid)?;
        }
        let mode = fidelity.mode(meta, is_directory);
        let have = self.xattrs()?;
        let extra: Vec<&Xattr> = have.iter().filter(|h| meta.xattrs.iter().all(|w| w.name != h.name)).collect();
        let new: Vec<&Xattr> = meta.xattrs.iter().filter(|w| !have.contains(w)).collect();
        let others = !extra.is_empty() || !new.is_empty();
        let is_symlink = now.kind == FileType::Symlink;
        let closed = others && !fidelity.owners && !is_symlink && now.mode & 0o200 == 0;
        if closed {
            self.set_mode(now.mode | 0o200)?;
        }
        for extra in extra {
            match self.remove_xattr(&extra.name) {
                // The kernel keeps some (a security label): not ours to remove.
                Err(e) if !fidelity.owners || e.raw_os_error() == Some(Errno::NODATA.raw_os_error()) => drop(e),
                other => other?,
            }
        }
        let is_whole = self.set_xattrs(new.into_iter(), fidelity)?;
        if !is_symlink && (moved || others || now.mode != mode) {
            self.set_mode(mode)?;
        }
        self.set_mtime(meta.mtime)?;
        Ok(is_whole && fidelity.holds_all(meta, is_directory))
    }

    /// Sets attributes, as far as the tree can hold them; tells whether it took them all.
    pub(super) fn set_xattrs<'x>(
        &self,
        xattrs: impl Iterator<Item = &'x Xattr>,
        fidelity: &Fidelity,
    ) -> io::Result<bool> {
        let mut is_whole = true;
        for xattr in xattrs {
            match if fidelity.may_hold(&xattr.name) { self.set_xattr(xattr) } else { Err(Errno::NOTSUP.into()) } {
                Err(e) if self.is_refused(&e) => is_whole = false,
                other => other?,
            }
        }
        Ok(is_whole)
    }

    /// Whether this says that the file system does not take an attribute: too many or too long ones look to some like a full disk (ext4, btrfs).
    fn is_refused(&self, e: &io::Error) -> bool {
        const REFUSED: [Errno; 6] =
            [Errno::PERM, Errno::ACCESS, Errno::NOTSUP, Errno::INVAL, Errno::RANGE, Errno::TOOBIG];
        let is = |errno: Errno| e.raw_os_error() == Some(errno.raw_os_error());
        REFUSED.into_iter().any(is) || (is(Errno::NOSPC) && self.has_room())
    }

    fn has_room(&self) -> bool {
        let fd = match self {
            At::Open(fd) => *fd,
            At::Name(dir, _) => dir.fd(),
        };
        let room = rustix::fs::fstatvfs(fd)
            .map_or(0, |stat| if stat.f_blocks == 0 { u64::MAX } else { stat.f_bavail.saturating_mul(stat.f_frsize) });
        room > XATTRS_ROOM
    }
}

/// Takes away the access list that new files in a folder of ours would inherit from the folder above it.
pub fn clear_default_acl(dir: &Dir) -> io::Result<()> {
    match rustix::fs::fremovexattr(dir.fd(), "system.posix_acl_default") {
        Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Calls with growing buffers until the answer fits.
fn grow(mut call: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match retry_on_intr(|| call(&mut buffer)) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // 64 KiB is the kernel's own limit for both a list and a value.
            Err(Errno::RANGE) if buffer.len() < 128 << 10 => buffer.resize(buffer.len() * 8, 0),
            Err(e) => return Err(e),
        }
    }
}
