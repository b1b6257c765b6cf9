//! A new version of a file that belongs to the operator, as backup.tab does: made aside and proved to be writable, then put in its place at
//! once (floor 1).
//!
//! What must stay true: whoever opens the file finds all of the old or all of the new; mode, owner and attributes stay, and a symlink that
//! leads to the file does too.

use super::dir::Dir;
use super::fidelity::Fidelity;
use super::meta::At;
use super::stat::Stat;
use super::{Error, clock, durable};
use crate::entry::Meta;
use rustix::fs::{Gid, Uid};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A new version that is on the medium, but not yet in its place. Dropped, it is taken away again.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    aside: PathBuf,
    /// Held, so that two programs do not replace files of one folder at a time.
    _folder: Dir,
}

impl Replacement {
    /// Writes the new version of `path`, which must still be `old`, beside it.
    pub fn write(path: &Path, old: &[u8], new: &[u8]) -> Result<Self, Error> {
        let fail = |doing| move |e| Error::new(doing, path, e);
        let real = path.canonicalize().map_err(fail("find"))?;
        let folder_path = real.parent().unwrap_or(Path::new("/"));
        let folder = Dir::open(folder_path).map_err(|e| Error::new("open", folder_path, e))?;
        // Where folders cannot be locked, as on NFS, the comparison below has to do.
        if !folder.try_lock().unwrap_or(true) {
            let busy = io::Error::other("another `backup -swap` is at work in its folder; try again when it has ended");
            return Err(Error::new("write to", path, busy));
        }
        // A folder may let us replace what the file itself does not let us write.
        let mut file = OpenOptions::new().read(true).write(true).open(&real).map_err(fail("write to"))?;
        let mut now = Vec::new();
        (&mut file).take(old.len() as u64 + 1).read_to_end(&mut now).map_err(fail("read"))?;
        if now != old {
            return Err(Error::new("write to", path, io::Error::other("it has changed since it was read; try again")));
        }
        let mut name = std::ffi::OsString::from(format!("{}swap-", durable::TMP));
        name.push(real.file_name().unwrap_or_default());
        let aside = real.with_file_name(name);
        durable::remove_if_any(&aside)?;
        let mut copy = durable::create(&aside)?;
        let replacement = Self { path: real, aside, _folder: folder };
        let written = copy.write_all(new).and_then(|()| dress(&copy, &file)).and_then(|()| copy.sync_all());
        written.map_err(|e| Error::new("write", &replacement.aside, e))?;
        Ok(replacement)
    }

    /// Puts it in its place, durably.
    pub fn publish(self) -> Result<(), Error> {
        durable::publish(&self.aside, &self.path)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // After it was published nothing has this name.
        let _gone = durable::remove_if_any(&self.aside);
    }
}

/// Gives the copy mode, owner and attributes of the file.
fn dress(copy: &File, file: &File) -> io::Result<()> {
    let (wanted, have) = (Stat::of_open(file)?, Stat::of_open(copy)?);
    let is_other = |wanted: u32, have: u32| (wanted != have).then_some(wanted);
    let (uid, gid) = (is_other(wanted.uid, have.uid), is_other(wanted.gid, have.gid));
    rustix::fs::fchown(copy, uid.map(Uid::from_raw), gid.map(Gid::from_raw))?;
    let xattrs = At::file(file).xattrs()?;
    let meta = Meta { mode: wanted.mode, uid: wanted.uid, gid: wanted.gid, mtime: clock::now(), xattrs };
    At::file(copy).change(&Stat::of_open(copy)?, &meta, &Fidelity::assumed()).map(drop)
}
