//! The trees that are attacked: always the same folders, so that it is known what to swap, and what happens in them from one night to the next.
//!
//! What must stay true: nothing here follows a symlink below a root. The trees are full of symlinks into the canary.

use crate::random::Random;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use std::fs::{self, Permissions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The DIRs of the target.
pub(crate) const DIRS: [&str; 2] = ["d", "top/e"];
/// Larger than what is read at once.
pub(crate) const LARGE: &str = "m0/l0/large";
const LARGE_BYTES: usize = 700_000;
/// Files in each folder that has any.
const FILES: usize = 6;

/// The folders of a DIR, those above files last.
pub(crate) fn grid() -> Vec<String> {
    let middle = (0..3).map(|m| format!("m{m}"));
    middle.flat_map(|m| std::iter::once(m.clone()).chain((0..3).map(move |l| format!("{m}/l{l}")))).collect()
}

/// Opens a folder of a tree, one name after the other.
pub(crate) fn open(root: &Path, below: &str) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(root, flags, Mode::empty()).ok()?;
    for name in below.split('/').filter(|name| !name.is_empty()) {
        at = rustix::fs::openat(&at, name, flags, Mode::empty()).ok()?;
    }
    Some(at)
}

/// A path that begins at an open folder.
pub(crate) fn path(folder: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

fn content(random: &mut Random, length: usize) -> Vec<u8> {
    if random.one_in(2) {
        random.bytes(length)
    } else {
        format!("{} ", random.next()).repeat(length / 12 + 1).into_bytes()
    }
}

/// Makes what is missing of the folders and files that a tree begins with. What is something else is taken away.
pub(crate) fn plant(root: &Path, random: &mut Random) {
    make(root, "", "top");
    for dir in DIRS {
        let (above, name) = dir.rsplit_once('/').unwrap_or(("", dir));
        make(root, above, name);
        for folder in grid() {
            let place = format!("{dir}/{folder}");
            let (above, name) = place.rsplit_once('/').unwrap();
            make(root, above, name);
            let at = open(root, &place).unwrap();
            fill(&path(&at), random);
        }
    }
    let at = open(root, "d/m0/l0").unwrap();
    keep_file(&path(&at).join("large"), random, LARGE_BYTES);
}

fn make(root: &Path, above: &str, name: &str) {
    let folder = open(root, above).unwrap();
    let at = path(&folder).join(name);
    match at.symlink_metadata() {
        Ok(found) if found.is_dir() => return,
        Ok(_) => fs::remove_file(&at).unwrap(),
        Err(_) => {}
    }
    fs::create_dir(&at).unwrap();
}

fn keep_file(at: &Path, random: &mut Random, length: usize) {
    match at.symlink_metadata() {
        Ok(found) if found.is_file() => return,
        Ok(found) if found.is_dir() => fs::remove_dir_all(at).unwrap(),
        Ok(_) => fs::remove_file(at).unwrap(),
        Err(_) => {}
    }
    fs::write(at, content(random, length)).unwrap();
}

fn fill(at: &Path, random: &mut Random) {
    for n in 0..FILES {
        let length = random.below(6000);
        keep_file(&at.join(format!("f{n}")), random, length);
    }
    if at.join("link").symlink_metadata().is_err() {
        symlink("f0", at.join("link")).unwrap();
    }
    if at.join("pipe").symlink_metadata().is_err() {
        mknodat(CWD, at.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    }
    if at.join("twin").symlink_metadata().is_err() {
        fs::hard_link(at.join("f1"), at.join("twin")).unwrap();
    }
}

/// Work of a day: in most folders files are written, touched, removed and made, and folders come and go.
pub(crate) fn edit(root: &Path, random: &mut Random) {
    for dir in DIRS {
        for folder in grid() {
            if let Some(at) = open(root, &format!("{dir}/{folder}")).filter(|_| !random.one_in(4)) {
                edit_folder(&path(&at), random);
            }
        }
    }
}

fn edit_folder(at: &Path, random: &mut Random) {
    for n in 0..FILES {
        let file = at.join(format!("f{n}"));
        if !file.symlink_metadata().is_ok_and(|found| found.is_file()) {
            continue;
        }
        match random.below(6) {
            0 => {
                let length = random.below(9000);
                fs::write(&file, content(random, length)).unwrap();
            }
            1 => fs::set_permissions(&file, Permissions::from_mode(*random.pick(&[0o600, 0o644, 0o4755]))).unwrap(),
            2 => rustix::fs::setxattr(&file, "user.note", &random.bytes(9), rustix::fs::XattrFlags::empty()).unwrap(),
            _ => {}
        }
    }
    let extra = at.join("extra");
    match extra.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(&extra).unwrap(),
        Ok(_) => fs::remove_file(&extra).unwrap(),
        Err(_) if random.one_in(2) => fs::write(&extra, content(random, 100)).unwrap(),
        Err(_) => {
            fs::create_dir_all(extra.join("deep")).unwrap();
            fs::write(extra.join("deep/new"), content(random, 700)).unwrap();
            fs::set_permissions(&extra, Permissions::from_mode(*random.pick(&[0o700, 0o755, 0o2775]))).unwrap();
        }
    }
}
