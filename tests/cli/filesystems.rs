//! Mirrors on file systems that are not like the others. Needs root, to mount them.

use crate::disk::Disk;
use crate::support::{Site, noise, set_mtime, we_are_root};
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

/// Mounted until it is dropped.
pub(crate) struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    pub(crate) fn new(kind: &str, options: &str, at: &'a Path) -> Self {
        assert!(we_are_root(), "this test mounts a file system: run it as root");
        let done = Command::new("mount").args(["-t", kind, "-o", options, "none"]).arg(at).status().unwrap();
        assert!(done.success(), "mount -t {kind} -o {options}");
        Self(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _done = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// A stacked file system may answer a sync of the whole without doing it: there each file is synced by itself.
#[test]
fn a_mirror_on_an_overlay_follows() {
    let site = Site::new();
    let [low, up, work] = ["low", "up", "work"].map(|name| site.path(name));
    for folder in [&low, &up, &work, &site.mirror("")] {
        fs::create_dir(folder).unwrap();
    }
    fs::create_dir_all(low.join("d/of-below")).unwrap();
    fs::write(low.join("d/of-below/file"), "to be adopted").unwrap();
    let options = format!("lowerdir={},upperdir={},workdir={}", low.display(), up.display(), work.display());
    let root = site.mirror("");
    let mounted = Mounted::new("overlay", &options, &root);
    for n in 0..40 {
        site.write(format!("d/{n}"), noise(n, 500 * usize::try_from(n).unwrap()));
        site.write(format!("d/of-below/{n}"), "x");
    }
    let mut nights = vec![site.init()];
    site.write("d/3", "changed");
    fs::remove_file(site.src("d/4")).unwrap();
    fs::rename(site.src("d/of-below"), site.src("d/moved")).unwrap();
    fs::remove_file(site.src("d/5")).unwrap();
    fs::create_dir(site.src("d/5")).unwrap();
    fs::hard_link(site.src("d/6"), site.src("d/5/linked")).unwrap();
    nights.push(site.night());
    nights.push(site.night());
    site.run("-check data --data").ended(0).in_peace();
    site.all_restore(&nights);
    drop(mounted);
}

/// A file of pieces with holes between them.
fn sparse(path: &Path, pieces: u64, apart: u64, length: u64) {
    let file = fs::File::create(path).unwrap();
    file.set_len(length).unwrap();
    for n in 0..pieces {
        file.write_all_at(b"twelve bytes", n * apart).unwrap();
    }
}

/// What xfs sets aside behind a file that grows would fill its holes when it is written out.
#[test]
fn holes_stay_holes_on_a_mirror_and_no_hole_is_content() {
    let site = Site::new();
    let _source = Disk::new(&site.src(""), 400, "mkfs.xfs -q");
    let _mirror = Disk::new(&site.mirror(""), 400, "mkfs.xfs -q");
    fs::create_dir(site.src("d")).unwrap();
    sparse(&site.src("d/large"), 13, 777_777, 9_999_999);
    sparse(&site.src("d/small"), 5, 50_000, 400_000);
    sparse(&site.src("d/listed"), 1100, 20_000, 30_000_000);
    site.run("-backup --init data").ended(0);
    assert!(Command::new("sync").status().unwrap().success());
    for path in ["d/large", "d/small", "d/listed"] {
        let blocks = |path: &Path| path.metadata().unwrap().blocks();
        assert!(blocks(&site.mirror(path)) <= blocks(&site.src(path)) + 128, "{path}");
    }
    site.run("-check data --data").ended(0).in_peace();
    // A file whose holes are filled, as a copy of it would be, is still that file.
    for (path, hole) in [("d/large", 100_000), ("d/small", 20_000), ("d/listed", 10_000)] {
        let facts = site.src(path).metadata().unwrap();
        let file = fs::File::options().write(true).open(site.mirror(path)).unwrap();
        file.write_all_at(&[0; 9_000], hole).unwrap();
        set_mtime(&site.mirror(path), facts.mtime(), facts.mtime_nsec());
    }
    site.run("-check data --data").ended(0).in_peace();
    site.run("-backup data").ended(0).says(&[" 0 written", " 0 touched"]);
    for (path, hole) in [("d/large", 100_000), ("d/small", 20_000), ("d/listed", 10_000)] {
        let facts = site.src(path).metadata().unwrap();
        let file = fs::File::options().write(true).open(site.mirror(path)).unwrap();
        file.write_all_at(b"!", hole).unwrap();
        set_mtime(&site.mirror(path), facts.mtime(), facts.mtime_nsec());
    }
    site.run("-check data --data").ended(2).says(&[]).warns(&["d/large", "d/small", "d/listed", "other content"]);
}

#[test]
fn files_that_are_longer_together_than_a_number_are_counted_as_far_as_it_goes() {
    let site = Site::new();
    let _source = Disk::new(&site.src(""), 400, "mkfs.xfs -q");
    let _mirror = Disk::new(&site.mirror(""), 400, "mkfs.xfs -q");
    for length in [1 << 62, i64::MAX.unsigned_abs() - 95, i64::MAX.unsigned_abs()] {
        fs::create_dir_all(site.src("d")).unwrap();
        fs::File::create(site.src(format!("d/{length}"))).unwrap().set_len(length).unwrap();
    }
    site.run("-backup --init data").ended(0).in_peace();
    site.run("-backup data").ended(0).says(&[" 0 written"]);
    site.run("-check data --data").ended(0).in_peace();
    let length = site.mirror(format!("d/{}", i64::MAX)).metadata().unwrap().len();
    assert_eq!(length, i64::MAX.unsigned_abs());
}

/// ext4 gives a file 65,000 names: what is more are names of a copy, which is said, and not done again every night.
#[test]
fn more_names_than_the_mirror_can_give_one_file() {
    const NAMES: u64 = 65_010;
    let site = Site::new();
    let _source = Disk::new(&site.src(""), 400, "mkfs.xfs -q");
    let _mirror = Disk::new(&site.mirror(""), 400, "mkfs.ext4 -q");
    fs::create_dir_all(site.src("d")).unwrap();
    sparse(&site.src("d/first"), 2, 50_000, 200_000);
    for n in 1..NAMES {
        fs::hard_link(site.src("d/first"), site.src(format!("d/{n:05}"))).unwrap();
    }
    site.run("-backup --init data").ended(0).warns(&["10 names are here names of copies", "among them d/"]);
    let names = |path: &str| site.mirror(path).metadata().unwrap().nlink();
    assert_eq!((names("d/00001"), names("d/first")), (65_000, 10), "d/00001 is the first");
    assert_eq!(fs::read(site.src("d/first")).unwrap(), fs::read(site.mirror("d/first")).unwrap());
    site.run("-backup data").ended(0).says(&[" 0 written", " 0 touched"]);
    site.run("-check data --data").ended(0).in_peace();
    // One name less, one more: the copies stay names of a copy.
    fs::remove_file(site.src("d/65005")).unwrap();
    fs::hard_link(site.src("d/first"), site.src("d/zz")).unwrap();
    site.run("-backup data").ended(0);
    site.run("-backup data").ended(0).says(&[" 0 written", " 0 touched"]);
    site.run("-check data").ended(0).in_peace();
    site.run(&format!("-restore data --to {}", site.src("place").display())).ended(0);
    assert_eq!(site.src("place/d/first").metadata().unwrap().nlink(), NAMES);
}
