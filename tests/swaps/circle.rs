//! Two folders are put into each other in turn, always the one that is not being walked into the one that is: who does not notice that a folder is in
//! itself goes on for ever, ever deeper.

use crate::random::Random;
use crate::site;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{AtFlags, Mode, RenameFlags, mkdirat, renameat_with, unlinkat};
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

const NAMES: [&str; 2] = ["m0", "m1"];
/// So many that walking one takes longer than a move.
const FILES: usize = 4000;
/// Behind all files.
const INSIDE: &str = "z";
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// A folder that was opened is listed by then.
const LISTED: Duration = Duration::from_micros(300);

pub(crate) struct Circle {
    above: OwnedFd,
    folders: [OwnedFd; 2],
    /// Which of them is inside of the other.
    inside: Option<usize>,
}

impl Circle {
    /// Makes both folders in the first DIR of a tree, with a place for the other.
    pub(crate) fn new(root: &Path, random: &mut Random) -> Self {
        let above = site::open(root, "d").unwrap();
        for name in NAMES {
            let at = site::path(&above).join(name);
            fs::remove_dir_all(&at).ok();
            fs::create_dir_all(at.join(INSIDE)).unwrap();
            for n in 0..FILES {
                fs::write(at.join(format!("{n}")), random.bytes(n % 3)).unwrap();
            }
        }
        let folders = NAMES.map(|name| site::open(root, &format!("d/{name}")).unwrap());
        Self { above, folders, inside: None }
    }

    fn put(&mut self, inner: usize) -> rustix::io::Result<()> {
        self.take_out()?;
        let outer = &self.folders[1 - inner];
        unlinkat(outer, INSIDE, AtFlags::REMOVEDIR)?;
        renameat_with(&self.above, NAMES[inner], outer, INSIDE, RenameFlags::NOREPLACE)?;
        self.inside = Some(inner);
        Ok(())
    }

    /// Puts both side by side again.
    pub(crate) fn take_out(&mut self) -> rustix::io::Result<()> {
        let Some(inner) = self.inside.take() else { return Ok(()) };
        let outer = &self.folders[1 - inner];
        renameat_with(outer, INSIDE, &self.above, NAMES[inner], RenameFlags::NOREPLACE)?;
        mkdirat(outer, INSIDE, Mode::RWXU)
    }

    /// Whenever one is opened the other is put into it; gives the number of moves.
    pub(crate) fn turn(&mut self, over: &AtomicBool) -> u64 {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        let numbers = self
            .folders
            .each_ref()
            .map(|folder| inotify::add_watch(&watch, site::path(folder), WatchFlags::OPEN).unwrap());
        let mut moves = 0;
        while !over.load(Relaxed) {
            poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&GLANCE)).ok();
            let mut buffer = [MaybeUninit::uninit(); 1 << 12];
            let mut reader = inotify::Reader::new(&watch, &mut buffer);
            while let Ok(event) = reader.next() {
                // What is opened in it has a name.
                let opened = numbers.iter().position(|number| *number == event.wd());
                if let Some(opened) = opened.filter(|_| event.file_name().is_none()) {
                    std::thread::sleep(LISTED);
                    moves += u64::from(self.inside != Some(1 - opened) && self.put(1 - opened).is_ok());
                }
            }
        }
        moves
    }
}

/// How often a tree has folders in each other; where nothing is in itself, that is not more than once.
pub(crate) fn depth(root: &Path) -> usize {
    let depth = |name: &&str| {
        let deeper = |below: &String| Some(format!("{below}/{INSIDE}"));
        let all = std::iter::successors(Some(format!("d/{name}/{INSIDE}")), deeper);
        all.take_while(|below| site::open(root, below).is_some()).count().saturating_sub(1)
    };
    NAMES.iter().map(depth).max().unwrap()
}
