//! What was renamed on the source is renamed on the mirror: the same object, not a copy. Told by inode numbers.

use crate::support::{Site, noise, set_mode, set_mtime, tree};
use backup::format::role::{Role, State};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

fn inode(path: impl AsRef<Path>) -> u64 {
    path.as_ref().symlink_metadata().unwrap().ino()
}

fn rename(site: &Site, from: &str, to: &str) {
    fs::create_dir_all(site.src(to).parent().unwrap()).unwrap();
    fs::rename(site.src(from), site.src(to)).unwrap();
}

/// A night after which the mirror's objects of the first names have the second.
#[track_caller]
fn moves(site: &Site, names: &[(&str, &str)], says: &str) {
    let before: Vec<u64> = names.iter().map(|(from, _)| inode(site.mirror(from))).collect();
    let said = site.run("-backup data").ended(0).in_peace().says(&[says]);
    site.mirror_equals_source();
    let after: Vec<u64> = names.iter().map(|(_, to)| inode(site.mirror(to))).collect();
    assert_eq!(before, after, "{said}");
    assert!(names.iter().all(|(_, to)| site.mirror(to).metadata().unwrap().nlink() == 1));
    assert_eq!(fs::read_dir(site.mirror(".backup/stage")).unwrap().count(), 0);
    site.run("-check data --data").ended(0).in_peace();
    // The object is known as it is: nothing is read again, nothing done.
    site.run("-backup data").ended(0).says(&[" 0 written (0 B), 0 removed, 0 touched;"]);
}

#[test]
fn a_file_gets_its_new_name_whichever_comes_first() {
    let site = Site::new();
    site.write("d/m", noise(1, 3_000_000));
    site.write("d/n", noise(2, 5000));
    site.write("d/stays", "here");
    let first = site.init();
    rename(&site, "d/m", "d/a");
    rename(&site, "d/n", "d/z");
    let dry = site.run("-backup data --dry-run --json").ended(0).json();
    assert_eq!((&dry[0]["moved"], &dry[0]["created"], &dry[0]["removed"]), (&2.into(), &0.into(), &0.into()));
    let names = [("d/m", "d/a"), ("d/n", "d/z")];
    moves(&site, &names, "mirror: 0 written (0 B), 0 removed, 1 touched, 2 moved;");
    site.all_restore(&[first]);
}

#[test]
fn a_folder_of_files_goes_with_its_old_name() {
    for to in ["d/a/b/new", "d/z/new"] {
        let site = Site::new();
        let names: Vec<_> =
            (0..300_u64).map(|n| (format!("d/old/{}/{n}", n % 7), format!("{to}/{}/{n}", n % 7))).collect();
        for (n, (from, _)) in (0..).zip(&names) {
            // Some of them alike.
            site.write(from, noise(n / 3 * 3, 2000));
        }
        site.init();
        rename(&site, "d/old", to);
        let before: Vec<u64> = names.iter().map(|(from, _)| inode(site.mirror(from))).collect();
        site.run("-backup data").ended(0).in_peace().says(&["written (0 B), 8 removed, ", ", 300 moved;"]);
        site.mirror_equals_source();
        let mut after: Vec<u64> = names.iter().map(|(_, to)| inode(site.mirror(to))).collect();
        after.sort_unstable();
        let mut sorted = before;
        sorted.sort_unstable();
        assert_eq!(sorted, after);
        site.run("-check data --data").ended(0).in_peace();
    }
}

#[test]
fn names_are_changed_with_each_other_and_passed_on() {
    let site = Site::new();
    for (n, name) in (0..).zip(["d/a", "d/b", "d/log", "d/log.1", "d/log.2", "d/x", "d/y", "d/z"]) {
        site.write(name, noise(n, 10_000));
    }
    site.init();
    rename(&site, "d/a", "d/aside");
    rename(&site, "d/b", "d/a");
    rename(&site, "d/aside", "d/b");
    for (from, to) in [("d/log.2", "d/log.3"), ("d/log.1", "d/log.2"), ("d/log", "d/log.1")] {
        rename(&site, from, to);
    }
    site.write("d/log", "begun anew");
    for (from, to) in [("d/x", "d/aside"), ("d/y", "d/x"), ("d/z", "d/y"), ("d/aside", "d/z")] {
        rename(&site, from, to);
    }
    let pairs = [("a", "b"), ("b", "a"), ("log", "log.1"), ("log.1", "log.2"), ("log.2", "log.3")];
    let circle = [("x", "z"), ("y", "x"), ("z", "y")];
    let names: Vec<_> = pairs.iter().chain(&circle).map(|(a, b)| (format!("d/{a}"), format!("d/{b}"))).collect();
    let names: Vec<_> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    moves(&site, &names, "mirror: 1 written (10 B), 0 removed, 1 touched, 8 moved;");
}

/// A file takes the place of the folder that it was in, and one of another kind makes room for one that comes.
#[test]
fn a_file_takes_the_place_of_the_folder_that_it_was_in() {
    let site = Site::new();
    site.write("d/f/inside", noise(1, 9000));
    site.write("d/g/inside", noise(2, 9000));
    std::os::unix::fs::symlink("nowhere", site.src("d/link")).unwrap();
    site.init();
    rename(&site, "d/f/inside", "d/aside");
    fs::remove_dir(site.src("d/f")).unwrap();
    rename(&site, "d/aside", "d/f");
    fs::remove_file(site.src("d/link")).unwrap();
    rename(&site, "d/g/inside", "d/link");
    moves(&site, &[("d/f/inside", "d/f"), ("d/g/inside", "d/link")], ", 2 moved;");
}

#[test]
fn a_file_that_is_moved_gets_the_metadata_that_it_shall_have() {
    let site = Site::new();
    for name in ["d/a", "d/m", "d/plain", "d/program"] {
        site.write(name, name.repeat(1000));
        set_mtime(&site.src(name), 1_000_000_000, 5);
    }
    site.init();
    let changed = |from: &str, to: &str, mode: u32| {
        rename(&site, from, to);
        set_mode(&site.src(to), mode);
        set_mtime(&site.src(to), 1_234_567_890, 123);
        rustix::fs::setxattr(site.src(to), "user.note", b"new", rustix::fs::XattrFlags::empty()).unwrap();
    };
    changed("d/a", "d/z", 0o640);
    // Its old name would show what it never had: it is written anew. So is a program that gives rights.
    changed("d/m", "d/b", 0o600);
    changed("d/program", "d/with rights", 0o4755);
    let before = [inode(site.mirror("d/m")), inode(site.mirror("d/program"))];
    moves(&site, &[("d/a", "d/z"), ("d/plain", "d/plain")], "2 written (12.00 kB), 2 removed, 1 touched, 1 moved;");
    assert_ne!(before, [inode(site.mirror("d/b")), inode(site.mirror("d/with rights"))]);
}

#[test]
fn files_with_several_names_and_without_content_are_made() {
    let site = Site::new();
    site.write("d/linked", noise(1, 5000));
    fs::hard_link(site.src("d/linked"), site.src("d/other")).unwrap();
    site.write("d/single", noise(2, 5000));
    site.write("d/empty", "");
    site.init();
    rename(&site, "d/linked", "d/a");
    rename(&site, "d/other", "d/b");
    rename(&site, "d/single", "d/c");
    fs::hard_link(site.src("d/c"), site.src("d/z")).unwrap();
    rename(&site, "d/empty", "d/y");
    moves(&site, &[], "mirror: 5 written (10.00 kB), 4 removed, 1 touched;");
}

#[test]
fn a_restore_moves_back_and_says_so_before() {
    let site = Site::new();
    site.write("d/m", noise(1, 100_000));
    site.write("d/n", noise(2, 5000));
    let first = site.init();
    rename(&site, "d/m", "d/a");
    rename(&site, "d/n", "d/z/deep");
    site.night();
    let said = site.run("-restore data --snapshot 1 --delete --dry-run").ended(0);
    said.says(&["move     d/a -> d/m", "move     d/z/deep -> d/n", "1 removed, 2 moved (0 B)"]);
    let before = [inode(site.src("d/a")), inode(site.src("d/z/deep"))];
    site.run("-restore data --snapshot 1 --delete").ended(0).in_peace().says(&["1 removed, 2 moved"]);
    assert_eq!([inode(site.src("d/m")), inode(site.src("d/n"))], before);
    crate::support::same(&first.tree, &site.source_tree(), "the source");
    assert!(!site.src(".backup").exists());
    // Without --delete nothing goes, and nothing is moved.
    rename(&site, "d/m", "d/a");
    let said = site.run("-restore data --snapshot 1").ended(0).in_peace();
    assert!(!said.out.contains(" moved"), "{said}");
    assert_eq!(fs::read(site.src("d/a")).unwrap(), fs::read(site.src("d/m")).unwrap());
}

/// Whether what somebody changed on the mirror is in the way or not: it is in the store before anything is moved.
#[test]
fn what_somebody_changed_on_the_mirror_is_not_moved_for_what_it_was() {
    let site = Site::new();
    site.write("d/m", noise(1, 50_000));
    site.write("d/n", noise(2, 50_000));
    site.init();
    rename(&site, "d/m", "d/a");
    rename(&site, "d/n", "d/z");
    fs::write(site.mirror("d/m"), noise(3, 50_000)).unwrap();
    fs::write(site.mirror("d/n"), noise(4, 50_000)).unwrap();
    site.run("-backup data").ended(3).warns(&["2 changed"]);
    site.run("-approve data").ended(0).says(&["2 written (100.00 kB), 2 removed"]);
    site.mirror_equals_source();
    let place = site.restored(site.newest("rescue"));
    assert_eq!(fs::read(place.path().join("d/n")).unwrap(), noise(4, 50_000));
}

/// As a run would have left it that was killed when a file had both names, or none.
#[test]
fn a_killed_run_that_moved_is_finished_by_the_next() {
    let site = Site::new();
    for name in ["d/m", "d/n", "d/o"] {
        site.write(name, name.repeat(5000));
    }
    site.init();
    rename(&site, "d/m", "d/a");
    rename(&site, "d/n", "d/z");
    // The night is recorded; then the tree is put back to what it was in the midst of it.
    site.night();
    let role = site.mirror(".backup/role");
    let now = Role::decode(&fs::read(&role).unwrap()).unwrap();
    fs::write(&role, Role { state: State::Publishing(1, 2), ..now }.encode()).unwrap();
    fs::hard_link(site.mirror("d/a"), site.mirror("d/m")).unwrap();
    let stage = site.mirror(".backup/stage");
    fs::create_dir_all(stage.join("aside")).unwrap();
    fs::create_dir_all(stage.join("ready")).unwrap();
    fs::rename(site.mirror("d/z"), stage.join("aside/0")).unwrap();
    fs::hard_link(site.mirror("d/o"), stage.join("ready/1")).unwrap();
    site.run("-backup data").ended(0).in_peace();
    site.mirror_equals_source();
    assert!(site.snapshots().iter().all(|row| row["kind"] == "backup"), "a killed run is not someone else");
    assert_eq!(fs::read_dir(&stage).unwrap().count(), 0);
    // What no snapshot has is saved from there.
    fs::create_dir_all(stage.join("aside")).unwrap();
    fs::write(stage.join("aside/0"), "written at the last moment").unwrap();
    site.run("-backup data").ended(0).warns(&["that was in no snapshot"]);
    let place = site.restored(site.newest("rescue"));
    assert_eq!(fs::read(place.path().join("aside/0")).unwrap(), b"written at the last moment");
    assert!(tree(&stage, &["."]).len() <= 1);
}
