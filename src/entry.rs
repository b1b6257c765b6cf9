//! An entry: one name of a tree with all that is needed to make it again (floor 0).
//!
//! These are plain values; how they become bytes is the business of `format::manifest`. The field order is that of format-spec.md, 6.

use crate::id::Id;
use crate::path::RelPath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A point in time as the file system has it: seconds since 1970-01-01 UTC, which may be negative, and nanoseconds after them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// One extended attribute; POSIX ACLs are among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Xattr {
    /// With its namespace: `user.comment`.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    /// As the kernel gives it.
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
}

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extent {
    /// `length` bytes, which are the chunk `id`.
    Data {
        /// Name of the chunk.
        id: Id,
        /// Its plain length.
        length: u32,
    },
    /// `length` zero bytes that take no space.
    Hole {
        /// Length of the hole.
        length: u64,
    },
}

impl Extent {
    /// Bytes of the file that this extent covers.
    pub fn length(&self) -> u64 {
        match self {
            Self::Data { length, .. } => u64::from(*length),
            Self::Hole { length } => *length,
        }
    }

    /// The chunk that has its bytes; none for a hole.
    pub const fn chunk(&self) -> Option<ChunkRef> {
        match *self {
            Self::Data { id, length } => Some(ChunkRef { id, length }),
            Self::Hole { .. } => None,
        }
    }
}

/// A chunk named with its plain length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRef {
    /// Name of the chunk.
    pub id: Id,
    /// Its plain length.
    pub length: u32,
}

/// What a file holds: its extents, or, when they are many, the chunks that list them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// The extents themselves, in order.
    Direct(Vec<Extent>),
    /// Chunks of encoded extents, in order.
    Indirect(Vec<ChunkRef>),
}

impl Content {
    /// Whether it has holes, or may have: a list of extents has to be read first.
    pub fn may_have_holes(&self) -> bool {
        match self {
            Self::Direct(extents) => extents.iter().any(|extent| matches!(extent, Extent::Hole { .. })),
            Self::Indirect(_) => true,
        }
    }
}

/// What kind of thing an entry is, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Where its bytes are.
        content: Content,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points, byte for byte.
        #[serde(with = "serde_bytes")]
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A further name of the entry at `leader`.
    HardLink {
        /// The first name of the same inode, in path order.
        leader: RelPath,
    },
}

/// The content could not be read: this is the last version that could (P5).
pub const CARRIED_FORWARD: u32 = 1;
/// The file changed each time it was read: the content may never have existed as a whole.
pub const CHANGED_WHILE_READ: u32 = 2;

/// Owner, permissions, times and attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The low 12 bits of `st_mode`.
    pub mode: u32,
    /// Number of the owner.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Time of the last change of content.
    pub mtime: Time,
    /// Sorted by name.
    pub xattrs: Vec<Xattr>,
}

/// What the source's file system said when the entry was read; equal again means unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Inode number.
    pub inode: u64,
    /// Time of the last change of the inode.
    pub ctime: Time,
}

/// One name of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, relative to the root of the target.
    pub path: RelPath,
    /// Owner, permissions, times, attributes.
    pub meta: Meta,
    /// For noticing changes; nothing to restore.
    pub identity: Identity,
    /// [`CARRIED_FORWARD`] and [`CHANGED_WHILE_READ`].
    pub flags: u32,
    /// Kind and content.
    pub node: Node,
}

impl Entry {
    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.node, Node::Directory)
    }

    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        let content = match &self.node {
            Node::File { content: Content::Direct(extents), .. } => size_of_val(extents.as_slice()),
            Node::File { content: Content::Indirect(lists), .. } => size_of_val(lists.as_slice()),
            Node::Symlink { target } => target.len(),
            Node::HardLink { leader } => leader.as_bytes().len(),
            _ => 0,
        };
        let xattrs = self.meta.xattrs.iter().map(|xattr| size_of_val(xattr) + xattr.name.len() + xattr.value.len());
        size_of_val(self) + self.path.as_bytes().len() + content + xattrs.sum::<usize>()
    }

    /// Length of a regular file; 0 for anything else.
    pub fn size(&self) -> u64 {
        if let Node::File { size, .. } = self.node { size } else { 0 }
    }

    /// Whether both make the same thing in a tree: all but what only serves to notice changes.
    pub fn same_in_tree(&self, other: &Self) -> bool {
        self.node == other.node && self.meta == other.meta
    }
}

/// Paths of a tree that was looked at which are not what their entries alone say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// First names of what has further names outside of what was looked at.
    pub shared: BTreeSet<RelPath>,
    /// What has an entry and is not there, because the tree cannot hold it.
    pub absent: BTreeSet<RelPath>,
}
