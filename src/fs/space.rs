//! What is free on a file system, and what is needed of it (floor 1).

use super::Error;
use super::clock;
use super::dir::Dir;
use rustix::io::retry_on_intr;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The magic number of ext2, ext3 and ext4.
const EXT: u64 = 0xef53;
/// Blocks that an ext keeps for itself, but never more than 2 % (ext4: `s_resv_clusters`).
const EXT_NOBODYS: u64 = 4096;

/// What a file system has, for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let (stat, device) = (retry_on_intr(|| rustix::fs::fstatvfs(dir.fd()))?, dir.stat_self()?.device);
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        // An ext keeps some back for root, and some that nobody gets. Elsewhere what is not available is not, for root neither.
        let for_root = clock::is_root() && dir.file_system()? == EXT;
        let nobodys = EXT_NOBODYS.min(stat.f_blocks.div_ceil(50));
        // Some say nothing of their size (ramfs, and FUSE where it is not implemented): there is no limit to be found.
        let free = if stat.f_blocks == 0 {
            u64::MAX
        } else if for_root {
            stat.f_bfree.saturating_sub(nobodys)
        } else {
            stat.f_bavail
        };
        let inodes = if clock::is_root() { stat.f_ffree } else { stat.f_favail };
        Ok(Self {
            device,
            free: bytes(free),
            // File systems that make inodes as they need them count none (btrfs).
            free_inodes: (stat.f_files > 0).then_some(inodes),
            used: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)),
            used_inodes: stat.f_files.saturating_sub(stat.f_ffree),
        })
    }

    /// Of the file system on which a path is, or would be made.
    pub fn at(path: &Path) -> Result<Self, Error> {
        Self::look(path, false)
    }

    /// As [`Space::at`], after everything is on the medium: some file systems count only then what a removed file has given back.
    pub fn at_last(path: &Path) -> Result<Self, Error> {
        Self::look(path, true)
    }

    fn look(path: &Path, sync: bool) -> Result<Self, Error> {
        let fail = |e| Error::new("tell what is free at", path, e);
        for above in std::path::absolute(path).map_err(fail)?.ancestors() {
            match Dir::open(above) {
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Ok(dir) if sync => return dir.sync_file_system().and_then(|()| Self::of(&dir)).map_err(fail),
                other => return other.and_then(|dir| Self::of(&dir)).map_err(fail),
            }
        }
        Err(fail(io::ErrorKind::NotFound.into()))
    }
}

/// What most file systems allocate at a time.
const CLUSTER: u64 = 4096;

/// So much room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Bytes on the medium.
    pub bytes: u64,
    /// Files, directories and whatever else has a name.
    pub inodes: u64,
}

impl Need {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), inodes: self.inodes.saturating_add(other.inodes) }
    }

    /// What remains when `other` is given back.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(other.bytes), inodes: self.inodes.saturating_sub(other.inodes) }
    }

    /// The greater of each.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), inodes: self.inodes.max(other.inodes) }
    }

    /// Of a file with so many bytes that are no holes.
    pub const fn of_file(bytes: u64) -> Self {
        Self { bytes: bytes.div_ceil(CLUSTER).saturating_mul(CLUSTER), inodes: 1 }
    }
}
