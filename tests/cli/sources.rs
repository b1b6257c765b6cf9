//! Sources that are hard to read: hard links of which one name fails, clocks that are too coarse, files of others.

use crate::support::{Site, noise, set_mode};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// The other names of a file are as its first name is in the snapshot, or the next look at the mirror takes them for changed by someone else.
#[test]
fn names_of_a_file_that_cannot_be_read_are_kept_as_they_were_and_hold_nothing() {
    for size in [100, 2 << 20] {
        let site = Site::of_a_user();
        site.write("d/a", noise(1, size));
        fs::hard_link(site.src("d/a"), site.src("d/b")).unwrap();
        site.give_all_away();
        let first = site.init();
        fs::write(site.src("d/b"), noise(2, size)).unwrap();
        fs::hard_link(site.src("d/a"), site.src("d/c")).unwrap();
        set_mode(&site.src("d/a"), 0);
        for _ in 0..2 {
            site.run("-backup data").ended(1).warns(&["d/a: cannot be read", "its last good version is kept"]);
            assert_eq!(fs::read(site.mirror("d/c")).unwrap(), noise(1, size));
            assert_eq!(site.mirror("d/a").metadata().unwrap().nlink(), 3);
        }
        set_mode(&site.src("d/a"), 0o644);
        let last = site.night();
        site.all_restore(&[first, last]);
    }
}

#[test]
fn a_name_whose_new_first_name_cannot_be_read_keeps_its_last_good_version() {
    let site = Site::of_a_user();
    site.write("d/b", "last good");
    site.give_all_away();
    site.init();
    let before = site.mirror("d/b").metadata().unwrap();
    fs::write(site.src("d/b"), "newer").unwrap();
    fs::hard_link(site.src("d/b"), site.src("d/a")).unwrap();
    set_mode(&site.src("d/b"), 0);
    for _ in 0..2 {
        site.run("-backup data").ended(1).warns(&["d/a: cannot be read", "is not in this snapshot"]);
        let now = site.mirror("d/b").metadata().unwrap();
        assert_eq!(fs::read(site.mirror("d/b")).unwrap(), b"last good");
        assert_eq!((now.ino(), now.mode(), now.mtime_nsec()), (before.ino(), before.mode(), before.mtime_nsec()));
        assert!(!site.mirror("d/a").exists());
    }
    set_mode(&site.src("d/b"), 0o644);
    site.night();
}
