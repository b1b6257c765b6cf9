//! A mirror that cannot have all that the source has, of its file system or of who runs the program: it has what it can, that is no drift, and the
//! store has the rest.

use crate::disk::{Disk, WHOLE_SECONDS};
use crate::filesystems::Mounted;
use crate::support::{Night, Site, noise, same, set_mode, set_mtime, tree};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, mknodat};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

/// The next night has nothing to do, and neither has a check.
#[track_caller]
fn nothing_to_do(site: &Site) {
    site.run("-backup data").ended(0).says(&[" 0 written", " 0 removed", " 0 touched"]);
    site.run("-check data").ended(0).in_peace();
    site.run("-check data --data").ended(0).in_peace();
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn set_link_mtime(path: &Path, seconds: i64) {
    assert!(Command::new("touch").args(["-h", "-d", &format!("@{seconds}")]).arg(path).status().unwrap().success());
}

fn make_device(path: &Path) {
    let number = rustix::fs::makedev(1, 3);
    mknodat(CWD, path, FileType::CharacterDevice, Mode::RUSR, number).unwrap();
}

#[test]
fn times_that_a_mirror_cannot_have_are_clamped_once_and_restored() {
    let site = Site::new();
    let _source = Disk::new(&site.src(""), 400, "mkfs.xfs -q");
    let _mirror = Disk::new(&site.mirror(""), 32, WHOLE_SECONDS);
    fs::create_dir_all(site.src("d/folder")).unwrap();
    for (n, seconds) in [-2_000_000_000, -1, 0, 2_147_483_647, 2_147_483_648, 4_294_967_296].into_iter().enumerate() {
        site.write(format!("d/{n}"), noise(n as u64, 100));
        set_mtime(&site.src(format!("d/{n}")), seconds, 999_999_999);
    }
    std::os::unix::fs::symlink("x", site.src("d/link")).unwrap();
    set_mtime(&site.src("d/folder"), 3_000_000_000, 1);
    site.run("-backup --init data").ended(0).warns(&["the store has all of it"]);
    let mtime = |path: &str| {
        (site.mirror(path).metadata().unwrap().mtime(), site.mirror(path).metadata().unwrap().mtime_nsec())
    };
    assert_eq!([mtime("d/1"), mtime("d/5"), mtime("d/folder")], [(-1, 0), (2_147_483_647, 0), (2_147_483_647, 0)]);
    nothing_to_do(&site);
    // What changes is changed, and what somebody does to a file is seen.
    site.write("d/5", "rewritten");
    set_mtime(&site.src("d/5"), 4_294_967_297, 5);
    fs::remove_file(site.src("d/4")).unwrap();
    site.run("-backup data").ended(0).says(&[" 1 written", " 1 removed"]);
    nothing_to_do(&site);
    let night = Night { sequence: site.newest("backup"), tree: site.source_tree() };
    // Restored where there is room for them, the times are those of the source.
    let place = site.src("restored");
    site.run_words(&["-restore", "data", "--to", place.to_str().unwrap()]).ended(0);
    same(&night.tree, &tree(&place, &["d"]), "what was restored");
    set_mtime(&site.mirror("d/5"), 1_000_000_000, 0);
    site.run("-backup data").ended(3).warns(&["d/5"]);
}

#[test]
fn attributes_that_do_not_fit_on_a_mirror_are_in_the_store() {
    let site = Site::new();
    let _source = Disk::new(&site.src(""), 400, "mkfs.xfs -q");
    let _mirror = Disk::new(&site.mirror(""), 32, "mkfs.ext4 -q");
    site.write("d/file", "content");
    fs::create_dir_all(site.src("d/folder")).unwrap();
    std::os::unix::fs::symlink("x", site.src("d/link")).unwrap();
    for path in ["d/file", "d/folder", "d/link"] {
        set_xattr(&site.src(path), "trusted.long", &vec![7; 60_000]);
        set_xattr(&site.src(path), "trusted.short", b"fits");
    }
    site.run("-backup --init data").ended(0).warns(&["3 names", "the store has all of it"]);
    nothing_to_do(&site);
    let mut value = [0; 16];
    assert_eq!(rustix::fs::lgetxattr(site.mirror("d/link"), "trusted.short", &mut value), Ok(4));
    set_mode(&site.src("d/file"), 0o600);
    site.run("-backup data").ended(0).says(&[" 1 touched"]);
    nothing_to_do(&site);
    let place = site.src("restored");
    site.run_words(&["-restore", "data", "--to", place.to_str().unwrap()]).ended(0);
    same(&site.source_tree(), &tree(&place, &["d"]), "what was restored");
    // One that fits and is gone was taken by somebody.
    rustix::fs::lremovexattr(site.mirror("d/file"), "trusted.short").unwrap();
    site.run("-backup data").ended(3).warns(&["d/file (other owner, mode, time or attributes)"]);
}

/// A ramfs has no attributes, no access lists, and does not say how large it is.
#[test]
fn a_mirror_without_any_attributes_has_the_files_all_the_same() {
    let site = Site::new();
    fs::create_dir(site.mirror("")).unwrap();
    let at = site.mirror("");
    let _mirror = Mounted::new("ramfs", "mode=755", &at);
    site.write("d/file", "content");
    set_xattr(&site.src("d/file"), "user.note", b"x");
    set_xattr(&site.src("d/file"), "trusted.note", b"y");
    assert!(Command::new("setfacl").args(["-m", "u:7:r"]).arg(site.src("d/file")).status().unwrap().success());
    site.run("-backup --init data").ended(0).warns(&["1 names", "d/file"]);
    assert_eq!(fs::read(site.mirror("d/file")).unwrap(), b"content");
    nothing_to_do(&site);
    let place = site.path("restored");
    site.run_words(&["-restore", "data", "--to", place.to_str().unwrap()]).ended(0);
    same(&site.source_tree(), &tree(&place, &["d"]), "what was restored");
}

#[test]
fn an_ordinary_user_has_what_it_can_of_devices_programs_and_read_only_files() {
    let site = Site::of_a_user();
    site.write("d/read-only", "r");
    set_xattr(&site.src("d/read-only"), "user.note", b"kept");
    site.write("d/program", "of root");
    site.write("d/own", "of the user");
    make_device(&site.src("d/device"));
    fs::hard_link(site.src("d/device"), site.src("d/second")).unwrap();
    mknodat(CWD, site.src("d/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    site.write("d/was-file", "a device tomorrow");
    site.give_all_away();
    set_mode(&site.src("d/read-only"), 0o444);
    chown(site.src("d/program"), Some(0), Some(0)).unwrap();
    set_mode(&site.src("d/program"), 0o6755);
    set_mode(&site.src("d/own"), 0o4755);
    site.run("-backup --init data").ended(0).warns(&["2 names of devices are in the store only"]);
    let mode = |path: &str| site.mirror(path).metadata().unwrap().mode() & 0o7777;
    assert_eq!([mode("d/program"), mode("d/own"), mode("d/read-only")], [0o755, 0o4755, 0o444]);
    assert!(!site.mirror("d/device").exists() && site.mirror("d/fifo").exists());
    let mut value = [0; 16];
    assert_eq!(rustix::fs::lgetxattr(site.mirror("d/read-only"), "user.note", &mut value), Ok(4));
    nothing_to_do(&site);
    // Attributes of a read-only file, and a file that becomes a device.
    set_xattr(&site.src("d/read-only"), "user.note", b"changed");
    fs::remove_file(site.src("d/was-file")).unwrap();
    make_device(&site.src("d/was-file"));
    site.run("-backup data").ended(0).warns(&["1 names of devices"]).says(&[" 1 removed", " 2 touched"]);
    assert_eq!(rustix::fs::lgetxattr(site.mirror("d/read-only"), "user.note", &mut value), Ok(7));
    assert_eq!(mode("d/read-only"), 0o444);
    nothing_to_do(&site);
}

/// A restore of a part, and of files whose further names the snapshot does not have, changes what it was asked for and nothing else.
#[test]
fn a_restore_leaves_names_outside_of_it_as_they_are() {
    let site = Site::with(&["d", "e"], "");
    site.write("d/a", "one");
    site.write("d/b", "two");
    for name in ["a", "b"] {
        set_mode(&site.src("d").join(name), 0o600);
    }
    site.init();
    fs::hard_link(site.src("d/a"), site.src("e/other")).unwrap();
    fs::hard_link(site.src("d/b"), site.src("d/second")).unwrap();
    fs::hard_link(site.src("d/b"), site.path("beside")).unwrap();
    for name in ["a", "b"] {
        set_mode(&site.src("d").join(name), 0o755);
        set_mtime(&site.src("d").join(name), 1_000_000_000, 0);
    }
    let facts = |path: &Path| path.metadata().map(|facts| (facts.mode() & 0o777, facts.mtime())).unwrap();
    site.run("-restore data d --snapshot 1").ended(0);
    assert_eq!([facts(&site.src("d/a")).0, facts(&site.src("d/b")).0], [0o600, 0o600]);
    assert_eq!(facts(&site.src("e/other")), (0o755, 1_000_000_000));
    assert_eq!(facts(&site.path("beside")), (0o755, 1_000_000_000));
    assert_eq!(fs::read(site.src("e/other")).unwrap(), b"one");
}

#[test]
fn what_is_in_a_cache_is_left_out_and_named() {
    const SIGNATURE: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# by a test";
    let site = Site::new();
    for folder in ["d/cache", "d/sub/cache", "d/no-cache", "d/late"] {
        site.write(format!("{folder}/content"), folder);
        site.write(format!("{folder}/below/content"), folder);
    }
    site.write("d/cache/CACHEDIR.TAG", SIGNATURE);
    site.write("d/sub/cache/CACHEDIR.TAG", SIGNATURE);
    site.write("d/no-cache/CACHEDIR.TAG", "Signature: of something else");
    // What the operator named is no cache, whatever lies in it.
    site.write("d/CACHEDIR.TAG", SIGNATURE);
    let told = ["d/cache: a cache", "d/sub/cache: a cache"];
    site.run("-backup --init data").ended(0).warns(&told);
    let there = |path: &str| site.mirror(path).exists();
    assert!(there("d/cache/CACHEDIR.TAG") && !there("d/cache/content") && !there("d/sub/cache/below"));
    assert!(there("d/no-cache/below/content") && there("d/late/content"));
    site.run("-backup data").ended(0).warns(&told).says(&[" 0 written", " 0 removed"]);
    site.run("-check data").ended(0);
    // What becomes a cache goes from the mirror, and is in the store.
    site.write("d/late/CACHEDIR.TAG", SIGNATURE);
    site.run("-backup data").ended(0).says(&[" 3 removed"]);
    site.run("-backup data").ended(0).says(&[" 0 written", " 0 removed"]);
    // On the mirror a cache is somebody's doing like anything else.
    fs::write(site.mirror("d/cache/new"), "by hand").unwrap();
    site.run("-backup data").ended(3).warns(&["d/cache/new"]);
    site.run("-approve data").ended(0);
    fs::remove_dir_all(site.src("d/late")).unwrap();
    site.run("-restore data d/late --snapshot 2").ended(0);
    assert_eq!(fs::read_to_string(site.src("d/late/below/content")).unwrap(), "d/late");
    // A restore leaves a cache as it is where the snapshot has nothing to say of it.
    site.run("-restore data").ended(0);
    assert!(site.src("d/cache/content").exists());
}

/// Targets that are too long for xfs, and devices with numbers that it has no bits for, keep back nothing else, and are missed by nobody.
#[test]
fn what_a_mirror_cannot_hold_at_all_is_in_the_store() {
    let site = Site::new();
    let _source = Disk::new(&site.src(""), 64, "mkfs.ext4 -q -b 4096");
    let _mirror = Disk::new(&site.mirror(""), 400, "mkfs.xfs -q");
    site.write("d/file", "content");
    site.write("d/was-file", "a link tomorrow");
    let long = "x".repeat(3000);
    std::os::unix::fs::symlink(&long, site.src("d/link")).unwrap();
    fs::hard_link(site.src("d/link"), site.src("d/second")).unwrap();
    let number = rustix::fs::makedev(1000, 300_000);
    mknodat(CWD, site.src("d/device"), FileType::BlockDevice, Mode::RUSR, number).unwrap();
    site.run("-backup --init data").ended(0).warns(&["3 names cannot be on this file system", "the store has them"]);
    assert_eq!(fs::read(site.mirror("d/file")).unwrap(), b"content");
    nothing_to_do(&site);
    fs::remove_file(site.src("d/was-file")).unwrap();
    std::os::unix::fs::symlink(&long, site.src("d/was-file")).unwrap();
    site.run("-backup data").ended(0).warns(&["1 names cannot be on this file system"]).says(&[" 1 removed"]);
    nothing_to_do(&site);
    let place = site.src("restored");
    site.run_words(&["-restore", "data", "--to", place.to_str().unwrap()]).ended(0);
    same(&site.source_tree(), &tree(&place, &["d"]), "what was restored");
    // Other times of what is not there are for the store alone.
    set_link_mtime(&site.src("d/link"), 1_000_000_000);
    site.run("-backup data").ended(0).says(&[" 0 written", " 0 removed"]);
    nothing_to_do(&site);
    // What somebody did besides is seen, and only that.
    fs::write(site.mirror("d/by-hand"), "").unwrap();
    site.run("-backup data").ended(3).warns(&["1 added, 0 changed, 0 removed"]);
}

fn list(entries: &str, path: &Path) {
    assert!(Command::new("setfacl").args(["-m", entries]).arg(path).status().unwrap().success());
}

/// What somebody did to the metadata of a mirror is not put right without a word because the source has it, too, in part.
#[test]
fn other_metadata_on_a_mirror_hold_the_run() {
    let site = Site::new();
    for name in ["list", "attribute", "mode"] {
        site.write(format!("d/{name}"), name);
    }
    list("u:1:rw", &site.src("d/list"));
    set_xattr(&site.src("d/attribute"), "user.note", b"x");
    set_mode(&site.src("d/mode"), 0o4755);
    site.init();
    for (name, change) in [
        ("list", (|path| list("u:1:-,u:7:rw,m::rw", path)) as fn(&Path)),
        ("attribute", |path| rustix::fs::lremovexattr(path, "user.note").unwrap()),
        ("mode", |path| set_mode(path, 0o755)),
    ] {
        change(&site.mirror("d").join(name));
        site.run("-check data").ended(2);
        site.run("-backup data").ended(3).warns(&[&format!("d/{name} (other owner, mode, time or attributes)")]);
        site.run("-approve data").ended(0);
        site.mirror_equals_source();
    }
}

/// The content of a file with two names is changed on the mirror without a trace in size and time: both names are put right.
#[test]
fn both_names_of_a_changed_file_are_put_back() {
    let site = Site::new();
    site.write("d/a", "content");
    fs::hard_link(site.src("d/a"), site.src("d/b")).unwrap();
    site.init();
    let facts = site.mirror("d/b").metadata().unwrap();
    fs::write(site.mirror("d/b"), "CONTENT").unwrap();
    set_mtime(&site.mirror("d/b"), facts.mtime(), facts.mtime_nsec());
    site.run("-backup data").ended(3).warns(&["d/a (other content)"]);
    site.run("-approve data").ended(0);
    site.mirror_equals_source();
    assert_eq!(fs::read(site.mirror("d/b")).unwrap(), b"content");
}
