//! Disks that are too small, or full: refused before anything is written, held before the mirror is touched, and never any harm.

use crate::disk::Disk;
use crate::support::{Night, Ran, Site, files, finish, names, noise, same, tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const EXT4: &str = "mkfs.ext4 -q -m 0";
const DISKS: [(&str, u64); 3] = [(EXT4, 64), ("mkfs.xfs -q", 320), ("mkfs.btrfs -q", 128)];

fn free(at: &Path) -> u64 {
    let stat = rustix::fs::statvfs(at).unwrap();
    stat.f_bavail * stat.f_frsize
}

/// Takes all room but so many bytes; gives the file that has it.
fn leave(at: &Path, bytes: u64) -> PathBuf {
    let ballast = at.join("ballast");
    let file = fs::File::create(&ballast).unwrap();
    for step in [1 << 20, 64 << 10, 4096] {
        while free(at) >= bytes + step && take(&file, step) {
            // Not all file systems count at once what they have given away.
            rustix::fs::syncfs(&file).unwrap();
        }
    }
    ballast
}

/// Makes a file longer by so many bytes of the disk, if there are as many.
fn take(file: &fs::File, bytes: u64) -> bool {
    let end = file.metadata().unwrap().len();
    rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), end, bytes).is_ok()
}

/// Files of 100 kB that cannot be compressed, with this content.
fn fill(site: &Site, count: u64, seed: u64) {
    for n in 0..count {
        site.write(format!("d/{n}"), noise(seed * 100_000 + n, 100_000));
    }
}

#[track_caller]
fn refused(site: &Site, words: &str, message: &[&str]) {
    let before = site.everything();
    let said = site.run(words).ended(2).warns(message).warns(&["there is too little room on", "(nothing was written)"]);
    assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{said}");
    same(&before, &site.everything(), "a mirror that was too small");
}

#[test]
fn a_first_night_for_which_the_disk_is_too_small_is_refused() {
    for (mkfs, megabytes) in DISKS {
        let site = Site::new();
        let _disk = Disk::new(&site.mirror(""), megabytes, mkfs);
        fill(&site, megabytes * 10, 1);
        refused(&site, "-backup --init data", &["/mirror: ", " MB are needed (", " MB are free. Make room there"]);
        assert!(!site.mirror(".backup").exists());
        for n in 20..megabytes * 10 {
            fs::remove_file(site.src(format!("d/{n}"))).unwrap();
        }
        site.init();
    }
}

#[test]
fn a_night_for_which_the_disk_is_too_small_is_refused() {
    let site = Site::new();
    let _disk = Disk::new(&site.mirror(""), 64, EXT4);
    fill(&site, 20, 1);
    let first = site.init();
    site.write("d/large", noise(1, 60_000_000));
    refused(&site, "-backup data", &[" MB are needed ("]);
    site.run("-backup data --dry-run").ended(0);
    // What is not counted: a file that grew a little, one that moved, holes.
    fs::rename(site.src("d/large"), site.path("large")).unwrap();
    fs::File::create(site.src("d/holes")).unwrap().set_len(1 << 30).unwrap();
    fs::rename(site.src("d/1"), site.src("d/moved")).unwrap();
    let second = site.night();
    site.all_restore(&[first, second]);
}

/// After a swap the whole history is copied before the first night.
#[test]
fn a_new_disk_after_a_swap_for_which_the_history_is_too_large_is_refused() {
    let site = Site::with(&["d"], "  HOLD 100%\n");
    let mut nights = Vec::new();
    for seed in 1..4 {
        fill(&site, 200, seed);
        nights.push(if seed == 1 { site.init() } else { site.night() });
    }
    site.run("-swap data").ended(0);
    fs::rename(site.src(""), site.path("dead")).unwrap();
    let disk = Disk::new(&site.src(""), 64, EXT4);
    for words in ["-backup --init data", "-backup --init data --reread"] {
        refused(
            &site,
            words,
            &["src: 8", " MB are needed (20.", " MB for the mirror tree, 6", " MB or more for the store)"],
        );
        assert_eq!(names(&site.src("")), ["lost+found"]);
    }
    drop(disk);
    let _disk = Disk::new(&site.src(""), 96, EXT4);
    site.run("-backup --init data").ended(0);
    same(&site.mirror_tree(), &site.source_tree(), "the new mirror");
    // When it is made a mirror once more, it has the tree and the history already.
    for words in ["-swap data", "-backup --init data", "-swap data"] {
        site.run(words).ended(0);
    }
    let _ballast = leave(&site.src(""), 2_000_000);
    site.run("-backup --init data").ended(0);
    site.all_restore(&nights);
}

#[test]
fn a_disk_with_too_few_inodes_is_refused() {
    let site = Site::new();
    let _disk = Disk::new(&site.mirror(""), 64, "mkfs.ext4 -q -m 0 -N 256");
    for n in 0..300 {
        site.write(format!("d/{n}"), "x");
    }
    refused(&site, "-backup --init data", &["files (inodes) have to be made", " can be. Make room there"]);
    for n in 0..250 {
        fs::remove_file(site.src(format!("d/{n}"))).unwrap();
    }
    site.init();
}

#[test]
fn an_equal_tree_is_adopted_where_a_copy_would_not_fit() {
    let site = Site::new();
    let _disk = Disk::new(&site.mirror(""), 64, EXT4);
    for n in 0..400 {
        site.write(format!("d/{n}"), format!("{n} compresses well; ").repeat(5000));
    }
    let done = std::process::Command::new("cp").arg("-a").arg(site.src("d")).arg(site.mirror("")).status().unwrap();
    assert!(done.success());
    site.init();
}

/// What the store took could not be known; what the tree takes is known exactly before it is touched.
#[test]
fn a_run_is_held_when_the_mirror_tree_has_no_room_and_approved_when_it_has() {
    for (mkfs, megabytes) in DISKS {
        let site = Site::with(&["d"], "  HOLD 100%\n");
        let _disk = Disk::new(&site.mirror(""), megabytes, mkfs);
        fill(&site, 20, 1);
        let first = site.init();
        let ballast = leave(&site.mirror(""), 30_000_000);
        fill(&site, 200, 2);
        let before = site.mirror_tree();
        let words = ["there is too little room on", "mirror: ", " MB are needed, ", " MB are free"];
        let said = site.run("-backup data").ended(3).warns(&["HELD: "]).warns(&words);
        same(&before, &site.mirror_tree(), "the mirror of a held run");
        site.run("-approve data").ended(2).warns(&words).warns(&["(the mirror was not touched)"]);
        same(&before, &site.mirror_tree(), "the mirror of a run that was not approved");
        fs::remove_file(ballast).unwrap();
        site.run("-approve data").ended(0).in_peace();
        site.mirror_equals_source();
        drop(said);
        site.all_restore(&[first, Night { sequence: 3, tree: site.source_tree() }]);
    }
}

#[test]
fn a_restore_for_which_the_place_is_too_small_is_refused() {
    let site = Site::new();
    let _disk = Disk::new(&site.path("out"), 16, EXT4);
    fill(&site, 200, 1);
    site.init();
    let before = tree(&site.path("out"), &["."]);
    let words = "-restore data --to out";
    let said = site.run(words).ended(2).warns(&["there is too little room on", "out: 20.", "(nothing was restored)"]);
    assert_eq!(said.err.lines().count(), 1, "{said}");
    same(&before, &tree(&site.path("out"), &["."]), "the place");
    site.run("-restore data d/1 d/2 --to out").ended(0);
}

/// Whatever happened: each file of the mirror is wholly old or wholly new, and no fault of the disk is told of the source.
#[track_caller]
fn unharmed(site: &Site, said: &Ran, old: &Night) {
    assert!([0, 2, 3].contains(&said.code), "{said}");
    assert!(!said.err.contains("cannot be read") && !said.err.contains("last good version"), "{said}");
    let (new, now) = (site.source_tree(), site.mirror_tree());
    for (path, fact) in now.iter().filter(|(path, _)| site.mirror(path).is_file()) {
        assert!(old.tree.get(path) == Some(fact) || new.get(path) == Some(fact), "{}: {said}", path.display());
    }
    for path in old.tree.keys().filter(|path| new.contains_key(*path)) {
        assert!(now.contains_key(path), "{} is gone: {said}", path.display());
    }
}

/// The night after a run that failed: it may tell that it goes on from there.
#[track_caller]
fn next(site: &Site) -> Night {
    site.run("-backup data").ended(0);
    site.mirror_equals_source();
    Night { sequence: site.newest("backup"), tree: site.source_tree() }
}

/// Nights with ever other room; gives the exit codes that were seen.
fn nights(mkfs: &str, megabytes: u64, rooms: impl Iterator<Item = u64>) -> Vec<i32> {
    let site = Site::with(&["d"], "  HOLD 100%\n");
    let _disk = Disk::new(&site.mirror(""), megabytes, mkfs);
    fill(&site, 8, 1);
    let mut last = vec![site.init()];
    let mut codes = Vec::new();
    for (round, room) in rooms.enumerate() {
        fill(&site, 8, 2 + round as u64);
        let ballast = leave(&site.mirror(""), room);
        let said = site.run("-backup data");
        unharmed(&site, &said, &last[0]);
        codes.push(said.code);
        fs::remove_file(ballast).unwrap();
        let night = next(&site);
        site.all_restore(&last);
        last = vec![night];
    }
    site.run("-check data --data").ended(0).in_peace();
    codes
}

#[test]
fn a_disk_that_is_filled_to_the_last_blocks_does_no_harm() {
    for ((mkfs, megabytes), step) in DISKS.into_iter().zip([320_000, 1_000_000, 1_000_000]) {
        let codes = nights(mkfs, megabytes, (0..3_200_000).step_by(step));
        assert!(codes.contains(&2) && (codes.contains(&3) || codes.contains(&0)), "{mkfs}: {codes:?}");
    }
}

#[test]
fn inodes_that_run_out_do_no_harm() {
    let site = Site::with(&["d"], "  HOLD 100%\n");
    let _disk = Disk::new(&site.mirror(""), 64, "mkfs.ext4 -q -m 0 -N 512");
    let mut last = vec![site.init()];
    let mut codes = Vec::new();
    for round in 0..16_usize {
        for n in 0..10 {
            site.write(format!("d/{n}"), format!("{round} {n}"));
        }
        site.write(format!("d/new {round}"), "new");
        let idle = site.mirror("idle");
        fs::create_dir(&idle).unwrap();
        let left = || rustix::fs::statvfs(&idle).unwrap().f_ffree;
        let many = left() - 2 * round as u64;
        (0..many).for_each(|n| drop(fs::File::create(idle.join(n.to_string())).unwrap()));
        let said = site.run("-backup data");
        unharmed(&site, &said, &last[0]);
        codes.push(said.code);
        fs::remove_dir_all(&idle).unwrap();
        let night = next(&site);
        site.all_restore(&last);
        last = vec![night];
    }
    assert!(codes.contains(&2) && codes.contains(&0), "{codes:?}");
}

/// Somebody takes all that is free in the midst of publishing.
#[test]
fn a_disk_that_fills_while_the_mirror_is_written_does_no_harm() {
    let mut failed = 0;
    for (mkfs, megabytes) in DISKS {
        let site = Site::with(&["d"], "  HOLD 100%\n");
        let _disk = Disk::new(&site.mirror(""), megabytes, mkfs);
        fill(&site, 120, 1);
        let first = site.init();
        fill(&site, 120, 2);
        let role = site.mirror(".backup/role");
        let over = AtomicBool::new(false);
        let said = std::thread::scope(|scope| {
            scope.spawn(|| {
                let publishing = || fs::read_to_string(&role).is_ok_and(|text| text.contains("state publishing"));
                while !publishing() && !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                let file = fs::File::create(site.mirror("ballast")).unwrap();
                for step in [8 << 20, 1 << 20, 1 << 16, 1 << 12] {
                    while take(&file, step) {}
                }
            });
            let said = finish(site.command(["-backup", "data"]));
            over.store(true, Ordering::Relaxed);
            said
        });
        unharmed(&site, &said, &first);
        failed += u32::from(said.code == 2 && said.err.contains("No space left"));
        fs::remove_file(site.mirror("ballast")).unwrap();
        let second = next(&site);
        assert!(files(&site.mirror(".backup/stage")).is_empty());
        site.all_restore(&[first, second]);
    }
    assert!(failed > 0, "no disk was full in time");
}
