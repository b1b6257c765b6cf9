//! Trees that were there before they became mirrors: what is equal is not copied again, and what would be lost is rescued first.

use crate::support::{Site, noise, same, set_mode, tree};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

#[test]
fn a_tree_that_rsync_made_is_adopted_without_being_copied_again() {
    let site = Site::new();
    for n in 0..50 {
        site.write(format!("d/{}/{n}", n % 5), noise(n, 10_000));
    }
    fs::create_dir(site.mirror("")).unwrap();
    let rsync =
        std::process::Command::new("rsync").arg("-aHAX").arg(site.src("d")).arg(site.mirror("")).status().unwrap();
    assert!(rsync.success());
    fs::write(site.mirror("d/only-here"), "stale, and the only copy").unwrap();
    site.write("d/1/1", "newer");
    let inode = |n: usize| fs::metadata(site.mirror(format!("d/{}/{n}", n % 5))).unwrap().ino();
    let before: Vec<u64> = (2..50).map(inode).collect();
    site.run("-backup --init data").ended(0).says(&["1 written", "1 removed"]);
    assert_eq!((2..50).map(inode).collect::<Vec<_>>(), before);
    site.mirror_equals_source();
    let out = site.restored(site.newest("rescue"));
    assert_eq!(fs::read(out.path().join("d/only-here")).unwrap(), b"stale, and the only copy");
    assert_eq!(fs::read(out.path().join("d/1/1")).unwrap(), noise(1, 10_000));
    // On a mirror that exists, --init changes nothing.
    site.run("-backup --init data").ended(0).says(&["0 written"]);
}

#[test]
fn a_tree_that_is_there_already_is_adopted() {
    let site = Site::new();
    for n in 0..10 {
        site.write(format!("d/{n}"), noise(n, 10_000));
    }
    site.write("d/sub/x", "x");
    let done = std::process::Command::new("cp").args(["-a"]).arg(site.src("")).arg(site.mirror("")).status().unwrap();
    assert!(done.success());
    fs::write(site.mirror("d/3"), "older, and in no other place").unwrap();
    fs::write(site.mirror("d/extra"), "only on the mirror").unwrap();
    fs::remove_file(site.mirror("d/4")).unwrap();
    fs::write(site.mirror("beside"), "not in a DIR").unwrap();
    let found = site.mirror_tree();
    let inodes = || {
        (0..10)
            .filter_map(|n| Some((n, site.mirror(format!("d/{n}")).metadata().ok()?.ino())))
            .collect::<BTreeMap<_, _>>()
    };
    let before = inodes();
    site.run("-backup data").ended(2).warns(&["is not a mirror yet"]);
    site.init();
    let after = inodes();
    for n in [0, 1, 2, 5, 6, 7, 8, 9] {
        assert_eq!(before[&n], after[&n], "{n} was copied again");
    }
    assert_eq!(fs::read(site.mirror("beside")).unwrap(), b"not in a DIR");
    let rows = site.snapshots();
    assert_eq!(rows.iter().map(|row| row["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["rescue", "backup"]);
    same(&found, &tree(site.restored(1).path(), &["d"]), "what was lost");
    site.night();
}

#[test]
fn an_equal_tree_is_adopted_without_a_rescue() {
    let site = Site::new();
    site.write("d/sub/x", noise(3, 1 << 20));
    let done = std::process::Command::new("cp").args(["-a"]).arg(site.src("")).arg(site.mirror("")).status().unwrap();
    assert!(done.success());
    let before = site.mirror("d/sub/x").metadata().unwrap().ino();
    site.init();
    assert_eq!(site.mirror("d/sub/x").metadata().unwrap().ino(), before);
    let rows = site.snapshots();
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["new_bytes"].as_u64().unwrap() > 1 << 20, "what the look at the mirror stored counts: {rows:?}");
}

/// What a tree holds that becomes a mirror is the last good version of what cannot be read on its source.
#[test]
fn what_cannot_be_read_stays_on_a_mirror_that_is_adopted_and_holds_no_night_after() {
    let site = Site::of_a_user();
    site.write("d/a", "a");
    site.write("d/large", noise(1, 2 << 20));
    site.write("d/closed/deep/file", "closed");
    site.write("d/closed/other", "other");
    site.write("d/z", "z");
    site.write("d/new", "never seen");
    let done = std::process::Command::new("cp").args(["-a"]).arg(site.src("")).arg(site.mirror("")).status().unwrap();
    assert!(done.success());
    fs::remove_file(site.mirror("d/new")).unwrap();
    fs::write(site.mirror("d/z"), "older").unwrap();
    site.give_all_away();
    let found = tree(&site.mirror("d"), &["a", "large", "closed/deep", "closed/other"]);
    for path in ["d/a", "d/large", "d/closed", "d/new"] {
        set_mode(&site.src(path), 0);
    }
    for words in ["-backup --init data", "-backup data", "-backup data"] {
        let said = site.run(words).ended(1).warns(&["d/a: cannot be read", "d/large: cannot be read", "d/closed: "]);
        let said = said.warns(&["d/new: cannot be read (Permission denied (os error 13)) and is not in this snapshot"]);
        assert_eq!(said.err.lines().count(), 4, "{said}");
        // The folder itself was looked at, and is closed on the mirror as it is on the source.
        set_mode(&site.mirror("d/closed"), 0o755);
        same(&found, &tree(&site.mirror("d"), &["a", "large", "closed/deep", "closed/other"]), "what cannot be read");
        assert_eq!(fs::read(site.mirror("d/z")).unwrap(), b"z");
        let place = site.restored(site.newest("backup"));
        set_mode(&place.path().join("d/closed"), 0o755);
        same(&found, &tree(&place.path().join("d"), &["a", "large", "closed/deep", "closed/other"]), "the snapshot");
    }
    for (path, mode) in [("d/a", 0o644), ("d/large", 0o644), ("d/closed", 0o755), ("d/new", 0o644)] {
        set_mode(&site.src(path), mode);
    }
    site.night();
}
