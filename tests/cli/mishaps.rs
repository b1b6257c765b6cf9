//! When something is wrong: refused, held, carried forward; and after a crash as if nothing had been.

use crate::support::{Site, files, finish, noise, same, set_mode, set_mtime, tree, we_are_root};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn started() -> Site {
    let site = Site::new();
    for n in 0..20 {
        site.write(format!("d/{n:02}"), format!("file {n}"));
    }
    site.write("d/sub/file", "below");
    site.init();
    site
}

/// The run is refused with this message, in one line, and nothing is written anywhere.
#[track_caller]
fn refused(site: &Site, words: &str, message: &[&str]) {
    let before = tree(&site.path(""), &["."]);
    let said = site.run(words).ended(2).warns(message);
    assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{said}");
    let mut after = tree(&site.path(""), &["."]);
    // Taking the lock is no writing.
    let mut before = before;
    for tree in [&mut before, &mut after] {
        tree.retain(|path, _| !path.ends_with(".backup/lock"));
    }
    same(&before, &after, "the folder with everything");
}

#[test]
fn a_source_that_is_missing_is_refused() {
    let site = Site::new();
    fs::remove_dir_all(site.src("")).unwrap();
    refused(
        &site,
        "-backup --init data",
        &["data: SOURCE ", "src cannot be opened: No such file", "is it mounted? (nothing was written)"],
    );
    assert!(!site.mirror("").exists());
    let site = started();
    fs::rename(site.src(""), site.path("away")).unwrap();
    refused(&site, "-backup data", &["is it mounted? (nothing was written)"]);
    refused(&site, "-restore data", &["src cannot be opened", "is it mounted?"]);
    site.run("-check data").ended(0).warns(&["SOURCE cannot be opened: it was not compared"]);
    site.run(&format!("-restore data --to {}", site.path("rescued").display())).ended(0);
    same(&tree(&site.path("away"), &["d"]), &tree(&site.path("rescued"), &["d"]), "the place");
}

#[test]
fn a_source_that_is_a_file_is_refused() {
    let site = Site::new();
    fs::remove_dir_all(site.src("")).unwrap();
    fs::write(site.src(""), "x").unwrap();
    refused(&site, "-backup --init data", &["src cannot be opened: Not a directory"]);
}

#[test]
fn a_mirror_that_was_not_made_is_refused() {
    let site = Site::new();
    site.write("d/a", "one");
    let words = ["mirror is not a mirror yet, or not mounted; for a new mirror: backup -backup --init data"];
    refused(&site, "-backup data", &words);
    fs::create_dir_all(site.mirror("d")).unwrap();
    refused(&site, "-backup data", &words);
    fs::create_dir(site.mirror(".backup")).unwrap();
    refused(&site, "-backup data", &words);
    for command in ["-restore data", "-check data", "-approve data", "-snapshots data"] {
        refused(&site, command, &["mirror is not a mirror yet, or not mounted"]);
    }
}

#[test]
fn the_mirror_of_another_target_is_refused() {
    let site = started();
    let text = fs::read_to_string(site.path("backup.tab")).unwrap();
    fs::write(site.path("backup.tab"), text.replace("TARGET data", "TARGET other")).unwrap();
    for words in ["-backup other", "-backup --init other", "-restore other", "-check other", "-approve other"] {
        refused(&site, words, &["mirror is the mirror of target data, not of other", "(nothing was written)"]);
    }
}

#[test]
fn the_list_of_snapshots_of_another_target_is_refused() {
    let site = started();
    let text = fs::read_to_string(site.path("backup.tab")).unwrap();
    fs::write(site.path("backup.tab"), text.replace("TARGET data", "TARGET other")).unwrap();
    refused(&site, "-snapshots other", &["mirror is the mirror of target data, not of other"]);
}

#[test]
fn a_store_that_belongs_to_another_mirror_is_refused() {
    let (one, other) = (started(), started());
    fs::rename(one.mirror(".backup/store"), one.path("store")).unwrap();
    fs::rename(other.mirror(".backup/store"), one.mirror(".backup/store")).unwrap();
    for words in ["-backup data", "-restore data", "-check data"] {
        refused(&one, words, &["the store and the mirror do not belong together"]);
    }
}

#[test]
fn a_swapped_table_is_refused() {
    let site = started();
    let text = fs::read_to_string(site.path("backup.tab")).unwrap();
    let text = text.replace("SOURCE", "S").replace("MIRROR", "SOURCE").replace("  S ", "  MIRROR ");
    fs::write(site.path("backup.tab"), text).unwrap();
    for words in ["-backup data", "-backup --init data", "-restore data", "-restore data --snapshot 1"] {
        refused(
            &site,
            words,
            &["data: SOURCE ", "mirror is the mirror of target data: the table looks swapped (nothing was written)"],
        );
    }
    assert!(!site.src(".backup").exists());
}

#[test]
fn a_restore_into_the_mirror_is_refused() {
    let site = started();
    for place in [site.mirror(""), site.mirror("d"), site.mirror(".backup/store")] {
        refused(&site, &format!("-restore data --to {}", place.display()), &["is the mirror of target data"]);
    }
}

#[test]
fn a_place_on_another_host_is_refused_in_one_line() {
    let site = Site::new();
    for (source, mirror, message) in [
        ("far:/s", "m", "data: SOURCE far:/s is on another host, which this version cannot reach"),
        ("src", "far:/m", "data: MIRROR far:/m is on another host, which this version cannot reach"),
    ] {
        let table = format!("TARGET data\nSOURCE {source}\nMIRROR {mirror}\nDIR d\n");
        fs::write(site.path("backup.tab"), table).unwrap();
        for words in
            ["-backup data", "-backup --init data", "-restore data", "-check data", "-snapshots data", "-approve data"]
        {
            refused(&site, words, &[message]);
        }
        site.run("-status data").ended(0);
    }
}

/// The run is held, the mirror stays as it is, and `-approve` carries it out.
#[track_caller]
fn held(site: &Site, reasons: &[&str]) {
    let before = site.mirror_tree();
    let said = site.run("-backup data").ended(3);
    let said = said.warns(&["backup: data: HELD: ", "The mirror was not touched; the source is snapshot "]);
    let said = said.warns(&["If all is well: backup -approve data"]).warns(reasons);
    assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{said}");
    same(&before, &site.mirror_tree(), "the mirror of a held run");
}

#[test]
fn a_dir_that_is_gone_holds_the_run() {
    let site = started();
    let first = site.source_tree();
    fs::remove_dir_all(site.src("d")).unwrap();
    held(&site, &["DIR d cannot be listed (No such file"]);
    held(&site, &["DIR d cannot be listed"]);
    site.run("-approve data").ended(0);
    assert!(!site.mirror("d").exists());
    let place = site.restored(1);
    same(&first, &tree(place.path(), &["d"]), "the first night");
    site.run("-approve data").ended(2);
}

#[test]
fn a_dir_that_is_empty_holds_the_run() {
    let site = started();
    let first = site.source_tree();
    fs::remove_dir_all(site.src("d")).unwrap();
    fs::create_dir(site.src("d")).unwrap();
    held(&site, &["DIR d is empty and was not before"]);
    site.run("-approve data").ended(0).in_peace();
    site.mirror_equals_source();
    same(&first, &tree(site.restored(1).path(), &["d"]), "the first night");
    // Approved, empty is what it was before.
    site.night();
}

#[test]
fn a_held_run_whose_cause_is_mended_needs_no_approval() {
    let site = started();
    fs::rename(site.src("d"), site.src("elsewhere")).unwrap();
    held(&site, &["DIR d"]);
    fs::rename(site.src("elsewhere"), site.src("d")).unwrap();
    site.write("d/new", "new");
    let last = site.night();
    site.all_restore(&[last]);
    site.run("-approve data").ended(2).warns(&["is newer and on the mirror: nothing to approve"]);
    site.mirror_equals_source();
}

#[test]
fn a_dir_that_became_a_file_or_a_link_holds_the_run() {
    let site = started();
    fs::rename(site.src("d"), site.src("elsewhere")).unwrap();
    symlink("elsewhere", site.src("d")).unwrap();
    held(&site, &["DIR d cannot be listed"]);
    fs::remove_file(site.src("d")).unwrap();
    fs::write(site.src("d"), "x").unwrap();
    held(&site, &["DIR d cannot be listed"]);
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
fn there_is_nothing_to_approve_on_a_good_day() {
    let site = started();
    refused(&site, "-approve data", &["data: there is no held run to approve; see -snapshots"]);
    refused(&site, "-approve data 1", &["data: there is no held run to approve"]);
    refused(&site, "-approve data 7", &["there is no snapshot 7"]);
}

#[test]
fn a_file_that_cannot_be_read_keeps_its_last_good_version() {
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
fn a_mirror_that_cannot_be_written_to_ends_the_run() {
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
fn a_second_run_at_the_same_time_is_turned_away() {
    let site = started();
    site.write("d/new", "new");
    let lock = fs::File::open(site.mirror(".backup/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let before = site.everything();
    for words in [
        "-backup data",
        "-backup --init data",
        "-restore data",
        "-check data",
        "-approve data",
        "-backup data --dry-run",
    ] {
        let said =
            site.run(words).ended(4).warns(&["data: ", "mirror: another run of `backup` is working on this mirror"]);
        assert_eq!(said.err.lines().count(), 1, "{said}");
    }
    same(&before, &site.everything(), "the mirror");
    // These only read.
    site.run("-snapshots data").ended(0);
    drop(lock);
    site.night();
}

#[test]
fn what_someone_changed_on_the_mirror_is_rescued_and_holds_the_run() {
    let site = started();
    let mirror = |path: &str| site.mirror(path);
    fs::write(mirror("d/03"), "edited on the mirror").unwrap();
    fs::write(mirror("d/added"), "added on the mirror").unwrap();
    fs::remove_file(mirror("d/04")).unwrap();
    set_mode(&mirror("d/05"), 0o600);
    fs::rename(mirror("d/06"), mirror("d/sub/06")).unwrap();
    let live = site.mirror_tree();
    held(&site, &["the mirror was changed by someone else: 2 added, 2 changed, 2 removed", "d/03 (other content)"]);
    held(&site, &["What was found on the mirror is snapshot 2."]);
    assert_eq!(site.newest("rescue"), 2, "one rescue for one finding");
    same(&live, &tree(site.restored(2).path(), &["d"]), "the rescue snapshot");
    site.run("-check data").ended(2).warns(&["d/03: the mirror is not as it was left: other content"]);
    site.write("d/07", "changed on the source since");
    site.run("-backup data").ended(3);
    site.run("-approve data").ended(0).in_peace();
    site.mirror_equals_source();
    same(&live, &tree(site.restored(2).path(), &["d"]), "the rescue snapshot");
    site.run("-check data --data").ended(0).in_peace();
}

#[test]
fn a_change_on_the_mirror_that_hides_its_time_is_seen() {
    let site = started();
    let facts = fs::metadata(site.mirror("d/03")).unwrap();
    fs::write(site.mirror("d/03"), "FILE 3").unwrap();
    set_mtime(&site.mirror("d/03"), facts.mtime(), facts.mtime_nsec());
    held(&site, &["0 added, 1 changed, 0 removed; d/03 (other content)"]);
}

#[test]
fn a_restore_after_work_on_the_mirror_brings_back_what_people_saw() {
    let site = started();
    let good = site.source_tree();
    fs::write(site.mirror("d/03"), "work done on the mirror").unwrap();
    fs::write(site.mirror("d/new"), "more work").unwrap();
    let live = site.mirror_tree();
    fs::remove_dir_all(site.src("d")).unwrap();
    let said = site
        .run("-restore data")
        .ended(0)
        .warns(&["the mirror was changed by someone else", "for the last night: --snapshot 1"]);
    drop(said);
    same(&live, &site.source_tree(), "the source");
    site.run("-restore data --delete --snapshot 1").ended(0);
    same(&good, &site.source_tree(), "the source");
}

#[test]
fn a_rescued_mirror_is_restored_once() {
    let site = started();
    fs::write(site.mirror("d/03"), "work done on the mirror").unwrap();
    site.run("-restore data").ended(0);
    let rescues = || site.snapshots().iter().filter(|row| row["kind"] == "rescue").count();
    let before = rescues();
    site.run("-restore data").ended(0);
    site.run("-restore data").ended(0);
    assert_eq!(rescues(), before);
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
    assert_eq!(site.snapshots().len(), 1);
}

/// A first night of incompressible data that is killed at `after` the start; gives whether it was killed in time.
fn killed(site: &Site, words: &str, stop: impl Fn(Duration) -> bool) -> bool {
    let mut command = site.command(words.split(' '));
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    loop {
        if run.try_wait().unwrap().is_some() {
            return false;
        }
        if stop(start.elapsed()) {
            run.kill().unwrap();
            run.wait().unwrap();
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn source_of_200_mb() -> Site {
    let site = Site::new();
    for n in 0..20 {
        site.write(format!("d/large/{n}"), noise(n, 9_000_000));
    }
    for n in 0..2000 {
        site.write(format!("d/small/{}/{n}", n % 7), noise(n, 10_000));
    }
    site
}

fn pack_names(site: &Site) -> Vec<PathBuf> {
    if !site.mirror(".backup/store/packs").exists() {
        return Vec::new();
    }
    let whole = |path: &PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with("tmp-");
    site.packs().into_iter().filter(whole).collect()
}

#[test]
fn a_first_night_that_is_killed_goes_on_where_it_was() {
    let site = source_of_200_mb();
    let mut kills = 0;
    // While packs are written: each time at least one more is whole.
    for wanted in [1, 2, 3] {
        let whole = |_: Duration| pack_names(&site).len() >= wanted;
        kills += u32::from(killed(&site, "-backup --init data", whole));
    }
    let saved = pack_names(&site);
    // When the record is there: the tree is being staged.
    let records = site.mirror(".backup/store/snapshots");
    kills += u32::from(killed(&site, "-backup --init data", |_| records.exists() && !files(&records).is_empty()));
    // In the midst of publishing: some names are in place.
    kills += u32::from(killed(&site, "-backup --init data", |_| site.mirror("d/small").exists()));
    kills += u32::from(killed(&site, "-backup --init data", |_| site.mirror("d/small/3").exists()));
    assert!(kills >= 3, "the runs were too fast to be killed: {kills}");
    if site.mirror("d").exists() {
        // Every file that is in place is whole.
        for path in files(&site.mirror("d")) {
            let original = site.src("d").join(path.strip_prefix(site.mirror("d")).unwrap());
            assert_eq!(fs::read(&path).unwrap(), fs::read(original).unwrap(), "{}", path.display());
        }
    }
    let last = site.run("-backup --init data").ended(0);
    site.mirror_equals_source();
    assert!(saved.iter().all(|path| path.exists()), "packs of a killed run are used again: {last}");
    assert!(site.store_bytes() < 225_000_000, "{} bytes", site.store_bytes());
    assert!(files(&site.mirror(".backup/stage")).is_empty());
    assert!(site.store("").iter().all(|path| !path.file_name().unwrap().to_string_lossy().starts_with("tmp-")));
    site.run("-check data --data").ended(0);
    let rescues = site.snapshots().iter().filter(|row| row["kind"] != "backup").count();
    assert_eq!(rescues, 0, "a killed run is not someone else");
    let place = site.restored(site.newest("backup"));
    same(&site.source_tree(), &tree(place.path(), &["d"]), "the restored tree");
}

#[test]
fn a_night_that_is_killed_at_any_moment_converges() {
    let site = Site::with(&["d"], "HOLD 100%");
    for n in 0..600 {
        site.write(format!("d/{}/{n}", n % 10), noise(n, 20_000));
    }
    let mut nights = vec![site.init()];
    for round in 0..12_u64 {
        for n in 0..250 {
            let n = n + round % 2 * 300;
            site.write(format!("d/{}/{n}", n % 10), noise(n + 1000 * (round + 1), 20_000));
        }
        fs::rename(site.src("d/0"), site.src("d/x")).unwrap();
        fs::rename(site.src("d/1"), site.src("d/0")).unwrap();
        fs::rename(site.src("d/x"), site.src("d/1")).unwrap();
        for n in [round, round + 20] {
            site.write(format!("d/{}/{n}", n % 10), "will become a folder");
        }
        let delay = Duration::from_millis(15 * (round + 1));
        killed(&site, "-backup data", |since| since >= delay);
        let said = site.run("-backup data").ended(0);
        site.mirror_equals_source();
        drop(said);
    }
    nights.push(site.night());
    site.all_restore(&nights);
    assert!(site.snapshots().iter().all(|row| row["kind"] == "backup"));
    site.run("-check data --data").ended(0).in_peace();
}

#[test]
fn a_mirror_changed_after_a_killed_run_is_not_lost() {
    let site = Site::new();
    for n in 0..3000 {
        site.write(format!("d/{}/{n}", n % 10), noise(n, 10_000));
    }
    site.init();
    for n in 0..1000 {
        site.write(format!("d/{}/{n}", n % 10), noise(n + 7777, 10_000));
    }
    let role = site.mirror(".backup/role");
    let publishing = || fs::read_to_string(&role).is_ok_and(|text| text.contains("state publishing"));
    if !killed(&site, "-backup data", |_| publishing()) {
        return;
    }
    fs::write(site.mirror("d/5/1005"), "work on the mirror").unwrap();
    fs::write(site.mirror("d/5/5"), "work on the mirror, too").unwrap();
    site.run("-backup data").ended(3).warns(&["the mirror was changed by someone else: 0 added, 2 changed, 0 removed"]);
    let place = site.restored(site.newest("rescue"));
    assert_eq!(fs::read(place.path().join("d/5/5")).unwrap(), b"work on the mirror, too");
    site.run("-approve data").ended(0);
    site.mirror_equals_source();
}

#[test]
fn a_restore_that_is_killed_can_be_run_again() {
    let site = source_of_200_mb();
    let first = site.init();
    fs::remove_dir_all(site.src("d")).unwrap();
    let killed = killed(&site, "-restore data", |_| site.src("d/large").exists());
    site.run("-restore data").ended(0);
    same(&first.tree, &site.source_tree(), "the source");
    assert!(!site.src(".backup").exists(), "killed: {killed}");
    site.night();
}

#[test]
fn a_source_that_changes_while_it_is_read_does_no_harm() {
    let site = Site::new();
    site.write("d/log", noise(1, 5_000_000));
    site.write("d/calm", "calm");
    site.init();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                n += 1;
                fs::write(site.src("d/log"), noise(n, 5_000_000)).unwrap();
                fs::write(site.src("d/comes-and-goes"), "x").unwrap();
                fs::remove_file(site.src("d/comes-and-goes")).unwrap();
            }
        });
        for _ in 0..5 {
            let said = finish(site.command(["-backup", "data"]));
            assert!([0, 1].contains(&said.code), "{said}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    site.night();
    site.run("-check data --data").ended(0);
}
