//! Wrong input and wrong circumstances: each with its words and its exit code, and nothing lost.

use crate::support::{Site, names, noise, same, set_mode};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// One file and its first night.
fn started() -> Site {
    let site = Site::new();
    site.write("d/a", "one");
    site.write("d/sub/b", "two");
    site.init();
    site
}

/// A second target `other` in the table, of another source and mirror.
fn with_other(site: &Site, source: &str, mirror: &str) {
    site.table(&format!("TARGET other\n SOURCE {source}\n MIRROR {mirror}\n DIR d"));
}

#[test]
fn a_mirror_that_was_never_made_is_refused() {
    let site = Site::new();
    site.write("d/a", "one");
    for words in ["-backup data", "-restore data", "-check data", "-approve data"] {
        site.run(words)
            .ended(2)
            .warns(&["is not a mirror yet, or not mounted; for a new mirror: backup -backup --init data"]);
    }
    site.run("-snapshots data").ended(2).warns(&["is not a mirror yet, or not mounted"]);
    assert!(!site.mirror("").exists());
}

#[test]
fn a_source_that_is_not_there_is_refused() {
    let site = started();
    let before = site.everything();
    fs::rename(site.src(""), site.path("gone")).unwrap();
    site.run("-backup data").ended(2).warns(&["SOURCE ", "cannot be opened", "is it mounted?", "nothing was written"]);
    site.run("-restore data").ended(2).warns(&["SOURCE", "is it mounted?"]);
    fs::rename(site.path("gone"), site.src("")).unwrap();
    assert_eq!(site.everything(), before);
}

#[test]
fn a_dir_that_is_missing_or_empty_holds_the_run() {
    for empty in [false, true] {
        let site = started();
        let before = site.mirror_tree();
        fs::remove_dir_all(site.src("d")).unwrap();
        if empty {
            fs::create_dir(site.src("d")).unwrap();
        }
        let reason = if empty { "DIR d is empty and was not before" } else { "DIR d cannot be listed" };
        site.run("-backup data").ended(3).warns(&["HELD: ", reason, "backup -approve data"]);
        assert_eq!(site.mirror_tree(), before);
        site.run("-approve data").ended(0);
        assert_eq!(site.mirror("d").exists(), empty);
        site.restored(1);
    }
}

#[test]
fn the_mirror_of_another_target_is_refused() {
    let site = started();
    with_other(&site, "src", "mirror2");
    fs::rename(site.mirror(""), site.path("mirror2")).unwrap();
    site.run("-backup other").ended(2).warns(&["is the mirror of target data, not of other", "nothing was written"]);
    site.run("-backup --init other").ended(2).warns(&["is the mirror of target data"]);
}

#[test]
fn a_source_that_is_an_active_mirror_is_refused() {
    let site = started();
    let before = site.everything();
    with_other(&site, "mirror", "src2");
    for words in ["-backup --init other", "-restore other"] {
        site.run(words)
            .ended(2)
            .warns(&["is the mirror of target data: the table looks swapped", "nothing was written"]);
    }
    let words = format!("-restore data --to {}", site.mirror("").display());
    site.run(&words).ended(2).warns(&["is the mirror of target data"]);
    assert_eq!(site.everything(), before);
    assert!(!site.path("src2").exists());
}

#[test]
fn a_place_on_another_host_is_refused_in_one_line() {
    let site = started();
    with_other(&site, "uhane:/local/data/elixir", "m3");
    for words in ["-backup other", "-check other", "-restore other", "-snapshots other"] {
        let ran = site.run(words).ended(2).warns(&["other: SOURCE uhane:/local/data/elixir is on another host"]);
        assert_eq!(ran.err.lines().count(), 1, "{ran}");
    }
    site.run("-restore data --to uhane:/tmp/x").ended(64).warns(&["uhane:/tmp/x", "another host"]);
}

#[test]
fn a_second_run_at_the_same_time_is_refused() {
    let site = started();
    let lock = fs::File::open(site.mirror(".backup/lock")).unwrap();
    lock.lock().unwrap();
    for words in ["-backup data", "-restore data", "-check data", "-approve data"] {
        site.run(words).ended(4).warns(&["another run of `backup` is working on this mirror"]);
    }
    site.run("-snapshots data").ended(0);
    drop(lock);
    // A test beside this one that has just forked may hold a copy of the descriptor for a moment, and with it the lock.
    std::thread::sleep(std::time::Duration::from_millis(500));
    site.run("-backup data").ended(0);
}

#[test]
fn an_unreadable_file_keeps_its_last_good_version() {
    let site = Site::of_a_user();
    site.write("d/a", "one");
    site.write("d/secret", "good");
    site.give_all_away();
    site.run("-backup --init data").ended(0);
    site.write("d/secret", "changed, and then closed");
    set_mode(&site.src("d/secret"), 0);
    let ran = site.run("-backup data").ended(1).warns(&["d/secret: cannot be read", "its last good version is kept"]);
    assert!(ran.out.contains("not read or carried forward"), "{ran}");
    assert_eq!(fs::read(site.mirror("d/secret")).unwrap(), b"good");
    let out = site.restored(2);
    assert_eq!(fs::read(out.path().join("d/secret")).unwrap(), b"good");
    // One that was never read has no last version.
    site.write("d/new", "closed from the start");
    set_mode(&site.src("d/new"), 0);
    site.run("-backup data").ended(1).warns(&["d/new: cannot be read", "not in this snapshot"]);
    assert!(!site.mirror("d/new").exists());
    set_mode(&site.src("d/secret"), 0o600);
    set_mode(&site.src("d/new"), 0o600);
    site.give_all_away();
    site.run("-backup data").ended(0);
    assert_eq!(fs::read(site.mirror("d/secret")).unwrap(), b"changed, and then closed");
}

#[test]
fn an_unlistable_folder_is_not_taken_for_empty() {
    let site = Site::of_a_user();
    site.write("d/closed/inner/file", "kept");
    site.write("d/a", "one");
    site.give_all_away();
    site.run("-backup --init data").ended(0);
    site.write("d/a", "two");
    set_mode(&site.src("d/closed"), 0);
    site.run("-backup data").ended(1).warns(&["d/closed: cannot be read"]);
    assert_eq!(fs::read(site.mirror("d/a")).unwrap(), b"two");
    set_mode(&site.mirror("d/closed"), 0o755);
    assert_eq!(fs::read(site.mirror("d/closed/inner/file")).unwrap(), b"kept");
    set_mode(&site.src("d/closed"), 0o755);
}

#[test]
fn a_mirror_that_cannot_be_written_is_an_error() {
    let site = Site::of_a_user();
    site.write("d/a", "one");
    site.give_all_away();
    site.run("-backup --init data").ended(0);
    site.write("d/b", "two");
    site.give_all_away();
    set_mode(&site.mirror(".backup/store/packs"), 0o500);
    site.run("-backup data").ended(2).warns(&["data: cannot create", "packs"]);
    set_mode(&site.mirror(".backup/store/packs"), 0o700);
    site.run("-backup data").ended(0);
    set_mode(&site.mirror(".backup"), 0o500);
    site.write("d/c", "three");
    site.give_all_away();
    set_mode(&site.mirror(".backup"), 0o500);
    site.run("-backup data").ended(2);
    set_mode(&site.mirror(".backup"), 0o700);
    site.run("-backup data").ended(0);
    assert_eq!(names(&site.mirror("d")).len(), 3);
}

#[test]
fn what_someone_did_on_the_mirror_holds_the_run_and_is_kept() {
    let site = started();
    site.write("d/later", "the source went on");
    fs::write(site.mirror("d/foreign"), noise(1, 600_000)).unwrap();
    fs::write(site.mirror("d/a"), "edited on the mirror").unwrap();
    fs::remove_file(site.mirror("d/sub/b")).unwrap();
    let live = site.mirror_tree();
    site.run("-check data").ended(2).warns(&[
        "d/foreign: the mirror is not as it was left: added",
        "d/sub/b",
        "removed",
    ]);
    let held = site.run("-backup data").ended(3);
    held.warns(&[
        "changed by someone else: 1 added, 1 changed, 1 removed",
        "What was found on the mirror is snapshot 2",
    ]);
    same(&live, &site.mirror_tree(), "the mirror");
    site.run("-backup data").ended(3);
    assert_eq!(site.newest("rescue"), 2, "the same is rescued once");
    site.run("-approve data").ended(0);
    site.mirror_equals_source();
    let out = site.restored(2);
    assert_eq!(fs::read(out.path().join("d/a")).unwrap(), b"edited on the mirror");
    assert_eq!(fs::read(out.path().join("d/foreign")).unwrap(), noise(1, 600_000));
}

#[test]
fn a_restore_brings_back_what_people_saw_on_a_mirror_that_was_live() {
    let site = started();
    fs::write(site.mirror("d/a"), "written while the mirror was live").unwrap();
    site.run("-restore data --dry-run").ended(0).warns(&["changed by someone else"]);
    assert_eq!(site.snapshots().len(), 1, "a dry run records nothing");
    site.run("-restore data").ended(0).warns(&["changed by someone else", "It is now snapshot 2"]);
    assert_eq!(fs::read(site.src("d/a")).unwrap(), b"written while the mirror was live");
}

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
fn what_cannot_be_restored_is_refused_before_anything_is_written() {
    let site = started();
    let before = site.everything();
    site.run("-restore data --snapshot 9").ended(2).warns(&["there is no snapshot 9"]);
    site.run("-restore data --at 1999-12-31").ended(2).warns(&["there is no snapshot as old as that"]);
    site.run("-restore data d/nothing").ended(2).warns(&["d/nothing is not in snapshot 1"]);
    site.run("-restore data --at someday").ended(64).warns(&["--at someday: not a time"]);
    site.run("-restore data /d/a").ended(64).warns(&["begins with a slash"]);
    site.run("-restore data d/../a").ended(64).warns(&["relative to the target"]);
    site.run("-restore data --snapshot 1 --at 2026-01-01").ended(64);
    assert_eq!(site.everything(), before);
}
