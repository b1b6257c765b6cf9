//! What the file system says of one name (floor 1).

use super::clock;
use crate::entry::{Identity, Time};
use rustix::fs::FileType;
use rustix::io::retry_on_intr;
use std::io;
use std::os::fd::AsFd;

/// Seconds that a file system takes for one, at worst, and one for clocks that lag.
const COARSEST: i64 = 2;

/// The result of one `stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Kind of the file.
    pub kind: FileType,
    /// The low 12 bits of `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Last change of content.
    pub mtime: Time,
    /// Last change of the inode.
    pub ctime: Time,
    /// Inode number.
    pub inode: u64,
    /// Number of the file system.
    pub device: u64,
    /// Number of names.
    pub links: u64,
    /// Bytes that the file takes on the medium.
    pub allocated: u64,
    /// For devices: major and minor number.
    pub special: (u32, u32),
}

impl Stat {
    /// What an open file or directory is.
    pub fn of_open(file: impl AsFd) -> io::Result<Self> {
        Ok(retry_on_intr(|| rustix::fs::fstat(&file))?.into())
    }

    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// Whether this is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    /// Whether the file may have holes.
    pub fn may_have_holes(&self) -> bool {
        self.allocated < self.size
    }

    /// Whether both are of one object.
    pub const fn is_same(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }

    /// Whether nobody but root, or who runs this program, can have changed what is in this directory.
    pub fn is_ours(&self) -> bool {
        [0, clock::effective_uid()].contains(&self.uid) && self.mode & 0o022 == 0
    }

    /// Whether nothing changed between two looks at the same open file.
    pub fn is_unchanged_since(&self, before: &Self) -> bool {
        (self.size, self.mtime, self.ctime) == (before.size, before.mtime, before.ctime)
    }

    /// Whether the file system seems to count in whole seconds: two changes in one second may then have the same time.
    pub fn is_coarse(&self) -> bool {
        self.ctime.nanoseconds == 0
    }

    /// Whether a change after `time`, which was later than the last one, would show by its time.
    pub fn shows_changes_after(&self, time: Time) -> bool {
        !self.is_coarse() || self.ctime.seconds < time.seconds.saturating_sub(COARSEST)
    }

    /// Inode and ctime, for noticing changes.
    pub fn identity(&self) -> Identity {
        Identity { inode: self.inode, ctime: self.ctime }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the kernel's own widths; nanoseconds are below 10^9"
)]
#[expect(clippy::unnecessary_cast, reason = "the types differ between architectures")]
impl From<rustix::fs::Stat> for Stat {
    fn from(s: rustix::fs::Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(s.st_mode),
            mode: s.st_mode & 0o7777,
            uid: s.st_uid,
            gid: s.st_gid,
            size: s.st_size as u64,
            mtime: Time { seconds: s.st_mtime as i64, nanoseconds: s.st_mtime_nsec as u32 },
            ctime: Time { seconds: s.st_ctime as i64, nanoseconds: s.st_ctime_nsec as u32 },
            inode: s.st_ino as u64,
            device: s.st_dev as u64,
            links: s.st_nlink as u64,
            allocated: (s.st_blocks as u64).saturating_mul(512),
            special: (rustix::fs::major(s.st_rdev), rustix::fs::minor(s.st_rdev)),
        }
    }
}
