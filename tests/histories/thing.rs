//! Single things of a tree: of what kind they are, how they are made, changed and removed.

use crate::random::Random;
use crate::step::{Content, Style, What};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, llistxattr, lremovexattr, makedev, mknodat, utimensat,
};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, symlink};
use std::path::Path;

/// A file capability, as the kernel has it: version 2, effective, one bit.
pub(crate) const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Kinds between which a path can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Nothing,
    File,
    Empty,
    Full,
    Symlink,
    Fifo,
    Socket,
    Char,
    Block,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Nothing,
        Self::File,
        Self::Empty,
        Self::Full,
        Self::Symlink,
        Self::Fifo,
        Self::Socket,
        Self::Char,
        Self::Block,
    ];

    pub(crate) fn of(path: &Path) -> Self {
        let Ok(facts) = path.symlink_metadata() else { return Self::Nothing };
        let kind = facts.file_type();
        if kind.is_dir() {
            let is_empty = fs::read_dir(path).is_ok_and(|mut items| items.next().is_none());
            return if is_empty { Self::Empty } else { Self::Full };
        }
        let kinds = [
            (kind.is_file(), Self::File),
            (kind.is_symlink(), Self::Symlink),
            (kind.is_fifo(), Self::Fifo),
            (kind.is_socket(), Self::Socket),
            (kind.is_char_device(), Self::Char),
        ];
        kinds.into_iter().find(|(is, _)| *is).map_or(Self::Block, |(_, kind)| kind)
    }
}

pub(crate) fn no(why: &str) -> io::Error {
    io::Error::other(why)
}

/// Removes whatever is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(facts) if facts.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

pub(crate) fn noise(seed: u64, length: u64) -> Content {
    Content { length: usize::try_from(length).unwrap(), style: Style::Noise, seed }
}

pub(crate) fn make(path: &Path, what: &What) -> io::Result<()> {
    let node = |kind, device| Ok(mknodat(CWD, path, kind, Mode::from_raw_mode(0o640), device)?);
    match what {
        What::File(content) => fs::write(path, content.bytes()),
        What::EmptyDir => fs::create_dir(path),
        What::FullDir(seed) => full(path, &mut Random::new(*seed)),
        What::Symlink(target) => symlink(target.as_os(), path),
        What::Fifo => node(FileType::Fifo, 0),
        What::Socket => node(FileType::Socket, 0),
        What::Char(major, minor) => node(FileType::CharacterDevice, makedev(*major, *minor)),
        What::Block(major, minor) => node(FileType::BlockDevice, makedev(*major, *minor)),
    }
}

/// A directory with something in it.
fn full(path: &Path, random: &mut Random) -> io::Result<()> {
    fs::create_dir(path)?;
    let names = ["a", "b", "c"];
    for name in &names[..=random.below(names.len())] {
        let at = path.join(name);
        match random.below(6) {
            0 => symlink("../a", &at)?,
            1 => make(&at, &What::Fifo)?,
            2 => {
                fs::create_dir(&at)?;
                fs::write(at.join("a"), random.next().to_string())?;
            }
            3 => {
                fs::write(&at, random.next().to_string())?;
                fs::hard_link(&at, path.join(format!("{name}{name}")))?;
            }
            _ => {
                let length = random.below(3000);
                fs::write(&at, random.bytes(length))?;
            }
        }
    }
    Ok(())
}

pub(crate) fn clear(path: &Path, wholly: bool) -> io::Result<()> {
    let mut items: Vec<_> = fs::read_dir(path)?.map(|item| item.map(|item| item.path())).collect::<Result<_, _>>()?;
    items.sort();
    let goes = |n: usize| wholly || !n.is_multiple_of(4);
    items.iter().enumerate().filter(|(n, _)| goes(*n)).try_for_each(|(_, item)| remove(item))
}

pub(crate) fn insert(path: &Path, offset: u64, content: Content) -> io::Result<()> {
    let old = fs::read(path)?;
    let (head, tail) = old.split_at(usize::try_from(offset).unwrap().min(old.len()));
    fs::write(path, [head, &content.bytes(), tail].concat())
}

/// A few other bytes somewhere; nothing but the ctime tells of it.
pub(crate) fn quietly(path: &Path, seed: u64) -> io::Result<()> {
    let facts = path.metadata()?;
    if facts.len() == 0 {
        return Err(no("it is empty"));
    }
    let at = seed % facts.len();
    OpenOptions::new().write(true).open(path)?.write_all_at(&noise(seed, (facts.len() - at).min(8)).bytes(), at)?;
    touch(path, facts.mtime(), facts.mtime_nsec())
}

pub(crate) fn touch(path: &Path, seconds: i64, nanoseconds: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

pub(crate) fn without_xattr(path: &Path) -> io::Result<()> {
    let mut list = vec![0; 4096];
    let length = llistxattr(path, &mut list[..])?;
    let mut keys: Vec<_> = list[..length].split(|byte| *byte == 0).filter(|key| !key.is_empty()).collect();
    keys.sort_unstable();
    Ok(lremovexattr(path, *keys.first().ok_or_else(|| no("it has none"))?)?)
}

/// The kernel's form of an access list: version 2, entries of tag, permissions and id.
pub(crate) fn acl(users: &[u32], perms: u16) -> Vec<u8> {
    let (none, mut ids) = (u32::MAX, users.to_vec());
    ids.sort_unstable();
    ids.dedup();
    let mut rows = vec![(1u16, 6u16, none)];
    rows.extend(ids.iter().map(|id| (2, perms & 7, *id)));
    rows.push((4, perms >> 3 & 7, none));
    rows.extend(ids.iter().map(|id| (8, perms >> 6 & 7, *id)));
    rows.extend([(0x10, 7, none), (0x20, perms >> 9 & 7, none)]);
    let rows = rows
        .into_iter()
        .flat_map(|(tag, perm, id)| [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat());
    2u32.to_le_bytes().into_iter().chain(rows).collect()
}
