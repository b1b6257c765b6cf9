//! Runs that are killed in the middle, and sources that change meanwhile: the next run ends what was begun, as if nothing had been.

use crate::support::{PROGRAM, Site, bare, files, finish, noise, same, set_mode, tree};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

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

/// Killed at growing times from its start, over and over, while it adopts a tree that held other things: the next run ends it, and what was there
/// before is in a snapshot.
#[test]
fn a_run_that_was_killed_anywhere_is_finished_by_the_next() {
    let mut killed = 0;
    for step in 0..24_u64 {
        let site = Site::new();
        for n in 0..300 {
            site.write(format!("d/{:02}/{n}", n % 20), noise(n, 2000));
        }
        fs::create_dir_all(site.mirror("d")).unwrap();
        fs::write(site.mirror("d/foreign"), "only here").unwrap();
        fs::write(site.mirror("d/01"), "a file where a folder will be").unwrap();
        for again in 0..4 {
            let mut command = bare(PROGRAM, &site.path(""));
            command
                .args(["--tab", "backup.tab", "-backup", "--init", "data"])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            std::thread::sleep(Duration::from_millis(3 + step * 5 + again));
            killed += u64::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        site.run("-backup --init data").ended(0);
        site.mirror_equals_source();
        let first = site.snapshots().into_iter().find(|row| row["kind"] == "rescue").expect("a rescue");
        let number = first["sequence"].as_u64().unwrap();
        let out = site.restored(number);
        assert_eq!(fs::read(out.path().join("d/foreign")).unwrap(), b"only here", "step {step}");
        site.run("-check data --data").ended(0).in_peace();
    }
    assert!(killed >= 24, "only {killed} runs were alive when they were killed: this test proves nothing");
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
fn what_a_killed_restore_left_behind_goes_with_the_next() {
    let site = Site::new();
    site.write("d/a", "one");
    let first = site.init();
    fs::create_dir_all(site.src(".backup/stage/making")).unwrap();
    set_mode(&site.src(".backup/stage"), 0o700);
    fs::write(site.src(".backup/stage/making/1"), "half a fi").unwrap();
    site.run("-restore data").ended(0).in_peace().says(&["0 written"]);
    assert!(!site.src(".backup").exists());
    same(&first.tree, &site.source_tree(), "the source");
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
