//! A large file of which a part changed shares the rest with its last version on a mirror that can do that: it is not written again.

use crate::disk::Disk;
use crate::support::{Site, noise};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

const MB: usize = 1_000_000;
const KINDS: [&str; 2] = ["mkfs.xfs -q -m reflink=1", "mkfs.btrfs -q"];

/// Bytes that the file system under this folder gives out to files.
fn used(at: &Path) -> u64 {
    assert!(Command::new("sync").arg("--file-system").arg(at).status().unwrap().success());
    let stat = rustix::fs::statvfs(at).unwrap();
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}

/// A night that writes so many bytes and no more, while somebody holds the last version.
#[track_caller]
fn night_writes(site: &Site, path: &str, most: usize) {
    // Its room is not given back, so that what is taken is what was written.
    let held = fs::File::open(site.mirror(path)).unwrap();
    let before = used(&site.mirror(""));
    let said = site.run("-backup data --json").ended(0).in_peace();
    let taken = used(&site.mirror("")) - before;
    site.mirror_equals_source();
    drop(held);
    // The store has the new part, too, and room is given out in large pieces.
    assert!(taken < 2 * most as u64 + 8_000_000, "{path}: {taken} bytes were taken: {said}");
    site.run("-check data --data").ended(0).in_peace();
}

fn edit(site: &Site, path: &str, change: impl FnOnce(&fs::File)) {
    change(&fs::File::options().write(true).open(site.src(path)).unwrap());
}

#[test]
fn what_did_not_change_of_a_large_file_is_not_written_again() {
    for mkfs in KINDS {
        let site = Site::new();
        let _mirror = Disk::new(&site.mirror(""), 1200, mkfs);
        for (n, name) in (0..).zip(["d/appended", "d/cut", "d/header", "d/middle"]) {
            site.write(name, noise(n, 60 * MB));
        }
        let first = site.init();
        edit(&site, "d/appended", |file| file.write_all_at(&noise(9, MB), 60 * MB as u64).unwrap());
        night_writes(&site, "d/appended", 5 * MB);
        edit(&site, "d/cut", |file| file.set_len(41_234_567).unwrap());
        night_writes(&site, "d/cut", 4 * MB);
        edit(&site, "d/header", |file| file.write_all_at(b"another header", 100).unwrap());
        night_writes(&site, "d/header", 4 * MB);
        edit(&site, "d/middle", |file| file.write_all_at(&noise(8, 100_000), 30_000_001).unwrap());
        night_writes(&site, "d/middle", 5 * MB);
        // Back again, in place, from the store and from what is there.
        site.run("-restore data --snapshot 1 --delete").ended(0).in_peace();
        crate::support::same(&first.tree, &site.source_tree(), "the source");
        let nights = [first, site.night()];
        site.all_restore(&nights);
    }
}

/// Holes stay holes: those that were there, those that come, and what is written into one.
#[test]
fn a_large_file_with_holes_shares_what_it_had() {
    for mkfs in KINDS {
        let site = Site::new();
        let _source = Disk::new(&site.src(""), 300, mkfs);
        let _mirror = Disk::new(&site.mirror(""), 500, mkfs);
        site.write("d/image", noise(1, 40 * MB));
        edit(&site, "d/image", |file| file.set_len(200 << 20).unwrap());
        site.init();
        edit(&site, "d/image", |file| file.write_all_at(&noise(2, MB), 150 << 20).unwrap());
        night_writes(&site, "d/image", 4 * MB);
        edit(&site, "d/image", |file| {
            let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(file, flags, 10 << 20, 8 << 20).unwrap();
        });
        night_writes(&site, "d/image", 6 * MB);
        edit(&site, "d/image", |file| file.set_len(300 << 20).unwrap());
        night_writes(&site, "d/image", 4 * MB);
    }
}

/// Nothing is taken from a file that somebody changed; what differs too much is written, and where nothing can be shared it all works as ever.
#[test]
fn what_is_not_as_it_was_left_is_written_from_the_store() {
    for mkfs in ["mkfs.btrfs -q", "mkfs.ext4 -q", "mkfs.xfs -q -m reflink=0"] {
        let site = Site::new();
        let _mirror = Disk::new(&site.mirror(""), 400, mkfs);
        site.write("d/changed", noise(1, 20 * MB));
        site.write("d/shifted", noise(2, 20 * MB));
        site.init();
        edit(&site, "d/changed", |file| file.write_all_at(b"new", 19 * MB as u64).unwrap());
        site.write("d/shifted", [b"a few bytes more".to_vec(), noise(2, 20 * MB)].concat());
        let mirror = fs::File::options().write(true).open(site.mirror("d/changed")).unwrap();
        mirror.write_all_at(b"theirs", 5 * MB as u64).unwrap();
        drop(mirror);
        site.run("-backup data").ended(3);
        site.run("-approve data").ended(0);
        site.mirror_equals_source();
        site.run("-check data --data").ended(0).in_peace();
    }
}
