//! Night after night: the mirror becomes what the source is, and every earlier night stays as it was.

use crate::hosts;
use crate::support::{
    Night, PROGRAM, Site, Tree, bare, files, finish, name, noise, rsync_finds_nothing, same, set_mode, set_mtime, tree,
    we_are_root,
};
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

/// A source with a few of everything that needs no privilege, and its first night.
fn started() -> (Site, Vec<Night>) {
    let site = Site::with(&["d"], "HOLD 100%");
    for n in 0..30 {
        site.write(format!("d/many/{n:02}"), format!("file {n}"));
    }
    site.write("d/big", noise(1, 3 << 20));
    site.write("d/empty", "");
    fs::create_dir_all(site.src("d/hollow/inner")).unwrap();
    symlink("big", site.src("d/link")).unwrap();
    let first = site.init();
    (site, vec![first])
}

/// After this change the mirror follows, and both nights can be restored.
#[track_caller]
fn after(change: impl FnOnce(&Site)) -> Site {
    let (site, mut nights) = started();
    change(&site);
    nights.push(site.night());
    assert_ne!(nights[0].tree, nights[1].tree, "the test changes nothing");
    site.all_restore(&nights);
    site.run("-check data --data")
        .ended(0)
        .in_peace()
        .says(&["data: all in order: 2 snapshots", "source as in the newest"]);
    site
}

fn allocated(path: &Path) -> u64 {
    path.metadata().unwrap().blocks() * 512
}

#[test]
fn a_first_night_makes_the_mirror() {
    let (site, nights) = started();
    site.all_restore(&nights);
    let own = fs::metadata(site.mirror(".backup")).unwrap();
    assert_eq!(own.mode() & 0o7777, 0o700, "what all users' files are made of is for nobody else to read");
    for part in ["README", "role", "lock", "store/config"] {
        assert!(site.mirror(".backup").join(part).is_file(), "{part}");
    }
    assert!(files(&site.mirror(".backup/stage")).is_empty());
    assert_eq!(site.store("snapshots").len(), 1);
    site.run("-check data --data").ended(0).in_peace().says(&["all in order: 1 snapshot"]);
}

#[test]
fn a_night_without_a_change_writes_a_record_and_nothing_else() {
    let (site, mut nights) = started();
    let (packs, indexes, tree) = (site.packs(), site.store("index"), site.mirror_tree());
    for _ in 0..3 {
        nights.push(site.night());
        assert_eq!(site.packs(), packs);
        assert_eq!(site.store("index"), indexes);
    }
    assert_eq!(site.store("snapshots").len(), 4);
    assert_eq!(nights.iter().map(|night| night.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    same(&tree, &site.mirror_tree(), "an untouched mirror");
    let rows = site.snapshots();
    assert!(rows[1..].iter().all(|row| row["new_bytes"] == 0), "{rows:?}");
    site.all_restore(&nights);
}

#[test]
fn init_on_a_mirror_of_this_target_changes_nothing() {
    let (site, _) = started();
    let role = fs::read(site.mirror(".backup/store/config")).unwrap();
    let packs = site.packs();
    site.run("-backup --init data").ended(0).in_peace();
    assert_eq!(fs::read(site.mirror(".backup/store/config")).unwrap(), role);
    assert_eq!(site.packs(), packs);
    site.mirror_equals_source();
}

#[test]
fn changed_added_and_removed_files_follow() {
    after(|site| {
        site.write("d/many/00", "changed, and of another length");
        site.write("d/many/01", "FILE 1");
        site.write("d/many/new", "new");
        site.write("d/new/folder/file", "deep");
        fs::remove_file(site.src("d/many/02")).unwrap();
        fs::remove_file(site.src("d/empty")).unwrap();
        fs::remove_dir_all(site.src("d/hollow")).unwrap();
    });
}

#[test]
fn a_change_that_keeps_size_and_mtime_is_seen() {
    after(|site| {
        let path = site.src("d/many/05");
        let facts = path.metadata().unwrap();
        fs::write(&path, "FILE 5").unwrap();
        set_mtime(&path, facts.mtime(), facts.mtime_nsec());
    });
}

#[test]
fn a_file_put_in_place_by_rename_with_the_same_size_and_mtime_is_seen() {
    after(|site| {
        let path = site.src("d/many/05");
        let facts = path.metadata().unwrap();
        let aside = site.src("aside");
        fs::write(&aside, "FILE 5").unwrap();
        set_mtime(&aside, facts.mtime(), facts.mtime_nsec());
        fs::rename(aside, path).unwrap();
    });
}

#[test]
fn renamed_files_and_folders_follow() {
    after(|site| {
        fs::rename(site.src("d/big"), site.src("d/large")).unwrap();
        fs::rename(site.src("d/many"), site.src("d/folder")).unwrap();
        fs::rename(site.src("d/hollow/inner"), site.src("d/hollow/outer")).unwrap();
        fs::rename(site.src("d/link"), site.src("d/folder/link")).unwrap();
    });
}

#[test]
fn files_that_change_names_with_each_other_follow() {
    after(|site| {
        fs::rename(site.src("d/many/00"), site.src("aside")).unwrap();
        fs::rename(site.src("d/many/01"), site.src("d/many/00")).unwrap();
        fs::rename(site.src("aside"), site.src("d/many/01")).unwrap();
    });
}

#[test]
fn a_file_becomes_a_folder_and_a_folder_a_file() {
    after(|site| {
        fs::remove_file(site.src("d/big")).unwrap();
        site.write("d/big/inner/file", "in a folder that was a file");
        fs::remove_dir_all(site.src("d/many")).unwrap();
        site.write("d/many", "a file that was a folder");
    });
}

#[test]
fn files_folders_and_links_become_each_other() {
    let site = after(|site| {
        fs::remove_file(site.src("d/link")).unwrap();
        fs::create_dir(site.src("d/link")).unwrap();
        site.write("d/link/file", "x");
        fs::remove_file(site.src("d/big")).unwrap();
        symlink("nowhere", site.src("d/big")).unwrap();
        fs::remove_dir_all(site.src("d/hollow")).unwrap();
        symlink("many", site.src("d/hollow")).unwrap();
    });
    let mut nights = vec![Night { sequence: 2, tree: site.source_tree() }];
    fs::remove_dir_all(site.src("d/link")).unwrap();
    symlink("../../..", site.src("d/link")).unwrap();
    fs::remove_file(site.src("d/big")).unwrap();
    site.write("d/big", "a file again");
    fs::remove_file(site.src("d/hollow")).unwrap();
    site.write("d/hollow/many", "a folder again");
    nights.push(site.night());
    site.all_restore(&nights);
}

#[test]
fn new_modes_and_times_cost_no_content() {
    let site = Site::new();
    site.write("d/big", noise(2, 4 << 20));
    site.write("d/sub/file", "x");
    symlink("file", site.src("d/sub/link")).unwrap();
    let mut nights = vec![site.init()];
    let before = site.store_bytes();
    set_mode(&site.src("d/big"), 0o6751);
    set_mode(&site.src("d/sub"), 0o1770);
    nights.push(site.night());
    set_mtime(&site.src("d/big"), 86_400, 1);
    set_mtime(&site.src("d/sub/file"), -5, 999_999_999);
    set_mtime(&site.src("d/sub/link"), 1_000_000_000, 123_456_789);
    set_mtime(&site.src("d"), 4_000_000_000, 5);
    nights.push(site.night());
    assert!(site.store_bytes() - before < 20_000, "{} bytes for modes and times", site.store_bytes() - before);
    set_mode(&site.src("d/big"), 0o000);
    nights.push(site.night());
    site.all_restore(&nights);
}

#[test]
fn owners_follow() {
    if !we_are_root() {
        return;
    }
    after(|site| {
        for (path, uid, gid) in [("d/big", 1234, 5), ("d/many", 0, 4321), ("d/link", 77, 88), ("d/many/03", 65534, 0)] {
            std::os::unix::fs::lchown(site.src(path), Some(uid), Some(gid)).unwrap();
        }
        set_mode(&site.src("d/big"), 0o6755);
    });
}

#[test]
fn a_touched_file_is_not_copied_on_the_mirror() {
    let (site, _) = started();
    let inode = |site: &Site| site.mirror("d/big").metadata().unwrap().ino();
    let before = inode(&site);
    set_mtime(&site.src("d/big"), 1_000_000_000, 0);
    set_mode(&site.src("d/big"), 0o600);
    site.night();
    assert_eq!(inode(&site), before);
}

#[test]
fn hard_links_stay_hard_links() {
    let (site, mut nights) = started();
    let link = |from: &str, to: &str| fs::hard_link(site.src(from), site.src(to)).unwrap();
    let next = |nights: &mut Vec<Night>| nights.push(site.night());
    // Added, before and behind the first name in path order, and across folders.
    link("d/big", "d/many/also-big");
    link("d/big", "d/a-big");
    link("d/link", "d/link-too");
    next(&mut nights);
    let names = ["d/big", "d/many/also-big", "d/a-big"].map(|path| site.mirror(path).metadata().unwrap().ino());
    assert!(names.iter().all(|ino| *ino == names[0]));
    // The first name goes.
    fs::remove_file(site.src("d/a-big")).unwrap();
    next(&mut nights);
    // Two groups, and then they exchange members.
    site.write("d/x1", "one");
    link("d/x1", "d/x2");
    link("d/x1", "d/x3");
    site.write("d/y1", "two");
    link("d/y1", "d/y2");
    next(&mut nights);
    fs::remove_file(site.src("d/x2")).unwrap();
    link("d/y1", "d/x2");
    fs::remove_file(site.src("d/y2")).unwrap();
    link("d/x1", "d/y2");
    next(&mut nights);
    // A group falls apart: same bytes, other files.
    fs::remove_file(site.src("d/x3")).unwrap();
    site.write("d/x3", "one");
    fs::remove_file(site.src("d/many/also-big")).unwrap();
    fs::copy(site.src("d/big"), site.src("d/many/also-big")).unwrap();
    next(&mut nights);
    // Two files with the same bytes become one.
    fs::remove_file(site.src("d/x3")).unwrap();
    link("d/x1", "d/x3");
    next(&mut nights);
    // Content and mode of a group change through one of its names.
    fs::write(site.src("d/y2"), "three").unwrap();
    set_mode(&site.src("d/x1"), 0o640);
    next(&mut nights);
    // The first name becomes something else.
    fs::remove_file(site.src("d/x1")).unwrap();
    fs::create_dir(site.src("d/x1")).unwrap();
    fs::remove_file(site.src("d/y1")).unwrap();
    symlink("y2", site.src("d/y1")).unwrap();
    next(&mut nights);
    // A group moves as a whole.
    fs::rename(site.src("d/y2"), site.src("d/many/y2")).unwrap();
    fs::rename(site.src("d/x2"), site.src("d/many/x2")).unwrap();
    next(&mut nights);
    site.all_restore(&nights);
    site.run("-check data --data").ended(0).in_peace();
    // And back, in place.
    for night in nights.iter().rev() {
        site.run(&format!("-restore data --delete --snapshot {}", night.sequence)).ended(0);
        same(&night.tree, &site.source_tree(), &format!("the source at snapshot {}", night.sequence));
    }
}

#[test]
fn holes_stay_holes() {
    let (site, mut nights) = started();
    let make = |path: &str, size: u64, data: &[(u64, usize)]| {
        let file = fs::File::create(site.src(path)).unwrap();
        file.set_len(size).unwrap();
        for (at, length) in data {
            file.write_all_at(&noise(*at + 1, *length), *at).unwrap();
        }
    };
    make("d/all-hole", 40 << 20, &[]);
    make("d/small-hole", 100_000, &[(50_000, 10)]);
    make("d/front", 30 << 20, &[(20 << 20, 2 << 20)]);
    make("d/back", (30 << 20) + 777, &[(0, 300_000)]);
    make("d/many-holes", 8 << 20, &(0..32).map(|n| (n * (256 << 10) + 4096, 5000)).collect::<Vec<_>>());
    fs::write(site.src("d/zeros"), vec![0; 3 << 20]).unwrap();
    nights.push(site.night());
    for (path, most) in [("d/all-hole", 8192), ("d/front", 3 << 20), ("d/back", 400_000), ("d/many-holes", 600_000)] {
        assert!(allocated(&site.mirror(path)) <= most, "{path}: {}", allocated(&site.mirror(path)));
    }
    assert!(allocated(&site.mirror("d/zeros")) >= 3 << 20, "zeros that were written are written");
    // A hole is filled, and a file grows by one.
    make("d/back", (60 << 20) + 777, &[(0, 300_000), (25 << 20, 4096)]);
    fs::OpenOptions::new().write(true).open(site.src("d/front")).unwrap().set_len(21 << 20).unwrap();
    nights.push(site.night());
    site.all_restore(&nights);
}

#[test]
fn extended_attributes_follow() {
    let (site, mut nights) = started();
    let set = |path: &str, key: &str, value: &[u8]| {
        rustix::fs::lsetxattr(site.src(path), key, value, rustix::fs::XattrFlags::empty()).unwrap();
    };
    set("d/big", "user.origin", b"telescope");
    set("d/big", "user.bytes", &[0, 1, 255, 10]);
    set("d/many/00", "user.empty", b"");
    set("d/many", "user.of-a-folder", &noise(3, 1500));
    if we_are_root() {
        set("d/link", "trusted.of-a-link", b"x");
    }
    nights.push(site.night());
    set("d/big", "user.origin", b"other telescope");
    rustix::fs::lremovexattr(site.src("d/big"), "user.bytes").unwrap();
    rustix::fs::lremovexattr(site.src("d/many"), "user.of-a-folder").unwrap();
    nights.push(site.night());
    site.all_restore(&nights);
    for night in nights.iter().rev() {
        site.run(&format!("-restore data --snapshot {}", night.sequence)).ended(0);
        same(&night.tree, &site.source_tree(), "the source");
    }
}

#[test]
fn access_lists_follow() {
    if Command::new("setfacl").arg("--version").output().is_err() {
        return;
    }
    let site = after(|site| {
        for (words, path) in
            [("u:12345:rw", "d/big"), ("g:54321:rx", "d/many"), ("d:u:12345:rwx", "d/many"), ("m::r", "d/many/01")]
        {
            let done = Command::new("setfacl").args(["-m", words]).arg(site.src(path)).status().unwrap();
            assert!(done.success(), "{words}");
        }
        // Made in a folder with a default list.
        site.write("d/many/heir", "x");
    });
    let done = Command::new("setfacl").args(["-R", "-b"]).arg(site.src("d")).status().unwrap();
    assert!(done.success());
    let last = site.night();
    site.all_restore(&[last]);
}

#[test]
fn a_default_access_list_above_the_mirror_does_not_leak_into_it() {
    if Command::new("setfacl").arg("--version").output().is_err() {
        return;
    }
    let site = Site::new();
    site.write("d/sub/file", "x");
    fs::create_dir(site.mirror("")).unwrap();
    let done = Command::new("setfacl").args(["-m", "d:u:12345:rwx"]).arg(site.mirror("")).status().unwrap();
    assert!(done.success());
    let first = site.init();
    site.all_restore(&[first]);
}

#[test]
fn special_files_follow() {
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    if !we_are_root() {
        return;
    }
    let site = after(|site| {
        let make = |path: &str, kind, device| {
            mknodat(CWD, site.src(path), kind, Mode::from_raw_mode(0o640), device).unwrap();
        };
        make("d/pipe", FileType::Fifo, 0);
        make("d/char", FileType::CharacterDevice, makedev(1, 3));
        make("d/block", FileType::BlockDevice, makedev(260, 70_000));
        drop(std::os::unix::net::UnixListener::bind(site.src("d/socket")).unwrap());
        fs::hard_link(site.src("d/pipe"), site.src("d/pipe-too")).unwrap();
    });
    fs::remove_file(site.src("d/pipe")).unwrap();
    site.write("d/pipe", "a file now");
    fs::remove_file(site.src("d/char")).unwrap();
    mknodat(CWD, site.src("d/char"), FileType::CharacterDevice, Mode::from_raw_mode(0o640), makedev(1, 5)).unwrap();
    let last = site.night();
    site.all_restore(&[last]);
}

#[test]
fn odd_names_follow() {
    let (site, mut nights) = started();
    let d = site.src("d");
    for bytes in [
        &b"line\nbreak"[..],
        b"\xff\xfe not text",
        b" ",
        b"-rf",
        b"~",
        b"*",
        b"a\\b",
        b"'\"$(x)`",
        b"\x01\x1b[2J",
        b"...",
        b".hidden",
        b"tmp-1",
        b"lost+found",
        b".backup",
        "\u{e9}\u{301}\u{202e}".as_bytes(),
        &[b'n'; 255],
        &[0xff; 255],
    ] {
        let folder = d.join("odd").join(name(bytes));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name(bytes)), bytes).unwrap();
        symlink(name(bytes), folder.join("link")).unwrap();
    }
    // Sorted by component, not by bytes: `a.b` stands behind what is in `a`.
    for path in ["d/a/b", "d/a.b", "d/a b/c", "d/a-b", "d/a0/b"] {
        site.write(path, path);
    }
    nights.push(site.night());
    fs::remove_dir_all(d.join("odd").join(name(b"\xff\xfe not text"))).unwrap();
    fs::write(d.join("odd/line\nbreak/line\nbreak"), "other").unwrap();
    nights.push(site.night());
    site.all_restore(&nights);
    let place = site.path("one");
    let words = ["-restore", "data", "--snapshot", "2", "--to", place.to_str().unwrap()].map(name_of);
    let path = name(b"d/odd/\xff\xfe not text/\xff\xfe not text");
    site.run_words(&[&words[..], &[path]].concat()).ended(0);
    let found = place.join("d/odd").join(name(b"\xff\xfe not text")).join(name(b"\xff\xfe not text"));
    assert_eq!(fs::read(found).unwrap(), b"\xff\xfe not text");
}

fn name_of(text: &str) -> std::ffi::OsString {
    text.into()
}

#[test]
fn a_deep_tree_follows() {
    let (site, mut nights) = started();
    // Longer than PATH_MAX: made by relative steps.
    let mut at = rustix::fs::open(site.src("d"), rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    let step = "s".repeat(30);
    for _ in 0..150 {
        rustix::fs::mkdirat(&at, &step, rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        at = rustix::fs::openat(&at, &step, rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let file = rustix::fs::openat(&at, "bottom", flags, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
    rustix::io::write(&file, b"so deep").unwrap();
    drop((file, at));
    site.run("-backup data").ended(0).in_peace();
    // Neither we nor rsync can name what lies that deep by one path: the program itself tells.
    site.run("-check data --data").ended(0).in_peace();
    let listing = |root: &Path| {
        let words = [
            "-c",
            "find d -depth -printf '%y %m %s %T@ ' -exec true ';' -print | grep -v '^d'; find d -name bottom -execdir cat {} ';'",
        ];
        let done = Command::new("sh").args(words).current_dir(root).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    assert!(listing(&site.src("")).ends_with("so deep"));
    assert_eq!(listing(&site.src("")), listing(&site.mirror("")));
    let place = site.restored(2);
    assert_eq!(listing(&site.src("")), listing(place.path()));
    let gone = Command::new("rm").arg("-rf").arg(site.src("d").join(&step)).status().unwrap();
    assert!(gone.success());
    nights.push(site.night());
    site.all_restore(&nights);
    drop(Command::new("rm").arg("-rf").arg(place.path()).status());
}

#[test]
fn a_folder_of_ten_thousand_files_follows() {
    let (site, mut nights) = started();
    for n in 0..10_000 {
        site.write(format!("d/crowd/{n}"), format!("{n}"));
    }
    nights.push(site.night());
    for n in (0..10_000).step_by(7) {
        fs::remove_file(site.src(format!("d/crowd/{n}"))).unwrap();
    }
    nights.push(site.night());
    site.all_restore(&nights);
}

#[test]
fn several_dirs_follow_and_what_lies_beside_them_is_left_alone() {
    let site = Site::with(&["a/b", "c", "e/f/g", "a.b"], "");
    for dir in ["a/b", "c", "e/f/g", "a.b"] {
        site.write(format!("{dir}/file"), dir);
    }
    for path in ["a/beside", "beside", "e/f/beside", "c.x/beside"] {
        site.write(path, "not asked for");
    }
    set_mode(&site.src("a"), 0o750);
    set_mode(&site.src("e/f"), 0o701);
    set_mtime(&site.src("e"), 1_000_000_000, 7);
    fs::create_dir_all(site.mirror("own")).unwrap();
    fs::write(site.mirror("own/file"), "of the mirror").unwrap();
    let mut nights = vec![site.init()];
    for path in ["a/beside", "beside", "e/f/beside", "c.x"] {
        assert!(!site.mirror(path).exists(), "{path}");
    }
    assert_eq!(fs::read(site.mirror("own/file")).unwrap(), b"of the mirror");
    assert_eq!(site.mirror("a").metadata().unwrap().mode() & 0o7777, 0o750);
    assert_eq!(site.mirror("e/f").metadata().unwrap().mode() & 0o7777, 0o701);
    assert_eq!(site.mirror("e").metadata().unwrap().mtime(), 1_000_000_000);
    fs::write(site.mirror("a/beside"), "of the mirror").unwrap();
    site.write("a/b/more", "more");
    fs::rename(site.src("c/file"), site.src("e/f/g/from-c")).unwrap();
    site.write("c/other", "c must not be empty");
    nights.push(site.night());
    assert_eq!(fs::read(site.mirror("a/beside")).unwrap(), b"of the mirror");
    site.all_restore(&nights);
    // In place, too, only the DIRs are touched.
    site.write("a/beside", "changed meanwhile");
    site.run("-restore data --snapshot 1 --delete").ended(0);
    same(&nights[0].tree, &site.source_tree(), "the source");
    assert_eq!(fs::read(site.src("a/beside")).unwrap(), b"changed meanwhile");
}

#[test]
fn hard_links_between_dirs_stay_hard_links() {
    let site = Site::with(&["a", "b"], "");
    site.write("a/one", "shared");
    site.write("b/x", "x");
    fs::hard_link(site.src("a/one"), site.src("b/two")).unwrap();
    fs::hard_link(site.src("a/one"), site.src("outside")).unwrap();
    let nights = [site.init()];
    site.all_restore(&nights);
    let ino = |path: &str| site.mirror(path).metadata().unwrap().ino();
    assert_eq!(ino("a/one"), ino("b/two"));
    site.run("-check data --data").ended(0).in_peace();
    // Of two names one is restored: it is whole by itself.
    let place = site.path("one-name");
    site.run(&format!("-restore data b/two --to {}", place.display())).ended(0);
    assert_eq!(fs::read(place.join("b/two")).unwrap(), b"shared");
    assert!(!place.join("a").exists());
}

#[test]
fn the_whole_source_is_a_dir_too() {
    let site = Site::with(&["."], "");
    site.write("top", "1");
    site.write("a/b", "2");
    set_mtime(&site.src(""), 1_234_567_890, 5);
    set_mode(&site.src(""), 0o751);
    site.run("-backup --init data").ended(0).in_peace();
    let equal = || {
        let of_mirror = |mut tree: Tree| {
            tree.retain(|path, _| !path.starts_with(".backup"));
            tree
        };
        same(&site.source_tree(), &of_mirror(site.mirror_tree()), "the mirror");
        rsync_finds_nothing(&site.src(""), &site.mirror(""));
    };
    equal();
    let first = site.source_tree();
    site.write("more", "3");
    fs::remove_file(site.src("top")).unwrap();
    site.run("-backup data").ended(0).in_peace();
    equal();
    site.run("-backup data").ended(0).in_peace();
    assert_eq!(site.packs().len(), site.packs().len());
    site.run("-restore data --snapshot 1 --delete").ended(0);
    same(&first, &site.source_tree(), "the source");
    assert!(!site.src(".backup").exists());
}

#[test]
fn a_dir_that_is_added_to_the_table_is_added_to_the_mirror() {
    let site = Site::with(&["a", "b/c"], "");
    site.write("a/1", "1");
    site.write("b/c/2", "2");
    let one = format!(
        "TARGET data\nSOURCE {}\nMIRROR {}\nDIR a\n",
        hosts::source(&site.src("")),
        hosts::mirror(&site.mirror(""))
    );
    let both = fs::read(site.path("backup.tab")).unwrap();
    fs::write(site.path("backup.tab"), one).unwrap();
    site.run("-backup --init data").ended(0).in_peace();
    assert!(!site.mirror("b").exists());
    fs::write(site.path("backup.tab"), both).unwrap();
    let second = site.night();
    site.all_restore(&[second]);
}

#[test]
fn what_is_excluded_is_neither_copied_nor_removed() {
    let site = Site::with(&["d"], "  EXCLUDE *.tmp\n  EXCLUDE d/skip/**\n");
    for path in ["d/keep", "d/a.tmp", "d/sub/b.tmp", "d/sub/b", "d/skip/x", "d/skip/y/z", "d/skipnot/x", "d/c.tmp/in"] {
        site.write(path, path);
    }
    site.run("-backup --init data").ended(0).in_peace();
    let there = || {
        files(&site.mirror("d"))
            .iter()
            .map(|path| path.strip_prefix(site.mirror("d")).unwrap().to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(there(), ["keep", "skipnot/x", "sub/b"]);
    assert!(site.mirror("d/skip").is_dir());
    // Below EXCLUDE things may come and go on both sides without a word.
    fs::write(site.mirror("d/own.tmp"), "of the mirror").unwrap();
    site.write("d/a.tmp", "changed");
    site.run("-backup data").ended(0).in_peace();
    assert_eq!(there(), ["keep", "own.tmp", "skipnot/x", "sub/b"]);
    site.run("-check data --data").ended(0).in_peace();
    // A restore leaves it alone.
    site.write("d/keep", "changed");
    site.run("-restore data --delete").ended(0);
    assert_eq!(fs::read(site.src("d/keep")).unwrap(), b"d/keep");
    assert_eq!(fs::read(site.src("d/a.tmp")).unwrap(), b"changed");
    assert!(site.src("d/skip/y/z").exists());
    // Without the EXCLUDE all of it comes.
    site.table("");
    fs::remove_file(site.mirror("d/own.tmp")).unwrap();
    site.night();
}

#[test]
fn a_store_on_another_partition_works() {
    let site = Site::new();
    let store = site.path("elsewhere/store");
    site.table(&format!("  STORE {}\n", store.display()));
    site.write("d/a", noise(4, 100_000));
    let mut nights = vec![site.init()];
    assert!(!site.mirror(".backup/store").exists() && store.join("config").exists());
    site.write("d/b", "b");
    nights.push(site.night());
    site.all_restore(&nights);
    fs::rename(&store, site.path("moved")).unwrap();
    let before = site.everything();
    site.run("-backup data").ended(2).warns(&["elsewhere/store"]);
    assert!(!store.exists(), "a store that is not mounted is not made anew");
    same(&before, &site.everything(), "the mirror");
}

#[test]
fn a_snapshot_is_found_by_time() {
    let (site, nights) = started();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let now = jiff::Timestamp::now();
    std::thread::sleep(std::time::Duration::from_millis(100));
    site.write("d/many/00", "second night");
    site.night();
    let asked = |at: &str, place: &str| {
        let place = site.path(place);
        let words = ["-restore", "data", "--to", place.to_str().unwrap(), "--at", at];
        (site.run_words(&words), place)
    };
    let (said, place) = asked(&now.to_string(), "then");
    said.ended(0).says(&["data: snapshot 1 of "]);
    same(&nights[0].tree, &tree(&place, &["d"]), "the first night");
    asked("0 seconds ago", "now").0.ended(0).says(&["data: snapshot 2 of "]);
    asked(&now.to_string()[..10], "today").0.ended(0).says(&["data: snapshot 2 of "]);
    let text = now.strftime("%Y-%m-%d %H:%M:%S").to_string();
    asked(&text, "local").0.ended(0).says(&["data: snapshot 1 of "]);
    asked("2 days ago", "old").0.ended(2).warns(&["there is no snapshot as old as that"]);
    asked("1999-12-31", "older").0.ended(2).warns(&["there is no snapshot as old as that"]);
    assert!(!site.path("old").exists());
}

#[test]
fn one_file_and_one_folder_are_restored_without_the_rest() {
    let (site, nights) = started();
    site.write("d/many/00", "changed");
    site.write("d/many/01", "changed");
    site.write("d/big", "changed");
    site.night();
    site.run("-restore data d/many/00 --snapshot 1").ended(0).in_peace();
    let read = |path: &str| fs::read_to_string(site.src(path)).unwrap();
    assert_eq!([read("d/many/00"), read("d/many/01"), read("d/big")], ["file 0", "changed", "changed"]);
    site.run("-restore data ./d//many/ --snapshot 1").ended(0).in_peace();
    assert_eq!([read("d/many/01"), read("d/big")], ["file 1", "changed"]);
    // Below --to the path is as under the target.
    let place = site.path("place");
    site.run(&format!("-restore data d/many d/link --snapshot 1 --to {}", place.display())).ended(0).in_peace();
    let mut wanted = nights[0].tree.clone();
    wanted.retain(|path, _| path.starts_with("d/many") || path.starts_with("d/link"));
    let mut found = tree(&place, &["d"]);
    let above = found.remove(Path::new("d")).unwrap();
    assert_eq!(Some(&above), nights[0].tree.get(Path::new("d")), "the folder above");
    same(&wanted, &found, "the place");
}

#[test]
fn a_restored_file_leaves_the_folder_around_it_as_it_was() {
    let (site, _) = started();
    site.write("d/many/00", "changed");
    set_mtime(&site.src("d/many"), 1_600_000_000, 3);
    set_mtime(&site.src("d"), 1_500_000_000, 4);
    site.run("-restore data d/many/00").ended(0).in_peace();
    let mtime = |path: &str| site.src(path).metadata().unwrap().mtime();
    assert_eq!([mtime("d/many"), mtime("d")], [1_600_000_000, 1_500_000_000]);
}

#[test]
fn deletions_are_rolled_back_in_place_and_new_files_stay() {
    let (site, nights) = started();
    fs::remove_dir_all(site.src("d/many")).unwrap();
    fs::remove_file(site.src("d/big")).unwrap();
    site.write("d/since", "new");
    site.run("-restore data").ended(0).in_peace();
    assert_eq!(fs::read(site.src("d/since")).unwrap(), b"new");
    fs::remove_file(site.src("d/since")).unwrap();
    // The folder that held the new file has its own time: everything else is as it was.
    set_mtime(&site.src("d"), 0, 0);
    let timeless = |tree: &Tree| {
        tree.iter().filter(|(path, _)| *path != Path::new("d")).map(|(p, f)| (p.clone(), f.clone())).collect::<Tree>()
    };
    same(&timeless(&nights[0].tree), &timeless(&site.source_tree()), "the source");
}

#[test]
fn delete_removes_what_the_snapshot_does_not_have() {
    let (site, nights) = started();
    site.write("d/since/a/b", "new");
    fs::rename(site.src("d/big"), site.src("d/large")).unwrap();
    symlink("x", site.src("d/dangling")).unwrap();
    site.run("-restore data --delete").ended(0).in_peace();
    same(&nights[0].tree, &site.source_tree(), "the source");
    assert!(!site.src(".backup").exists());
}

#[test]
fn a_lost_source_is_rebuilt_whole() {
    let (site, nights) = started();
    fs::remove_dir_all(site.src("d")).unwrap();
    site.run("-restore data").ended(0).in_peace();
    same(&nights[0].tree, &site.source_tree(), "the source");
    site.mirror_equals_source();
}

#[test]
fn what_a_restore_destroys_is_kept_and_its_undo_line_brings_it_back() {
    let (site, _) = started();
    site.write("d/many/00", "second");
    fs::remove_file(site.src("d/many/01")).unwrap();
    site.night();
    // Work that no night has seen.
    site.write("d/many/00", "not saved anywhere else");
    site.write("d/precious", noise(5, 700_000));
    fs::remove_dir_all(site.src("d/hollow")).unwrap();
    set_mtime(&site.src("d/many"), 1_600_000_000, 3);
    let before = site.source_tree();
    for (words, restored) in [
        ("-restore data --snapshot 1 --delete", "file 0"),
        ("-restore data --snapshot 2", "second"),
        ("-restore data d/many/00 --snapshot 1", "file 0"),
        ("-restore data d/many --snapshot 1 --delete", "file 0"),
    ] {
        let said = site.run(words).ended(0).in_peace();
        assert_eq!(fs::read_to_string(site.src("d/many/00")).unwrap(), restored);
        undo(&site, &said.out);
        same(&before, &site.source_tree(), &format!("after the undo of {words}, the source"));
    }
    // An undo can be undone.
    let said = site.run("-restore data --snapshot 1 --delete").ended(0);
    let first = site.source_tree();
    let said = undo(&site, &said.out);
    undo(&site, &said);
    same(&first, &site.source_tree(), "after the undo of the undo, the source");
}

/// Runs the line that a restore printed, as a shell would.
#[track_caller]
fn undo(site: &Site, said: &str) -> String {
    let line = said.lines().find_map(|line| line.trim().strip_prefix("to undo: ")).expect("how to undo it");
    let mut shell = bare("sh", &site.path(""));
    let path = format!("{}:{}", Path::new(PROGRAM).parent().unwrap().display(), std::env::var("PATH").unwrap());
    shell.args(["-c", line]).env("PATH", path).env("BACKUP_TAB", site.path("backup.tab"));
    finish(shell).ended(0).in_peace().out
}

#[test]
fn an_undo_line_names_the_table_that_was_given() {
    let (site, _) = started();
    site.write("d/many/00", "changed");
    let said = site.run("-restore data").ended(0).in_peace();
    said.says(&[&format!("--tab {}", site.path("backup.tab").display())]);
}

#[test]
fn a_restore_elsewhere_can_be_undone_too() {
    let (site, _) = started();
    let place = site.path("some 'place");
    fs::create_dir_all(place.join("d/many")).unwrap();
    fs::write(place.join("d/many/00"), "mine").unwrap();
    fs::write(place.join("d/own"), "mine too").unwrap();
    set_mtime(&place.join("d"), 1_600_000_000, 0);
    let before = tree(&place, &["d"]);
    let words = ["-restore", "data", "d/many/00", "--to", place.to_str().unwrap()];
    let said = site.run_words(&words).ended(0).in_peace();
    assert_eq!(fs::read(place.join("d/many/00")).unwrap(), b"file 0");
    undo(&site, &said.out);
    same(&before, &tree(&place, &["d"]), "the place");
}

#[test]
fn the_undo_of_a_restore_to_a_relative_place_works_elsewhere() {
    let (site, _) = started();
    fs::create_dir_all(site.path("place/d/many")).unwrap();
    fs::write(site.path("place/d/many/00"), "mine").unwrap();
    let said = site.run("-restore data d/many/00 --to place").ended(0).in_peace();
    said.says(&[&format!("--to {}", site.path("place").display())]);
}

#[test]
fn a_dry_run_writes_nothing() {
    let (site, _) = started();
    site.write("d/many/00", "changed");
    site.write("d/new", noise(6, 2 << 20));
    fs::remove_file(site.src("d/big")).unwrap();
    let (mirror, source) = (site.everything(), site.source_tree());
    let said = site.run("-backup data --dry-run").ended(0).in_peace();
    said.says(&["data: dry run: ", "on the mirror 1 would be made, 1 replaced, 1 touched, 1 removed"]);
    let said = site.run("-restore data --delete --dry-run").ended(0).in_peace();
    said.says(&["replace  d/many/00\n", "remove   d/new\n", "create   d/big\n", "data: dry run: snapshot 1 to SOURCE"]);
    site.run(&format!("-restore data --dry-run --to {}", site.path("nowhere").display())).ended(0).in_peace();
    site.run("-check data").ended(0);
    site.run("-check data --data").ended(0);
    site.run("-snapshots data").ended(0);
    same(&mirror, &site.everything(), "the mirror");
    same(&source, &site.source_tree(), "the source");
    assert!(!site.path("nowhere").exists());
}

#[test]
fn a_dry_run_says_what_it_would_hold() {
    let (site, _) = started();
    fs::remove_dir_all(site.src("d")).unwrap();
    let before = site.everything();
    site.run("-backup data --dry-run").ended(3).says(&["it would be held: DIR d cannot be listed"]);
    same(&before, &site.everything(), "the mirror");
}

#[test]
fn a_dry_run_says_what_somebody_did_to_the_mirror() {
    let (site, _) = started();
    site.write("d/new", "tonight");
    fs::write(site.mirror("d/many/00"), "somebody's").unwrap();
    fs::write(site.mirror("d/new"), "tonight").unwrap();
    let facts = site.src("d/new").metadata().unwrap();
    set_mtime(&site.mirror("d/new"), facts.mtime(), facts.mtime_nsec());
    let before = site.everything();
    let said = site.run("-backup data --dry-run").ended(3);
    // What the source has as well is nothing to be held for.
    said.says(&["it would be held: the mirror was changed by someone else: 0 added, 1 changed, 0 removed; d/many/00 (other content)"]);
    same(&before, &site.everything(), "the mirror");
    site.run("-backup data").ended(3).warns(&["0 added, 1 changed, 0 removed"]);
}

#[test]
fn a_dry_run_of_a_first_night_makes_no_mirror() {
    let site = Site::new();
    site.write("d/a", "one");
    site.run("-backup --init --dry-run data").ended(2).warns(&["is not a mirror yet"]);
    assert!(!site.mirror("").exists());
}

#[test]
fn a_large_file_that_is_renamed_costs_nearly_nothing() {
    let site = Site::new();
    site.write("d/one", noise(7, 60_000_000));
    site.init();
    let before = site.store_bytes();
    fs::create_dir(site.src("d/sub")).unwrap();
    fs::rename(site.src("d/one"), site.src("d/sub/two")).unwrap();
    site.night();
    let cost = site.store_bytes() - before;
    assert!(cost < 100_000, "{cost} bytes");
}

#[test]
fn one_byte_in_a_large_file_costs_a_few_chunks() {
    let site = Site::new();
    site.write("d/one", noise(8, 200_000_000));
    let first = site.init();
    let before = site.store_bytes();
    let file = fs::OpenOptions::new().write(true).open(site.src("d/one")).unwrap();
    file.write_all_at(b"!", 123_456_789).unwrap();
    let second = site.night();
    let cost = site.store_bytes() - before;
    assert!(cost < 5_000_000, "{cost} bytes");
    // A byte in front moves everything behind it.
    let mut bytes = fs::read(site.src("d/one")).unwrap();
    bytes.insert(1000, b'!');
    site.write("d/one", bytes);
    let third = site.night();
    assert!(site.store_bytes() - before < 10_000_000);
    site.all_restore(&[first, second, third]);
}

#[test]
fn the_same_content_is_stored_once() {
    let site = Site::new();
    let bytes = noise(9, 5_000_000);
    for n in 0..5 {
        site.write(format!("d/{n}"), &bytes);
    }
    site.init();
    assert!(site.store_bytes() < 5_200_000, "{}", site.store_bytes());
}

#[test]
fn reread_finds_what_times_hide() {
    let (site, _) = started();
    let packs = site.packs();
    site.run("-backup data --reread").ended(0).in_peace();
    assert_eq!(site.packs(), packs);
    site.mirror_equals_source();
}

#[test]
fn thirty_nights_all_restore() {
    let site = Site::new();
    let mut nights = Vec::new();
    for (n, length) in (0..30_u64).zip(0_usize..) {
        site.write(format!("d/{}/{n}", n % 4), noise(n, 1000 * (length % 7 + 1)));
        site.write("d/log", vec![b'x'; length * 300_000]);
        if n > 3 {
            // It may have been moved away by now.
            let _gone = fs::remove_file(site.src(format!("d/{}/{}", (n - 3) % 4, n - 3)));
        }
        if n % 5 == 1 {
            fs::rename(site.src(format!("d/{}", n % 4)), site.src(format!("d/moved-{n}"))).unwrap();
            fs::create_dir_all(site.src(format!("d/{}", n % 4))).unwrap();
            if n > 1 {
                for back in n - 2..=n {
                    site.write(format!("d/{}/{back}", back % 4), "again");
                }
            }
        }
        nights.push(if n == 0 { site.init() } else { site.night() });
    }
    assert!(site.store("index").len() <= 12, "indexes are merged: {}", site.store("index").len());
    site.all_restore(&nights);
    site.run("-check data --data").ended(0).in_peace().says(&["all in order: 30 snapshots"]);
}
