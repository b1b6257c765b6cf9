//! What `stat` tells (floor 3).

use crate::entry::{Entry, Node, Time};

/// What kind of thing something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl Kind {
    /// Of an entry; none for a further name of another one.
    pub const fn of(node: &Node) -> Option<Self> {
        Some(match node {
            Node::File { .. } => Self::File,
            Node::Directory => Self::Directory,
            Node::Symlink { .. } => Self::Symlink,
            Node::Fifo => Self::Fifo,
            Node::Socket => Self::Socket,
            Node::CharDevice { .. } => Self::CharDevice,
            Node::BlockDevice { .. } => Self::BlockDevice,
            Node::HardLink { .. } => return None,
        })
    }
}

/// Owner, size, times and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The inode number.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// The low 12 bits of `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names of it; 1 for a directory, which says nothing of what is in it.
    pub links: u32,
    /// Bytes of a file or of the target of a symlink.
    pub size: u64,
    /// Those that are not in holes.
    pub allocated: u64,
    /// Of the content.
    pub mtime: Time,
    /// Of the inode, as the source had it.
    pub ctime: Time,
    /// Number of a device, as the kernel writes it.
    pub device: u32,
    /// Whether it will be the same whenever it is asked for.
    pub is_lasting: bool,
}

impl Facts {
    /// Of a directory or a link around the snapshots, which belongs to who browses.
    pub const fn around(inode: u64, kind: Kind, size: u64, time: Time, (uid, gid): (u32, u32)) -> Self {
        let mode = if matches!(kind, Kind::Symlink) { 0o777 } else { 0o555 };
        let (links, allocated, device) = (1, 0, 0);
        Self {
            inode,
            kind,
            mode,
            uid,
            gid,
            links,
            size,
            allocated,
            mtime: time,
            ctime: time,
            device,
            is_lasting: false,
        }
    }

    /// Of an entry that is no further name, but for what has to be counted.
    pub fn of(entry: &Entry, inode: u64, kind: Kind) -> Self {
        let size = match &entry.node {
            Node::Symlink { target } => target.len() as u64,
            _ => entry.size(),
        };
        let device = match entry.node {
            Node::CharDevice { major, minor } | Node::BlockDevice { major, minor } => device(major, minor),
            _ => 0,
        };
        let meta = &entry.meta;
        Self {
            inode,
            kind,
            mode: meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            links: 1,
            size,
            allocated: 0,
            mtime: meta.mtime,
            ctime: entry.identity.ctime,
            device,
            is_lasting: true,
        }
    }
}

/// As the kernel writes it in 32 bits: 12 of the major number, 20 of the minor one.
const fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}
