//! What a killed run left in its stage: it is in the store before it goes.

use crate::support::{Site, names, set_mode};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

fn killed_while_publishing() -> Site {
    let site = Site::new();
    site.write("d/a", "one");
    site.init();
    fs::create_dir_all(site.mirror(".backup/stage/ready")).unwrap();
    fs::create_dir_all(site.mirror(".backup/stage/making")).unwrap();
    fs::write(site.mirror(".backup/stage/making/3"), "half of a file that was being ma").unwrap();
    site
}

#[test]
fn a_file_that_no_snapshot_has_is_taken_into_one() {
    let site = killed_while_publishing();
    let ready = site.mirror(".backup/stage/ready");
    fs::write(ready.join("0"), "written at the last moment").unwrap();
    fs::create_dir(ready.join("1")).unwrap();
    fs::write(ready.join("1/inside"), "in a folder that was to give way").unwrap();
    symlink("where/it/points", ready.join("2")).unwrap();
    site.run("-backup data").ended(0).warns(&["that was in no snapshot: it is snapshot 2 now"]);
    let saved = site.restored(2);
    assert_eq!(fs::read(saved.path().join("ready/0")).unwrap(), b"written at the last moment");
    assert_eq!(fs::read(saved.path().join("ready/1/inside")).unwrap(), b"in a folder that was to give way");
    assert_eq!(fs::read_link(saved.path().join("ready/2")).unwrap().to_str(), Some("where/it/points"));
    assert_eq!(fs::read_dir(site.mirror(".backup/stage")).unwrap().count(), 0);
    site.mirror_equals_source();
    site.night();
}

#[test]
fn what_the_store_has_already_goes_without_a_word() {
    let site = killed_while_publishing();
    symlink("points/there", site.src("d/link")).unwrap();
    site.night();
    fs::create_dir_all(site.mirror(".backup/stage/ready")).unwrap();
    fs::write(site.mirror(".backup/stage/ready/0"), "one").unwrap();
    symlink("points/there", site.mirror(".backup/stage/ready/1")).unwrap();
    site.write("d/b", "two");
    site.night();
    assert!(site.snapshots().iter().all(|row| row["kind"] == "backup"));
    assert_eq!(fs::read_dir(site.mirror(".backup/stage")).unwrap().count(), 0);
}

#[test]
fn a_restore_saves_what_a_killed_restore_left() {
    let site = Site::new();
    site.write("d/a", "one");
    site.init();
    site.write("d/a", "changed");
    fs::create_dir_all(site.src(".backup/stage/ready")).unwrap();
    for folder in [".backup", ".backup/stage", ".backup/stage/ready"] {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(site.src(folder), private).unwrap();
    }
    fs::write(site.src(".backup/stage/ready/0"), "newer work").unwrap();
    // What was displaced may have further names in the tree: they lose one when the stage is emptied, and are still known.
    fs::hard_link(site.src("d/a"), site.src(".backup/stage/ready/1")).unwrap();
    site.run("-restore data d/a --snapshot 1").ended(0).warns(&["that was in no snapshot"]);
    assert_eq!(fs::read(site.src("d/a")).unwrap(), b"one");
    assert!(!site.src(".backup").exists());
    let found = site.snapshots().into_iter().filter(|row| row["kind"] == "rescue").any(|row| {
        let place = site.restored(row["sequence"].as_u64().unwrap());
        fs::read(place.path().join("ready/0")).is_ok_and(|bytes| bytes == b"newer work")
    });
    assert!(found, "newer work is in a rescue");
}

/// What a failing disk did not let a run remove goes with the next one.
#[test]
fn unfinished_files_go_with_the_next_run_whatever_that_has_to_do() {
    let site = Site::new();
    for n in 0..30 {
        site.write(format!("d/{n}"), "one");
    }
    site.init();
    let leave = |place: PathBuf| {
        for folder in [".backup", ".backup/stage", ".backup/stage/ready", ".backup/stage/making"] {
            fs::create_dir_all(place.join(folder)).unwrap();
            set_mode(&place.join(folder), 0o700);
        }
        fs::write(place.join(".backup/stage/making/3"), "half of a file that was being ma").unwrap();
        fs::write(place.join(".backup/stage/making/1f"), "").unwrap();
    };
    // Nothing to do, held, approved.
    for (words, code) in [("-backup data", 0), ("-backup data", 3), ("-approve data", 0), ("-backup data", 0)] {
        leave(site.mirror(""));
        site.run(words).ended(code);
        assert!(names(&site.mirror(".backup/stage")).is_empty(), "{words}");
        for n in 0..20 {
            site.write(format!("d/{n}"), "other");
        }
    }
    for words in ["-restore data", "-restore data --to out", "-restore data d/1"] {
        let place = if words.contains("out") { site.path("out") } else { site.src("") };
        site.run(words).ended(0);
        leave(place.clone());
        let before = site.snapshots().len();
        site.run(words).ended(0);
        assert_eq!(site.snapshots().len(), before, "{words}");
        assert!(!place.join(".backup").exists(), "{words}");
    }
}
