//! What a history is made of: steps, each of which says all that there is to do, so that any part of the list is a history too.

use crate::random::Random;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A path relative to the root of a tree; of odd bytes, too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub(crate) Vec<u8>);

impl Name {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    /// From JSON, where each byte is a character.
    pub(crate) fn of_json(text: &str) -> Self {
        Self(text.chars().map(|byte| u8::try_from(u32::from(byte)).unwrap()).collect())
    }

    pub(crate) fn below(&self, name: &[u8]) -> Self {
        if self.0.is_empty() { Self(name.to_vec()) } else { Self([&self.0, &b"/"[..], name].concat()) }
    }

    /// Whether this is `folder` or lies in it.
    pub(crate) fn is_within(&self, folder: &Self) -> bool {
        folder.0.is_empty() || self == folder || self.0.starts_with(&[&folder.0, &b"/"[..]].concat())
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        Some(Self(self.0[..slash].to_vec()))
    }

    pub(crate) fn at(&self, root: &Path) -> PathBuf {
        root.join(OsStr::from_bytes(&self.0))
    }

    pub(crate) fn as_os(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Noise,
    Text,
    Zeros,
}

/// Bytes that are always the same ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    pub(crate) length: usize,
    pub(crate) style: Style,
    pub(crate) seed: u64,
}

impl Content {
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut random = Random::new(self.seed);
        let mut bytes = match self.style {
            Style::Noise => random.bytes(self.length),
            Style::Text => format!("{} ", random.next()).repeat(self.length / 4 + 1).into_bytes(),
            Style::Zeros => vec![0; self.length],
        };
        bytes.truncate(self.length);
        bytes
    }
}

/// What may stand under a name.
#[derive(Clone, Debug)]
pub(crate) enum What {
    File(Content),
    EmptyDir,
    /// A directory with a few things in it, which come from the seed.
    FullDir(u64),
    Symlink(Name),
    Fifo,
    Socket,
    Char(u32, u32),
    Block(u32, u32),
}

/// A change that people make to a tree. One that cannot be made there is left out.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Whatever stands there goes.
    Make(Name, What),
    /// The file is written anew, in place.
    Write(Name, Content),
    Append(Name, Content),
    Insert(Name, u64, Content),
    Truncate(Name, u64),
    Punch(Name, u64, u64),
    /// Other bytes in place, the same size and mtime.
    Quietly(Name, u64),
    /// The same by another file that is renamed over it.
    Replaced(Name, u64),
    Touch(Name, i64, u32),
    Mode(Name, u32),
    Owner(Name, u32, u32),
    Xattr(Name, Vec<u8>, Content),
    Capability(Name),
    /// The first that it has goes.
    NoXattr(Name),
    /// Access list (or the default one) with these ids and permissions.
    Acl {
        path: Name,
        default: bool,
        users: Vec<u32>,
        perms: u16,
    },
    Delete(Name),
    Rename(Name, Name),
    Exchange(Name, Name),
    /// The second becomes a further name of the first.
    Link(Name, Name),
    ManyEmpty(Name, usize),
    /// So many small files.
    Crowd(Name, usize),
    /// Everything below goes, or all but every fourth thing.
    Clear(Name, bool),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// On SOURCE.
    Change(Op),
    /// Somebody else changes the mirror.
    Tamper(Op),
    /// One that is held is approved, or left so.
    Night {
        reread: bool,
        approve: bool,
    },
    /// A night that is killed after so many microseconds.
    Killed(u64),
    Check {
        data: bool,
    },
    /// In place: everything, or what is there below a path, as at a snapshot; counted round those that there are.
    Restore {
        snapshot: usize,
        path: Option<Name>,
        delete: bool,
    },
    Swap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fs {
    Tmpfs,
    Ext4,
    Xfs,
    Btrfs,
}

impl Fs {
    pub(crate) const ALL: [Self; 4] = [Self::Tmpfs, Self::Ext4, Self::Xfs, Self::Btrfs];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tmpfs => "tmpfs",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fs| fs.name() == name)
    }
}

/// Neighbouring seeds would give the same numbers, moved on by one.
pub(crate) fn mixed(seed: u64) -> Random {
    Random::new(Random::new(seed).next())
}

/// What is the same for all nights of a history.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) fs: Fs,
    pub(crate) dirs: Vec<&'static str>,
    pub(crate) excludes: Vec<&'static str>,
    /// Whether HOLD is 100%, so that a run is held only for a DIR that has become empty.
    pub(crate) tolerant: bool,
    pub(crate) nights: usize,
}

impl Setting {
    pub(crate) fn new(seed: u64, fs: Fs, nights: Option<usize>) -> Self {
        let mut random = mixed(!seed);
        let dirs: &[&[&str]] = &[&["d"], &["d", "e"], &["d", "e"], &["d", "e", "g/h"], &["d", "g/h"], &["."]];
        let excludes: &[&[&str]] = &[&["*.tmp"], &["skip", "d/a/*"], &["**/b/c", "*.tmp"]];
        Self {
            seed,
            fs,
            dirs: random.pick(dirs).to_vec(),
            excludes: if random.one_in(5) { random.pick(excludes).to_vec() } else { Vec::new() },
            tolerant: !random.one_in(3),
            nights: nights.unwrap_or_else(|| 5 + random.below(4)),
        }
    }

    /// The folders in which everything happens.
    pub(crate) fn tops(&self) -> Vec<Name> {
        self.dirs.iter().map(|dir| Name::new(if *dir == "." { "" } else { dir })).collect()
    }

    pub(crate) fn table(&self, source: &str, mirror: &str) -> String {
        let mut table = format!("TARGET data\n  SOURCE {source}\n  MIRROR {mirror}\n");
        let rows = self.dirs.iter().map(|dir| ("DIR", dir)).chain(self.excludes.iter().map(|glob| ("EXCLUDE", glob)));
        for (key, value) in rows.chain(self.tolerant.then_some(("HOLD", &"100%"))) {
            writeln!(table, "  {key} {value}").unwrap();
        }
        table
    }
}
