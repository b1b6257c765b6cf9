//! Making changes to a tree. No change leads out of it: what stands above a path must be directories, not symlinks.

use crate::step::{Name, Op, What};
use crate::thing::{self, CAPABILITY, Kind, no};
use rustix::fs::{CWD, FallocateFlags, RenameFlags, XattrFlags, fallocate, lsetxattr, renameat_with};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

/// The largest file that is read and written as a whole.
const MOST: u64 = 12 << 20;

/// A tree, and the folders in it that stay directories whatever is done.
pub(crate) struct Tree<'a> {
    pub(crate) root: &'a Path,
    pub(crate) tops: &'a [Name],
}

impl Tree<'_> {
    /// Carries it out; an error if that is not possible there.
    pub(crate) fn apply(&self, op: &Op) -> io::Result<()> {
        match op {
            Op::Write(..)
            | Op::Append(..)
            | Op::Insert(..)
            | Op::Truncate(..)
            | Op::Punch(..)
            | Op::Quietly(..)
            | Op::Replaced(..) => self.content(op),
            Op::Touch(..)
            | Op::Mode(..)
            | Op::Owner(..)
            | Op::Xattr(..)
            | Op::Capability(_)
            | Op::NoXattr(_)
            | Op::Acl { .. } => self.metadata(op),
            _ => self.names(op),
        }
    }

    /// A place whose folders are real directories.
    fn at(&self, name: &Name) -> io::Result<PathBuf> {
        let mut above = std::iter::successors(name.parent(), Name::parent);
        let is_dir = |folder: Name| folder.at(self.root).symlink_metadata().is_ok_and(|facts| facts.is_dir());
        let is_free = above.all(is_dir) && !name.0.is_empty();
        if is_free { Ok(name.at(self.root)) } else { Err(no("what is above it is no directory")) }
    }

    /// What may go, or become something else.
    fn loose(&self, name: &Name) -> io::Result<PathBuf> {
        let stays = self.tops.iter().any(|top| top.is_within(name));
        if stays { Err(no("it holds a DIR")) } else { self.at(name) }
    }

    fn file(&self, name: &Name) -> io::Result<PathBuf> {
        let path = self.at(name)?;
        if path.symlink_metadata()?.is_file() { Ok(path) } else { Err(no("it is no file")) }
    }

    /// To be read or written as a whole.
    fn small(&self, name: &Name) -> io::Result<PathBuf> {
        let path = self.file(name)?;
        if path.metadata()?.len() > MOST { Err(no("it is large enough")) } else { Ok(path) }
    }

    /// What has a mode.
    fn solid(&self, name: &Name) -> io::Result<PathBuf> {
        let path = self.at(name)?;
        if path.is_symlink() { Err(no("a symlink has no mode")) } else { Ok(path) }
    }

    fn content(&self, op: &Op) -> io::Result<()> {
        let open = |path: PathBuf| OpenOptions::new().write(true).open(path);
        match op {
            Op::Write(name, content) => fs::write(self.file(name)?, content.bytes()),
            Op::Append(name, content) => {
                OpenOptions::new().append(true).open(self.small(name)?)?.write_all(&content.bytes())
            }
            Op::Insert(name, offset, content) => thing::insert(&self.small(name)?, *offset, *content),
            Op::Truncate(name, length) => open(self.file(name)?)?.set_len(*length),
            Op::Punch(name, offset, length) => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                Ok(fallocate(open(self.file(name)?)?, flags, *offset, *length)?)
            }
            Op::Quietly(name, seed) => thing::quietly(&self.file(name)?, *seed),
            Op::Replaced(name, seed) => self.replaced(&self.small(name)?, *seed),
            _ => Err(no("it is no change of content")),
        }
    }

    /// Another file of the same size and times.
    fn replaced(&self, path: &Path, seed: u64) -> io::Result<()> {
        let (aside, facts) = (self.root.join("aside"), path.metadata()?);
        fs::write(&aside, thing::noise(seed, facts.len()).bytes())?;
        lchown(&aside, Some(facts.uid()), Some(facts.gid()))?;
        fs::set_permissions(&aside, facts.permissions())?;
        thing::touch(&aside, facts.mtime(), facts.mtime_nsec())?;
        fs::rename(aside, path)
    }

    fn metadata(&self, op: &Op) -> io::Result<()> {
        let set = |path: PathBuf, key: &[u8], value: &[u8]| Ok(lsetxattr(path, key, value, XattrFlags::empty())?);
        match op {
            Op::Touch(name, seconds, nanoseconds) => thing::touch(&self.at(name)?, *seconds, i64::from(*nanoseconds)),
            Op::Mode(name, mode) => fs::set_permissions(self.solid(name)?, Permissions::from_mode(*mode)),
            Op::Owner(name, uid, gid) => lchown(self.at(name)?, Some(*uid), Some(*gid)),
            Op::Xattr(name, key, value) => set(self.at(name)?, key, &value.bytes()),
            Op::Capability(name) => set(self.file(name)?, b"security.capability", &CAPABILITY),
            Op::NoXattr(name) => thing::without_xattr(&self.at(name)?),
            Op::Acl { path, default, users, perms } => {
                let key: &[u8] = if *default { b"system.posix_acl_default" } else { b"system.posix_acl_access" };
                set(self.solid(path)?, key, &thing::acl(users, *perms))
            }
            _ => Err(no("it is no change of metadata")),
        }
    }

    fn names(&self, op: &Op) -> io::Result<()> {
        match op {
            Op::Make(name, what) => {
                let path = self.loose(name)?;
                thing::remove(&path)?;
                thing::make(&path, what)
            }
            Op::Delete(name) => thing::remove(&self.loose(name)?),
            Op::Rename(from, to) => {
                if from.is_within(to) || to.is_within(from) {
                    return Err(no("the one is in the other"));
                }
                let (from, to) = (self.loose(from)?, self.loose(to)?);
                from.symlink_metadata()?;
                fs::rename(&from, &to).or_else(|_| thing::remove(&to).and_then(|()| fs::rename(&from, &to)))
            }
            Op::Exchange(one, other) => {
                Ok(renameat_with(CWD, self.loose(one)?, CWD, self.loose(other)?, RenameFlags::EXCHANGE)?)
            }
            Op::Link(from, to) => {
                let is_around = from.is_within(to);
                let (from, to) = (self.at(from)?, self.loose(to)?);
                if is_around || from.symlink_metadata()?.is_dir() {
                    return Err(no("no hard link can be made"));
                }
                thing::remove(&to)?;
                fs::hard_link(from, to)
            }
            Op::ManyEmpty(name, count) => {
                let folder = self.folder(name)?;
                let mut places = (0..*count).map(|n| folder.join(format!("{n:03}")));
                places.try_for_each(|at| if Kind::of(&at) == Kind::Nothing { fs::create_dir(at) } else { Ok(()) })
            }
            Op::Crowd(name, count) => {
                let folder = self.folder(name)?;
                let places = (0..*count).map(|n| (n, folder.join(format!("crowd {n}"))));
                let mut free = places.filter(|(_, at)| Kind::of(at) == Kind::Nothing);
                free.try_for_each(|(n, at)| fs::write(at, format!("one of {n}")))
            }
            Op::Clear(name, wholly) => thing::clear(&self.at(name)?, *wholly),
            _ => Err(no("it is no change of names")),
        }
    }

    /// A directory that is there or can be made.
    fn folder(&self, name: &Name) -> io::Result<PathBuf> {
        let path = self.loose(name)?;
        match Kind::of(&path) {
            Kind::Nothing => thing::make(&path, &What::EmptyDir)?,
            Kind::Empty | Kind::Full => {}
            _ => return Err(no("it is no directory")),
        }
        Ok(path)
    }
}
