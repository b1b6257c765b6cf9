//! The tree that nobody may touch: its names are those of the attacked trees, so that whoever is led astray finds what he looks for.
//!
//! Four kinds of proof. Each open, listing and change in it is told by inotify, also of who opens with `O_NOATIME`; facts of every name, with atime
//! and ctime on a file system that keeps them strictly; its content and attributes; and marks in content, names and owner, which can be searched for
//! in whatever was written elsewhere.

use crate::random::Random;
use crate::site::{self, LARGE, grid};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{AtFlags, CWD, OFlags, Timespec, Timestamps, XattrFlags, utimensat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

/// A user who has nothing but the canary.
pub(crate) const OWNER: u32 = 3_133_731;
const PAST: i64 = 981_173_106;
/// Several chunks.
const LARGE_BYTES: usize = 3 << 20;
/// The name of what the attacker moves into a pen.
pub(crate) const AWAY: &str = "away";
/// The folder of the program in a tree.
pub(crate) const OURS: &str = ".backup";
const XATTR: &str = "user.canary";

pub(crate) struct Canary {
    root: PathBuf,
    /// In each file and in attributes.
    mark: String,
    /// Of files that have no namesake in the trees.
    names: Vec<String>,
    facts: BTreeMap<PathBuf, String>,
    /// Open from before anybody watched.
    pens: Vec<OwnedFd>,
    watch: OwnedFd,
    watched: BTreeMap<i32, PathBuf>,
}

/// Names are long and random enough to be searched for by their tails.
fn word(random: &mut Random) -> String {
    format!("{:016x}{:016x}", random.next(), random.next())
}

impl Canary {
    /// Makes it in a new folder, with as many pens beside it as asked for.
    pub(crate) fn plant(root: &Path, pens: usize, random: &mut Random) -> Self {
        let mark = word(random);
        let mut canary = Self {
            root: root.to_owned(),
            mark,
            names: Vec::new(),
            facts: BTreeMap::new(),
            pens: Vec::new(),
            watch: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap(),
            watched: BTreeMap::new(),
        };
        for dir in ["d", "top/e"] {
            for place in grid() {
                canary.folder(&root.join(dir).join(place), random);
            }
        }
        canary.file(&root.join("d").join(LARGE), LARGE_BYTES);
        fs::create_dir_all(root.join(OURS).join("stage")).unwrap();
        for pen in 0..pens {
            for sibling in ["l0", "l1", "l2", "m0", "m1", "m2"] {
                canary.folder(&canary.pen(pen).join(sibling), random);
            }
        }
        canary.age(root);
        canary.pens = (0..pens).map(|pen| site::open(&canary.pen(pen), "").unwrap()).collect();
        canary.begin(root);
        canary
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A folder that directories are moved to, so that `..` leads from them into the canary.
    pub(crate) fn pen(&self, number: usize) -> PathBuf {
        self.root.join(format!("pen{number}"))
    }

    /// The same, open.
    pub(crate) fn open_pen(&self, number: usize) -> OwnedFd {
        self.pens[number].try_clone().unwrap()
    }

    fn is_pen(&self, path: &Path) -> bool {
        path.parent() == Some(&self.root) && path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"pen"))
    }

    fn folder(&mut self, at: &Path, random: &mut Random) {
        fs::create_dir_all(at).unwrap();
        let own = word(random);
        for name in ["f0", "f1", "f2", "f3", "f4", "f5", &own] {
            self.file(&at.join(name), 64 + random.below(400));
        }
        self.names.push(own);
    }

    fn file(&self, at: &Path, length: usize) {
        let line = format!("{} {}\n", self.mark, at.display());
        let mut bytes = line.repeat(length.div_ceil(line.len())).into_bytes();
        bytes.truncate(length.max(self.mark.len()));
        fs::write(at, bytes).unwrap();
    }

    /// Gives all of it owner, mode, attributes and times, from the inside out.
    fn age(&self, at: &Path) {
        let is_dir = at.is_dir();
        if is_dir {
            for item in fs::read_dir(at).unwrap() {
                self.age(&item.unwrap().path());
            }
        }
        lchown(at, Some(OWNER), Some(OWNER)).unwrap();
        fs::set_permissions(at, Permissions::from_mode(if is_dir { 0o700 } else { 0o600 })).unwrap();
        rustix::fs::lsetxattr(at, XATTR, self.mark.as_bytes(), XattrFlags::empty()).unwrap();
        let time = Timespec { tv_sec: PAST, tv_nsec: 1 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, at, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    /// Watches all of it, then takes down what it is. Listing it has told atime a new time: that is what it is from now on.
    fn begin(&mut self, at: &Path) {
        if at.is_dir() {
            let mut below: Vec<_> = fs::read_dir(at).unwrap().map(|item| item.unwrap().path()).collect();
            below.sort();
            for path in &below {
                self.begin(path);
            }
            let own = if self.is_pen(at) {
                WatchFlags::empty()
            } else {
                WatchFlags::MOVE | WatchFlags::CREATE | WatchFlags::DELETE
            };
            let what = WatchFlags::OPEN | WatchFlags::ACCESS | WatchFlags::MODIFY | WatchFlags::ATTRIB | own;
            let number = inotify::add_watch(&self.watch, at, what).unwrap();
            self.watched.insert(number, at.to_owned());
        }
        if !self.is_pen(at) {
            self.facts.insert(at.to_owned(), facts(at));
        }
        if at == self.root {
            // What we did ourselves.
            self.events();
        }
    }

    /// What happened in it since it was asked last.
    fn events(&self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); 1 << 14];
        let mut reader = inotify::Reader::new(&self.watch, &mut buffer);
        let mut told = Vec::new();
        loop {
            match reader.next() {
                Err(Errno::WOULDBLOCK) => return told,
                Err(Errno::INTR) => {}
                Err(e) => panic!("the canary cannot be watched: {e}"),
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    let place = self.watched.get(&event.wd());
                    let is_attackers = name == AWAY && place.is_some_and(|place| self.is_pen(place));
                    if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                        told.push("more than can be told".to_owned());
                    } else if !is_attackers {
                        let place = place.map_or_else(String::new, |place| place.display().to_string());
                        told.push(format!("{:?} of {place}/{name}", event.events()));
                    }
                }
            }
        }
    }

    /// Nobody has been here: nothing was opened, listed or changed, and every name is what it was.
    pub(crate) fn is_untouched(&self) -> Result<(), String> {
        let events = self.events();
        if let Some(first) = events.first() {
            return Err(format!("{} events in the canary, first {first}", events.len()));
        }
        for (path, was) in &self.facts {
            let is = facts(path);
            if is != *was {
                return Err(format!("{} was {was} and is {is}", path.display()));
            }
        }
        Ok(())
    }

    /// As [`Canary::is_untouched`], and content and attributes are what they were, too.
    pub(crate) fn is_whole(&self) -> Result<(), String> {
        self.is_untouched()?;
        for path in self.facts.keys() {
            let mut value = [0; 256];
            let length =
                rustix::fs::lgetxattr(path, XATTR, &mut value).map_err(|e| format!("{}: {e}", path.display()))?;
            if value[..length] != *self.mark.as_bytes() {
                return Err(format!("{}: its attribute is another", path.display()));
            }
            if path.is_dir() {
                continue;
            }
            let quietly = i32::try_from(OFlags::NOATIME.bits()).unwrap();
            let mut bytes = Vec::new();
            let opened = fs::OpenOptions::new().read(true).custom_flags(quietly).open(path);
            opened.and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|e| format!("{}: {e}", path.display()))?;
            let line = format!("{} {}\n", self.mark, path.display()).into_bytes();
            if !bytes.iter().eq(line.iter().cycle().take(bytes.len())) {
                return Err(format!("{}: its content is another", path.display()));
            }
        }
        // Our own reading.
        self.events();
        self.is_untouched()
    }

    /// What must be nowhere else: the mark, and the tails of names, which stay whole where what names have in common is left out.
    pub(crate) fn marks(&self) -> Vec<String> {
        let tails = self.names.iter().map(|name| name[8..].to_owned());
        std::iter::once(self.mark.clone()).chain(tails).collect()
    }

    /// Nothing below a folder is of the canary: no content, no name, no attribute, no owner. Symlinks are looked at, not followed.
    pub(crate) fn is_not_in(&self, folder: &Path) -> Result<(), String> {
        let marks = self.marks();
        for item in walkdir::WalkDir::new(folder) {
            let item = item.map_err(|e| e.to_string())?;
            let (path, kind) = (item.path(), item.file_type());
            let says = |what: &str| Err(format!("{} has {what} of the canary", path.display()));
            let name = item.file_name().to_string_lossy();
            if marks.iter().any(|mark| name.contains(mark.as_str())) {
                return says("a name");
            }
            if item.metadata().map_err(|e| e.to_string())?.uid() == OWNER {
                return says("the owner");
            }
            if kind.is_file() && fs::read(path).is_ok_and(|bytes| contains(&bytes, &self.mark)) {
                return says("the content");
            }
            let mut value = [0; 256];
            if rustix::fs::lgetxattr(path, XATTR, &mut value).is_ok() {
                return says("the attribute");
            }
        }
        Ok(())
    }
}

fn contains(bytes: &[u8], mark: &str) -> bool {
    // The mark stands at the beginning of every line, and a piece of a file begins anywhere: half of it will do.
    let half = &mark.as_bytes()[..mark.len() / 2];
    bytes.windows(half.len()).any(|window| window == half)
}

/// All that `lstat` says.
fn facts(path: &Path) -> String {
    path.symlink_metadata().map_or_else(
        |e| e.to_string(),
        |m| {
            let times = [(m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()), (m.atime(), m.atime_nsec())];
            format!(
                "{:o} {}:{} {} links, {} bytes, {times:?}, {}",
                m.mode(),
                m.uid(),
                m.gid(),
                m.nlink(),
                m.size(),
                m.ino()
            )
        },
    )
}
