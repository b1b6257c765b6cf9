//! The attacker: somebody who may write to every folder of a tree swaps what is in it, by descriptors and in threads of its own, as fast as it can.
//!
//! Each [`Spot`] of a tree has a home, which is what it shall be at rest, and a lure that takes its place. Lures wait in a folder beside the trees.

use crate::canary::{AWAY, Canary, OURS};
use crate::random::Random;
use crate::site::{self, DIRS};
use crate::vault::Vault;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, mknodat, openat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const THREADS: usize = 2;
/// So often it is looked whether the program has begun to write.
const GLANCE: Duration = Duration::from_micros(50);

/// What is swapped for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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
struct Spot {
    kind: Kind,
    /// The root of its tree.
    root: PathBuf,
    above: String,
    name: String,
    /// Where a symlink leads to.
    lead: PathBuf,
    /// Where the lure waits, or the pen.
    beside: OwnedFd,
    /// The name of its lure.
    lure: String,
    vault: Arc<Vault>,
}

/// What has a name of a spot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Home,
    Bait,
    Else,
}

/// A spot whose folder is open: it is reached however the tree is turned over.
struct Held<'a> {
    spot: &'a Spot,
    parent: OwnedFd,
    is_away: bool,
}

/// What an attacker is told, and tells.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Whether the program is running: only then swaps count.
    pub(crate) running: AtomicBool,
    /// Whether to end.
    pub(crate) over: AtomicBool,
    /// Swaps that were made.
    pub(crate) swaps: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Attack {
    spots: Vec<Spot>,
    trees: Vec<PathBuf>,
    vault: Arc<Vault>,
}

impl Attack {
    /// On these trees in a folder, at these levels.
    pub(crate) fn new(folder: &Path, trees: &[&str], levels: &[Level], canary: &Canary) -> Self {
        let vault = Arc::new(Vault::new(&folder.join("vault")));
        let mut attack = Self { spots: Vec::new(), trees: Vec::new(), vault };
        fs::create_dir_all(folder.join("beside")).unwrap();
        let waiting = site::open(folder, "beside").unwrap();
        let mut pens = 0;
        for tree in trees {
            let root = folder.join(tree);
            let mut add = |kind, path: &str| {
                let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
                let beside = if kind == Away { canary.open_pen(pens) } else { waiting.try_clone().unwrap() };
                pens += usize::from(kind == Away);
                let lure = if kind == Away { AWAY.to_owned() } else { format!("{tree} {}", path.replace('/', " ")) };
                let (root, lead) = (root.clone(), canary.root().join(path));
                let (above, name, vault) = (above.to_owned(), name.to_owned(), Arc::clone(&attack.vault));
                attack.spots.push(Spot { kind, root, above, name, lead, beside, lure, vault });
            };
            let tops: [(Level, &[&str]); 2] = [(Dirs, &["d", "top", "top/e"]), (Stage, &[OURS])];
            for (_, paths) in tops.iter().filter(|(level, _)| levels.contains(level)) {
                for path in *paths {
                    add(DirForLink, path);
                }
            }
            for dir in DIRS {
                for (_, kind, path) in SPOTS.iter().filter(|(level, ..)| levels.contains(level)) {
                    add(*kind, &format!("{dir}/{path}"));
                }
            }
            attack.trees.push(root);
        }
        attack
    }

    /// The pens that all of them together need.
    pub(crate) fn pens(trees: usize) -> usize {
        trees * DIRS.len() * SPOTS.iter().filter(|(_, kind, _)| *kind == Away).count()
    }

    /// Puts everything where it is at rest, as far as it is still there, and makes the lures that are missing.
    pub(crate) fn settle(&self) {
        for spot in &self.spots {
            spot.settle();
        }
    }

    /// Nothing of another user was given away.
    pub(crate) fn is_nothing_taken(&self) -> Result<(), String> {
        self.vault.is_untouched()
    }

    /// Whether the program has begun to write to one of the trees.
    fn is_written_to(&self) -> bool {
        self.trees
            .iter()
            .any(|tree| ["making", "ready"].iter().any(|name| tree.join(".backup/stage").join(name).exists()))
    }

    /// Attacks until it is over, from the beginning or only when the program writes. To be settled before.
    pub(crate) fn during<T>(&self, signals: &Signals, late: bool, random: &mut Random, work: impl FnOnce() -> T) -> T {
        let mut shares: Vec<Vec<Held<'_>>> = (0..THREADS).map(|_| Vec::new()).collect();
        for (number, held) in self.spots.iter().filter_map(Spot::hold).enumerate() {
            shares[number % THREADS].push(held);
        }
        std::thread::scope(|scope| {
            for share in shares {
                let seed = random.next();
                scope.spawn(move || self.swap(share, signals, late, Random::new(seed)));
            }
            let done = work();
            signals.over.store(true, Relaxed);
            done
        })
    }

    fn swap(&self, mut share: Vec<Held<'_>>, signals: &Signals, late: bool, mut random: Random) {
        while late && !signals.over.load(Relaxed) && !self.is_written_to() {
            std::thread::sleep(GLANCE);
        }
        while !signals.over.load(Relaxed) && !share.is_empty() {
            let (length, mut at) = (1 + random.below(*random.clone().pick(&[1, 4, 32, 64])), random.below(share.len()));
            let flickers = random.one_in(2);
            for _ in 0..length {
                if signals.over.load(Relaxed) {
                    break;
                }
                if share[at].swap() {
                    signals.swaps.fetch_add(u64::from(signals.running.load(Relaxed)), Relaxed);
                } else {
                    share[at].mend();
                }
                if !flickers {
                    at = random.below(share.len());
                }
            }
            // So long that the program is not starved, and that all is at rest now and then.
            std::thread::sleep(Duration::from_micros(random.next() % *random.clone().pick(&[1, 200, 2000])));
        }
    }
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

    fn hold(&self) -> Option<Held<'_>> {
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

    fn settle(&self) {
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
    fn swap(&mut self) -> bool {
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
    fn mend(&mut self) {
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
        std::thread::sleep(GLANCE);
    }
}
