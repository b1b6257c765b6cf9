//! Restores of the wrong thing, to the wrong place.

use super::{archive, copy, fill, move_to, refused, rows, shown, started, target, typed, typed_after};
use crate::hoard::Hoard;
use crate::support::{PROGRAM, Ran, Site, bare, finish, same, tree};
use std::fs;
use std::os::unix::fs::symlink;

/// Types the command that a restore gave for undoing it.
#[track_caller]
fn undo(site: &Site, ran: &Ran) {
    let line = ran.out.lines().find_map(|line| line.strip_prefix("  to undo: backup ")).expect("a way back");
    let mut command = bare(PROGRAM, &site.path(""));
    command.args(line.split_whitespace());
    shown(line, finish(command)).ended(0);
}

#[test]
fn a_restore_over_newer_work_can_be_undone() {
    let site = archive();
    site.write("d/00", "newer work, in no backup");
    site.write("d/unsaved", "more of it");
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    let before = site.source_tree();
    let ran = typed(&site, "-restore data --snapshot 1").ended(0);
    assert_eq!(fs::read(site.src("d/00")).unwrap(), b"file 0 of 0");
    hoard.is_kept(&["src", "mirror"]);
    undo(&site, &ran);
    same(&before, &site.source_tree(), "the source");
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn a_restore_with_delete_of_the_wrong_snapshot_can_be_undone() {
    let site = archive();
    site.write("d/unsaved", "in no backup");
    site.write("e/sub/unsaved", "in no backup, either");
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    let before = site.source_tree();
    let ran = typed(&site, "-restore data --snapshot 1 --delete").ended(0);
    assert!(!site.src("d/unsaved").exists());
    hoard.is_kept(&["mirror"]);
    undo(&site, &ran);
    same(&before, &site.source_tree(), "the source");
}

#[test]
fn a_restore_of_a_held_run_brings_back_the_bad_state_and_can_be_undone() {
    let site = archive();
    for n in 2..super::FILES {
        site.write(format!("d/{n:02}"), format!("encrypted {n}"));
    }
    site.run("-backup data").ended(3);
    fill(&site, "src", 4);
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    let before = site.source_tree();
    let ran = typed(&site, "-restore data --snapshot 3").ended(0);
    hoard.is_kept(&["src", "mirror"]);
    undo(&site, &ran);
    same(&before, &site.source_tree(), "the source");
}

#[test]
fn a_restore_into_a_mirror_or_its_store_is_refused() {
    let site = archive();
    fill(&site, "src2", 2);
    rows(&site, "src", "mirror", &target("other", "src2", "mirror2"));
    site.run("-backup --init other").ended(0);
    let places = ["src", "mirror", "mirror2"];
    let hoard = Hoard::of(&site, &places);
    symlink("mirror", site.path("link")).unwrap();
    symlink("mirror/d", site.path("deep")).unwrap();
    for place in [
        "mirror",
        "mirror/d",
        "mirror/d/new",
        "mirror/.backup/store",
        "link",
        "link/e",
        "mirror2",
        "mirror2/d",
        "deep/new",
        "deep/new/er",
    ] {
        for more in ["", " --delete", " --snapshot 1 --delete", " --dry-run"] {
            let words = format!("-restore data --to {place}{more}");
            refused(&site, &words, &places, &["the place to restore to", "the mirror of target ", "--to "]);
        }
    }
    hoard.is_kept(&places);
}

#[test]
fn a_restore_around_a_mirror_is_refused() {
    let site = archive();
    // The mirror stands where the restored DIR `d` would be.
    fs::create_dir(site.path("disk")).unwrap();
    move_to(&site, "mirror", "disk/d");
    rows(&site, "src", "disk/d", "");
    let hoard = Hoard::of(&site, &["src", "disk/d"]);
    for words in [
        "-restore data --to disk",
        "-restore data --to disk --delete",
        "-restore data --to disk --snapshot 1 --delete",
        "-restore data d/03 --to disk --dry-run",
    ] {
        refused(&site, words, &["src", "disk"], &["disk/d", "mirror of target data", "(nothing was written)"]);
    }
    hoard.is_kept(&["disk/d"]);
    // Where it is in nobody's way, a mirror may lie beside.
    typed(&site, "-restore data e --to disk").ended(0);
    hoard.is_kept(&["disk/d"]);
}

#[test]
fn a_restore_onto_the_source_of_another_target_can_be_undone() {
    let site = archive();
    fill(&site, "src2", 2);
    let hoard = Hoard::of(&site, &["src", "mirror", "src2"]);
    let before = tree(&site.path("src2"), &["d", "e"]);
    let ran = typed(&site, "-restore data --to src2 --delete").ended(0);
    hoard.is_kept(&["mirror"]);
    undo(&site, &ran);
    same(&before, &tree(&site.path("src2"), &["d", "e"]), "the other source");
}

#[test]
fn a_restore_to_another_disk_is_complete() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src"]);
    fs::create_dir(site.path("disk")).unwrap();
    // What is restored to a disk that only the program sees is copied to where we see it.
    let words = "-restore data --to disk/deep/down";
    let ran = typed_after(
        &site,
        "mount -t tmpfs none disk\nset -- sh -c '\"$@\" && cp -a disk/deep/down seen' sh \"$@\"",
        words,
    );
    ran.ended(0);
    same(&site.source_tree(), &tree(&site.path("seen"), &["d", "e"]), "the other disk");
    hoard.is_kept(&["seen"]);
}

#[test]
fn a_restore_after_work_on_the_mirror_brings_back_what_people_saw() {
    let site = started();
    fs::write(site.mirror("d/03"), "work done on the mirror").unwrap();
    fs::write(site.mirror("d/new"), "more work").unwrap();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    let (good, live) = (site.source_tree(), site.mirror_tree());
    fs::remove_dir_all(site.src("d")).unwrap();
    typed(&site, "-restore data --dry-run").ended(0).warns(&["the mirror was changed by someone else"]);
    assert_eq!(site.snapshots().len(), 1, "a dry run records nothing");
    let words = ["the mirror was changed by someone else", "It is now snapshot 2", "for the last night: --snapshot 1"];
    typed(&site, "-restore data").ended(0).warns(&words);
    same(&live, &site.source_tree(), "the source");
    hoard.is_kept(&["src", "mirror"]);
    // What was found is recorded once.
    let rescues = || site.snapshots().iter().filter(|row| row["kind"] == "rescue").count();
    let before = rescues();
    typed(&site, "-restore data").ended(0);
    typed(&site, "-restore data").ended(0);
    assert_eq!(rescues(), before);
    typed(&site, "-restore data --delete --snapshot 1").ended(0);
    same(&good, &site.source_tree(), "the source");
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn a_restore_to_a_copy_of_a_mirror_is_refused() {
    let site = archive();
    copy(&site.mirror(""), &site.path("copy"));
    let hoard = Hoard::of(&site, &["src", "mirror", "copy"]);
    refused(&site, "-restore data --to copy --delete", &["copy"], &["copy is the mirror of target data"]);
    hoard.is_kept(&["copy"]);
}

#[test]
fn what_cannot_be_restored_is_refused_before_anything_is_written() {
    let site = archive();
    let before = site.everything();
    site.run("-restore data --snapshot 9").ended(2).warns(&["there is no snapshot 9"]);
    site.run("-restore data --at 1999-12-31").ended(2).warns(&["there is no snapshot as old as that"]);
    site.run("-restore data d/nothing").ended(2).warns(&["d/nothing is not in snapshot 2"]);
    site.run("-restore data --at someday").ended(64).warns(&["--at someday: not a time"]);
    site.run("-restore data /d/a").ended(64).warns(&["begins with a slash"]);
    site.run("-restore data d/../a").ended(64).warns(&["relative to the target"]);
    site.run("-restore data --snapshot 1 --at 2026-01-01").ended(64);
    assert_eq!(site.everything(), before);
}
