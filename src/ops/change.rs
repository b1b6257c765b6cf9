//! What happened to a path between two trees (floor 6). Pure, but for the first names of files that have several.

use crate::entry::{ChunkRef, Entry, Node, Time};
use crate::manifest::Error;
use crate::manifest::cursor::find;
use crate::path::RelPath;
use crate::store::chunks::ChunkSource;
use serde::{Deserialize, Serialize};

/// What an entry is, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its kind.
    pub kind: Kind,
    /// The low 12 bits of `st_mode`.
    pub mode: u32,
    /// Number of the owner.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Time of the last change of content.
    pub mtime: Time,
    /// Length of a regular file in bytes.
    pub size: u64,
}

/// Kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
    /// A further name of something.
    HardLink,
}

impl Facts {
    /// Of an entry.
    pub fn of(entry: &Entry) -> Self {
        let meta = &entry.meta;
        let (kind, size) = (Kind::of(&entry.node), entry.size());
        Self { kind, mode: meta.mode, uid: meta.uid, gid: meta.gid, mtime: meta.mtime, size }
    }
}

impl Kind {
    const fn of(node: &Node) -> Self {
        match node {
            Node::File { .. } => Self::File,
            Node::Directory => Self::Directory,
            Node::Symlink { .. } => Self::Symlink,
            Node::Fifo => Self::Fifo,
            Node::Socket => Self::Socket,
            Node::CharDevice { .. } => Self::CharDevice,
            Node::BlockDevice { .. } => Self::BlockDevice,
            Node::HardLink { .. } => Self::HardLink,
        }
    }
}

/// What happened to a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// It is new.
    Created,
    /// It is gone.
    Removed,
    /// It is of another kind.
    Type,
    /// It has other content: bytes, target or device numbers.
    Content,
    /// It has the content that it had.
    Metadata,
    /// It was there under this path.
    Moved(RelPath),
}

/// Which of the metadata differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Fields {
    /// The permissions.
    pub mode: bool,
    /// Owner or group.
    pub owner: bool,
    /// The time of the last change of content.
    pub mtime: bool,
    /// Extended attributes, access lists among them.
    pub xattrs: bool,
    /// Which names are one file.
    pub links: bool,
}

impl Fields {
    /// Those in which two entries differ.
    pub fn between(old: &Entry, new: &Entry) -> Self {
        let (old, new) = (&old.meta, &new.meta);
        Self {
            mode: old.mode != new.mode,
            owner: (old.uid, old.gid) != (new.uid, new.gid),
            mtime: old.mtime != new.mtime,
            xattrs: old.xattrs != new.xattrs,
            links: false,
        }
    }

    /// Their names.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (self.mode, "mode"),
            (self.owner, "owner"),
            (self.mtime, "mtime"),
            (self.xattrs, "xattrs"),
            (self.links, "links"),
        ];
        all.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect()
    }

    /// Whether nothing differs but the time.
    pub fn is_time_only(self) -> bool {
        self == Self { mtime: true, ..Self::default() }
    }
}

/// Two manifests that are compared.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// Where both can be read.
    pub chunks: &'a dyn ChunkSource,
    /// Root of the earlier one.
    pub old: ChunkRef,
    /// Root of the later one.
    pub new: ChunkRef,
}

impl Sides<'_> {
    /// What happened to a path that both have; nothing where it is the same in a tree. A further name of a file has the content of the first.
    pub fn compare(self, old: &Entry, new: &Entry) -> Result<Option<(What, Fields)>, Error> {
        if old.same_in_tree(new) {
            return Ok(None);
        }
        let mut fields = Fields::between(old, new);
        if old.node == new.node {
            return Ok(Some((What::Metadata, fields)));
        }
        let is_link = |entry: &Entry| matches!(entry.node, Node::HardLink { .. });
        if !is_link(old) && !is_link(new) {
            return Ok(Some((kind_of_change(&old.node, &new.node), fields)));
        }
        fields.links = true;
        let (was, is) = (self.first(self.old, old)?, self.first(self.new, new)?);
        let what = if was == is { What::Metadata } else { kind_of_change(&was, &is) };
        Ok(Some((what, fields)))
    }

    /// What the first name of an entry is.
    fn first(self, root: ChunkRef, entry: &Entry) -> Result<Node, Error> {
        let Node::HardLink { leader } = &entry.node else { return Ok(entry.node.clone()) };
        let found = find(root, self.chunks.reader()?, leader)?;
        Ok(found.map_or_else(|| entry.node.clone(), |found| found.node))
    }
}

fn kind_of_change(old: &Node, new: &Node) -> What {
    if Kind::of(old) == Kind::of(new) { What::Content } else { What::Type }
}
