//! Two runs at once, and runs by somebody else.

use super::{archive, held, shown, typed};
use crate::hoard::Hoard;
use crate::support::{Site, noise, same, set_mode, we_are_root};
use std::fs;

#[test]
fn of_two_runs_at_once_one_is_turned_away_and_nothing_is_lost() {
    let site = archive();
    for n in 0..200 {
        site.write(format!("d/many/{n}"), noise(n, 20_000));
    }
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    let lines = ["-backup data", "-backup data", "-restore data", "-check data", "-approve data"];
    for _ in 0..3 {
        let ended = std::thread::scope(|scope| {
            let runs: Vec<_> = lines.iter().map(|words| scope.spawn(|| shown(words, site.run(words)).code)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(ended.iter().all(|code| [0, 2, 4].contains(code)), "{ended:?}");
        hoard.is_kept(&["src", "mirror"]);
    }
    site.night();
    hoard.is_kept(&["mirror"]);
}

#[test]
fn a_run_by_another_user_writes_nothing() {
    if !we_are_root() {
        return;
    }
    let site = Site::of_a_user();
    super::fill(&site, "src", 0);
    site.give_all_away();
    site.init();
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    // The mirror is root's now, as if root's cron had made it.
    for path in ["mirror/.backup", "mirror/.backup/role", "mirror/.backup/lock"] {
        std::os::unix::fs::chown(site.path(path), Some(0), Some(0)).unwrap();
    }
    set_mode(&site.mirror(".backup"), 0o700);
    let before = site.everything();
    for words in ["-backup data", "-backup --init data", "-restore data", "-check data", "-approve data"] {
        typed(&site, words).ended(2).warns(&["Permission denied", "mirror/.backup"]);
    }
    same(&before, &site.everything(), "the mirror");
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn a_run_without_the_right_to_read_takes_nothing_for_deleted() {
    let site = Site::of_a_user();
    super::fill(&site, "src", 0);
    site.give_all_away();
    site.run("-backup --init data").ended(0);
    let hoard = Hoard::of(&site, &["mirror"]);
    set_mode(&site.src("d"), 0);
    let ran = held(&site, &["DIR d cannot be listed (Permission denied"]);
    set_mode(&site.src("d"), 0o755);
    set_mode(&site.src("d/sub"), 0);
    drop(ran);
    typed(&site, "-backup data").ended(1).warns(&["d/sub: cannot be read (Permission denied"]);
    hoard.is_kept(&["mirror"]);
    set_mode(&site.src("d/sub"), 0o755);
    set_mode(&site.mirror("d/sub"), 0o755);
}

#[test]
fn a_second_run_at_the_same_time_is_turned_away() {
    let site = archive();
    site.write("d/new", "new");
    let hoard = Hoard::of(&site, &["src", "mirror"]);
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
        let said = typed(&site, words)
            .ended(4)
            .warns(&["data: ", "mirror: another run of `backup` is working on this mirror"]);
        assert_eq!(said.err.lines().count(), 1, "{said}");
    }
    same(&before, &site.everything(), "the mirror");
    // These only read.
    site.run("-snapshots data").ended(0);
    drop(lock);
    // A test beside this one that has just forked may hold a copy of the descriptor for a moment, and with it the lock.
    std::thread::sleep(std::time::Duration::from_millis(500));
    site.night();
    hoard.is_kept(&["mirror"]);
}
