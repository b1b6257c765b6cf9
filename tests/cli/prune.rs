//! KEEP, pins and `-prune`: what goes, what stays, and that what stays is whole.

use crate::support::{Night, Site, noise, reader};
use std::collections::BTreeSet;
use std::fs;

/// Files of a night: a large one that is new each time, and small ones of which every third is.
fn write(site: &Site, n: u64) {
    site.write("d/large", noise(n, 600 << 10));
    for k in (0..30).filter(|k| n == 0 || k % 3 == n % 3) {
        site.write(format!("d/sub/{k}"), noise(100 * n + k, 9000));
    }
}

fn nights(keep: &str, count: u64) -> (Site, Vec<Night>) {
    let site = Site::with(&["d"], &format!("  KEEP {keep}\n"));
    write(&site, 0);
    let mut nights = vec![site.init()];
    for n in 1..count {
        write(&site, n);
        nights.push(site.night());
    }
    (site, nights)
}

fn sequences(site: &Site) -> Vec<u64> {
    site.snapshots().iter().map(|row| row["sequence"].as_u64().unwrap()).collect()
}

/// Everything that is there is in order, by this program and by one that knows the format only.
#[track_caller]
fn is_in_order(site: &Site) {
    site.run("-check data --data").ended(0).in_peace().says(&["all in order"]);
    let done = reader(&site.mirror(".backup/store"), &["verify"]);
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "reader.py verify: {said}");
}

/// The size of a store that holds these nights only.
fn fresh_size(nights: &[Night], site: &Site) -> u64 {
    let fresh = Site::new();
    for (n, night) in nights.iter().enumerate() {
        let place = site.restored(night.sequence);
        fs::remove_dir_all(fresh.src("d")).unwrap();
        fs::rename(place.path().join("d"), fresh.src("d")).unwrap();
        fresh.run(if n == 0 { "-backup --init data" } else { "-backup data" });
        fresh.run("-approve data");
    }
    fresh.store_bytes()
}

#[test]
fn what_keep_does_not_keep_goes_and_its_room_is_given_back() {
    let (site, mut nights) = nights("last 2", 7);
    let before = site.store_bytes();
    let said = site.run("-prune data").ended(0).in_peace();
    let said = said.says(&["data: 5 snapshots dropped, 2 kept", "next to go: snapshot 6 (last 2 of 2)"]);
    assert_eq!(said.out.lines().count(), 1, "one line for cron: {said}");
    assert_eq!(sequences(&site), [6, 7]);
    // Again there is nothing to do.
    let store = site.store("");
    site.run("-prune data").ended(0).in_peace().says(&["0 snapshots dropped", "0 packs removed, 0 written again"]);
    assert_eq!(store, site.store(""));
    is_in_order(&site);
    nights.drain(..5);
    site.all_restore(&nights);
    site.run("-restore data --snapshot 3 --to away").ended(2).warns(&["there is no snapshot 3"]);
    let (after, fresh) = (site.store_bytes(), fresh_size(&nights, &site));
    assert!(after < before / 2 && after < fresh + fresh / 10, "{before} bytes before, {after} after, fresh: {fresh}");
    // The nights go on, and so do their numbers.
    write(&site, 8);
    nights.push(site.night());
    assert_eq!(nights[2].sequence, 8);
    site.run("-prune data").ended(0).in_peace();
    is_in_order(&site);
    site.all_restore(&nights[1..]);
}

#[test]
fn a_dry_run_says_why_each_stays_or_goes_and_removes_nothing() {
    let (site, _) = nights("last 2 daily 1", 4);
    let before = site.everything();
    let said = site.run("-prune data --dry-run").ended(0).in_peace();
    said.says(&[
        "     1  drop  backup",
        "     3  keep  backup",
        "last 2 of 2\n",
        "on the mirror; last number; newest; last 1 of 2; daily 1 of 1",
    ])
    .says(&["data: 2 snapshots would be dropped, 2 kept; "]);
    let rows = site.run("-prune data --dry-run --json").ended(0).json();
    let kept: Vec<_> = rows[..4].iter().map(|row| row["keep"].as_bool().unwrap()).collect();
    assert_eq!(kept, [false, false, true, true]);
    assert_eq!(rows[2]["reasons"], serde_json::json!(["last 2 of 2"]));
    assert_eq!((&rows[4]["type"], &rows[4]["dropped"]), (&"summary".into(), &2.into()));
    let freed = rows[4]["bytes_freed"].as_u64().unwrap();
    crate::support::same(&before, &site.everything(), "the mirror after a dry run");
    let size = site.store_bytes();
    site.run("-prune data").ended(0);
    let given = size - site.store_bytes();
    assert!(given > freed * 9 / 10 && given < freed * 11 / 10 + 9000, "{freed} bytes were promised, {given} given");
}

#[test]
fn without_keep_everything_stays() {
    let (site, nights) = nights("last 1", 3);
    site.table("");
    site.run("-prune data").ended(0).in_peace().says(&["0 snapshots dropped, 3 kept"]);
    site.table("  KEEP lastcopy 3y\n");
    site.run("-prune data --dry-run").ended(0).in_peace().says(&["     1  keep  backup", "no KEEP"]);
    site.all_restore(&nights);
}

#[test]
fn a_pinned_snapshot_stays_until_it_is_unpinned() {
    let (site, nights) = nights("last 1", 4);
    site.run("-pin data 2").ended(0).in_peace().says(&["data: snapshot 2 is pinned"]);
    site.run("-pin data 2").ended(0).in_peace().says(&["was pinned before"]);
    site.run("-unpin data 3").ended(0).in_peace().says(&["snapshot 3 was not pinned"]);
    for words in ["-pin data 9", "-unpin data 9"] {
        site.run(words).ended(2).warns(&["there is no snapshot 9"]);
    }
    site.run("-snapshots data").ended(0).says(&["  pinned\n"]);
    let pinned: Vec<_> = site.snapshots().iter().map(|row| row["pinned"].as_bool().unwrap()).collect();
    assert_eq!(pinned, [false, true, false, false]);
    site.run("-prune data --verbose").ended(0).says(&["     2  keep", "pinned\n"]);
    assert_eq!(sequences(&site), [2, 4]);
    is_in_order(&site);
    site.all_restore(&[&nights[1..2], &nights[3..]].concat_nights());
    site.run("-unpin data 2").ended(0).in_peace().says(&["pinned no more"]);
    site.run("-prune data").ended(0);
    assert_eq!(sequences(&site), [4]);
    is_in_order(&site);
}

/// Nights of several slices.
trait Concat {
    fn concat_nights(&self) -> Vec<Night>;
}

impl Concat for [&[Night]; 2] {
    fn concat_nights(&self) -> Vec<Night> {
        let copy = |night: &Night| Night { sequence: night.sequence, tree: night.tree.clone() };
        self.iter().flat_map(|nights| nights.iter().map(copy)).collect()
    }
}

#[test]
fn the_last_copy_of_what_was_deleted_stays() {
    let site = Site::with(&["d"], "  KEEP last 1\n");
    site.write("d/stays", noise(1, 5000));
    site.write("d/gone", noise(2, 5000));
    site.init();
    site.write("d/gone", "its last version");
    site.night();
    site.write("d/short", "of one night");
    let third = site.night();
    fs::remove_file(site.src("d/gone")).unwrap();
    site.night();
    fs::remove_file(site.src("d/short")).unwrap();
    site.night();
    site.write("d/stays", noise(3, 5000));
    site.night();
    // 4 has `short`, too, but 3 stays for `gone` and has the same.
    let said = site.run("-prune data --verbose").ended(0).in_peace();
    said.says(&["     3  keep", "last copy of d/gone, gone since 4\n", "4 snapshots dropped, 2 kept"]);
    assert_eq!(sequences(&site), [3, 6]);
    site.all_restore(&[third]);
    is_in_order(&site);
}

#[test]
fn nothing_is_removed_when_something_is_missing() {
    let (site, nights) = nights("last 2", 4);
    // The packs that only the newest night needs.
    let taken: BTreeSet<_> = site.packs();
    write(&site, 9);
    site.night();
    let new = site.packs().into_iter().filter(|pack| !taken.contains(pack));
    let new = new.max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    let aside = site.path("aside");
    fs::rename(&new, &aside).unwrap();
    let before = site.packs();
    site.run("-prune data").ended(2).warns(&["snapshot 5 cannot be read in full", "nothing was removed", "-check"]);
    assert_eq!((sequences(&site), site.packs()), (vec![1, 2, 3, 4, 5], before));
    fs::rename(&aside, &new).unwrap();
    site.all_restore(&nights[..3]);
    // A record that cannot be read: who knows what it needs?
    let record = site.mirror(".backup/store/snapshots/000002");
    let bytes = fs::read(&record).unwrap();
    fs::write(&record, &bytes[1..]).unwrap();
    site.run("-prune data").ended(2).warns(&["snapshots/000002", "nothing was removed"]);
    assert_eq!(site.store("snapshots").len(), 5);
    fs::write(&record, &bytes).unwrap();
    site.run("-prune data").ended(0);
    assert_eq!(sequences(&site), [4, 5]);
    is_in_order(&site);
}

#[test]
fn a_damaged_pack_that_should_be_written_again_is_left_and_named() {
    let (site, _) = nights("last 1", 2);
    // Of the first night's content two thirds of the small files are needed on, and not the large one.
    let first = site.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    let good = fs::read(&first).unwrap();
    let mut bytes = good.clone();
    // All blocks, so that it does not matter which one has what is needed.
    for at in (200..bytes.len() - 4000).step_by(1000) {
        bytes[at] ^= 1;
    }
    fs::write(&first, &bytes).unwrap();
    site.run("-prune data").ended(2).warns(&["it is left as it is", "it is damaged"]).says(&["1 pack left alone"]);
    assert_eq!(fs::read(&first).unwrap(), bytes);
    fs::write(&first, &good).unwrap();
    site.run("-prune data").ended(0).in_peace().says(&["1 written again"]);
    is_in_order(&site);
}

#[test]
fn no_more_is_copied_than_is_allowed() {
    let (site, _) = nights("last 1", 2);
    site.run("-prune data --max-rewrite 5%").ended(0).says(&["0 written again", "for nothing"]);
    is_in_order(&site);
    site.run("-prune data --max-rewrite 1M").ended(0).says(&["1 written again"]);
    is_in_order(&site);
    site.run("-prune data --max-rewrite much").ended(64).warns(&["--max-rewrite"]);
}

#[test]
fn what_an_interrupted_prune_left_is_given_back_by_the_next() {
    let (site, mut nights) = nights("last 2", 5);
    let before: Vec<_> = site.packs().into_iter().map(|pack| (pack.clone(), fs::read(&pack).unwrap())).collect();
    site.run("-prune data").ended(0);
    let (size, packs) = (site.store_bytes(), site.packs());
    // Killed before the packs went: no index names them.
    for (pack, bytes) in &before {
        fs::create_dir_all(pack.parent().unwrap()).unwrap();
        fs::write(pack, bytes).unwrap();
    }
    assert!(site.packs().len() > packs.len());
    site.give_all_away();
    site.run("-check data --data").ended(0);
    nights.drain(..3);
    site.all_restore(&nights);
    site.run("-prune data").ended(0).says(&["0 snapshots dropped"]);
    is_in_order(&site);
    let now = site.store_bytes();
    assert!(now < size + size / 10, "{size} bytes, and now {now}");
    site.all_restore(&nights);
}

#[test]
fn pins_follow_the_history_to_the_end_that_becomes_the_mirror() {
    if crate::hosts::are_far() {
        return;
    }
    let (site, _) = nights("last 1", 3);
    site.run("-pin data 1").ended(0);
    site.run("-prune data").ended(0);
    site.run("-swap data").ended(0);
    site.run("-prune data").ended(2).warns(&["not a mirror yet"]);
    site.run("-backup --init data").ended(0);
    assert!(site.src(".backup/store/pins/000001").is_file());
    let rows = site.snapshots();
    let pins: Vec<_> = rows.iter().map(|row| (row["sequence"].as_u64().unwrap(), row["pinned"] == true)).collect();
    assert_eq!(pins[..2], [(1, true), (3, false)]);
    site.run("-check data --data").ended(0).says(&["all in order"]);
    site.run("-prune data --dry-run").ended(0).says(&["pinned\n"]);
}
