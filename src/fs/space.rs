//! What is free on a file system (floor 1).

use super::Error;
use super::clock;
use super::dir::Dir;
use std::io;
use std::path::Path;

/// What a file system has, for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its number.
    pub device: u64,
    /// Bytes that we may still write.
    pub free: u64,
    /// Files that may still be made; nothing where there is no limit to them but the bytes.
    pub free_inodes: Option<u64>,
    /// Bytes that are taken.
    pub used: u64,
    /// Files that there are; 0 where they are not counted.
    pub used_inodes: u64,
}

impl Space {
    /// Of the file system that holds a directory.
    pub fn of(dir: &Dir) -> io::Result<Self> {
        let (stat, device) = (rustix::fs::fstatvfs(dir.fd())?, dir.stat_self()?.device);
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        // Some is kept back for root; and file systems that make inodes as they need them count none (btrfs).
        let (free, inodes) =
            if clock::is_root() { (stat.f_bfree, stat.f_ffree) } else { (stat.f_bavail, stat.f_favail) };
        Ok(Self {
            device,
            free: bytes(free),
            free_inodes: (stat.f_files > 0).then_some(inodes),
            used: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)),
            used_inodes: stat.f_files.saturating_sub(stat.f_ffree),
        })
    }

    /// Of the file system on which a path is, or would be made.
    pub fn at(path: &Path) -> Result<Self, Error> {
        let fail = |e| Error::new("tell what is free at", path, e);
        for above in std::path::absolute(path).map_err(fail)?.ancestors() {
            match Dir::open(above) {
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                other => return other.and_then(|dir| Self::of(&dir)).map_err(fail),
            }
        }
        Err(fail(io::ErrorKind::NotFound.into()))
    }
}
