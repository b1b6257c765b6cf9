//! A disk that is not mounted, or another one in its place.

use super::{archive, copy, fill, held, move_to, refused, rows, typed, typed_after};
use crate::hoard::Hoard;
use crate::hosts;
use crate::support::{Site, same, tree};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

#[test]
fn a_mirror_that_is_not_mounted_is_refused() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "mirror", "disk");
    fs::create_dir(site.mirror("")).unwrap();
    let words = "mirror is not a mirror yet, or not mounted; for a new mirror: backup -backup --init data";
    for command in ["-backup data", "-restore data", "-check data", "-approve data", "-snapshots data"] {
        refused(&site, command, &["src", "mirror", "disk"], &[words]);
    }
    assert!(fs::read_dir(site.mirror("")).unwrap().next().is_none(), "nothing is written to a mount point");
    hoard.is_kept(&["src", "disk"]);
    fs::remove_dir(site.mirror("")).unwrap();
    move_to(&site, "disk", "mirror");
    site.night();
}

#[test]
fn an_older_mirror_below_the_mount_point_is_taken_on_and_loses_nothing() {
    let site = archive();
    // Years ago, the mirror was on the disk below the mount point.
    copy(&site.mirror(""), &site.path("below"));
    site.write("d/00", "the third night");
    site.night();
    let hoard = Hoard::of(&site, &["src", "mirror", "below"]);
    move_to(&site, "mirror", "disk");
    move_to(&site, "below", "mirror");
    typed(&site, "-backup data").ended(0);
    site.mirror_equals_source();
    assert_eq!(site.newest("backup"), 3, "the number goes on from the older copy");
    hoard.is_kept(&["mirror", "disk"]);
    // The right disk again: it goes on from its own.
    move_to(&site, "mirror", "below");
    move_to(&site, "disk", "mirror");
    site.night();
    hoard.is_kept(&["mirror", "below"]);
}

#[test]
fn a_source_that_is_missing_is_refused() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "src", "disk");
    let message = ["SOURCE ", "src cannot be opened: No such file", "is it mounted? (nothing was written)"];
    refused(&site, "-backup data", &["mirror"], &message);
    refused(&site, "-restore data", &["mirror"], &message);
    typed(&site, "-check data").ended(0).warns(&["SOURCE cannot be opened: it was not compared"]);
    hoard.is_kept(&["mirror", "disk"]);
    typed(&site, "-restore data --to elsewhere").ended(0);
    same(&tree(&site.path("disk"), &["d", "e"]), &tree(&site.path("elsewhere"), &["d", "e"]), "the place");
}

#[test]
fn a_source_that_is_not_mounted_holds_the_run() {
    let site = archive();
    let hoard = Hoard::of(&site, &["mirror"]);
    move_to(&site, "src", "disk");
    fs::create_dir(site.src("")).unwrap();
    held(&site, &["DIR d cannot be listed (No such file", "DIR e cannot be listed"]);
    held(&site, &["DIR d cannot be listed"]);
    hoard.is_kept(&["mirror"]);
    fs::remove_dir(site.src("")).unwrap();
    move_to(&site, "disk", "src");
    site.night();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_dir_that_is_missing_holds_the_run() {
    let site = archive();
    let last = site.source_tree();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "src/d", "away");
    held(&site, &["DIR d cannot be listed (No such file", "32 files of it are on the mirror"]);
    held(&site, &["DIR d cannot be listed"]);
    hoard.is_kept(&["mirror"]);
    typed(&site, "-approve data").ended(0);
    assert!(!site.mirror("d").exists() && site.mirror("e/0").exists());
    same(&last, &tree(site.restored(2).path(), &["d", "e"]), "the last good night");
    typed(&site, "-approve data").ended(2);
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_dir_that_is_an_empty_mount_point_holds_the_run() {
    let site = archive();
    let last = site.source_tree();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "src/d", "away");
    fs::create_dir(site.src("d")).unwrap();
    held(&site, &["DIR d is empty and was not before: 32 files of it are on the mirror"]);
    typed(&site, "-approve data").ended(0).in_peace();
    site.mirror_equals_source();
    same(&last, &tree(site.restored(2).path(), &["d", "e"]), "the last good night");
    hoard.is_kept(&["mirror"]);
    // Approved, empty is what it was before.
    site.night();
}

#[test]
fn another_disk_in_place_of_the_source_holds_the_run() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "src", "disk");
    fill(&site, "src", 9);
    held(&site, &["in DIR d", "get other content"]);
    hoard.is_kept(&["mirror"]);
    typed(&site, "-approve data").ended(0);
    site.mirror_equals_source();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_mirror_copied_to_a_new_disk_goes_on() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    for how in [&["cp", "-a"][..], &["rsync", "-aHAX"]] {
        // rsync does not give a link its time where that lies in the second of its making.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        move_to(&site, "mirror", "old");
        let mut command = Command::new(how[0]);
        let done = command.args(&how[1..]).arg(site.path("old/.")).arg(site.mirror("")).status().unwrap();
        assert!(done.success());
        site.write("d/03", format!("after {}", how[0]));
        // Every file is looked into once, as its inode is new; none is written again.
        let inodes = || [0, 4, 5, 20].map(|n| site.mirror(format!("d/{n:02}")).metadata().unwrap().ino());
        let before = inodes();
        typed(&site, "-backup data").ended(0).in_peace();
        assert_eq!(inodes(), before);
        site.mirror_equals_source();
        hoard.is_kept(&["mirror"]);
        typed(&site, "-check data --data").ended(0);
        fs::remove_dir_all(site.path("old")).unwrap();
    }
}

#[test]
fn a_foreign_file_system_on_the_mirror_is_not_written_to() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    site.write("d/sub/deep/file", "changed");
    let mount = format!("mount -t tmpfs none {0}; echo foreign >{0}/file", site.mirror("d/sub/deep").display());
    typed_after(&site, &mount, "-backup data").ended(2).warns(&[
        "d/sub/deep: another file system is mounted here; it is not entered",
        "d/sub/deep/file: cannot be put in place: something is mounted there",
    ]);
    hoard.is_kept(&["mirror"]);
    site.run("-backup data");
    site.run("-approve data");
    site.night();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_mirror_that_went_read_only_is_left_as_it_is() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    site.write("d/00", "newer");
    let mount = format!("mount --bind {0} {0}; mount -o remount,bind,ro {0}", site.mirror("").display());
    let before = site.everything();
    for words in ["-backup data", "-backup --init data", "-approve data", "-restore data"] {
        typed_after(&site, &mount, words).ended(2).warns(&["Read-only file system", ".backup"]);
    }
    same(&before, &site.everything(), "the mirror");
    hoard.is_kept(&["mirror"]);
    site.night();
}

#[test]
fn a_source_that_is_a_symlink_is_followed_and_one_to_another_disk_holds_the_run() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "src", "disk");
    symlink("disk", site.src("")).unwrap();
    typed(&site, "-backup data").ended(0).says(&["0 written (0 B), 0 removed"]);
    fill(&site, "wrong", 5);
    fs::remove_file(site.src("")).unwrap();
    symlink("wrong", site.src("")).unwrap();
    held(&site, &["get other content"]);
    fs::remove_file(site.src("")).unwrap();
    symlink("nowhere", site.src("")).unwrap();
    refused(&site, "-backup data", &["mirror", "disk"], &["src cannot be opened", "is it mounted?"]);
    fs::remove_file(site.src("")).unwrap();
    symlink("mirror", site.src("")).unwrap();
    refused(&site, "-backup data", &["mirror", "disk"], &["is the mirror of target data: the table looks swapped"]);
    hoard.is_kept(&["mirror", "disk"]);
}

#[test]
fn a_mirror_that_lies_in_a_dir_of_the_source_by_a_symlink_is_refused() {
    if hosts::are_far() {
        return; // Nobody is asked whether two names are one host.
    }
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "mirror", "src/d/mirror");
    symlink("src/d/mirror", site.mirror("")).unwrap();
    for words in ["-backup data", "-backup --init data"] {
        refused(&site, words, &["src"], &["MIRROR ", "lies in DIR d of SOURCE", "(nothing was written)"]);
    }
    hoard.is_kept(&["src/d/mirror"]);
    fs::remove_file(site.mirror("")).unwrap();
    move_to(&site, "src/d/mirror", "mirror");
    site.night();
}

#[test]
fn a_source_that_lies_in_the_mirror_by_a_symlink_is_refused() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    symlink("mirror/d", site.path("link")).unwrap();
    rows(&site, "link", "mirror", "");
    refused(&site, "-backup data", &["src", "mirror"], &["lies in ", "the table looks swapped"]);
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn a_first_night_without_a_source_makes_no_mirror() {
    let site = Site::new();
    fs::remove_dir_all(site.src("")).unwrap();
    let message = ["data: SOURCE ", "/src cannot be opened: No such file", "is it mounted? (nothing was written)"];
    refused(&site, "-backup --init data", &[], &message);
    fs::write(site.src(""), "a file").unwrap();
    refused(&site, "-backup --init data", &[], &["src cannot be opened: Not a directory"]);
    assert!(!site.mirror("").exists());
}

#[test]
fn a_mirror_that_was_never_made_is_refused() {
    let site = Site::new();
    site.write("d/a", "one");
    let refused_all = || {
        for command in ["-backup data", "-restore data", "-check data", "-approve data", "-snapshots data"] {
            let words = "mirror is not a mirror yet, or not mounted; for a new mirror: backup -backup --init data";
            let ran = refused(&site, command, &[""], &[words]);
            assert_eq!(ran.err.lines().count(), 1, "{ran}");
        }
    };
    refused_all();
    assert!(!site.mirror("").exists());
    fs::create_dir_all(site.mirror("d")).unwrap();
    refused_all();
    fs::create_dir(site.mirror(".backup")).unwrap();
    refused_all();
}

#[test]
fn a_mirror_bound_into_a_dir_of_its_source_is_not_entered() {
    let site = archive();
    fs::create_dir(site.src("d/here")).unwrap();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    let mount = format!("mount --bind {} {}", site.mirror("").display(), site.src("d/here").display());
    for _ in 0..2 {
        typed_after(&site, &mount, "-backup data").ended(0).says(&["37 files"]);
    }
    assert!(fs::read_dir(site.mirror("d/here")).unwrap().next().is_none());
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_source_and_a_mirror_that_are_one_folder_by_a_bind_mount_are_refused() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    fs::create_dir_all(site.path("new/d")).unwrap();
    rows(&site, "src", "new", "");
    let (before, none) = (tree(&site.src(""), &["."]), tree(&site.path("new"), &["."]));
    for (from, to) in [("", "new"), ("d", "new/d"), ("d", "new")] {
        let mount = format!("mount --bind {} {}", site.src(from).display(), site.path(to).display());
        for words in ["-backup --init data", "-backup data"] {
            let said = typed_after(&site, &mount, words).ended(2);
            said.warns(&[
                "MIRROR ",
                "new really lies in DIR d of SOURCE ",
                "what is mounted there",
                "(nothing was written)",
            ]);
        }
        same(&before, &tree(&site.src(""), &["."]), "the source");
        same(&none, &tree(&site.path("new"), &["."]), "the mount point");
    }
    hoard.is_kept(&["src", "mirror"]);
}
