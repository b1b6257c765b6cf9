//! What an ordinary user may not read or write: nothing unread is taken for deleted, and nothing is acknowledged that was not written.

use crate::hosts;
use crate::support::{PROGRAM, Ran, Site, bare, files, finish, names, noise, same, set_mode, tree, we_are_root};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

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
fn files_that_cannot_be_read_are_named_each_night_and_keep_their_last_good_version() {
    let site = Site::of_a_user();
    site.write("d/good", "good");
    site.write("d/secret", "last good");
    site.write("d/large", noise(1, 2 << 20));
    site.give_all_away();
    let first = site.init();
    site.write("d/secret", "newer, but not to be read");
    site.write("d/large", noise(2, 3 << 20));
    site.write("d/never", "never read");
    site.write("d/good", "changed");
    site.give_all_away();
    for path in ["d/secret", "d/large", "d/never"] {
        set_mode(&site.src(path), 0);
    }
    for _ in 0..2 {
        let said = site.run("-backup data").ended(1).says(&["3 not read or carried forward"]);
        let said = said.warns(&["d/secret: cannot be read (Permission denied", "; its last good version is kept"]);
        let said = said.warns(&[
            "d/large: cannot be read",
            "d/never: cannot be read (Permission denied",
            "is not in this snapshot",
        ]);
        assert_eq!(said.err.lines().count(), 3, "{said}");
    }
    let read = |root: &Path, path: &str| fs::read(root.join(path)).unwrap();
    let place = site.restored(site.newest("backup"));
    for root in [site.mirror("").as_path(), place.path()] {
        assert_eq!(read(root, "d/secret"), b"last good");
        assert_eq!(read(root, "d/good"), b"changed");
        assert_eq!(read(root, "d/large"), noise(1, 2 << 20));
        assert!(!root.join("d/never").exists());
    }
    for path in ["d/secret", "d/large", "d/never"] {
        set_mode(&site.src(path), 0o644);
    }
    let last = site.night();
    site.all_restore(&[first, last]);
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
fn a_folder_that_cannot_be_listed_keeps_what_was_in_it() {
    let site = Site::of_a_user();
    site.write("d/sub/deep/file", "last good");
    site.write("d/sub/other", "other");
    site.write("d/z", "z");
    site.give_all_away();
    let first = site.init();
    let content = tree(&site.mirror("d/sub"), &["deep", "other"]);
    set_mode(&site.src("d/sub"), 0);
    fs::write(site.src("d/z"), "changed").unwrap();
    for _ in 0..2 {
        let said = site.run("-backup data").ended(1).warns(&["d/sub: cannot be read (Permission denied"]);
        let said = said.warns(&["; what was in it when it could be read is kept"]);
        assert!(said.err.lines().count() <= 3, "{said}");
        same(&content, &tree(&site.mirror("d/sub"), &["deep", "other"]), "the folder on the mirror");
        assert_eq!(fs::read(site.mirror("d/z")).unwrap(), b"changed");
    }
    set_mode(&site.src("d/sub"), 0o111);
    site.run("-backup data").ended(1).warns(&["d/sub: cannot be read"]);
    set_mode(&site.src("d/sub"), 0o755);
    fs::remove_file(site.src("d/sub/other")).unwrap();
    let last = site.night();
    site.all_restore(&[first, last]);
}

#[test]
fn a_folder_that_may_be_listed_but_not_entered_keeps_what_was_in_it() {
    let site = Site::of_a_user();
    site.write("d/sub/file", "last good");
    site.give_all_away();
    site.init();
    set_mode(&site.src("d/sub"), 0o444);
    site.run("-backup data").ended(1).warns(&["d/sub"]);
    assert_eq!(fs::metadata(site.mirror("d/sub")).unwrap().mode() & 0o7777, 0o444);
    set_mode(&site.mirror("d/sub"), 0o755);
    assert_eq!(fs::read(site.mirror("d/sub/file")).unwrap(), b"last good");
}

#[test]
fn a_dir_that_cannot_be_listed_holds_the_run() {
    let site = Site::of_a_user();
    site.write("d/file", "good");
    site.give_all_away();
    site.init();
    let before = site.mirror_tree();
    set_mode(&site.src("d"), 0);
    let said = site.run("-backup data").ended(3).warns(&["DIR d cannot be listed (Permission denied"]);
    assert!(!said.err.contains("panicked"));
    same(&before, &site.mirror_tree(), "the mirror");
    set_mode(&site.src("d"), 0o755);
}

/// Nothing is known of a tree when the way to its DIRs is closed: it is neither taken for unchanged nor for empty.
#[test]
fn a_folder_above_a_dir_that_cannot_be_entered_ends_the_run_on_either_side() {
    let site = Site::of_a_user_with(&["above/d"]);
    site.write("above/d/a", "good");
    site.give_all_away();
    let first = site.init();
    site.write("above/d/a", "newer");
    for place in [site.src("above"), site.mirror("above")] {
        set_mode(&place, 0);
        site.run("-backup data")
            .ended(2)
            .warns(&["the folder above of the tree cannot be looked at (Permission denied"]);
        set_mode(&place, 0o755);
        assert_eq!(fs::read(site.mirror("above/d/a")).unwrap(), b"good");
        assert_eq!(site.snapshots().len(), 1);
    }
    let last = site.night();
    site.all_restore(&[first, last]);
}

/// Where `/proc` is hidden, the attributes of folders cannot be read, though what is in them can.
fn without_attributes_of_folders(site: &Site, words: &str) -> Ran {
    let hide = r#"mount -t tmpfs none /proc && exec "$0" "$@""#;
    let mut command = bare("unshare", &site.path(""));
    command.args(["-m", "sh", "-c", hide]).arg(PROGRAM).arg("--tab").arg(site.path("backup.tab"));
    command.args(words.split_whitespace());
    finish(command)
}

#[test]
fn a_folder_whose_attributes_cannot_be_read_is_kept_as_it_was_or_left_out_with_all_that_is_in_it() {
    let site = Site::new();
    site.write("d/known/a", "a");
    site.write("d/retyped", "a file");
    let first = site.init();
    fs::write(site.src("d/known/a"), "a, newer").unwrap();
    site.write("d/known/b", "b");
    site.write("d/new/deep/x", "x");
    fs::remove_file(site.src("d/retyped")).unwrap();
    site.write("d/retyped/y", "y");
    for _ in 0..2 {
        let said = without_attributes_of_folders(&site, "-backup data").ended(1);
        let said =
            said.warns(&["d/known: cannot be read", "d/retyped: cannot be read", "its last good version is kept"]);
        let said = said.warns(&["d/new: cannot be read", "is not in this snapshot"]);
        assert!(!said.err.contains("d/new/deep"), "{said}");
        let place = site.restored(site.newest("backup"));
        for root in [site.mirror(""), place.path().to_path_buf()] {
            let read = |path: &str| fs::read_to_string(root.join(path)).ok();
            assert_eq!(read("d/known/a").as_deref(), Some("a, newer"));
            assert_eq!(read("d/known/b").as_deref(), Some("b"));
            assert_eq!(read("d/retyped").as_deref(), Some("a file"));
            assert!(!root.join("d/new").exists());
        }
    }
    let last = site.night();
    // On the mirror such a folder is not taken for gone.
    fs::write(site.mirror("d/known/c"), "c").unwrap();
    fs::remove_file(site.mirror("d/known/c")).unwrap();
    without_attributes_of_folders(&site, "-backup data").ended(3).warns(&[
        "on the mirror: cannot be read",
        "d/known: ",
        "it is taken to be as it was left",
    ]);
    site.night();
    site.all_restore(&[first, last]);
}

/// A folder became a file that cannot be read: what was in it is not gone without a word.
#[test]
fn a_folder_that_became_an_unreadable_file_is_kept_with_all_that_was_in_it() {
    let site = Site::of_a_user();
    site.write("d/x/deep/a", "a");
    site.write("d/y", "y");
    site.give_all_away();
    let first = site.init();
    let before = site.mirror_tree();
    fs::remove_dir_all(site.src("d/x")).unwrap();
    site.write("d/x", "a file now");
    site.give_all_away();
    set_mode(&site.src("d/x"), 0);
    for _ in 0..2 {
        site.run("-backup data").ended(1).warns(&["d/x: cannot be read", "its last good version is kept"]);
        let now = site.mirror_tree();
        for path in ["d/x", "d/x/deep", "d/x/deep/a", "d/y"].map(Path::new) {
            assert_eq!(now.get(path), before.get(path));
        }
    }
    set_mode(&site.src("d/x"), 0o644);
    let last = site.night();
    site.all_restore(&[first, last]);
}

#[test]
fn a_file_in_a_folder_without_write_permission_can_be_replaced() {
    let site = Site::of_a_user();
    site.write("d/locked/a", "1");
    site.give_all_away();
    set_mode(&site.src("d/locked"), 0o555);
    let first = site.init();
    set_mode(&site.src("d/locked"), 0o755);
    site.write("d/locked/a", "22");
    site.write("d/locked/b", "3");
    site.give_all_away();
    set_mode(&site.src("d/locked"), 0o555);
    let second = site.night();
    site.all_restore(&[first, second]);
    for path in files(&site.path("")) {
        // So that the temporary folder can go.
        set_mode(path.parent().unwrap(), 0o755);
    }
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
    site.run("-backup data").ended(2).warns(&["cannot create", "packs"]);
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
fn no_folder_of_a_mirror_that_cannot_be_written_to_is_passed_over() {
    let site = Site::of_a_user();
    site.write("d/a", "one");
    site.give_all_away();
    fs::create_dir(site.path("mirror")).unwrap();
    set_mode(&site.mirror(""), 0o555);
    site.run("-backup --init data").ended(2).warns(&["mirror/.backup", "Permission denied"]);
    set_mode(&site.mirror(""), 0o755);
    site.give_all_away();
    let first = site.init();
    site.write("d/a", "two");
    for folder in ["store/packs", "store/snapshots", "store/index", "stage", ""] {
        let folder = site.mirror(".backup").join(folder);
        let mode = fs::metadata(&folder).unwrap().mode();
        set_mode(&folder, 0o555);
        site.run("-backup data").ended(2).warns(&["Permission denied", folder.to_str().unwrap().trim_end_matches('/')]);
        set_mode(&folder, mode);
        assert_eq!(fs::read(site.mirror("d/a")).unwrap(), b"one");
        site.write("d/more", folder.to_str().unwrap());
        site.give_all_away();
    }
    let last = site.night();
    site.all_restore(&[first, last]);
}

#[test]
fn a_mirror_folder_that_cannot_be_written_to_is_reported_and_made_good_later() {
    let site = Site::new();
    if !we_are_root() {
        return;
    }
    for n in 0..3 {
        site.write(format!("d/{n}"), "old");
    }
    site.init();
    let immutable = |flag: &str| {
        let done = std::process::Command::new("chattr").arg(flag).arg(site.mirror("d/1")).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !immutable("+i") {
        return;
    }
    for n in 0..3 {
        site.write(format!("d/{n}"), "newer");
    }
    let said = site.run("-backup data");
    assert!(immutable("-i"));
    let said = said.ended(2).warns(&["d/1: cannot be put in place", "1 path on the mirror could not be changed"]);
    assert!(said.err.contains("run -backup again"), "{said}");
    assert_eq!(fs::read(site.mirror("d/0")).unwrap(), b"newer");
    assert_eq!(fs::read(site.mirror("d/1")).unwrap(), b"old");
    site.night();
}

#[test]
fn what_cannot_be_read_after_a_held_run_keeps_its_last_good_version() {
    let site = Site::of_a_user();
    site.write("d/sub/file", "last good");
    site.write("d/z", "z");
    site.give_all_away();
    site.init();
    fs::rename(site.src("d"), site.path("away")).unwrap();
    site.run("-backup data").ended(3).warns(&["DIR d cannot be listed"]);
    // The disk is back, with one folder closed.
    fs::rename(site.path("away"), site.src("d")).unwrap();
    set_mode(&site.src("d/sub"), 0);
    site.run("-backup data").ended(1).warns(&["d/sub: cannot be read"]).says(&["0 removed"]);
    assert_eq!(fs::read(site.mirror("d/sub/file")).unwrap(), b"last good");
    let place = site.restored(site.newest("backup"));
    assert_eq!(fs::read(place.path().join("d/sub/file")).unwrap(), b"last good");
    set_mode(&site.src("d/sub"), 0o755);
}

/// Threads are processes to the system, and a user may have only so many.
#[test]
fn where_no_thread_can_be_started_the_run_ends_with_a_message() {
    if hosts::are_far() {
        return; // Then it is a process that cannot be started.
    }
    let site = Site::of(61_997);
    site.write("d/a", noise(1, 2 << 20));
    (0..100).for_each(|n| site.write(format!("d/{n}"), format!("{n}")));
    let mut codes = Vec::new();
    for limit in 1..24 {
        site.write("d/a", noise(limit, 2 << 20));
        site.give_all_away();
        let free = site.command(["-backup", "--init", "data"]);
        let mut command = bare("prlimit", &site.path(""));
        command.arg(format!("--nproc={limit}")).arg(free.get_program()).args(free.get_args());
        let said = finish(command);
        if said.code == 2 {
            let said = said.warns(&["cannot start threads: ", "Resource temporarily unavailable", "(ulimit -u)"]);
            assert_eq!(said.err.lines().count(), 1, "{said}");
            codes.push(2);
        } else {
            codes.push(said.ended(0).code);
        }
    }
    assert!(we_are_root() && codes.first() == Some(&2) && codes.last() == Some(&0), "{codes:?}");
    site.mirror_equals_source();
}

/// The folders that the program makes for itself are open to it whatever the shell's umask says.
#[test]
fn a_umask_that_shuts_out_the_owner_does_no_harm() {
    for mask in ["0000", "0777"] {
        let site = Site::of_a_user();
        site.write("d/sub/a", "a");
        site.give_all_away();
        let night = |words: &str| {
            let command = site.command(words.split_whitespace());
            let mut shell = bare("sh", &site.path(""));
            shell
                .args(["-c", &format!("umask {mask}; exec \"$0\" \"$@\"")])
                .arg(command.get_program())
                .args(command.get_args());
            finish(shell).ended(0).in_peace();
        };
        night("-backup --init data");
        site.write("d/sub/b", "b");
        site.give_all_away();
        night("-backup data");
        site.mirror_equals_source();
        night("-check data --data");
        let stage = site.mirror(".backup").metadata().unwrap();
        assert_eq!(stage.permissions().mode() & 0o777, 0o700);
    }
}
