//! What people do on a mirror, and with its `.backup`.

use super::{archive, copy, fill, held, move_to, refused, rows, started, target, typed};
use crate::hoard::Hoard;
use crate::support::{Site, noise, same, set_mode, set_mtime, tree};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

/// After `change` on the mirror a run is held with this reason, and everything is kept; also after the approval, which puts the mirror back.
#[track_caller]
fn is_held_and_kept(change: impl FnOnce(&Site), reasons: &[&str]) {
    let site = archive();
    let mut hoard = Hoard::of(&site, &["src", "mirror"]);
    change(&site);
    hoard.take(&["src", "mirror"]);
    let ran = held(&site, reasons).warns(&["the mirror was changed by someone else", "-swap data", "-check data"]);
    let ran = ran.warns(&["What was found on the mirror is snapshot 3."]);
    drop(ran);
    hoard.is_kept(&["src", "mirror"]);
    held(&site, reasons).warns(&["What was found on the mirror is snapshot 3."]);
    typed(&site, "-approve data").ended(0);
    site.mirror_equals_source();
    hoard.is_kept(&["mirror"]);
    site.night();
}

#[test]
fn a_file_edited_on_the_mirror_holds_the_run() {
    let edit = |site: &Site| fs::write(site.mirror("d/03"), "edited on the mirror").unwrap();
    is_held_and_kept(edit, &["0 added, 1 changed, 0 removed; d/03 (other content)"]);
}

#[test]
fn a_file_edited_on_the_mirror_behind_its_times_holds_the_run() {
    let edit = |site: &Site| {
        let facts = fs::metadata(site.mirror("d/03")).unwrap();
        fs::write(site.mirror("d/03"), "FILE 3 of 0").unwrap();
        set_mtime(&site.mirror("d/03"), facts.mtime(), facts.mtime_nsec());
    };
    is_held_and_kept(edit, &["0 added, 1 changed, 0 removed; d/03 (other content)"]);
}

#[test]
fn a_file_added_on_the_mirror_holds_the_run() {
    let add = |site: &Site| fs::write(site.mirror("d/sub/added"), "only on the mirror").unwrap();
    is_held_and_kept(add, &["1 added, 0 changed, 0 removed; d/sub/added (added)"]);
}

#[test]
fn a_file_deleted_on_the_mirror_holds_the_run() {
    let delete = |site: &Site| fs::remove_file(site.mirror("d/sub/large")).unwrap();
    is_held_and_kept(delete, &["0 added, 0 changed, 1 removed; d/sub/large (removed)"]);
}

#[test]
fn another_kind_of_file_on_the_mirror_holds_the_run() {
    let retype = |site: &Site| {
        for name in ["d/03", "d/04", "d/link"] {
            fs::remove_file(site.mirror(name)).unwrap();
        }
        symlink("somewhere else", site.mirror("d/03")).unwrap();
        fs::create_dir(site.mirror("d/04")).unwrap();
        fs::write(site.mirror("d/04/within"), "below what was a file").unwrap();
        fs::write(site.mirror("d/link"), "was a link").unwrap();
        fs::remove_dir_all(site.mirror("d/sub/deep")).unwrap();
        fs::write(site.mirror("d/sub/deep"), "was a folder").unwrap();
    };
    is_held_and_kept(retype, &["1 added, 4 changed, 1 removed", "d/03 (other content)"]);
}

#[test]
fn other_modes_and_times_on_the_mirror_hold_the_run() {
    let touch = |site: &Site| {
        set_mode(&site.mirror("d/05"), 0o600);
        set_mtime(&site.mirror("d/06"), 1_000_000_000, 0);
    };
    is_held_and_kept(touch, &["0 added, 2 changed, 0 removed; d/05 (other owner, mode, time or attributes)"]);
}

#[test]
fn a_folder_moved_on_the_mirror_holds_the_run() {
    let relocate = |site: &Site| fs::rename(site.mirror("d/sub"), site.mirror("e/moved")).unwrap();
    is_held_and_kept(relocate, &["5 added, 0 changed, 5 removed"]);
}

#[test]
fn a_file_on_the_mirror_in_a_folder_that_the_source_deleted_is_kept() {
    let both = |site: &Site| {
        fs::write(site.mirror("d/sub/deep/mine"), "only on the mirror").unwrap();
        fs::remove_dir_all(site.src("d/sub")).unwrap();
    };
    is_held_and_kept(both, &["1 added, 0 changed, 0 removed; d/sub/deep/mine (added)"]);
}

#[test]
fn a_file_added_on_both_sides_under_one_name_is_kept_in_both_forms() {
    let both = |site: &Site| {
        fs::write(site.mirror("d/same name"), "as the mirror has it").unwrap();
        site.write("d/same name", "as the source has it");
        fs::create_dir(site.mirror("e/other")).unwrap();
        fs::write(site.mirror("e/other/within"), "in a folder on the mirror").unwrap();
        site.write("e/other", "a file on the source");
    };
    is_held_and_kept(both, &["3 added, 0 changed, 0 removed"]);
}

#[test]
fn a_mirror_emptied_by_hand_is_held_and_made_again() {
    let empty = |site: &Site| {
        fs::remove_dir_all(site.mirror("d")).unwrap();
        fs::remove_dir_all(site.mirror("e")).unwrap();
    };
    is_held_and_kept(empty, &["0 added, 0 changed, 43 removed"]);
}

#[test]
fn a_folder_on_the_mirror_replaced_by_a_link_to_the_source_is_not_followed() {
    let link = |site: &Site| {
        fs::remove_dir_all(site.mirror("d/sub")).unwrap();
        symlink(site.src("d/sub"), site.mirror("d/sub")).unwrap();
    };
    is_held_and_kept(link, &["0 added, 1 changed, 4 removed; d/sub (other content)"]);
}

#[test]
fn files_beside_the_dirs_of_a_mirror_are_left_alone() {
    let site = archive();
    fs::create_dir(site.mirror("mine")).unwrap();
    fs::write(site.mirror("mine/notes"), "not in a DIR").unwrap();
    fs::write(site.mirror(".backup/notes"), "somebody's, in our own folder").unwrap();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    site.write("d/03", "newer");
    site.night();
    assert_eq!(fs::read(site.mirror(".backup/notes")).unwrap(), b"somebody's, in our own folder");
    hoard.is_kept(&["mirror"]);
}

#[test]
fn the_store_of_another_target_copied_over_that_of_a_mirror_is_refused() {
    let site = archive();
    fill(&site, "src2", 2);
    rows(&site, "src", "mirror", &target("other", "src2", "mirror2"));
    site.run("-backup --init other").ended(0);
    let hoard = Hoard::of(&site, &["src", "mirror", "src2", "mirror2"]);
    move_to(&site, "mirror/.backup", "aside");
    copy(&site.path("mirror2/.backup"), &site.mirror(".backup"));
    for words in ["-backup data", "-backup --init data", "-restore data", "-check data", "-approve data"] {
        refused(&site, words, &["mirror"], &["mirror is the mirror of target other, not of data"]);
    }
    // Only the store, and not the role.
    fs::remove_dir_all(site.mirror(".backup")).unwrap();
    copy(&site.path("aside"), &site.mirror(".backup"));
    fs::remove_dir_all(site.mirror(".backup/store")).unwrap();
    copy(&site.path("mirror2/.backup/store"), &site.mirror(".backup/store"));
    for words in ["-backup data", "-backup --init data", "-restore data", "-check data"] {
        refused(&site, words, &["mirror"], &["the store and the mirror do not belong together"]);
    }
    fs::remove_dir_all(site.mirror(".backup")).unwrap();
    move_to(&site, "aside", "mirror/.backup");
    hoard.is_kept(&["mirror", "mirror2"]);
    site.night();
}

#[test]
fn the_backup_folder_copied_from_the_mirror_onto_the_source_is_refused() {
    let site = archive();
    let mut hoard = Hoard::of(&site, &["src", "mirror"]);
    let done = Command::new("rsync").arg("-a").arg(site.mirror(".backup")).arg(site.src("")).status().unwrap();
    assert!(done.success());
    let message =
        ["the table looks swapped (nothing was written)", "copied to SOURCE by mistake, move ", "src/.backup away"];
    refused(&site, "-backup data", &["src", "mirror"], &message);
    refused(&site, "-restore data --delete --snapshot 1", &["src", "mirror"], &message);
    hoard.is_kept(&["src", "mirror"]);
    move_to(&site, "src/.backup", "away");
    site.write("d/new", "work goes on");
    hoard.take(&["src"]);
    site.night();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_mirror_without_its_role_keeps_its_snapshots() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    fs::remove_file(site.mirror(".backup/role")).unwrap();
    let message = "mirror is not a mirror yet, or not mounted; for a new mirror: backup -backup --init data";
    let lost = "role is gone, but its store is there: --init keeps its snapshots";
    for words in ["-backup data", "-restore data", "-check data", "-approve data", "-snapshots data"] {
        refused(&site, words, &["src", "mirror"], &[message, lost]);
    }
    fs::write(site.mirror("d/03"), "edited while there was no role").unwrap();
    let mut hoard = hoard;
    hoard.take(&["mirror"]);
    typed(&site, "-backup --init data").ended(0);
    site.mirror_equals_source();
    hoard.is_kept(&["mirror"]);
    site.night();
}

#[test]
fn a_role_that_was_edited_is_refused() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    let role = site.mirror(".backup/role");
    let text = fs::read_to_string(&role).unwrap();
    for edited in [text.replace("clean 2", "clean 1"), text.replace("target data", "target other"), String::new()] {
        fs::write(&role, edited).unwrap();
        for words in ["-backup data", "-backup --init data", "-restore data", "-check data"] {
            refused(&site, words, &["src", "mirror"], &[".backup/role: ", "(nothing was written)"]);
        }
    }
    fs::write(&role, text).unwrap();
    hoard.is_kept(&["src", "mirror"]);
    site.night();
}

#[test]
fn a_store_that_was_deleted_is_refused_and_init_does_not_make_an_empty_one() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "mirror/.backup/store", "away");
    for words in ["-backup data", "-backup --init data", "-restore data", "-check data"] {
        let ran = typed(&site, words).ended(2);
        assert!(ran.err.contains(".backup/store"), "{ran}");
        assert!(!site.mirror(".backup/store").exists());
    }
    move_to(&site, "away", "mirror/.backup/store");
    hoard.is_kept(&["mirror"]);
    site.night();
}

#[test]
fn many_changes_on_the_mirror_are_one_rescue_and_hold_the_run() {
    let site = started();
    let mirror = |path: &str| site.mirror(path);
    fs::write(mirror("d/03"), "edited on the mirror").unwrap();
    fs::write(mirror("d/added"), noise(1, 600_000)).unwrap();
    fs::remove_file(mirror("d/04")).unwrap();
    set_mode(&mirror("d/05"), 0o600);
    fs::rename(mirror("d/06"), mirror("d/sub/06")).unwrap();
    let live = site.mirror_tree();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    held(&site, &["the mirror was changed by someone else: 2 added, 2 changed, 2 removed", "d/03 (other content)"]);
    held(&site, &["What was found on the mirror is snapshot 2."]);
    assert_eq!(site.newest("rescue"), 2, "one rescue for one finding");
    same(&live, &tree(site.restored(2).path(), &["d"]), "the rescue snapshot");
    site.run("-check data").ended(2).warns(&[
        "d/03: the mirror is not as it was left: other content",
        "d/added: the mirror is not as it was left: added",
        "d/04: the mirror is not as it was left: removed",
    ]);
    site.write("d/07", "changed on the source since");
    site.run("-backup data").ended(3);
    site.run("-approve data").ended(0).in_peace();
    site.mirror_equals_source();
    same(&live, &tree(site.restored(2).path(), &["d"]), "the rescue snapshot");
    hoard.is_kept(&["mirror"]);
    site.run("-check data --data").ended(0).in_peace();
}
