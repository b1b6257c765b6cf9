//! Our own files: written aside, synced, renamed into place, their folder synced (floor 1; reference: fsync(2), rename(2)).
//!
//! The first error of a sync is final: what was being written is given up, never retried (a second fsync may claim success for
//! pages that were lost).

use super::Error;
use super::dir::Dir;
use crate::path::called;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Prefix of the names of unfinished files.
pub const TMP: &str = "tmp-";

/// Makes a folder that only we can enter, and those above it; an existing one is fine.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    let made = match called::split(path).filter(|_| !path.is_dir()) {
        Some((held, below)) => Dir::make_below(&held, below, Mode::RWXU).map(drop),
        None => std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path),
    };
    made.map_err(|e| Error::new("make the folder", path, e))
}

/// Makes the names in a folder durable.
pub fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| Error::new("sync the folder", path, e))
}

/// Makes a new file with mode 0600 that must not exist.
pub fn create(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|e| Error::new("create", path, e))
}

/// Renames a synced file into place and makes that durable. The name is the hash of its bytes: one of the same name holds the same, or is
/// damaged, so the new one takes its place.
pub fn publish(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(|e| Error::new("rename into place", to, e))?;
    to.parent().map_or(Ok(()), sync_folder)
}

fn write_aside(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!("{TMP}{name}"));
    remove_if_any(&aside)?;
    let mut file = create(&aside)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| Error::new("write", &aside, e))?;
    Ok(aside)
}

/// Writes a small file durably under a new name; an existing one is an error.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let aside = write_aside(path, bytes)?;
    rustix::fs::renameat_with(CWD, &aside, CWD, path, RenameFlags::NOREPLACE)
        .map_err(|e| Error::new("rename into place", path, e))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Writes a small file durably, in place of the old one if there is one.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let aside = write_aside(path, bytes)?;
    std::fs::rename(&aside, path).map_err(|e| Error::new("rename into place", path, e))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Opens a file and proves that it is one: never waits for who writes to a pipe, never follows a symlink, wakes no device.
pub(super) fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let not_one = || io::Error::other("it is no regular file");
    let file = match retry_on_intr(|| rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)) {
        Err(Errno::LOOP | Errno::NXIO) => return Err(not_one()),
        opened => File::from(opened?),
    };
    match file.metadata()? {
        found if found.is_file() => Ok(file),
        found if found.is_dir() => Err(Errno::ISDIR.into()),
        _ => Err(not_one()),
    }
}

/// Reads a whole file that must not be longer than `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let fail = |e| Error::new("read", path, e);
    read_to_end(open(path, OFlags::RDONLY).map_err(fail)?, path, limit)
}

/// As [`read`], a file that the operator named: it may be a symlink or a pipe.
pub fn read_named(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    read_to_end(File::open(path).map_err(|e| Error::new("read", path, e))?, path, limit)
}

fn read_to_end(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let fail = |e| Error::new("read", path, e);
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        Err(fail(io::Error::other("it is too long for what it should be")))
    } else {
        Ok(bytes)
    }
}

/// Removes one of our own files.
pub fn remove(path: &Path) -> Result<(), Error> {
    std::fs::remove_file(path).map_err(|e| Error::new("remove", path, e))
}

/// Removes one of our own files if it is there.
pub fn remove_if_any(path: &Path) -> Result<(), Error> {
    match remove(path) {
        Err(e) if e.is_missing() => Ok(()),
        other => other,
    }
}

/// Whether there is something of this name, be it a symlink that leads nowhere.
pub fn is_there(path: &Path) -> Result<bool, Error> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::new("look at", path, e)),
    }
}

/// Where the symlink of this name leads, if it is one.
pub fn link_at(path: &Path) -> Result<Option<PathBuf>, Error> {
    match std::fs::read_link(path) {
        Ok(target) => Ok(Some(path.parent().unwrap_or(Path::new("/")).join(target))),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => Ok(None),
        Err(e) => Err(Error::new("look at", path, e)),
    }
}

/// Makes a symlink durably; an existing name is an error.
pub fn link(target: &Path, path: &Path) -> Result<(), Error> {
    std::os::unix::fs::symlink(target, path).map_err(|e| Error::new("make the link", path, e))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Whether something is at this path; an error other than "nothing there" is one.
pub fn exists(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(|e| Error::new("look at", path, e))
}

/// The path with all symlinks resolved; as it is, where that cannot be told.
pub fn real_path(path: &Path) -> PathBuf {
    // What is not there yet will be made where its nearest ancestor really is.
    let real = |above: &Path| Some(above.canonicalize().ok()?.join(path.strip_prefix(above).ok()?));
    path.canonicalize().ok().or_else(|| path.ancestors().skip(1).find_map(real)).unwrap_or_else(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::{read, read_named};
    use crate::fs::lock::Lock;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_no_file_is_neither_read_nor_locked_and_nobody_waits_for_it() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::write(at("file"), "bytes").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("/dev/zero", at("zeros")).unwrap();
        symlink("new", at("dangling")).unwrap();
        for name in ["folder", "fifo", "socket", "link", "zeros", "dangling"] {
            let said = read(&at(name), 10).unwrap_err();
            assert!(!said.is_missing() && !said.to_string().contains('\n'), "{said}");
            assert!(Lock::take(&at(name)).is_err(), "{name}");
        }
        assert!(!at("new").exists());
        assert!(read(&at("missing"), 10).unwrap_err().is_missing());
        assert_eq!(read(&at("file"), 5).unwrap(), b"bytes");
        assert!(read(&at("file"), 4).is_err());
        assert_eq!(read_named(&at("link"), 5).unwrap(), b"bytes");
        assert!(Lock::take(&at("file")).unwrap().is_some() && Lock::take(&at("lock")).unwrap().is_some());
    }
}
