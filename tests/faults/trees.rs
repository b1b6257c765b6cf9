//! Small random trees, and what happens to them from one night to the next.

use crate::random::Random;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, mknodat, setxattr, utimensat};
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// The DIRs of the target.
pub(crate) const DIRS: [&str; 2] = ["d", "e"];
/// Never changed, so that no DIR is ever empty.
const KEEP: &str = "keep";
const SIZES: [usize; 8] = [0, 1, 40, 700, 3000, 5000, 9000, 20_000];

/// Makes both DIRs, with things of every kind in them.
pub(crate) fn plant(root: &Path, random: &mut Random) {
    for dir in DIRS {
        let at = root.join(dir);
        fs::create_dir_all(at.join("sub/deep")).unwrap();
        fs::write(at.join(KEEP), "kept").unwrap();
        for n in 0..3 + random.below(4) {
            let folder = at.join(random.pick(&["", "sub", "sub/deep"]));
            file(&folder.join(format!("file {n}")), random);
        }
        fs::hard_link(at.join(KEEP), at.join("kept too")).unwrap();
        symlink("keep", at.join("link")).unwrap();
    }
    let d = root.join("d");
    fs::write(d.join("one"), random.bytes(500)).unwrap();
    for name in ["two", "sub/three"] {
        fs::hard_link(d.join("one"), d.join(name)).unwrap();
    }
    fifo(&d.join("pipe"));
    let sparse = fs::File::create(d.join("sparse")).unwrap();
    sparse.set_len(300_000).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"in the middle", 150_000).unwrap();
    if random.one_in(4) {
        fs::write(d.join("large"), random.bytes(700_000)).unwrap();
    }
}

fn content(random: &mut Random) -> Vec<u8> {
    let length = *random.pick(&SIZES);
    if random.one_in(2) { random.bytes(length) } else { format!("{} ", random.next()).repeat(length / 16).into_bytes() }
}

/// A new file with some of what a file can have.
pub(crate) fn file(path: &Path, random: &mut Random) {
    fs::write(path, content(random)).unwrap();
    if random.one_in(3) {
        fs::set_permissions(path, fs::Permissions::from_mode(*random.pick(&[0o600, 0o664, 0o755, 0o4750]))).unwrap();
    }
    if random.one_in(4) && rustix::process::geteuid().is_root() {
        lchown(path, Some(1000 + u32::try_from(random.below(3)).unwrap()), Some(100)).unwrap();
    }
    if random.one_in(4) {
        // Not every file system has them.
        setxattr(path, "user.note", &random.bytes(9), XattrFlags::empty()).ok();
    }
    if random.one_in(2) {
        touch(path, 1_000_000_000 + i64::try_from(random.below(500_000_000)).unwrap());
    }
}

fn touch(path: &Path, seconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: 123_456_789 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
}

/// Names below the DIRs: those that are directories, and the others. A directory stands before what is in it.
pub(crate) fn names(root: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut dirs, mut others) = (Vec::new(), Vec::new());
    let mut waiting: Vec<_> = DIRS.iter().map(|dir| root.join(dir)).collect();
    while let Some(at) = waiting.pop() {
        let mut items: Vec<_> = fs::read_dir(&at).unwrap().map(|item| item.unwrap().path()).collect();
        items.sort();
        for path in items {
            if path.symlink_metadata().unwrap().is_dir() {
                dirs.push(path.clone());
                waiting.push(path);
            } else if !path.ends_with(KEEP) {
                others.push(path);
            }
        }
    }
    (dirs, others)
}

fn remove(path: &Path) {
    if path.symlink_metadata().unwrap().is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|facts| facts.is_file())
}

/// About half of the files get other content; nothing comes or goes.
pub(crate) fn rewrite(root: &Path, random: &mut Random) {
    for path in names(root).1.iter().filter(|path| is_file(path)) {
        if random.one_in(2) {
            let length = 2000 + random.below(20_000);
            fs::write(path, random.bytes(length)).unwrap();
        }
    }
}

/// Files are edited, appended to, deleted, touched, given away; new ones come.
pub(crate) fn edit(root: &Path, random: &mut Random) {
    let (dirs, others) = names(root);
    for path in &others {
        if !random.one_in(3) || !is_file(path) {
            continue;
        }
        match random.below(5) {
            0 => fs::write(path, content(random)).unwrap(),
            1 => fs::write(path, [fs::read(path).unwrap(), content(random)].concat()).unwrap(),
            2 => remove(path),
            3 => touch(path, 1_600_000_000 + i64::try_from(random.below(1000)).unwrap()),
            _ => fs::set_permissions(path, fs::Permissions::from_mode(*random.pick(&[0o640, 0o700, 0o604]))).unwrap(),
        }
    }
    for n in 0..=random.below(3) {
        file(&random.pick(&dirs).join(format!("new {n}")), random);
    }
    let made = root.join("d/made/deep");
    fs::create_dir_all(&made).unwrap();
    file(&made.join("within"), random);
    if random.one_in(2) && root.join("e/sub").symlink_metadata().is_ok() {
        remove(&root.join("e/sub"));
    }
    let dir = root.join(random.pick(&["d/made", "d", "e"]));
    fs::set_permissions(dir, fs::Permissions::from_mode(*random.pick(&[0o700, 0o755, 0o2775]))).unwrap();
}

/// Things become things of other kinds.
pub(crate) fn retype(root: &Path, random: &mut Random) {
    let (dirs, others) = names(root);
    let mut paths: Vec<_> = others;
    paths.extend(dirs);
    for path in paths {
        if !random.one_in(2) || path.symlink_metadata().is_err() {
            continue;
        }
        remove(&path);
        match random.below(6) {
            0 => {
                fs::create_dir_all(path.join("a/b")).unwrap();
                file(&path.join("a/was something else"), random);
            }
            1 => fs::create_dir(&path).unwrap(),
            2 => file(&path, random),
            3 => symlink(format!("to {}", random.below(100)), &path).unwrap(),
            4 => fifo(&path),
            _ => fs::hard_link(path.ancestors().find_map(keep_above).unwrap(), &path).unwrap(),
        }
    }
}

fn keep_above(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(KEEP)).filter(|path| path.exists())
}

/// Files and directories get other names and places; some are edited too, and some change names with each other.
pub(crate) fn rename(root: &Path, random: &mut Random) {
    fs::create_dir(root.join("e/moved")).unwrap();
    for (n, path) in names(root).1.into_iter().enumerate() {
        let to = match random.below(6) {
            0 => path.with_file_name(format!("renamed {n}")),
            1 => root.join(format!("e/moved/{n}")),
            2 if is_file(&path) => {
                fs::write(&path, content(random)).unwrap();
                root.join(format!("d/edited and moved {n}"))
            }
            _ => continue,
        };
        fs::rename(path, to).unwrap();
    }
    let files: Vec<_> = names(root).1.into_iter().filter(|path| is_file(path)).collect();
    let (one, other, aside) = (random.pick(&files), random.pick(&files), root.join("aside"));
    if one != other {
        fs::rename(one, &aside).unwrap();
        fs::rename(other, one).unwrap();
        fs::rename(&aside, other).unwrap();
    }
    fs::rename(root.join("d/sub"), root.join(random.pick(&["d/other", "e/sub/from d", "d/s"]))).unwrap();
}

/// Groups of hard links grow, shrink, split and are joined.
pub(crate) fn relink(root: &Path, random: &mut Random) {
    let files: Vec<_> = names(root).1.into_iter().filter(|path| is_file(path)).collect();
    for path in &files {
        match random.below(5) {
            0 => fs::hard_link(path, path.with_file_name(format!("link {}", random.next()))).unwrap(),
            1 => {
                let leader = random.pick(&files);
                if leader != path {
                    remove(path);
                    fs::hard_link(leader, path).unwrap();
                }
            }
            2 => {
                let bytes = fs::read(path).unwrap();
                remove(path);
                fs::write(path, if random.one_in(2) { content(random) } else { bytes }).unwrap();
            }
            _ => {}
        }
    }
}

/// Most of the first DIR goes.
pub(crate) fn lose(root: &Path, random: &mut Random) {
    for path in names(root).1 {
        if path.starts_with(root.join("d")) && !random.one_in(8) {
            remove(&path);
        }
    }
}

/// So many more files that a loss of most of them is seen.
pub(crate) fn crowd(root: &Path, random: &mut Random) {
    for n in 0..24 {
        file(&root.join("d").join(format!("crowd {n}")), random);
    }
}
