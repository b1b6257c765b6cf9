//! What somebody else put in our way, who may write to a root: it is neither believed nor followed, and nobody waits for it.

use crate::support::{PROGRAM, Ran, Site, bare, finish, set_mode, we_are_root};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::Path;
use std::process::Command;

/// Somebody who is neither root nor who runs the tests.
const STRANGER: u32 = 54321;

/// What would hang does not hang the tests.
fn in_time(site: &Site, words: &str) -> Ran {
    let mut command = bare("timeout", &site.path(""));
    command.arg("30").arg(PROGRAM).arg("--tab").arg(site.path("backup.tab")).args(words.split_whitespace());
    finish(command)
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn give(folder: &Path, user: u32) {
    let done = Command::new("chown").args(["-R", &user.to_string()]).arg(folder).status().unwrap();
    assert!(done.success());
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn nothing_is_written_to_a_home_that_anybody_may_have_made() {
    let site = Site::new();
    site.write("d/a", "a");
    let (evil, home) = (site.path("evil"), site.mirror(".backup"));
    fs::create_dir(&evil).unwrap();
    fs::create_dir_all(site.mirror("")).unwrap();
    symlink(&evil, &home).unwrap();
    site.run("-backup --init data").ended(2).warns(&["mirror/.backup: it is no folder", "else move it away"]);
    assert!(is_empty(&evil) && !site.mirror("d").exists());
    fs::remove_file(&home).unwrap();
    fs::create_dir(&home).unwrap();
    set_mode(&home, 0o777);
    site.run("-backup --init data").ended(2).warns(&["mirror/.backup: others may write to it (mode 0777)"]);
    set_mode(&home, 0o755);
    if we_are_root() {
        chown(&home, Some(STRANGER), None).unwrap();
        site.run("-backup --init data").ended(2).warns(&["mirror/.backup: it belongs to user 54321", "chmod 0700"]);
        chown(&home, Some(0), None).unwrap();
    }
    assert!(is_empty(&home) && !site.mirror("d").exists());
    let first = site.init();
    // Of a mirror that is there, too.
    set_mode(&home, 0o770);
    for words in ["-backup data", "-restore data --to x", "-check data", "-snapshots data", "-swap data"] {
        site.run(words).ended(2).warns(&["mirror/.backup: others may write to it (mode 0770)"]);
    }
    set_mode(&home, 0o700);
    site.all_restore(&[first]);
}

#[test]
fn a_store_elsewhere_that_others_may_write_to_is_not_used() {
    let site = Site::with(&["d"], "STORE store\n");
    site.write("d/a", "a");
    let store = site.path("store");
    fs::create_dir(&store).unwrap();
    set_mode(&store, 0o777);
    site.run("-backup --init data").ended(2).warns(&["/store: others may write to it (mode 0777)"]);
    assert!(is_empty(&store));
    set_mode(&store, 0o755);
    site.init();
    set_mode(&store, 0o775);
    site.run("-backup data").ended(2).warns(&["/store: others may write to it (mode 0775)"]);
}

/// Whoever owns the source could say that it is a mirror, and so end every night; or that it was promoted, and choose what is restored.
#[test]
fn a_role_in_the_source_that_is_not_ours_is_none() {
    if !we_are_root() {
        return;
    }
    let site = Site::new();
    site.write("d/a", "a");
    site.init();
    copy(&site.mirror(".backup"), &site.src(".backup"));
    site.run("-backup data").ended(2).warns(&["the table looks swapped"]);
    give(&site.src(".backup"), STRANGER);
    site.run("-backup data").ended(0).warns(&["src/.backup: it belongs to user 54321"]);
    // Promoted, while the mirror is not mounted.
    fs::remove_dir_all(site.src(".backup")).unwrap();
    site.run("-swap data").ended(0);
    site.table("");
    copy(&site.mirror(".backup"), &site.src(".backup"));
    fs::rename(site.mirror(""), site.path("away")).unwrap();
    fs::create_dir(site.mirror("")).unwrap();
    site.run("-restore data --to trusted").ended(0).warns(&["this is the history of the promoted SOURCE"]);
    give(&site.src(".backup"), STRANGER);
    site.run("-restore data --to place").ended(2).warns(&["is not a mirror yet, or not mounted"]);
    assert!(!site.path("place").exists());
}

#[test]
fn a_role_a_lock_or_a_record_that_is_no_file_is_refused_in_time() {
    let site = Site::new();
    site.write("d/a", "a");
    site.init();
    for name in ["role", "lock", "store/config", "store/snapshots/000001"] {
        let (there, aside) = (site.mirror(".backup").join(name), site.path("aside"));
        fs::rename(&there, &aside).unwrap();
        for put in [fifo as fn(&Path), |path| symlink("/dev/zero", path).unwrap()] {
            put(&there);
            in_time(&site, "-backup data").ended(2).warns(&[name, "it is no regular file"]);
            fs::remove_file(&there).unwrap();
        }
        fs::rename(&aside, &there).unwrap();
    }
    fs::create_dir(site.src(".backup")).unwrap();
    fifo(&site.src(".backup/role"));
    in_time(&site, "-backup data").ended(2).warns(&["src/.backup/role: it is no regular file"]);
    in_time(&site, "-restore data").ended(2).warns(&["src/.backup/role: it is no regular file"]);
    fs::remove_dir_all(site.src(".backup")).unwrap();
    site.night();
}

#[test]
fn a_root_that_is_a_symlink_of_somebody_else_is_not_followed() {
    if !we_are_root() {
        return;
    }
    let site = Site::new();
    site.write("d/a", "a");
    for (name, end) in [("src", "SOURCE"), ("mirror", "mirror")] {
        fs::create_dir_all(site.path(name)).unwrap();
        fs::rename(site.path(name), site.path("real")).unwrap();
        symlink("real", site.path(name)).unwrap();
        lchown(site.path(name), Some(STRANGER), None).unwrap();
        site.run("-backup --init data").ended(2).warns(&[end, "it is a symlink of user 54321"]);
        lchown(site.path(name), Some(0), None).unwrap();
        site.run("-backup --init data").ended(0);
        fs::remove_file(site.path(name)).unwrap();
        fs::rename(site.path("real"), site.path(name)).unwrap();
    }
    fs::create_dir(site.path("etc")).unwrap();
    symlink("etc", site.path("x")).unwrap();
    lchown(site.path("x"), Some(STRANGER), None).unwrap();
    for to in ["x", "x/"] {
        site.run(&format!("-restore data --to {to}")).ended(2).warns(&["it is a symlink of user 54321"]);
    }
    assert!(is_empty(&site.path("etc")));
}

/// It was approved as what it is, and is the same on the mirror.
#[test]
fn a_dir_that_became_a_symlink_holds_nothing() {
    let site = Site::new();
    site.write("d/a", "a");
    site.init();
    fs::create_dir(site.path("real")).unwrap();
    fs::remove_dir_all(site.src("d")).unwrap();
    symlink(site.path("real"), site.src("d")).unwrap();
    site.run("-backup data").ended(3);
    site.run("-approve data").ended(0);
    assert_eq!(fs::read_link(site.mirror("d")).unwrap(), site.path("real"));
    let said = site.run("-backup data");
    assert!(!said.err.contains("would hold itself"), "{said}");
}

/// Such a link leads to the mirror, and no restore follows it.
#[test]
fn a_path_that_is_a_symlink_around_the_mirror_is_restored() {
    let site = Site::with(&["."], "");
    symlink("..", site.src("x")).unwrap();
    site.run("-backup --init data").ended(0);
    site.run("-restore data x").ended(0);
    assert_eq!(fs::read_link(site.src("x")).unwrap(), Path::new(".."));
}

/// A folder `stage` that a symlink leads to is nobody's of ours.
#[test]
fn the_folder_for_staged_files_is_reached_through_no_symlink() {
    let site = Site::new();
    site.write("d/a", "a");
    site.init();
    site.write("d/a", "another");
    fs::create_dir_all(site.path("outside/stage")).unwrap();
    set_mode(&site.path("outside/stage"), 0o700);
    symlink(site.path("outside"), site.src(".backup")).unwrap();
    site.run("-restore data").ended(2).warns(&["src/.backup: it is no folder"]);
    assert!(site.path("outside/stage").is_dir());
    assert_eq!(fs::read(site.src("d/a")).unwrap(), b"another");
    fs::remove_file(site.src(".backup")).unwrap();
    site.run("-restore data").ended(0);
    assert!(!site.src(".backup").exists());
    assert_eq!(fs::read(site.src("d/a")).unwrap(), b"a");
}
