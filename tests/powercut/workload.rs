//! Small trees and what becomes of them in a night, by a seed.

use fastrand::Rng;
use nix::sys::stat::Mode;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Files of the first night.
const FILES: usize = 80;

/// Mostly small; some of several pages, a few of many.
fn bytes(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.u8(..20) {
        0 => 0,
        1..=11 => rng.usize(1..5_000),
        12..=17 => rng.usize(5_000..40_000),
        _ => rng.usize(40_000..300_000),
    };
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    bytes
}

fn write(path: &Path, rng: &mut Rng) {
    fs::write(path, bytes(rng)).unwrap();
}

fn folder(tree: &Path, rng: &mut Rng) -> PathBuf {
    let folder = tree.join("d").join(["", "a", "a/b", "c", "c/d/e"][rng.usize(..5)]);
    // A file may have taken the place of a folder.
    if fs::create_dir_all(&folder).is_ok() { folder } else { tree.join("d") }
}

fn fresh(tree: &Path, rng: &mut Rng) -> PathBuf {
    folder(tree, rng).join(format!("{:08x}", rng.u32(..)))
}

/// The tree of the first night.
pub(crate) fn plant(tree: &Path, rng: &mut Rng) {
    fs::create_dir_all(tree.join("d")).unwrap();
    for _ in 0..FILES {
        write(&fresh(tree, rng), rng);
    }
    for _ in 0..3 {
        symlink(format!("to/{}", rng.u16(..)), fresh(tree, rng)).unwrap();
    }
    let files = files(tree);
    for file in rng.choose_multiple(files.iter(), 4) {
        fs::hard_link(file, fresh(tree, rng)).unwrap();
    }
}

/// All names in a tree that are no directories, in order.
fn files(tree: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = walkdir::WalkDir::new(tree.join("d"))
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| !entry.file_type().is_dir())
        .map(walkdir::DirEntry::into_path)
        .collect();
    found.sort();
    found
}

fn touch(path: &Path, rng: &mut Rng) {
    let when = SystemTime::UNIX_EPOCH + Duration::new(rng.u64(1_000_000_000..1_700_000_000), rng.u32(..1_000_000_000));
    if path.symlink_metadata().unwrap().is_file() {
        fs::File::open(path).unwrap().set_modified(when).unwrap();
    }
}

/// Something else of the same name.
fn retype(path: &Path, rng: &mut Rng) {
    fs::remove_file(path).unwrap();
    match rng.u8(..4) {
        0 => symlink(format!("elsewhere/{}", rng.u16(..)), path).unwrap(),
        1 => nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap(),
        _ => {
            fs::create_dir(path).unwrap();
            for n in 0..rng.usize(..3) {
                write(&path.join(n.to_string()), rng);
            }
        }
    }
}

/// A night's changes: about a third of the names, but never so many that the run would be held.
pub(crate) fn edit(tree: &Path, rng: &mut Rng) {
    for file in files(tree) {
        let is_file = file.symlink_metadata().unwrap().is_file();
        match rng.u8(..40) {
            0..=3 if is_file => write(&file, rng),
            4 | 5 => {
                fs::remove_file(&file).unwrap();
                write(&file, rng);
            }
            6 | 7 => fs::remove_file(&file).unwrap(),
            8 | 9 => fs::rename(&file, fresh(tree, rng)).unwrap(),
            10 | 11 => touch(&file, rng),
            12 if is_file => fs::set_permissions(&file, fs::Permissions::from_mode(0o600 | rng.u32(..0o100))).unwrap(),
            13 => retype(&file, rng),
            14 if is_file => fs::hard_link(&file, fresh(tree, rng)).unwrap(),
            _ => {}
        }
    }
    for _ in 0..10 {
        write(&fresh(tree, rng), rng);
    }
    // A directory becomes a file, and one goes with all that is in it.
    let folder = tree.join("d").join(["a/b", "c/d"][rng.usize(..2)]);
    if folder.is_dir() && rng.bool() {
        fs::remove_dir_all(&folder).unwrap();
        if rng.bool() {
            write(&folder, rng);
        }
    }
}

/// About a third of the files get other content; nothing comes or goes.
pub(crate) fn rewrite(tree: &Path, rng: &mut Rng) {
    for file in files(tree) {
        if file.symlink_metadata().unwrap().is_file() && rng.u8(..3) == 0 {
            write(&file, rng);
        }
    }
}

/// What somebody does on a mirror that is live: a few files new, other and gone.
pub(crate) fn meddle(tree: &Path, rng: &mut Rng) {
    let files = files(tree);
    for (n, file) in rng.choose_multiple(files.iter(), 9).into_iter().enumerate() {
        match n % 3 {
            0 => {
                fs::remove_file(file).unwrap();
                write(file, rng);
            }
            1 => fs::rename(file, fresh(tree, rng)).unwrap(),
            _ => fs::remove_file(file).unwrap(),
        }
    }
    for _ in 0..4 {
        write(&fresh(tree, rng), rng);
    }
}
