//! Sources that are hard to read: hard links of which one name fails, clocks that are too coarse, files of others.

use crate::disk::{Disk, WHOLE_SECONDS};
use crate::support::{Site, noise, set_mode, we_are_root};
use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// Of a name that took the place of another file, and cannot be read, only that other file is known: the further names of the new one were never it.
#[test]
fn names_of_a_file_in_place_of_another_do_not_get_the_content_of_that() {
    let site = Site::of_a_user();
    site.write("d/a", "old a");
    site.write("d/keep", "keep");
    site.write("d/z", "old z");
    site.give_all_away();
    let first = site.init();
    fs::remove_file(site.src("d/a")).unwrap();
    fs::hard_link(site.src("d/keep"), site.src("d/a")).unwrap();
    fs::hard_link(site.src("d/keep"), site.src("d/new")).unwrap();
    set_mode(&site.src("d/keep"), 0);
    for _ in 0..2 {
        let said = site.run("-backup data").ended(1).warns(&["d/a: cannot be read", "its last good version is kept"]);
        let said = said.warns(&["d/new: cannot be read and is not in this snapshot"]);
        let place = site.restored(site.newest("backup"));
        for root in [site.mirror(""), place.path().to_path_buf()] {
            assert_eq!(fs::read(root.join("d/a")).unwrap(), b"old a", "{said}");
            assert_eq!(fs::read(root.join("d/keep")).unwrap(), b"keep", "{said}");
            assert!(!root.join("d/new").exists(), "{said}");
        }
    }
    set_mode(&site.src("d/keep"), 0o644);
    let last = site.night();
    site.all_restore(&[first, last]);
}

/// Waits for the first moments of a second.
fn a_new_second() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let rest = 1_000_000_000 - u64::from(now.subsec_nanos());
    std::thread::sleep(Duration::from_nanos(rest) + Duration::from_millis(15));
}

#[test]
fn a_change_in_the_second_of_the_last_look_is_seen_where_the_source_has_whole_seconds_only() {
    let site = Site::new();
    let _disk = Disk::new(&site.src(""), 16, WHOLE_SECONDS);
    for (path, length) in [("d/small", 20), ("d/large", 600_000)] {
        let was_hidden = (0..30).any(|round| {
            a_new_second();
            let time = || site.src(path).metadata().unwrap().ctime();
            site.write(path, noise(2 * round, length));
            let first = time();
            site.run("-backup --init data").ended(0);
            site.write(path, noise(2 * round + 1, length));
            let was_hidden = time() == first;
            site.night();
            was_hidden
        });
        assert!(was_hidden, "a run never ended in the second in which it began");
    }
}

#[test]
fn a_change_in_the_second_of_the_last_look_is_seen_where_the_mirror_has_whole_seconds_only() {
    let site = Site::new();
    let _source = Disk::new(&site.src(""), 16, WHOLE_SECONDS);
    let _mirror = Disk::new(&site.mirror(""), 16, WHOLE_SECONDS);
    site.write("d/a", "from the source");
    site.init();
    let time = || site.mirror("d/a").metadata().unwrap().mtime();
    for round in 0..2 {
        site.write("d/a", format!("night {round}"));
        site.run("-backup data").ended(0).in_peace();
        let left = time();
        let facts = fs::metadata(site.mirror("d/a")).unwrap().modified().unwrap();
        fs::write(site.mirror("d/a"), format!("NIGHT {round}")).unwrap();
        fs::File::options().write(true).open(site.mirror("d/a")).unwrap().set_modified(facts).unwrap();
        assert_eq!(time(), left);
        site.run("-backup data").ended(3).warns(&["d/a (other content)"]);
        site.run("-approve data").ended(0);
        site.mirror_equals_source();
    }
    // And without a change there is nothing to see, however fast the runs follow each other.
    for _ in 0..2 {
        site.run("-backup data").ended(0).in_peace().says(&[" 0 written"]);
    }
}

/// An ordinary user cannot give files away: on the mirror they are all of that user, and that is nobody's change.
#[test]
fn files_of_others_hold_nothing_after_a_run_that_did_not_finish() {
    let site = Site::of_a_user();
    assert!(we_are_root(), "this test gives files away: run it as root");
    let other = |path: &str| lchown(site.src(path), Some(1234), Some(1234)).unwrap();
    site.write("d/a", "first");
    site.write("d/sub/b", "first");
    site.give_all_away();
    other("d/a");
    site.run("-backup --init data").ended(0).in_peace();
    site.run("-backup data").ended(0).in_peace();
    site.write("d/a", "second");
    site.write("d/new", "new");
    site.write("d/sub/b", "second");
    other("d/new");
    // The run ends in the middle: a folder of the mirror resists.
    let facts = site.mirror("d/sub").metadata().unwrap();
    lchown(site.mirror("d/sub"), Some(0), Some(0)).unwrap();
    site.run("-backup data").ended(2).warns(&["d/sub/b: cannot be put in place"]);
    assert_eq!(fs::read(site.mirror("d/a")).unwrap(), b"second");
    lchown(site.mirror("d/sub"), Some(facts.uid()), Some(facts.gid())).unwrap();
    site.run("-backup data").ended(0).in_peace();
    assert_eq!(fs::read(site.mirror("d/sub/b")).unwrap(), b"second");
    site.run("-check data").ended(0).in_peace();
}
