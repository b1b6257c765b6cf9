//! What there is to swap in a tree. Each [`Spot`] has a home, which is what it shall be at rest, and a lure that takes its place. Lures wait in a folder
//! beside the trees, and pens in the canary for folders that are moved away.

use crate::canary::{AWAY, OURS};
use crate::site::{self, DIRS};
use crate::vault::Vault;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, mknodat, openat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where something cannot be swapped, a pause before it is tried again.
const PAUSE: Duration = Duration::from_micros(50);

/// What is swapped for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A directory for a symlink to its namesake in the canary.
    DirForLink,
    /// A file for a symlink to its namesake in the canary.
    FileForLink,
    FileForFifo,
    DirForFile,
    /// A directory goes to a pen in the canary and comes back.
    Away,
    /// A file for a further name of another user's file.
    FileForOther,
}

/// How deep in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// The DIRs, and what is above one of them.
    Dirs,
    Middle,
    /// Files, and the folders that hold them.
    Files,
    /// Files, for those of another user.
    Owners,
    /// The folder of the program in a place that is restored to.
    Stage,
}

use Kind::{Away, DirForFile, DirForLink, FileForFifo, FileForLink, FileForOther};
use Level::{Dirs, Files, Middle, Owners, Stage};

pub(crate) const ALL: &[Level] = &[Dirs, Middle, Files];
/// Outer before inner, in each DIR.
const SPOTS: [(Level, Kind, &str); 19] = [
    (Middle, DirForLink, "m0"),
    (Middle, DirForLink, "m1"),
    (Middle, Away, "m2"),
    (Files, DirForLink, "m0/l0"),
    (Files, DirForLink, "m1/l0"),
    (Files, DirForLink, "m2/l0"),
    (Files, Away, "m0/l1"),
    (Files, DirForFile, "m1/l1"),
    (Files, FileForLink, "m0/l2/f0"),
    (Files, FileForLink, "m0/l2/f3"),
    (Files, FileForFifo, "m1/l2/f1"),
    (Files, FileForLink, "m1/l2/f4"),
    (Files, FileForLink, "m2/l2/f1"),
    (Files, FileForFifo, "m2/l1/f2"),
    (Files, DirForFile, "m2/l2/extra"),
    (Owners, FileForOther, "m0/f5"),
    (Owners, FileForOther, "m0/l2/f5"),
    (Owners, FileForOther, "m1/l2/f5"),
    (Owners, FileForOther, "m2/l2/f4"),
];

#[derive(Debug)]
pub(crate) struct Spot {
    pub(crate) kind: Kind,
    /// The root of its tree.
    pub(crate) root: PathBuf,
    pub(crate) above: String,
    pub(crate) name: String,
    /// Where a symlink leads to.
    pub(crate) lead: PathBuf,
    /// Where the lure waits, or the pen.
    pub(crate) beside: OwnedFd,
    /// The name of its lure.
    pub(crate) lure: String,
    pub(crate) vault: Arc<Vault>,
}

/// What has a name of a spot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Home,
    Bait,
    Else,
}

/// A spot whose folder is open: it is reached however the tree is turned over.
pub(crate) struct Held<'a> {
    spot: &'a Spot,
    parent: OwnedFd,
    is_away: bool,
}

impl Spot {
    const fn home(&self) -> FileType {
        match self.kind {
            DirForLink | DirForFile | Away => FileType::Directory,
            FileForLink | FileForFifo | FileForOther => FileType::RegularFile,
        }
    }

    const fn bait(&self) -> FileType {
        match self.kind {
            DirForLink | FileForLink => FileType::Symlink,
            FileForFifo => FileType::Fifo,
            DirForFile | Away | FileForOther => FileType::RegularFile,
        }
    }

    fn what(&self, folder: &OwnedFd, name: &str) -> Option<What> {
        let kind = FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?.st_mode);
        Some(if self.kind == FileForOther && self.vault.is_name_of(folder, name, &self.lure) {
            What::Bait
        } else if kind == self.home() {
            What::Home
        } else if kind == self.bait() {
            What::Bait
        } else {
            What::Else
        })
    }

    pub(crate) fn hold(&self) -> Option<Held<'_>> {
        Some(Held { spot: self, parent: site::open(&self.root, &self.above)?, is_away: false })
    }

    /// Makes its lure.
    fn make(&self) -> Result<(), Errno> {
        let (name, beside) = (self.lure.as_str(), &self.beside);
        let mode = Mode::RUSR | Mode::WUSR;
        if self.kind == FileForOther {
            self.vault.lend(beside, name);
            return Ok(());
        }
        match self.bait() {
            FileType::Symlink => symlinkat(&self.lead, beside, name),
            FileType::Fifo => mknodat(beside, name, FileType::Fifo, mode, 0),
            _ => openat(beside, name, OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC, mode).map(drop),
        }
    }

    pub(crate) fn settle(&self) {
        let parent = site::open(&self.root, &self.above);
        let (beside, lure) = (&self.beside, self.lure.as_str());
        if self.what(beside, lure) == Some(What::Home) {
            let back = parent.as_ref().map(|parent| match self.what(parent, &self.name) {
                None => renameat_with(beside, lure, parent, &*self.name, RenameFlags::NOREPLACE),
                Some(What::Bait) if self.kind != Away => {
                    renameat_with(beside, lure, parent, &*self.name, RenameFlags::EXCHANGE)
                }
                Some(_) => Err(Errno::EXIST),
            });
            if back != Some(Ok(())) {
                // The program has put something else there.
                let left = site::path(beside).join(lure);
                if self.home() == FileType::Directory { fs::remove_dir_all(left) } else { fs::remove_file(left) }
                    .unwrap();
            }
        }
        if self.kind != Away && self.what(beside, lure).is_none() {
            self.make().unwrap();
        }
        // The program makes it when it needs it, and takes it away.
        if self.name == OURS
            && let Some(parent) = parent.as_ref().filter(|parent| self.what(parent, OURS) == Some(What::Bait))
        {
            unlinkat(parent, OURS, AtFlags::empty()).unwrap();
        }
        if self.kind == FileForOther
            && let Some(parent) = parent.filter(|parent| self.what(parent, &self.name) == Some(What::Home))
        {
            self.vault.match_with(&parent, &self.name, beside, lure);
        }
    }
}

impl Held<'_> {
    /// Whether it could be swapped.
    pub(crate) fn swap(&mut self) -> bool {
        let (name, lure) = (&*self.spot.name, &*self.spot.lure);
        let done = match (self.spot.kind, self.is_away) {
            (Away, false) => renameat_with(&self.parent, name, &self.spot.beside, lure, RenameFlags::NOREPLACE),
            (Away, true) => renameat_with(&self.spot.beside, lure, &self.parent, name, RenameFlags::NOREPLACE),
            _ => renameat_with(&self.parent, name, &self.spot.beside, lure, RenameFlags::EXCHANGE),
        };
        self.is_away ^= done.is_ok();
        done.is_ok()
    }

    /// The program has taken away what was to be swapped: something else is put there.
    pub(crate) fn mend(&mut self) {
        if self.spot.kind == Away {
            self.is_away = self.spot.what(&self.spot.beside, AWAY).is_some();
            return;
        }
        if self.spot.what(&self.spot.beside, &self.spot.lure).is_none() {
            self.spot.make().ok();
        }
        if self.spot.what(&self.parent, &self.spot.name).is_none() {
            let lure = &*self.spot.lure;
            renameat_with(&self.spot.beside, lure, &self.parent, &*self.spot.name, RenameFlags::NOREPLACE).ok();
            self.spot.make().ok();
        }
        // Where its folder is gone it can't be mended.
        std::thread::sleep(PAUSE);
    }
}

/// The spots of a tree at these levels, outer before inner.
pub(crate) fn spots(levels: &[Level]) -> Vec<(Kind, String)> {
    let tops = [(Stage, OURS), (Dirs, "d"), (Dirs, "top"), (Dirs, "top/e")];
    let tops = tops.into_iter().map(|(level, path)| (level, DirForLink, path.to_owned()));
    let below = DIRS
        .iter()
        .flat_map(|dir| SPOTS.iter().map(move |(level, kind, path)| (*level, *kind, format!("{dir}/{path}"))));
    tops.chain(below).filter(|(level, ..)| levels.contains(level)).map(|(_, kind, path)| (kind, path)).collect()
}
