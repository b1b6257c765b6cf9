//! Reading and setting owner, mode, times and extended attributes (floor 1).
//!
//! Order when setting: owner (it clears setuid and capabilities), attributes, mode, times last.
//!
//! What must stay true: in a tree that others may write to, nothing is set by a name. What has that name may be another object a moment after it
//! was looked at, such as a hard link to somebody else's file: it is held first, and proved to be what was seen.

use super::dir::Dir;
use super::fidelity::Fidelity;
use super::is_one_of;
use super::stat::Stat;
use crate::entry::{Meta, Time, Xattr};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A file system with more room than this is not full when it says so of an attribute: 64 KiB is the longest, and there may be a few.
const XATTRS_ROOM: u64 = 1 << 20;
/// Attributes of a file that are no longer together have room on any file system that has them (the smallest block of an ext4 is 1 KiB) ...
const XATTRS_ANYWHERE: usize = 512;
/// ... where each takes so much more than its name and its value.
const XATTR_OVERHEAD: usize = 32;

/// The names under which xfs lists access lists to root once more, in a form of its own.
const SAID_TWICE: [&[u8]; 2] = [b"trusted.SGI_ACL_FILE", b"trusted.SGI_ACL_DEFAULT"];

/// How to reach an object: by its own descriptor where it can be opened, else by a name in a held directory, or held by a descriptor that only leads
/// to it.
#[derive(Clone, Copy)]
pub enum At<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// A symlink, fifo, socket or device, or anything that cannot be opened.
    Name(&'a Dir, &'a [u8]),
    /// The same, whatever becomes of its name.
    Held(BorrowedFd<'a>),
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

    /// Most calls refuse a descriptor that was opened for its path only. This leads to the object itself, and no further where that is a symlink.
    fn held_path(object: BorrowedFd<'_>) -> String {
        format!("/proc/self/fd/{}", object.as_raw_fd())
    }

    /// The extended attributes, sorted by name; none where the file system has none.
    pub fn xattrs(&self) -> io::Result<Vec<Xattr>> {
        let path = match self {
            At::Open(_) => CString::default(),
            At::Name(dir, name) => Self::proc_path(dir, name)?,
            At::Held(object) => CString::new(Self::held_path(*object))?,
        };
        let list = grow(|buffer| match self {
            At::Open(fd) => rustix::fs::flistxattr(fd, buffer),
            At::Name(..) => rustix::fs::llistxattr(&path, buffer),
            At::Held(_) => rustix::fs::listxattr(&path, buffer),
        });
        let list = match list {
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for name in list.split(|&b| b == 0).filter(|name| !name.is_empty() && !SAID_TWICE.contains(name)) {
            let value = grow(|buffer| match self {
                At::Open(fd) => rustix::fs::fgetxattr(fd, name, buffer),
                At::Name(..) => rustix::fs::lgetxattr(&path, name, buffer),
                At::Held(_) => rustix::fs::getxattr(&path, name, buffer),
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
            At::Held(object) => rustix::fs::setxattr(Self::held_path(*object), name, value, flags)?,
        }
        Ok(())
    }

    fn remove_xattr(&self, name: &[u8]) -> io::Result<()> {
        match self {
            At::Open(fd) => rustix::fs::fremovexattr(fd, name)?,
            At::Name(dir, at) => rustix::fs::lremovexattr(Self::proc_path(dir, at)?, name)?,
            At::Held(object) => rustix::fs::removexattr(Self::held_path(*object), name)?,
        }
        Ok(())
    }

    fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            At::Open(fd) => rustix::fs::fchown(fd, uid, gid)?,
            At::Name(dir, name) => rustix::fs::chownat(dir.fd(), *name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?,
            At::Held(object) => rustix::fs::chownat(CWD, Self::held_path(*object), uid, gid, AtFlags::empty())?,
        }
        Ok(())
    }

    /// Sets the permissions; those of a symlink cannot be set, and it is not followed.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        match self {
            At::Open(fd) => rustix::fs::fchmod(fd, Mode::from_raw_mode(mode))?,
            // chmodat(2) would follow a symlink that somebody has just put there.
            At::Name(dir, name) => At::Held(hold(dir, name)?.as_fd()).set_mode(mode)?,
            At::Held(object) if Stat::of_open(object)?.kind == FileType::Symlink => {
                return Err(io::Error::other("it has become a symlink"));
            }
            At::Held(object) => rustix::fs::chmod(Self::held_path(*object), Mode::from_raw_mode(mode))?,
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
            At::Held(object) => rustix::fs::utimensat(CWD, Self::held_path(*object), &times, AtFlags::empty())?,
        }
        Ok(())
    }

    /// Gives a new object that is no directory, in a folder of ours alone, its metadata, as far as its tree can hold it; tells whether that is all of it. What is not is in
    /// the manifest.
    pub fn give(&self, meta: &Meta, is_symlink: bool, fidelity: &Fidelity) -> io::Result<bool> {
        self.chown(Some(meta.uid).filter(|_| fidelity.owners), fidelity.group(meta))?;
        // An attribute cannot be set where the mode forbids its owner to write, and a list of rights sets bits of the mode: so the mode is last.
        let is_whole = self.set_xattrs(meta.xattrs.iter(), fidelity)?;
        if !is_symlink {
            self.set_mode(fidelity.mode(meta, false))?;
        }
        self.set_mtime(meta.mtime)?;
        Ok(is_whole && fidelity.holds_all(meta, false))
    }

    /// As [`At::give`], to an existing object whose state is `now`. What another object has its name by now is left alone.
    pub fn change(&self, now: &Stat, meta: &Meta, fidelity: &Fidelity) -> io::Result<bool> {
        if let At::Name(dir, name) = self {
            let object = hold(dir, name)?;
            let held = Stat::of_open(&object)?;
            if (held.device, held.inode) != (now.device, now.inode) {
                return Err(io::Error::other("it was changed by someone else during this run; it is left as it is"));
            }
            return At::Held(object.as_fd()).change(now, meta, fidelity);
        }
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
                Err(e) if !fidelity.owners || is_one_of(&e, &[Errno::NODATA]) => drop(e),
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
        let (mut is_whole, mut length) = (true, 0_usize);
        for xattr in xattrs {
            length += XATTR_OVERHEAD + xattr.name.len() + xattr.value.len();
            match if fidelity.may_hold(&xattr.name) { self.set_xattr(xattr) } else { Err(Errno::NOTSUP.into()) } {
                Err(e) if self.is_refused(&xattr.name, length, &e) => is_whole = false,
                other => other?,
            }
        }
        Ok(is_whole)
    }

    /// Whether this says that the file system does not take an attribute: too many or too long ones look to some like a full disk (ext4, btrfs). Who may
    /// set attributes of users, or lists, may set all of them; and a few short ones have room anywhere.
    fn is_refused(&self, name: &[u8], length: usize, e: &io::Error) -> bool {
        const REFUSED: [Errno; 4] = [Errno::NOTSUP, Errno::INVAL, Errno::RANGE, Errno::TOOBIG];
        let is_ours = [b"user.".as_slice(), b"system."].iter().any(|namespace| name.starts_with(namespace));
        is_one_of(e, &REFUSED)
            || (!is_ours && is_one_of(e, &[Errno::PERM, Errno::ACCESS]))
            || (length > XATTRS_ANYWHERE && is_one_of(e, &[Errno::NOSPC]) && self.has_room())
    }

    fn has_room(&self) -> bool {
        let fd = match self {
            At::Open(fd) | At::Held(fd) => *fd,
            At::Name(dir, _) => dir.fd(),
        };
        let room = rustix::fs::fstatvfs(fd)
            .map_or(0, |stat| if stat.f_blocks == 0 { u64::MAX } else { stat.f_bavail.saturating_mul(stat.f_frsize) });
        room > XATTRS_ROOM
    }
}

/// Opens whatever has this name for its path only: nothing happens to it, and it can be of any kind.
pub fn hold(dir: &Dir, name: &[u8]) -> io::Result<OwnedFd> {
    let open = || rustix::fs::openat(dir.fd(), name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    Ok(retry_on_intr(open)?)
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

#[cfg(test)]
mod tests {
    use super::{At, Dir, Fidelity};
    use crate::entry::{Meta, Time};
    use rustix::fs::FileType;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::Path;

    fn meta(of: &Path, mode: u32) -> Meta {
        let found = of.symlink_metadata().unwrap();
        Meta {
            mode,
            uid: found.uid(),
            gid: found.gid(),
            mtime: Time { seconds: 7, nanoseconds: 8 },
            xattrs: Vec::new(),
        }
    }

    fn times(path: &Path) -> (i64, i64) {
        let found = path.symlink_metadata().unwrap();
        (found.mtime(), found.mtime_nsec())
    }

    /// A fifo or a symlink was seen, and before its metadata is set its name is that of somebody's file.
    #[test]
    fn what_took_the_place_of_what_was_seen_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open(scratch.path()).unwrap();
        let (seen, victim) = (scratch.path().join("seen"), scratch.path().join("victim"));
        std::fs::write(&victim, "somebody's").unwrap();
        let before = (times(&victim), victim.metadata().unwrap().mode());
        for is_symlink in [false, true] {
            if is_symlink {
                dir.make_symlink(b"nowhere", b"seen").unwrap();
            } else {
                dir.make_special(b"seen", FileType::Fifo, (0, 0)).unwrap();
            }
            let (stat, wanted) = (dir.stat(b"seen").unwrap(), meta(&seen, 0o666));
            std::fs::remove_file(&seen).unwrap();
            std::fs::hard_link(&victim, &seen).unwrap();
            let changed = At::Name(&dir, b"seen").change(&stat, &wanted, &Fidelity::assumed());
            assert!(changed.is_err(), "a symlink: {is_symlink}");
            assert_eq!((times(&victim), victim.metadata().unwrap().mode()), before, "a symlink: {is_symlink}");
            std::fs::remove_file(&seen).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_opened_is_changed_and_a_symlink_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open(scratch.path()).unwrap();
        std::fs::write(scratch.path().join("target"), "").unwrap();
        let (link, pipe) = (scratch.path().join("link"), scratch.path().join("pipe"));
        symlink("target", &link).unwrap();
        dir.make_special(b"pipe", FileType::Fifo, (0, 0)).unwrap();
        for (path, name) in [(&link, b"link"), (&pipe, b"pipe")] {
            let stat = dir.stat(name).unwrap();
            At::Name(&dir, name).change(&stat, &meta(path, 0o640), &Fidelity::assumed()).unwrap();
            assert_eq!(times(path), (7, 8));
        }
        assert_eq!(pipe.symlink_metadata().unwrap().mode() & 0o7777, 0o640);
        assert!(times(&scratch.path().join("target")).0 > 7);
    }

    #[test]
    fn an_attribute_that_can_be_set_and_is_not_for_a_moment_is_no_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("f")).unwrap();
        let forbidden = rustix::io::Errno::ACCESS.into();
        let refused = |name: &[u8]| At::file(&file).is_refused(name, 100, &forbidden);
        assert!(refused(b"security.capability") && !refused(b"user.note") && !refused(b"system.posix_acl_access"));
    }
}
