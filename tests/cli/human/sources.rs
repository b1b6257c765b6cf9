//! What happens to a source by mistake or by malice, and what people do about held runs.

use super::{FILES, archive, fill, held, move_to, typed};
use crate::hoard::Hoard;
use crate::support::{Site, noise, set_mode, set_mtime, we_are_root};
use std::fs;
use std::os::unix::fs::{chown, symlink};

/// Takes these files of DIR `d` away.
fn remove(site: &Site, from: usize, to: usize) {
    for n in from..to {
        fs::remove_file(site.src(format!("d/{n:02}"))).unwrap();
    }
}

#[test]
fn a_source_that_lost_60_per_cent_holds_the_run() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    remove(&site, 2, 23);
    held(&site, &["of 32 files in DIR d, 21 would be deleted and 0 get other content (65 %, HOLD 50%)"]);
    hoard.is_kept(&["mirror"]);
    typed(&site, "-approve data").ended(0);
    site.mirror_equals_source();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_source_where_everything_was_renamed_is_not_held() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    fs::create_dir(site.src("d/by year")).unwrap();
    for n in (0..FILES).filter(|&n| n != 1) {
        fs::rename(site.src(format!("d/{n:02}")), site.src(format!("d/by year/{n}.fits"))).unwrap();
    }
    fs::rename(site.src("d/sub"), site.src("e/sub")).unwrap();
    let packs = site.store_bytes();
    site.night();
    assert!(site.store_bytes() < packs + 100_000, "a rename stores no content again");
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_source_where_everything_was_touched_and_given_away_is_not_held() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    for (n, path) in crate::support::files(&site.src("")).into_iter().enumerate() {
        set_mtime(&path, 1_000_000_000 + i64::try_from(n).unwrap(), 5);
        set_mode(&path, 0o640);
        if we_are_root() {
            chown(&path, Some(1234), Some(4321)).unwrap();
        }
    }
    site.night();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_source_encrypted_in_place_holds_the_run() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    for path in crate::support::files(&site.src("")) {
        let bytes = fs::read(&path).unwrap().into_iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>();
        fs::write(&path, bytes).unwrap();
    }
    held(&site, &["get other content (9", "HOLD 50%"]);
    hoard.is_kept(&["mirror"]);
    // The next nights change nothing of that.
    held(&site, &["get other content"]);
    typed(&site, "-restore data --snapshot 2 --delete").ended(0);
    site.night();
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn a_source_encrypted_under_other_names_holds_the_run() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    for path in crate::support::files(&site.src("d")) {
        let bytes = fs::read(&path).unwrap().into_iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>();
        fs::write(path.with_extension("locked"), bytes).unwrap();
        fs::remove_file(&path).unwrap();
    }
    site.write("d/READ ME", "pay, or else");
    held(&site, &["would be deleted and 0 get other content (100 %"]);
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_dir_that_became_a_file_or_a_link_holds_the_run() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "src/d", "away");
    symlink("../away", site.src("d")).unwrap();
    held(&site, &["DIR d cannot be listed (", "32 files of it are on the mirror"]);
    fs::remove_file(site.src("d")).unwrap();
    fs::write(site.src("d"), "somebody's list of files").unwrap();
    held(&site, &["DIR d cannot be listed ("]);
    typed(&site, "-approve data").ended(0);
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_folder_of_the_source_replaced_by_a_file_is_kept() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    fs::remove_dir_all(site.src("d/sub")).unwrap();
    site.write("d/sub", "a file now");
    site.night();
    hoard.is_kept(&["mirror"]);
    fs::remove_file(site.src("d/sub")).unwrap();
    fill(&site, "src", 3);
    let ran = typed(&site, "-backup data");
    assert!([0, 3].contains(&ran.code), "{ran}");
    hoard.is_kept(&["mirror"]);
}

#[test]
fn names_that_differ_only_in_case_are_two_files() {
    let site = archive();
    for (n, name) in ["d/Bias", "d/bias", "d/BIAS", "d/sub/Deep/file", "d/strasse", "d/straße"].iter().enumerate() {
        site.write(name, format!("case {n}"));
    }
    let mut hoard = Hoard::of(&site, &["src"]);
    site.night();
    fs::remove_file(site.src("d/Bias")).unwrap();
    site.write("d/bias", "changed");
    hoard.take(&["src"]);
    site.night();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn held_run_after_held_run_loses_nothing_and_takes_little_room() {
    let site = archive();
    let mut hoard = Hoard::of(&site, &["src", "mirror"]);
    site.write("d/sub/new", noise(5, 2_000_000));
    remove(&site, 2, 23);
    fs::write(site.mirror("d/03"), noise(6, 1_000_000)).unwrap();
    hoard.take(&["src", "mirror"]);
    held(&site, &["21 would be deleted", "the mirror was changed by someone else"]);
    let bytes = site.store_bytes();
    for night in 0..10 {
        site.write("d/diary", format!("night {night}"));
        hoard.take(&["src"]);
        held(&site, &["21 would be deleted", "0 added, 1 changed, 0 removed"]);
    }
    let more = site.store_bytes() - bytes;
    assert!(more < 200_000, "ten held runs took {more} bytes");
    assert_eq!(site.snapshots().iter().filter(|row| row["kind"] == "rescue").count(), 1, "one rescue for one finding");
    hoard.is_kept(&["mirror"]);
    typed(&site, "-approve data").ended(0);
    site.mirror_equals_source();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn an_approval_typed_twice_is_refused_the_second_time() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    remove(&site, 2, 23);
    held(&site, &["21 would be deleted"]);
    typed(&site, "-approve data").ended(0);
    let before = site.everything();
    typed(&site, "-approve data").ended(2).warns(&["snapshot 4 is newer: there is nothing to approve"]);
    typed(&site, "-approve data 3").ended(2).warns(&["nothing to approve"]);
    crate::support::same(&before, &site.everything(), "the mirror");
    hoard.is_kept(&["mirror"]);
}

#[test]
fn there_is_nothing_to_approve_on_a_good_day() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    for (words, message) in [
        ("-approve data", "data: there is no held run to approve; see -snapshots"),
        ("-approve data 1", "data: there is no held run to approve"),
        ("-approve data 7", "there is no snapshot 7"),
    ] {
        super::refused(&site, words, &["src", "mirror"], &[message]);
    }
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn an_old_held_run_cannot_be_approved_after_a_good_night() {
    let site = archive();
    let mut hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "src/d", "away");
    held(&site, &["DIR d cannot be listed"]);
    move_to(&site, "away", "src/d");
    site.write("d/new", "work went on");
    hoard.take(&["src"]);
    let last = site.night();
    site.all_restore(&[last]);
    for words in ["-approve data", "-approve data 3"] {
        super::refused(&site, words, &["src", "mirror"], &["is newer: there is nothing to approve"]);
    }
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_held_run_approved_by_mistake_when_the_source_is_back_costs_nothing() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    move_to(&site, "src/d", "away");
    held(&site, &["DIR d cannot be listed"]);
    move_to(&site, "away", "src/d");
    typed(&site, "-approve data").ended(0);
    assert!(!site.mirror("d").exists(), "it was told to");
    hoard.is_kept(&["mirror"]);
    site.night();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn the_older_of_two_held_runs_can_be_approved_and_the_newer_is_kept() {
    let site = archive();
    let mut hoard = Hoard::of(&site, &["src", "mirror"]);
    remove(&site, 2, 23);
    held(&site, &["21 would be deleted"]);
    site.write("d/00", "between the two");
    hoard.take(&["src"]);
    held(&site, &["21 would be deleted"]);
    typed(&site, "-approve data 3").ended(0);
    assert_eq!(fs::read(site.mirror("d/00")).unwrap(), b"the second night of 00");
    hoard.is_kept(&["mirror"]);
    site.night();
    hoard.is_kept(&["mirror"]);
}
