//! Mistakes in backup.tab, and `--init` typed where it should not be.

use super::{archive, copy, fill, held, move_to, refused, rows, target, typed};
use crate::hoard::Hoard;
use crate::support::{Site, same, tree};
use std::fs;

#[test]
fn rows_that_were_swapped_are_refused() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    rows(&site, "mirror", "src", "");
    for words in [
        "-backup data",
        "-backup --init data",
        "-restore data",
        "-restore data --snapshot 1",
        "-restore data --delete",
        "-restore data --to elsewhere",
        "-check data",
        "-approve data",
        "-snapshots data",
    ] {
        refused(
            &site,
            words,
            &["src", "mirror"],
            &[
                "data: SOURCE ",
                "mirror is the mirror of target data: the table looks swapped (nothing was written)",
                "backup -swap data",
            ],
        );
    }
    let ran = typed(&site, "-backup data").ended(2);
    assert!(!ran.err.contains("move"), "nobody is told to move the only store away: {ran}");
    assert!(!site.src(".backup").exists());
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn rows_swapped_after_people_worked_on_the_mirror_are_refused_and_the_work_is_kept() {
    let site = archive();
    // The source disk died, the mirror was mounted in its place, and nobody said so. Then the old disk came back.
    fs::write(site.mirror("d/03"), "a week of work").unwrap();
    fs::write(site.mirror("d/new"), "another week of work").unwrap();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    rows(&site, "mirror", "src", "");
    refused(&site, "-backup data", &["src", "mirror"], &["the table looks swapped", "backup -swap data"]);
    refused(&site, "-backup --init data", &["src", "mirror"], &["the table looks swapped"]);
    rows(&site, "src", "mirror", "");
    held(&site, &["the mirror was changed by someone else: 1 added, 1 changed, 0 removed", "-swap data"]);
    hoard.is_kept(&["src", "mirror"]);
    // Even who takes the wrong way loses nothing.
    typed(&site, "-approve data").ended(0);
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn rows_confused_before_the_first_night_hold_the_run_that_would_empty_the_mirror() {
    let site = Site::with(&["d", "e"], "");
    fill(&site, "mirror", 1);
    let hoard = Hoard::of(&site, &["mirror"]);
    let words = "-backup --init data";
    let ran = typed(&site, words).ended(3);
    let ran = ran.warns(&["DIR d is empty and was not before", "The mirror was not touched"]);
    ran.warns(&["look whether SOURCE and MIRROR are confused in backup.tab"]);
    hoard.is_kept(&["mirror"]);
    assert!(site.mirror("d/00").exists());
    typed(&site, "-backup data").ended(3);
    typed(&site, "-approve data").ended(0);
    hoard.is_kept(&["mirror"]);
    assert!(!site.mirror("d/00").exists());
}

/// The places of two targets.
const BOTH: [&str; 4] = ["src", "mirror", "src2", "mirror2"];

fn two_targets() -> (Site, Hoard) {
    let site = archive();
    fill(&site, "src2", 2);
    rows(&site, "src", "mirror", &target("other", "src2", "mirror2"));
    site.run("-backup --init other").ended(0);
    let hoard = Hoard::of(&site, &BOTH);
    (site, hoard)
}

#[test]
fn two_targets_whose_mirrors_were_exchanged_are_refused() {
    let (site, hoard) = two_targets();
    rows(&site, "src", "mirror2", &target("other", "src2", "mirror"));
    for words in
        ["-backup data", "-backup --init data", "-restore data", "-check data", "-approve data", "-snapshots data"]
    {
        refused(&site, words, &BOTH, &["mirror2 is the mirror of target other, not of data"]);
    }
    let said =
        typed(&site, "-backup data other").ended(2).warns(&["mirror is the mirror of target data, not of other"]);
    drop(said);
    hoard.is_kept(&BOTH);
}

#[test]
fn two_targets_whose_sources_were_exchanged_are_held() {
    let (site, hoard) = two_targets();
    rows(&site, "src2", "mirror", &target("other", "src", "mirror2"));
    held(&site, &["in DIR d", "get other content", "SOURCE was ", "src until snapshot 2"]);
    typed(&site, "-backup other").ended(3);
    hoard.is_kept(&BOTH);
    typed(&site, "-approve data").ended(0);
    typed(&site, "-approve other").ended(0);
    hoard.is_kept(&["mirror", "mirror2"]);
}

#[test]
fn a_second_table_with_the_same_mirror_is_held() {
    let site = archive();
    fill(&site, "src2", 2);
    let hoard = Hoard::of(&site, &["src", "mirror", "src2"]);
    rows(&site, "src2", "mirror", "");
    held(&site, &["get other content", "SOURCE was "]);
    rows(&site, "src", "mirror", "");
    site.night();
    rows(&site, "src2", "mirror", "");
    held(&site, &["get other content"]);
    typed(&site, "-approve data").ended(0);
    hoard.is_kept(&["mirror"]);
}

#[test]
fn one_mirror_for_two_targets_is_a_mistake_of_the_table() {
    let site = archive();
    fill(&site, "src2", 2);
    let hoard = Hoard::of(&site, &["src", "mirror", "src2"]);
    for mirror in ["mirror", "mirror/d", "mirror/."] {
        rows(&site, "src", "mirror", &target("other", "src2", mirror));
        let message = ["backup.tab:8: MIRROR mirror", "give each target a mirror of its own"];
        typed(&site, "-backup --init other").ended(64).warns(&message);
    }
    hoard.is_kept(&["src", "mirror", "src2"]);
}

#[test]
fn a_typing_error_in_mirror_makes_no_new_mirror() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    rows(&site, "src", "miror", "");
    let words = "miror is not a mirror yet, or not mounted; for a new mirror: backup -backup --init data";
    for command in ["-backup data", "-restore data", "-check data", "-approve data", "-snapshots data"] {
        refused(&site, command, &["src", "mirror"], &[words]);
    }
    assert!(!site.path("miror").exists());
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn a_dir_renamed_only_in_the_table_holds_the_run() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    fs::write(site.path("backup.tab"), "TARGET data\n SOURCE src\n MIRROR mirror\n DIR dd\n DIR e\n").unwrap();
    typed(&site, "-backup data").ended(3).warns(&["DIR dd cannot be listed", "The mirror was not touched"]);
    hoard.is_kept(&["src", "mirror"]);
    typed(&site, "-approve data").ended(0);
    assert!(site.mirror("d/00").exists(), "what no DIR covers is left alone");
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_dir_taken_out_of_the_table_stays_on_the_mirror_and_may_come_back() {
    let site = archive();
    let mut hoard = Hoard::of(&site, &["src", "mirror"]);
    let line = " DIR e\n";
    let text = fs::read_to_string(site.path("backup.tab")).unwrap();
    fs::write(site.path("backup.tab"), text.replace("  DIR e\n", "")).unwrap();
    typed(&site, "-backup data").ended(0);
    assert!(site.mirror("e/0").exists(), "{line}");
    hoard.is_kept(&["mirror"]);
    // Both go on apart from each other until the line is back.
    site.write("e/0", "the source went on");
    fs::write(site.mirror("e/1"), "somebody edited what was left").unwrap();
    hoard.take(&["src", "mirror"]);
    typed(&site, "-backup data").ended(0);
    fs::write(site.path("backup.tab"), &text).unwrap();
    let ran = typed(&site, "-backup data");
    hoard.is_kept(&["mirror"]);
    if ran.code == 3 {
        typed(&site, "-approve data").ended(0);
    }
    site.mirror_equals_source();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_dir_added_to_the_table_takes_nothing_from_a_mirror_that_has_such_a_folder() {
    let site = archive();
    site.write("f/1", "new on the source");
    fs::create_dir(site.mirror("f")).unwrap();
    fs::write(site.mirror("f/1"), "was on the mirror, beside the DIRs").unwrap();
    fs::write(site.mirror("f/2"), "and nowhere else").unwrap();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    rows(&site, "src", "mirror", " DIR f\n");
    typed(&site, "-backup data").ended(3).warns(&["2 added", "f/1 (added)", "The mirror was not touched"]);
    typed(&site, "-approve data").ended(0);
    same(&tree(&site.src(""), &["f"]), &tree(&site.mirror(""), &["f"]), "the new DIR");
    hoard.is_kept(&["mirror"]);
}

#[test]
fn an_exclude_that_hides_half_of_the_tree_takes_nothing_away() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    for exclude in ["d/1*", "d/[12]*"] {
        rows(&site, "src", "mirror", &format!(" EXCLUDE {exclude}\n"));
        typed(&site, "-backup data").ended(0).in_peace().says(&["0 removed"]);
        hoard.is_kept(&["mirror"]);
        assert!(site.mirror("d/11").exists() && site.mirror("d/20").exists(), "what is excluded is never removed");
    }
    // Without the line, what was hidden is there again, as it is on both sides: nobody changed anything.
    rows(&site, "src", "mirror", "");
    typed(&site, "-backup data").ended(0).in_peace().says(&["0 written"]);
    site.mirror_equals_source();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn hold_100_lets_all_go_and_nothing_is_lost() {
    let site = archive();
    site.table("HOLD 100%");
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    for n in 2..super::FILES {
        fs::remove_file(site.src(format!("d/{n:02}"))).unwrap();
    }
    site.night();
    hoard.is_kept(&["mirror"]);
    // A DIR that is empty is still no loss in per cent.
    fs::remove_dir_all(site.src("e")).unwrap();
    fs::create_dir(site.src("e")).unwrap();
    held(&site, &["DIR e is empty and was not before"]);
    hoard.is_kept(&["mirror"]);
}

#[test]
fn hold_1_holds_the_loss_of_one_file_and_hold_0_is_a_mistake() {
    let site = archive();
    site.table("HOLD 0%");
    typed(&site, "-backup data").ended(64).warns(&["backup.tab:6: HOLD 0% is not a percentage"]);
    site.table("HOLD 1%");
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    site.write("d/new", "new files are no loss");
    site.night();
    fs::remove_file(site.src("d/05")).unwrap();
    held(&site, &["1 would be deleted and 0 get other content", "HOLD 1%"]);
    typed(&site, "-approve data").ended(0);
    hoard.is_kept(&["mirror"]);
}

#[test]
fn init_beside_other_data_leaves_it_alone() {
    let site = Site::with(&["d", "e"], "");
    fill(&site, "src", 1);
    fill(&site, "home/of/somebody", 2);
    let hoard = Hoard::of(&site, &["src", "home"]);
    let before = tree(&site.path("home"), &["of"]);
    rows(&site, "src", "home", "");
    typed(&site, "-backup --init data").ended(0);
    same(&before, &tree(&site.path("home"), &["of"]), "the other data");
    hoard.is_kept(&["src", "home"]);
}

#[test]
fn init_over_other_data_rescues_it_first() {
    let site = Site::with(&["d", "e"], "");
    fill(&site, "src", 1);
    fill(&site, "mirror", 2);
    fs::write(site.mirror("d/mine"), "not to be found anywhere else").unwrap();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    typed(&site, "-backup --init data").ended(0);
    site.mirror_equals_source();
    hoard.is_kept(&["mirror"]);
    // And the way back, as an operator goes it.
    typed(&site, "-restore data d/mine --snapshot 1 --to back").ended(0);
    assert!(site.path("back/d/mine").exists());
}

#[test]
fn init_on_the_source_of_another_target_rescues_what_is_there() {
    let site = archive();
    fill(&site, "src2", 2);
    let hoard = Hoard::of(&site, &["src", "mirror", "src2"]);
    rows(&site, "src", "mirror", &target("other", "src2", "src"));
    typed(&site, "-backup --init other");
    hoard.is_kept(&["src", "mirror", "src2"]);
    // The target whose source that is, says so.
    let ran = typed(&site, "-backup data").ended(2);
    ran.warns(&["src is the mirror of target other: the table looks swapped (nothing was written)"]);
    hoard.is_kept(&["src", "mirror", "src2"]);
}

#[test]
fn init_on_the_mirror_of_another_target_is_refused() {
    let site = archive();
    fill(&site, "src2", 2);
    let hoard = Hoard::of(&site, &["src", "mirror", "src2"]);
    fs::write(site.path("backup.tab"), target("other", "src2", "mirror")).unwrap();
    for words in ["-backup other", "-backup --init other", "-restore other", "-check other", "-approve other"] {
        let message = ["mirror is the mirror of target data, not of other", "(nothing was written)"];
        refused(&site, words, &["src2", "mirror"], &message);
    }
    refused(&site, "-snapshots other", &["src2", "mirror"], &["is the mirror of target data, not of other"]);
    hoard.is_kept(&["src", "mirror", "src2"]);
}

#[test]
fn init_on_a_mirror_that_exists_changes_nothing() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    let before = site.everything();
    typed(&site, "-backup --init data --dry-run").ended(0);
    same(&before, &site.everything(), "the mirror");
    typed(&site, "-backup --init data").ended(0).says(&["0 written (0 B), 0 removed, 0 touched"]);
    hoard.is_kept(&["mirror"]);
    move_to(&site, "mirror", "m");
    copy(&site.path("m"), &site.mirror(""));
    typed(&site, "-backup --init data").ended(0);
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_host_that_cannot_be_reached_is_told_in_one_line() {
    let site = Site::new();
    for (source, mirror) in [("far:/s", "m"), ("src", "far:/m")] {
        let table = format!("TARGET data\nSOURCE {source}\nMIRROR {mirror}\nDIR d\nRSH /no/such/ssh\n");
        fs::write(site.path("backup.tab"), table).unwrap();
        let words: &[&str] = match mirror {
            "m" => &["-backup data", "-backup --init data", "-restore data"],
            _ => &[
                "-backup data",
                "-backup --init data",
                "-restore data",
                "-check data",
                "-snapshots data",
                "-approve data",
            ],
        };
        for words in words {
            let message = "data: cannot reach far by /no/such/ssh: No such file or directory";
            let ran =
                refused(&site, words, &[""], &[message, "(install it, or name another program in RSH or BACKUP_RSH)"]);
            assert_eq!(ran.err.lines().count(), 1, "{ran}");
        }
        site.run("-status data").ended(0);
    }
}

#[test]
fn a_source_that_is_the_mirror_of_another_target_is_refused() {
    let site = archive();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    rows(&site, "src", "mirror", &target("other", "mirror", "src2"));
    for words in ["-backup --init other", "-backup other", "-restore other"] {
        let message = ["mirror is the mirror of target data: the table looks swapped (nothing was written)"];
        refused(&site, words, &["src", "mirror"], &message);
    }
    assert!(!site.path("src2").exists());
    hoard.is_kept(&["src", "mirror"]);
}
