//! Fail over and fail back: `-swap`, the table, the roles, and the history that follows.

use crate::hosts;
use crate::support::{Ran, Site, Tree, finish, names, noise, reader, same, set_mode, set_mtime, tree, we_are_root};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Two nights of a few files.
fn started() -> Site {
    started_with("")
}

fn started_with(lines: &str) -> Site {
    let site = Site::with(&["d"], lines);
    for n in 0..10 {
        site.write(format!("d/{n}"), noise(n, 4000));
    }
    site.write("d/sub/file", "first");
    site.init();
    site.write("d/sub/file", "second night");
    site.night();
    site
}

fn table(site: &Site) -> String {
    fs::read_to_string(site.path("backup.tab")).unwrap()
}

fn state(place: &Path) -> String {
    let role = fs::read_to_string(place.join(".backup/role")).unwrap();
    role.lines().find_map(|line| line.strip_prefix("state ")).unwrap().to_owned()
}

/// The table with the two places exchanged.
fn exchanged(site: &Site, text: &str) -> String {
    let (source, mirror) = (hosts::source(&site.src("")), hosts::mirror(&site.mirror("")));
    text.replace(&source, "\0").replace(&mirror, &source).replace('\0', &mirror)
}

/// Everything but locks, which are taken by who is refused.
fn all(site: &Site) -> Tree {
    let mut all = tree(&site.path(""), &["."]);
    all.retain(|path, _| !path.ends_with(".backup/lock"));
    // A temporary file that came and went has moved the time of the folder.
    all.remove(Path::new(""));
    all
}

/// The run is refused with these words, and nothing is written anywhere.
#[track_caller]
fn refused(site: &Site, words: &str, message: &[&str]) -> Ran {
    let before = all(site);
    let said = site.run(words).ended(2).warns(message);
    same(&before, &all(site), "the folder with everything");
    said
}

#[track_caller]
fn reader_verifies(store: &Path) {
    let done = reader(store, &["verify"]);
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "reader.py verify {}: {said}", store.display());
}

#[test]
fn a_swap_exchanges_the_table_and_promotes_the_mirror() {
    let site = started();
    let odd = format!(
        "# of the archive\r\n\n{}\t# end, without a line end",
        table(&site).replace("  MIRROR ", "\tMIRROR   ")
    );
    fs::write(site.path("backup.tab"), &odd).unwrap();
    set_mode(&site.path("backup.tab"), 0o640);
    let before = site.mirror_tree();
    let said = site.run("-swap data").ended(0).in_peace();
    let (source, mirror) = (hosts::mirror(&site.mirror("")), hosts::source(&site.src("")));
    said.says(&[
        &format!("data: SOURCE is now {source} (snapshot 2 and what was changed there since), MIRROR {mirror}\n"),
        &format!("now: point the automount at {source}"),
        &format!("stop all work on {mirror}"),
        "backup -backup --init data",
        "a mistake? backup -swap data takes it back",
    ]);
    assert_eq!(table(&site), exchanged(&site, &odd));
    assert_eq!(site.path("backup.tab").metadata().unwrap().mode() & 0o7777, 0o640);
    assert_eq!(state(&site.mirror("")), "promoted 2");
    same(&before, &site.mirror_tree(), "the promoted tree");
    assert!(!site.src(".backup").exists());
    let left: Vec<_> =
        names(&site.path("")).into_iter().filter(|name| name.to_string_lossy().contains("tmp-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_swap_needs_no_source() {
    let site = started();
    fs::remove_dir_all(site.src("")).unwrap();
    let said = site.run("-swap data --json").ended(0).in_peace().json();
    let row = &said[0];
    assert_eq!(
        (&row["outcome"], &row["snapshot"], &row["old_source_reachable"]),
        (&"swapped".into(), &2.into(), &false.into())
    );
    assert_eq!((said.len(), row["next"].as_array().unwrap().len()), (1, 3));
    assert_eq!(state(&site.mirror("")), "promoted 2");
    // What is there when the disk is not: said, and what goes on.
    for words in ["-backup data", "-check data", "-approve data"] {
        refused(
            &site,
            words,
            &[
                "src is not a mirror yet, or not mounted: SOURCE ",
                "was promoted by a swap and has the history",
                "backup -backup --init data",
            ],
        );
    }
}

#[test]
fn a_table_that_is_a_link_is_written_where_it_leads() {
    let site = started();
    let before = table(&site);
    fs::create_dir(site.path("etc")).unwrap();
    fs::rename(site.path("backup.tab"), site.path("etc/real.tab")).unwrap();
    symlink("etc/real.tab", site.path("backup.tab")).unwrap();
    site.run("-swap data").ended(0);
    assert!(site.path("backup.tab").symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read_to_string(site.path("etc/real.tab")).unwrap(), exchanged(&site, &before));
}

#[test]
fn a_swap_that_was_interrupted_before_the_table_is_completed_by_the_next() {
    let site = started();
    let old = table(&site);
    site.run("-swap data").ended(0);
    // As after a crash between the role and the table.
    fs::write(site.path("backup.tab"), &old).unwrap();
    for words in ["-backup data", "-backup --init data", "-restore data", "-check data", "-approve data"] {
        refused(
            &site,
            words,
            &[
                "mirror was promoted: it holds live data and is a mirror no more",
                "backup -swap data puts that into the table",
            ],
        );
    }
    site.run("-swap data").ended(0).says(&["was promoted before; ", "backup.tab says so now"]);
    assert_eq!(table(&site), exchanged(&site, &old));
    assert_eq!(state(&site.mirror("")), "promoted 2");
}

#[test]
fn a_swap_that_was_killed_anywhere_is_completed_by_the_next() {
    let site = started();
    let old = table(&site);
    let new = exchanged(&site, &old);
    let (role, clean) = (site.mirror(".backup/role"), fs::read(site.mirror(".backup/role")).unwrap());
    let mut seen = [0; 3];
    // Later and later, until it is often done before it is killed.
    for step in 0..600_u64 {
        let mut child = site.command(["-swap", "data"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(200 + step * 100));
        child.kill().unwrap();
        child.wait().unwrap();
        match (table(&site), state(&site.mirror("")).as_str()) {
            (text, "clean 2") if text == old => seen[0] += 1,
            (text, "promoted 2") if text == old => {
                seen[1] += 1;
                refused(&site, "-backup data", &["was promoted"]);
            }
            (text, "promoted 2") if text == new => seen[2] += 1,
            other => panic!("step {step}: {other:?}"),
        }
        if table(&site) == old {
            site.run("-swap data").ended(0);
        }
        assert_eq!((table(&site), state(&site.mirror(""))), (new.clone(), "promoted 2".to_owned()), "step {step}");
        fs::write(site.path("backup.tab"), &old).unwrap();
        fs::write(&role, &clean).unwrap();
        if seen[2] > 20 {
            break;
        }
    }
    assert!(seen[0] > 0 && seen[2] > 0, "{seen:?}: this test proves little");
}

#[test]
fn what_is_no_mirror_cannot_be_swapped() {
    let site = Site::new();
    site.write("d/a", "one");
    refused(&site, "-swap data", &["mirror is not a mirror, or not mounted: it cannot take the place of SOURCE"]);
    site.init();
    let text = table(&site);
    fs::write(site.path("backup.tab"), text.replace("TARGET data", "TARGET other")).unwrap();
    refused(&site, "-swap other", &["is the mirror of target data, not of other"]);
    // Rows that somebody exchanged by hand.
    fs::write(site.path("backup.tab"), exchanged(&site, &text)).unwrap();
    refused(&site, "-swap data", &["were exchanged in the table by hand. Put them back, then backup -swap data"]);
    site.run("-swap nobody").ended(64).warns(&["there is no target nobody"]);
}

#[test]
fn a_table_that_would_be_refused_refuses_the_swap() {
    if hosts::are_far() {
        return; // What lies inside what is told of places on one host only.
    }
    let site = Site::new();
    site.write("d/a", "one");
    let inside = table(&site).replace(&site.mirror("").display().to_string(), &site.src("m").display().to_string());
    fs::write(site.path("backup.tab"), &inside).unwrap();
    site.run("-backup --init data").ended(0);
    refused(
        &site,
        "-swap data",
        &["backup.tab:2: with SOURCE and MIRROR of data exchanged it would be refused: SOURCE ", "lies inside MIRROR"],
    );
}

#[test]
fn a_swap_while_a_run_is_at_work_is_refused() {
    let site = started();
    let (before, lock) = (all(&site), fs::File::open(site.mirror(".backup/lock")).unwrap());
    lock.lock().unwrap();
    site.run("-swap data").ended(4).warns(&["another run of `backup` is working on this mirror"]);
    drop(lock);
    same(&before, &all(&site), "everything");
    std::thread::sleep(Duration::from_millis(500));
    let folder = fs::File::open(site.path("")).unwrap();
    folder.lock().unwrap();
    refused(&site, "-swap data", &["another `backup -swap` is at work", "nothing was written"]);
}

#[test]
fn who_may_not_write_the_table_changes_nothing() {
    let site = Site::of_a_user();
    site.write("d/a", "one");
    site.give_all_away();
    site.run("-backup --init data").ended(0);
    set_mode(&site.path("backup.tab"), 0o444);
    refused(&site, "-swap data", &["cannot write to ", "backup.tab", "nothing was written"]);
    set_mode(&site.path("backup.tab"), 0o644);
    set_mode(&site.path(""), 0o555);
    refused(&site, "-swap data", &["backup.tab: Permission denied", "nothing was written"]);
    set_mode(&site.path(""), 0o755);
    if we_are_root() {
        // One that anybody may write but that could not keep its owner.
        set_mode(&site.path("backup.tab"), 0o666);
        std::os::unix::fs::chown(site.path("backup.tab"), Some(0), Some(0)).unwrap();
        refused(&site, "-swap data", &["tmp-swap-backup.tab", "Operation not permitted", "nothing was written"]);
        site.give_all_away();
    }
    site.run("-swap data").ended(0);
    assert_eq!(state(&site.mirror("")), "promoted 1");
}

#[test]
fn a_swap_that_was_a_mistake_is_taken_back() {
    let site = started();
    let old = table(&site);
    site.run("-swap data").ended(0);
    // Somebody worked there meanwhile.
    fs::write(site.mirror("d/1"), "edited while it was live").unwrap();
    // An empty mount point is not what was the source.
    fs::rename(site.src("d"), site.src("away")).unwrap();
    refused(
        &site,
        "-swap data",
        &["was promoted already, and MIRROR", "DIR d cannot be listed", "mount what was the source"],
    );
    fs::create_dir(site.src("d")).unwrap();
    refused(&site, "-swap data", &["there is nothing in its DIRs"]);
    fs::remove_dir(site.src("d")).unwrap();
    fs::rename(site.src("away"), site.src("d")).unwrap();
    site.run("-swap data").ended(0).in_peace().says(&["the swap is taken back: SOURCE is "]);
    assert_eq!((table(&site), state(&site.mirror(""))), (old, "clean 2".to_owned()));
    site.run("-backup data").ended(3).warns(&["changed by someone else: 0 added, 1 changed, 0 removed", "snapshot 3"]);
    assert_eq!(fs::read(site.restored(3).path().join("d/1")).unwrap(), b"edited while it was live");
    site.run("-approve data").ended(0);
    site.mirror_equals_source();
}

#[test]
fn a_mirror_that_holds_no_night_yet_can_be_promoted_and_taken_back() {
    let site = Site::new();
    site.write("d/a", "one");
    fs::create_dir(site.mirror("")).unwrap();
    site.run("-backup --init data").ended(0);
    let role = site.mirror(".backup/role");
    fs::create_dir(site.path("x")).unwrap();
    // A second mirror, whose first night was held.
    site.table("TARGET t\nSOURCE x\nMIRROR y\nDIR d\n");
    site.run("-backup --init t").ended(3);
    assert_eq!(state(&site.path("y")), "empty");
    site.run("-swap t").ended(0).says(&["SOURCE is now y, MIRROR x"]);
    assert_eq!(state(&site.path("y")), "promoted 0");
    fs::create_dir(site.path("x/d")).unwrap();
    fs::write(site.path("x/d/a"), "x").unwrap();
    site.run("-swap t").ended(0);
    assert_eq!(state(&site.path("y")), "empty");
    assert!(role.exists());
}

/// Killed when it has put a part of the second night on the mirror.
fn interrupted() -> Site {
    let site = Site::new();
    for n in 0..300 {
        site.write(format!("d/many/{n}"), noise(n, 3000));
    }
    site.init();
    for n in 0..300 {
        site.write(format!("d/many/{n}"), noise(5000 + n, 3000));
    }
    // Much is replaced: that is not what is tried here.
    site.table("HOLD 100%\n");
    let records = site.mirror(".backup/store/snapshots/000002");
    for again in 0..40 {
        let mut child = site.command(["-backup", "data"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !state(&site.mirror("")).starts_with("publishing") && child.try_wait().unwrap().is_none() {}
        child.kill().unwrap();
        child.wait().unwrap();
        if state(&site.mirror("")).starts_with("publishing") {
            return site;
        }
        assert!(!records.exists() || again < 39, "never killed in time");
        for n in 0..300 {
            site.write(format!("d/many/{n}"), noise(again * 1000 + n, 3000));
        }
    }
    panic!("never killed in time");
}

#[test]
fn an_interrupted_run_is_finished_from_the_store_before_the_swap() {
    if hosts::are_far() {
        return; // The agent goes on with what was asked for, and ends it.
    }
    let site = interrupted();
    let state_before = state(&site.mirror(""));
    let number = state_before.rsplit(' ').next().unwrap();
    let source = site.source_tree();
    fs::rename(site.src(""), site.path("dead")).unwrap();
    site.run("-swap data")
        .ended(0)
        .warns(&[&format!("the interrupted run was finished first: the tree holds snapshot {number}")]);
    assert_eq!(state(&site.mirror("")), format!("promoted {number}"));
    same(&source, &site.mirror_tree(), "the promoted tree");
}

#[test]
fn an_interrupted_run_on_a_mirror_that_was_changed_is_left_and_told() {
    if hosts::are_far() {
        return; // The agent goes on with what was asked for, and ends it.
    }
    let site = interrupted();
    fs::write(site.mirror("d/many/7"), "live").unwrap();
    let before = site.mirror_tree();
    let said = site.run("-swap data").ended(0);
    said.warns(&[
        "an interrupted run could not be finished (1 of its names were changed by someone else)",
        "the tree is a mixture of snapshot 1 and snapshot ",
    ]);
    same(&before, &site.mirror_tree(), "the promoted tree");
}

#[test]
fn the_store_on_another_partition_is_found_from_the_promoted_place_alone() {
    let site = started_with("  STORE big/store # of mine\n");
    let text = table(&site);
    let link = site.mirror(".backup/store");
    let mirror = hosts::mirror(&site.mirror(""));
    site.run("-swap data")
        .ended(0)
        .in_peace()
        .says(&[&format!("the store is found through {} from now on", hosts::mirror(&link))]);
    assert_eq!(fs::read_link(&link).unwrap(), site.path("big/store # of mine"));
    let comment = format!("  # STORE big/store # of mine   (of {mirror} until the swap)\n");
    assert_eq!(table(&site), exchanged(&site, &text).replace("  STORE big/store # of mine\n", &comment));
    // The history follows to the other end, and back again.
    site.run("-backup --init data").ended(0).says(&["data: snapshot 3: "]);
    reader_verifies(&site.src(".backup/store"));
    site.run("-swap data").ended(0).in_peace();
    site.run("-backup --init data").ended(0).says(&["data: snapshot 4: "]);
    reader_verifies(&site.path("big/store # of mine"));
    assert!(fs::read_link(&link).is_ok());
}

#[test]
fn a_store_that_is_in_the_way_of_the_link_refuses_the_swap() {
    let site = started_with("  STORE big\n");
    fs::create_dir(site.mirror(".backup/store")).unwrap();
    refused(&site, "-swap data", &["mirror/.backup/store: the store and the mirror do not belong together"]);
}

#[test]
fn an_old_table_after_a_swap_writes_nothing() {
    let site = started();
    let old = table(&site);
    site.run("-swap data").ended(0);
    let new = table(&site);
    fs::write(site.mirror("d/1"), "live").unwrap();
    let first = |words: &str| refused(&site, words, &["was promoted", "SOURCE should be", "nothing was written"]);
    fs::write(site.path("backup.tab"), &old).unwrap();
    for words in ["-backup data", "-backup --init data", "-restore data", "-approve data"] {
        first(words);
    }
    // The other end has become the mirror.
    fs::write(site.path("backup.tab"), &new).unwrap();
    site.run("-backup --init data").ended(0);
    fs::write(site.path("backup.tab"), &old).unwrap();
    for words in ["-backup data", "-backup --init data", "-restore data"] {
        refused(&site, words, &["src is the mirror of target data: the table looks swapped (nothing was written)"]);
    }
    refused(&site, "-approve data", &["was promoted"]);
    site.run("-swap data").ended(0).says(&["was promoted before; ", "backup.tab says so now"]);
    assert_eq!(table(&site), new);
    // Swapped back: now `new` is the old table.
    site.run("-swap data").ended(0);
    assert_eq!(table(&site), old);
    fs::write(site.path("backup.tab"), &new).unwrap();
    for words in ["-backup data", "-backup --init data", "-restore data", "-approve data"] {
        refused(&site, words, &["src was promoted", "SOURCE should be", "backup -swap data"]);
    }
    site.run("-swap data").ended(0);
    assert_eq!(
        (table(&site), state(&site.src("")), state(&site.mirror(""))),
        (old, "promoted 4".into(), "promoted 2".into())
    );
}

#[test]
fn an_older_end_is_taken_only_with_a_word_about_the_one_that_is_lost() {
    let site = started();
    for _ in 0..2 {
        site.run("-swap data").ended(0);
        site.run("-backup --init data").ended(0);
    }
    site.run("-swap data").ended(0);
    assert_eq!((state(&site.mirror("")), state(&site.src(""))), ("promoted 4".to_owned(), "promoted 3".to_owned()));
    // The live end is lost before the other one was made its mirror: there is only the older one.
    fs::rename(site.mirror(""), site.path("lost")).unwrap();
    site.run("-swap data").ended(0).warns(&["if that disk was promoted after snapshot 3, the newer work is on it"]);
    // It comes back: it is not taken for a mirror, and a swap makes it the source again.
    fs::rename(site.path("lost"), site.mirror("")).unwrap();
    refused(&site, "-backup --init data", &["mirror was promoted", "backup -swap data"]);
    site.run("-swap data").ended(0);
    site.run("-backup --init data").ended(0).says(&["data: snapshot 5: "]);
}

#[test]
fn a_mirror_whose_first_night_after_a_swap_is_missing_cannot_be_promoted() {
    let site = started();
    site.run("-swap data").ended(0);
    // The first night is held: a DIR is missing on the live end.
    fs::rename(site.mirror("d"), site.mirror("away")).unwrap();
    site.run("-backup --init data").ended(3);
    assert_eq!(state(&site.src("")), "empty");
    refused(&site, "-swap data", &["no night has been put on", "backup -restore data --to PLACE"]);
    fs::rename(site.mirror("away"), site.mirror("d")).unwrap();
    site.run("-backup data").ended(0);
    site.run("-swap data").ended(0);
}

#[test]
fn a_store_of_another_target_is_not_taken_over() {
    let site = started_with("  STORE big\n");
    fs::create_dir_all(site.path("x/d")).unwrap();
    site.table("TARGET t\nSOURCE x\nMIRROR y\nDIR d\nSTORE big\n");
    let said = site.run("-backup --init t").ended(2);
    said.warns(&["big holds the history of target data, not of t", "nothing was written"]);
    assert!(!site.path("y/.backup/role").exists());
}

#[test]
fn two_ends_that_say_the_same_are_not_guessed_about() {
    let site = started();
    site.run("-swap data").ended(0);
    let copied = Command::new("cp").arg("-a").arg(site.mirror(".backup")).arg(site.src("")).status().unwrap();
    assert!(copied.success());
    refused(&site, "-swap data", &["both say that they were promoted with snapshot 2"]);
    refused(&site, "-backup --init data", &["was promoted"]);
}

#[test]
fn stale_content_is_rescued_and_numbers_go_on_when_the_other_end_becomes_the_mirror() {
    let site = started();
    site.run("-swap data").ended(0);
    fs::write(site.mirror("d/live"), "written on the promoted tree").unwrap();
    fs::remove_file(site.mirror("d/3")).unwrap();
    // The source went on for a while before it died.
    site.write("d/unseen", noise(77, 300_000));
    site.write("d/4", "the last hour");
    let stale = site.source_tree();
    let live = site.mirror_tree();
    let said = site.run("-backup --init data").ended(0);
    said.warns(&["the history of ", "was copied first (snapshots: 2, packs: "]).says(&["data: snapshot 4: "]);
    let rows = site.snapshots();
    let kinds: Vec<_> = rows.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["backup", "backup", "rescue", "backup"]);
    same(&live, &tree(&site.src(""), &["d"]), "the new mirror");
    same(&stale, &tree(site.restored(3).path(), &["d"]), "the rescue");
    same(&live, &tree(site.restored(4).path(), &["d"]), "the first night after");
    reader_verifies(&site.src(".backup/store"));
    // The records are those of the other store, byte for byte, and the stores have names of their own.
    for number in ["000001", "000002"] {
        let of = |place: PathBuf| fs::read(place.join(".backup/store/snapshots").join(number)).unwrap();
        assert_eq!(of(site.src("")), of(site.mirror("")), "{number}");
    }
    let config = |place: PathBuf| fs::read_to_string(place.join(".backup/store/config")).unwrap();
    let line = |text: String, n: usize| text.lines().nth(n).unwrap().to_owned();
    assert_ne!(line(config(site.src("")), 2), line(config(site.mirror("")), 2), "two stores of one id");
    assert_eq!(line(config(site.src("")), 3), line(config(site.mirror("")), 3), "they cut alike");
    site.run("-backup data").ended(0).in_peace();
    site.run("-check data --data").ended(0).in_peace();
    // On a mirror that is made, --init changes nothing.
    site.run("-backup --init data").ended(0).in_peace();
}

/// The folder of the program at SOURCE has a history in it then, and stays.
#[test]
fn a_restore_in_place_works_on_a_source_that_was_a_mirror() {
    let site = started();
    site.run("-swap data").ended(0);
    site.run("-backup --init data").ended(0);
    let live = site.mirror("d/sub/file");
    fs::write(&live, "spoilt").unwrap();
    site.run("-restore data d/sub/file").ended(0).in_peace();
    assert_eq!(fs::read(live).unwrap(), b"second night");
    assert_eq!(state(&site.mirror("")), "promoted 2");
    assert_eq!(fs::read_dir(site.mirror(".backup/stage")).unwrap().count(), 0);
}

#[test]
fn a_damaged_pack_is_left_out_and_told_and_the_rest_of_the_history_comes() {
    let site = Site::new();
    site.write("d/big", noise(1, 3 << 20));
    site.write("d/small", "kept");
    site.init();
    site.write("d/big", noise(2, 2 << 20));
    site.night();
    let largest = largest(&site.packs());
    let mut bytes = fs::read(&largest).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let name = largest.file_name().unwrap().to_string_lossy().into_owned();
    site.run("-swap data").ended(0);
    let said = site.run("-backup --init data").ended(1);
    said.warns(&[&name, "it is damaged", "left out of the history"]).says(&["data: snapshot 3: "]);
    assert!(!crate::support::files(&site.src(".backup/store/packs")).iter().any(|path| path.ends_with(&name)));
    site.run("-check data").ended(2).warns(&["d/big: in snapshot 1", "missing or damaged"]);
    let out = site.path("out");
    site.run(&format!("-restore data --snapshot 2 --to {}", out.display())).ended(0);
    assert_eq!(fs::read(out.join("d/big")).unwrap(), noise(2, 2 << 20));
    site.run("-backup data").ended(0);
}

/// A disk that cannot read may be able to tomorrow: then nothing may be missing. One that never can is not waited for.
#[test]
fn what_cannot_be_read_of_the_history_ends_the_run_until_it_is_read_or_moved_away() {
    let site = started();
    site.run("-swap data").ended(0);
    let record = site.mirror(".backup/store/snapshots/000001");
    let lost = largest(&site.packs());
    let other = site.packs().into_iter().find(|pack| *pack != lost).unwrap();
    let away = |file: &Path| site.path(file.file_name().unwrap());
    for files in [vec![&record], vec![&lost, &other]] {
        for &file in &files {
            fs::rename(file, away(file)).unwrap();
            // A folder can be opened and not read.
            fs::create_dir(file).unwrap();
        }
        for _ in 0..2 {
            let mut said = site.run("-backup --init data").ended(2);
            said =
                said.warns(&["cannot read ", "Is a directory", "the same command goes on", "move out of its folder"]);
            for file in &files {
                assert!(said.err.contains(&*file.file_name().unwrap().to_string_lossy()), "{said}");
            }
            assert_eq!(said.err.lines().count(), files.len(), "{said}");
            assert!(!site.src(".backup/role").exists());
            assert!(names(&site.src(".backup/store/snapshots")).is_empty());
        }
        // What could be read is copied already: the disk may be dying.
        let copied = crate::support::files(&site.src(".backup/store/packs"));
        let whole = copied.iter().filter(|pack| !pack.ends_with("tmp-import.pack")).count();
        assert_eq!(whole, if files.len() == 1 { 0 } else { site.packs().len() });
        for &file in &files {
            fs::remove_dir(file).unwrap();
            if *file != lost {
                fs::rename(away(file), file).unwrap();
            }
        }
    }
    let said = site.run("-backup --init data").ended(1);
    said.warns(&[&lost.file_name().unwrap().to_string_lossy(), "it is missing"]).says(&["data: snapshot 3: "]);
    same(&site.mirror_tree(), &site.source_tree(), "the new mirror");
    site.run("-backup data").ended(0).in_peace();
}

fn largest(files: &BTreeSet<PathBuf>) -> PathBuf {
    files.iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap().clone()
}

#[test]
fn damaged_manifests_do_not_keep_the_live_end_from_being_backed_up() {
    let site = started();
    site.run("-swap data").ended(0);
    for pack in site.packs() {
        let mut bytes = fs::read(&pack).unwrap();
        // A pack of manifests, by the kind of its first block (format-spec.md, 4).
        if bytes[16 + 5] == 1 {
            bytes[60] ^= 1;
            fs::write(&pack, bytes).unwrap();
        }
    }
    let said = site.run("-backup --init data").ended(1);
    said.warns(&["left out of the history", "snapshot 2 cannot be built upon, all files are read anew"]);
    same(&site.mirror_tree(), &site.source_tree(), "the new mirror");
    assert_eq!(state(&site.src("")), "clean 3");
    site.run("-backup data").ended(0).in_peace();
    same(&site.mirror_tree(), &tree(site.restored(4).path(), &["d"]), "the second night");
}

#[test]
fn a_damaged_record_is_left_out_and_told() {
    let site = started();
    let record = site.mirror(".backup/store/snapshots/000001");
    let mut bytes = fs::read(&record).unwrap();
    bytes[40] ^= 1;
    fs::write(&record, bytes).unwrap();
    site.run("-swap data").ended(0);
    site.run("-backup --init data").ended(1).warns(&["000001", "damaged", "left out of the history"]);
    assert_eq!(site.snapshots()[0]["sequence"], 2);
}

#[test]
fn stores_that_went_separate_ways_are_refused() {
    let site = started();
    site.run("-swap data").ended(0);
    site.run("-backup --init data").ended(0);
    site.run("-swap data").ended(0);
    // A record of the same number that is another one.
    let record = site.mirror(".backup/store/snapshots/000002");
    fs::write(&record, of_another_time(fs::read(&record).unwrap())).unwrap();
    let words = [
        "snapshot 2 is another one in ",
        "the two went separate ways. Nothing was copied. Move ",
        "and run the same command again",
    ];
    let packs = crate::support::files(&site.mirror(".backup/store"));
    site.run("-backup --init data").ended(2).warns(&words);
    assert_eq!(
        (crate::support::files(&site.mirror(".backup/store")), state(&site.mirror(""))),
        (packs, "promoted 2".into())
    );
    // As the message says.
    fs::rename(site.mirror(".backup/store"), site.path("aside")).unwrap();
    site.run("-backup --init data").ended(0);
    reader_verifies(&site.mirror(".backup/store"));
}

/// A snapshot record with another time, sealed again (format-spec.md, 8).
fn of_another_time(mut bytes: Vec<u8>) -> Vec<u8> {
    // 12 bytes of head, sequence and kind of one byte each, then the seconds: 4 bytes behind their mark.
    assert_eq!(bytes[14], 252);
    bytes[15] ^= 2;
    let end = bytes.len() - 32;
    let seal = *blake3::hash(&bytes[..end]).as_bytes();
    bytes[end..].copy_from_slice(&seal);
    bytes
}

#[test]
fn a_copy_of_the_history_that_was_killed_anywhere_is_finished_by_the_next() {
    let site = Site::new();
    for night in 0..6_u64 {
        for n in 0..40 {
            site.write(format!("d/{n}"), noise(night * 100 + n, 40_000));
        }
        site.table("HOLD 100%\n");
        site.run(if night == 0 { "-backup --init data" } else { "-backup data" }).ended(0);
    }
    let nights: Vec<_> = (1..=6).map(|n| (n, tree(site.restored(n).path(), &["d"]))).collect();
    site.run("-swap data").ended(0);
    let (mut killed, mut half) = (0, 0);
    // Agents may live on for five seconds; who takes their disk away must let them end.
    let (steps, rest) = if hosts::are_far() { (4, Duration::from_secs(6)) } else { (30, Duration::ZERO) };
    for step in (0..30_u64).step_by(30 / steps) {
        std::thread::sleep(rest);
        fs::remove_dir_all(site.src("")).unwrap();
        for again in 0..3 {
            let mut command = site.command(["-backup", "--init", "data"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_micros(1000 + step * 1500 + again * 400));
            killed += u64::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            let role = site.src(".backup/role").exists();
            half += u64::from(site.src(".backup/store/config").exists() && !role);
            if role {
                // Whoever says that it is a mirror has all of the history.
                let records = names(&site.src(".backup/store/snapshots"));
                assert!(records.len() >= 6, "step {step}: {records:?}");
            }
        }
        site.run("-backup --init data").ended(0);
        reader_verifies(&site.src(".backup/store"));
    }
    let enough = hosts::are_far() || killed >= 45 && half >= 5;
    assert!(enough, "{killed} killed, {half} of them in the copy: this test proves little");
    for (number, night) in nights {
        same(&night, &tree(site.restored(number).path(), &["d"]), &format!("snapshot {number}"));
    }
}

/// A target through its whole life: every version that was ever backed up is found at the end.
#[test]
fn a_failed_over_and_failed_back_target_has_every_version_of_every_file() {
    let site = Site::with(&["d", "e"], "");
    let kept: RefCell<BTreeMap<u64, Tree>> = RefCell::default();
    let (one, other) = (site.src(""), site.mirror(""));
    let write = |place: &Path, path: &str, bytes: &[u8]| {
        let path = place.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let night = |words: &str, source: &Path, mirror: &Path| {
        site.run(words).ended(0);
        let now = tree(source, &["d", "e"]);
        same(&now, &tree(mirror, &["d", "e"]), "the mirror");
        kept.borrow_mut().insert(site.newest("backup"), now);
    };
    // Nights on the first disk.
    for n in 0..30 {
        write(&one, &format!("d/{n}"), &noise(n, 3000));
    }
    write(&one, "e/big", &noise(100, 3 << 20));
    symlink("nowhere", one.join("d/link")).unwrap();
    fs::hard_link(one.join("d/1"), one.join("e/second name")).unwrap();
    set_mtime(&one.join("d/2"), 1_000_000_000, 123_456_789);
    night("-backup --init data", &one, &other);
    write(&one, "d/3", b"edited");
    fs::remove_file(one.join("d/4")).unwrap();
    night("-backup data", &one, &other);
    // The disk is lost; people go on working on the mirror; then it is made official.
    fs::remove_dir_all(&one).unwrap();
    write(&other, "d/5", b"live, before the swap");
    site.run("-swap data").ended(0);
    write(&other, "e/after", &noise(101, 700_000));
    fs::remove_file(other.join("d/6")).unwrap();
    fs::rename(other.join("d/7"), other.join("e/moved")).unwrap();
    // A new, empty disk in the old place.
    night("-backup --init data", &other, &one);
    write(&other, "d/8", b"edited on the second disk");
    set_mode(&other.join("d/9"), 0o600);
    night("-backup data", &other, &one);
    // Back again; something was left behind on the second disk, in no night.
    write(&other, "d/10", b"in no night");
    site.run("-swap data").ended(0);
    write(&one, "d/11", b"on the first disk again");
    let left = tree(&other, &["d", "e"]);
    site.run("-backup --init data").ended(0);
    kept.borrow_mut().insert(site.newest("rescue"), left);
    kept.borrow_mut().insert(site.newest("backup"), tree(&one, &["d", "e"]));
    write(&one, "e/big", &noise(102, 2 << 20));
    night("-backup data", &one, &other);
    // All of it, from the store that is the mirror's now.
    let kept = kept.take();
    assert_eq!(kept.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    for (number, wanted) in &kept {
        same(wanted, &tree(site.restored(*number).path(), &["d", "e"]), &format!("snapshot {number}"));
    }
    for place in [&one, &other] {
        reader_verifies(&place.join(".backup/store"));
    }
    site.run("-check data --data").ended(0).in_peace();
    assert_eq!((state(&one), state(&other)), ("promoted 4".to_owned(), "clean 7".to_owned()));
}

#[test]
fn history_can_be_listed_and_restored_while_there_is_no_mirror_after_a_swap() {
    let site = started();
    let night = site.mirror_tree();
    fs::remove_dir_all(site.src("")).unwrap();
    site.run("-swap data").ended(0);
    fs::write(site.mirror("d/sub/file"), "edited").unwrap();
    let before = tree(&site.mirror(".backup"), &["."]);
    assert_eq!(site.snapshots().len(), 2);
    let words = "is not a mirror yet, or not mounted: this is the history of the promoted SOURCE ";
    site.run("-snapshots data").ended(0).warns(&[words, "which ends with the swap"]);
    let out = site.path("out");
    let words = |rest: &str| site.run(&format!("-restore data {rest}"));
    words(&format!("--to {}", out.display())).ended(0).warns(&["this is the history of the promoted SOURCE"]);
    same(&night, &tree(&out, &["d"]), "the newest night");
    words(&format!("--snapshot 1 d/sub --to {}", site.path("first").display())).ended(0);
    assert_eq!(fs::read(site.path("first/d/sub/file")).unwrap(), b"first");
    // What would have to be saved first cannot be: that store takes nothing.
    fs::write(out.join("d/1"), "mine").unwrap();
    words(&format!("--to {}", out.display())).ended(2).warns(&["would be overwritten", "restore to an empty place"]);
    words("").ended(2).warns(&["would be overwritten", "backup -backup --init data"]);
    assert_eq!(fs::read(out.join("d/1")).unwrap(), b"mine");
    assert_eq!(fs::read(site.mirror("d/sub/file")).unwrap(), b"edited");
    words("--dry-run").ended(0).says(&["replace  d/sub/file"]);
    let mut after = tree(&site.mirror(".backup"), &["."]);
    let mut before = before;
    for tree in [&mut before, &mut after] {
        tree.retain(|path, _| !path.ends_with("lock"));
    }
    same(&before, &after, "the promoted store");
    drop(finish(site.command(["-backup", "--init", "data"])).ended(0));
    assert_eq!(site.newest("backup"), 3);
}

#[test]
fn the_history_is_read_at_the_promoted_source_while_the_host_of_the_mirror_is_dead() {
    if hosts::are_far() {
        return; // A host that is dead must not be that of SOURCE.
    }
    let site = started();
    site.run("-swap data").ended(0);
    let (text, dead) = (table(&site), "MIRROR nowhere:/data\nRSH false");
    let lines = text.lines().map(|line| if line.trim_start().starts_with("MIRROR") { dead } else { line });
    fs::write(site.path("backup.tab"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    let note = ["nowhere", "this is the history of the promoted SOURCE"];
    site.run("-snapshots data").ended(0).warns(&note);
    let out = site.path("out");
    site.run(&format!("-restore data --snapshot 1 --to {}", out.display())).ended(0).warns(&note);
    assert_eq!(fs::read(out.join("d/sub/file")).unwrap(), b"first");
    // There may be newer nights than it knows.
    refused(&site, "-restore data", &["nowhere"]);
    refused(&site, "-backup data", &["nowhere"]);
}
