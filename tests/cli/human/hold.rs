//! How much must be wrong with a source before a run is held.

use super::{held, started};
use crate::support::{Site, set_mtime};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A mirror of forty small files.
fn forty() -> Site {
    let site = Site::new();
    for n in 0..40 {
        site.write(format!("d/{n:02}"), format!("file {n}"));
    }
    site.init();
    site
}

fn remove(site: &Site, count: usize) {
    for n in 0..count {
        fs::remove_file(site.src(format!("d/{n:02}"))).unwrap();
    }
}

#[test]
fn a_source_that_lost_more_than_hold_is_held_and_can_be_approved() {
    let site = forty();
    let before = site.mirror_tree();
    remove(&site, 21);
    let reason = "of 40 files in DIR d, 21 would be deleted and 0 get other content (52 %, HOLD 50%)";
    site.run("-backup data").ended(3).warns(&[
        "data: HELD: ",
        reason,
        "The mirror was not touched",
        "backup -approve data",
    ]);
    assert_eq!(site.mirror_tree(), before);
    assert_eq!(site.newest("held"), 2);
    site.run("-approve data").ended(0).says(&["21 removed"]);
    site.mirror_equals_source();
    site.run("-approve data").ended(2).warns(&["nothing to approve"]);
    site.run("-backup data").ended(0);
}

#[test]
fn half_of_the_files_is_not_more_than_half() {
    let site = forty();
    remove(&site, 20);
    site.night();
}

#[test]
fn other_content_counts_like_deletion() {
    let site = forty();
    for n in 0..30 {
        site.write(format!("d/{n:02}"), format!("encrypted {n}"));
    }
    site.run("-backup data").ended(3).warns(&["0 would be deleted and 30 get other content (75 %"]);
}

#[test]
fn renamed_moved_and_touched_files_do_not_count() {
    let site = forty();
    fs::create_dir(site.src("d/moved")).unwrap();
    for n in 0..40 {
        fs::rename(site.src(format!("d/{n:02}")), site.src(format!("d/moved/was-{n:02}"))).unwrap();
    }
    site.night();
    for n in 0..40 {
        crate::support::set_mtime(&site.src(format!("d/moved/was-{n:02}")), 1_000_000_000 + n, 0);
    }
    site.night();
}

#[test]
fn the_table_sets_the_threshold() {
    let site = Site::with(&["d"], "HOLD 10%");
    for n in 0..40 {
        site.write(format!("d/{n:02}"), format!("file {n}"));
    }
    site.init();
    remove(&site, 5);
    site.run("-backup data").ended(3).warns(&["(12 %, HOLD 10%)"]);
}

#[test]
fn a_dry_run_says_that_it_would_be_held_and_writes_nothing() {
    let site = forty();
    remove(&site, 30);
    let before = site.everything();
    site.run("-backup data --dry-run").ended(3).says(&["30 removed", "it would be held"]);
    assert_eq!(site.everything(), before);
}

#[test]
fn a_small_folder_is_not_judged_by_percentage() {
    let site = Site::new();
    for n in 0..19 {
        site.write(format!("d/{n:02}"), format!("file {n}"));
    }
    site.init();
    remove(&site, 18);
    site.night();
}

#[test]
fn few_files_may_all_change() {
    let site = Site::new();
    for n in 0..19 {
        site.write(format!("d/{n}"), "x");
    }
    site.init();
    for n in 0..19 {
        fs::remove_file(site.src(format!("d/{n}"))).unwrap();
    }
    site.write("d/one", "left");
    site.night();
}

#[test]
fn losing_more_than_half_of_the_files_holds_the_run() {
    let site = started();
    for n in 0..11 {
        fs::remove_file(site.src(format!("d/{n:02}"))).unwrap();
    }
    held(&site, &["of 21 files in DIR d, 11 would be deleted", "HOLD 50%"]);
    let row = site.snapshots().pop().unwrap();
    assert_eq!((&row["kind"], &row["files"]), (&"held".into(), &10.into()));
    // The threshold is the table's.
    site.table("  HOLD 90%\n");
    site.night();
}

#[test]
fn other_content_in_more_than_half_of_the_files_holds_the_run() {
    let site = started();
    for n in 0..11 {
        site.write(format!("d/{n:02}"), format!("encrypted {n}"));
    }
    held(&site, &["11 get other content", "HOLD 50%"]);
    site.run("-approve data").ended(0).in_peace();
    site.mirror_equals_source();
}

#[test]
fn renames_and_new_times_hold_nothing() {
    let site = started();
    for n in 0..20 {
        set_mtime(&site.src(format!("d/{n:02}")), 1_000_000_000 + n, 0);
    }
    site.night();
    fs::create_dir(site.src("d/moved")).unwrap();
    for n in 0..20 {
        fs::rename(site.src(format!("d/{n:02}")), site.src(format!("d/moved/{n:02}"))).unwrap();
    }
    site.night();
}

/// What the table excludes by now is neither gone from the source nor taken away from the mirror.
#[test]
fn excluding_most_files_holds_nothing_and_leaves_them_on_the_mirror() {
    for exclude in ["old", "d/old", "d/old/**", "*[0-9]"] {
        let site = Site::new();
        for n in 0..40 {
            site.write(format!("d/old/deep/{n:02}"), format!("file {n}"));
        }
        site.write("d/kept", "kept");
        let first = site.init();
        site.table(&format!("  EXCLUDE {exclude}\n"));
        site.write("d/kept", "changed");
        site.run("-check data").ended(0).in_peace().says(&[" 0 gone"]);
        site.run("-backup data --dry-run").ended(0).in_peace().says(&["0 removed"]);
        for _ in 0..2 {
            site.run("-backup data").ended(0).in_peace().says(&[" 0 removed"]);
            assert_eq!(fs::read(site.mirror("d/old/deep/07")).unwrap(), b"file 7");
            assert_eq!(fs::read(site.mirror("d/kept")).unwrap(), b"changed");
        }
        site.all_restore(&[first]);
        // What is excluded is not brought back by a restore that removes, nor anything below it.
        fs::remove_dir_all(site.src("d/old")).unwrap();
        site.run("-restore data --snapshot 1 --delete").ended(0);
        assert_eq!(fs::read(site.src("d/kept")).unwrap(), b"kept");
        assert!(!site.src("d/old/deep/07").exists());
    }
}

#[test]
fn an_exclude_does_not_hide_what_else_is_lost() {
    let site = Site::new();
    for n in 0..40 {
        site.write(format!("d/{n:02}"), format!("file {n}"));
        site.write(format!("d/old/{n:02}"), format!("old file {n}"));
    }
    site.init();
    site.table("  EXCLUDE old\n");
    remove(&site, 21);
    site.run("-backup data").ended(3).warns(&["of 40 files in DIR d, 21 would be deleted"]);
}

/// Changed by someone (its mode tells) and closed to us: its content may be in no snapshot.
#[test]
fn what_nobody_can_read_on_the_mirror_is_not_overwritten() {
    let site = Site::of_a_user();
    site.write("d/a", "old");
    site.give_all_away();
    site.init();
    let theirs = site.mirror("d/a");
    let mtime = theirs.metadata().unwrap().modified().unwrap();
    fs::write(&theirs, "new").unwrap();
    fs::File::options().write(true).open(&theirs).unwrap().set_modified(mtime).unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o000)).unwrap();
    site.write("d/a", "newer");
    site.give_all_away();
    site.run("-backup data").ended(3).warns(&["d/a: on the mirror: cannot be read"]);
    site.run("-approve data").ended(2);
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(fs::read(&theirs).unwrap(), b"new");
}

/// A directory that went from the source stays on the mirror while it holds what EXCLUDE names: no change by someone else.
#[test]
fn a_folder_that_holds_only_what_is_excluded_is_no_change_on_the_mirror() {
    let site = Site::with(&["d"], "  EXCLUDE *.tmp\n");
    site.write("d/a", "a");
    site.init();
    fs::create_dir_all(site.mirror("d/gone/deep")).unwrap();
    fs::write(site.mirror("d/gone/deep/x.tmp"), "excluded").unwrap();
    site.run("-check data").ended(0).in_peace();
    fs::write(site.mirror("d/gone/deep/file"), "work").unwrap();
    site.run("-backup data").ended(3).warns(&["1 added, 0 changed, 0 removed; d/gone/deep/file (added)"]);
}
