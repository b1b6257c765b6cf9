//! Damaged stores: nothing wrong is ever served, every message names the file, and what is not touched by the damage still works.

use crate::support::{Night, Site, files, noise, same, tree};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Two nights of a few files, large and small.
fn two_nights() -> (Site, Vec<Night>) {
    let site = Site::new();
    site.write("d/big", noise(1, 3 << 20));
    for n in 0..20 {
        site.write(format!("d/small/{n}"), noise(n, 3000));
    }
    let first = site.init();
    site.write("d/big", noise(2, 2 << 20));
    site.write("d/new", noise(3, 5000));
    let second = site.night();
    (site, vec![first, second])
}

/// The pack that begins with a block of this kind (format-spec.md, 4: the kind is byte 5 of the block at 16).
fn pack(site: &Site, kind: u8) -> PathBuf {
    let packs = site.packs();
    let found = packs
        .iter()
        .map(|p| site.mirror(".backup/store/packs").join(p))
        .filter(|p| fs::read(p).unwrap()[16 + 5] == kind);
    found.max_by_key(|p| fs::metadata(p).unwrap().len()).expect("a pack of this kind")
}

fn only(folder: &Path) -> PathBuf {
    folder.join(files(folder).into_iter().next_back().unwrap())
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, length: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..length]).unwrap();
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Restores a night as far as it goes: what comes back is right, or is not there.
#[track_caller]
fn nothing_wrong_comes_back(site: &Site, night: &Night) -> i32 {
    let out = tempfile::tempdir().unwrap();
    let ran = site.run(&format!("-restore data --snapshot {} --to {}", night.sequence, out.path().display()));
    for path in files(out.path()) {
        let below = path.strip_prefix(out.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), night.source_file(site, below), "{} of {ran}", below.display());
    }
    ran.code
}

impl Night {
    /// What a file held that night: the generator makes it again.
    fn source_file(&self, _site: &Site, path: &Path) -> Vec<u8> {
        match path.to_str().unwrap() {
            "d/big" if self.sequence == 1 => noise(1, 3 << 20),
            "d/big" => noise(2, 2 << 20),
            "d/new" => noise(3, 5000),
            other => noise(other.rsplit('/').next().unwrap().parse().unwrap(), 3000),
        }
    }
}

#[test]
fn a_flipped_byte_in_a_data_pack_is_found_and_only_its_file_is_lost() {
    let (site, nights) = two_nights();
    let pack = pack(&site, 0);
    flip(&pack, 1_000_000);
    site.run("-check data --data").ended(2).warns(&[&shown(&pack), "d/big: in snapshot 1", "missing or damaged"]);
    assert_eq!(nothing_wrong_comes_back(&site, &nights[0]), 2);
    let out = tempfile::tempdir().unwrap();
    let to = out.path().display();
    site.run(&format!("-restore data --snapshot 1 --to {to}")).ended(2).warns(&["d/big: cannot be had from the store"]);
    assert!(!out.path().join("d/big").exists());
    assert_eq!(fs::read(out.path().join("d/small/7")).unwrap(), noise(7, 3000), "the rest is not held back");
    assert!(!out.path().join(".backup").exists());
    assert_eq!(nothing_wrong_comes_back(&site, &nights[1]), 0);
    site.run("-backup data").ended(0);
}

#[test]
fn every_byte_of_a_pack_is_proved_in_whichever_part_of_it_it_is() {
    let site = Site::new();
    site.write("d/big", noise(1, 9 << 20));
    site.init();
    for kind in [0, 1] {
        let pack = pack(&site, kind);
        let length = fs::read(&pack).unwrap().len();
        // Mark and padding of the pack, header and lengths of a block, what is stored, table of contents, footer.
        let ends = [0, 6, 12, 17, 18, 40, 48, 49, length - 100, length - 60, length - 42, length - 20, length - 1];
        for at in ends.into_iter().chain((1..=length / (4 << 20)).flat_map(|n| [(n << 22) - 1, n << 22])) {
            flip(&pack, at);
            site.run("-check data --data").ended(2).warns(&[&shown(&pack)]);
            flip(&pack, at);
        }
    }
    site.run("-check data --data").ended(0).says(&["all in order"]);
}

#[test]
fn a_data_pack_that_was_cut_is_named_and_its_content_is_stored_again_when_it_is_met() {
    let (site, nights) = two_nights();
    let pack = pack(&site, 0);
    cut(&pack, 5000);
    site.run("-check data").ended(2).warns(&[&shown(&pack), "in snapshot 1"]);
    assert_eq!(nothing_wrong_comes_back(&site, &nights[0]), 2);
    // The file of the first night is on the source again: the store gets its content back.
    site.write("d/big", noise(1, 3 << 20));
    site.run("-backup data --reread").ended(0);
    site.mirror_equals_source();
    assert_eq!(nothing_wrong_comes_back(&site, &nights[0]), 0);
}

#[test]
fn a_data_pack_that_is_gone_is_named() {
    let (site, nights) = two_nights();
    let pack = pack(&site, 0);
    fs::remove_file(&pack).unwrap();
    site.run("-check data").ended(2).warns(&[&shown(&pack), "d/big: in snapshot 1"]);
    assert_eq!(nothing_wrong_comes_back(&site, &nights[0]), 2);
}

#[test]
fn a_damaged_manifest_stops_what_needs_it_and_says_so() {
    for damage in [|p: &Path| flip(p, 60), |p: &Path| cut(p, 70)] {
        let (site, _) = two_nights();
        let before = site.mirror_tree();
        for pack in site.packs() {
            let pack = site.mirror(".backup/store/packs").join(pack);
            if fs::read(&pack).unwrap()[16 + 5] == 1 {
                damage(&pack);
            }
        }
        site.run("-check data").ended(2).warns(&["snapshot 1", "snapshot 2"]);
        site.run("-restore data --to out").ended(2).warns(&["data: "]);
        assert!(!site.path("out").exists() || files(&site.path("out")).is_empty());
        site.run("-backup data").ended(2);
        assert_eq!(site.mirror_tree(), before, "the mirror is not touched when it is not known what it holds");
    }
}

#[test]
fn an_index_that_is_gone_or_cut_is_made_again() {
    for damage in [|p: &Path| fs::remove_file(p).unwrap(), |p: &Path| cut(p, 100), |p: &Path| flip(p, 20)] {
        let (site, nights) = two_nights();
        for index in site.store("index") {
            damage(&site.mirror(".backup/store/index").join(index));
        }
        site.run("-backup data").ended(0);
        site.all_restore(&nights);
        site.run("-check data --data").ended(0).says(&["all in order"]);
    }
}

#[test]
fn a_flipped_row_of_an_index_is_found_by_check_and_never_serves_wrong_bytes() {
    let (site, nights) = two_nights();
    let index = only(&site.mirror(".backup/store/index"));
    let length = fs::read(&index).unwrap().len();
    for at in [130, length - 1, length - 20, length - 44] {
        flip(&index, at);
        site.run("-check data").ended(2).warns(&[&shown(&index)]);
        for night in &nights {
            nothing_wrong_comes_back(&site, night);
        }
        flip(&index, at);
    }
    site.all_restore(&nights);
}

#[test]
fn a_damaged_record_is_named_and_the_other_nights_are_there() {
    for damage in [|p: &Path| flip(p, 30), |p: &Path| cut(p, 50)] {
        let (site, nights) = two_nights();
        damage(&site.mirror(".backup/store/snapshots/000001"));
        site.run("-check data").ended(2).warns(&["snapshots/000001"]);
        site.run("-snapshots data").ended(2).warns(&["snapshots/000001"]).says(&["     2  backup"]);
        site.run("-restore data --snapshot 1 --to out").ended(2).warns(&["snapshots/000001"]);
        site.all_restore(&nights[1..]);
        site.run("-backup data").ended(0);
    }
}

#[test]
fn without_the_record_of_what_the_mirror_holds_nothing_is_touched() {
    let (site, nights) = two_nights();
    let before = site.mirror_tree();
    flip(&site.mirror(".backup/store/snapshots/000002"), 30);
    site.write("d/later", "later");
    site.run("-backup data").ended(2).warns(&["snapshots/000002"]);
    assert_eq!(site.mirror_tree(), before);
    site.all_restore(&nights[..1]);
}

#[test]
fn a_damaged_config_or_role_is_named_and_nothing_is_written() {
    for file in ["store/config", "role"] {
        for damage in [|p: &Path| flip(p, 25), |p: &Path| cut(p, 40), |p: &Path| fs::remove_file(p).unwrap()] {
            let (site, _) = two_nights();
            let before = site.mirror_tree();
            damage(&site.mirror(".backup").join(file));
            let name =
                if file == "role" && !site.mirror(".backup/role").exists() { "is not a mirror yet" } else { file };
            for words in ["-check data", "-backup data", "-restore data --snapshot 1 --to out"] {
                site.run(words).ended(2).warns(&[name]);
            }
            assert_eq!(site.mirror_tree(), before);
            assert!(!site.path("out").exists() || files(&site.path("out")).is_empty());
        }
    }
}

#[test]
fn a_file_of_the_mirror_that_rots_is_found_by_reading_it() {
    let (site, _) = two_nights();
    let path = site.mirror("d/small/3");
    let meta = fs::metadata(&path).unwrap();
    let times = fs::FileTimes::new().set_modified(meta.modified().unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[17] ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    // Size, mtime and mode are as they were; only the ctime tells that somebody wrote to it.
    site.run("-check data").ended(2).warns(&["d/small/3: the mirror is not as it was left: other content"]);
    site.run("-check data --data").ended(2).warns(&["d/small/3"]);
}

#[test]
fn a_byte_of_any_file_of_the_mirror_that_rots_is_found_in_data_and_in_holes() {
    let site = Site::new();
    site.write("d/big", noise(1, 9 << 20));
    site.write("d/cut", noise(2, 400 << 10));
    site.write("d/holes", noise(3, 1 << 20));
    fs::File::options().write(true).open(site.src("d/holes")).unwrap().set_len(40 << 20).unwrap();
    site.init();
    site.run("-check data --data").ended(0).says(&["all in order"]);
    for (name, at) in [("big", 0), ("big", (9 << 20) - 1), ("cut", 399 << 10), ("holes", 7), ("holes", 30 << 20)] {
        let path = site.mirror(format!("d/{name}"));
        let rot = |bit: u8| {
            let file = fs::File::options().read(true).write(true).open(&path).unwrap();
            let time = fs::FileTimes::new().set_modified(file.metadata().unwrap().modified().unwrap());
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ bit], at).unwrap();
            file.set_times(time).unwrap();
        };
        rot(1);
        site.run("-check data --data")
            .ended(2)
            .warns(&[&format!("d/{name}: the mirror is not as it was left: other content")]);
        // What was written into a hole is zero again, and no hole.
        rot(1);
        site.run("-check data --data").ended(0).says(&["all in order"]);
    }
}

/// What is not in the store any more must not be taken over unread into the next night, which would be acknowledged and could not be restored.
#[test]
fn a_night_after_a_pack_was_lost_has_all_its_content() {
    let (site, _) = two_nights();
    fs::remove_file(pack(&site, 0)).unwrap();
    site.write("d/later", "later");
    site.run("-backup data").ended(0).warns(&["is missing or cut"]);
    let out = tempfile::tempdir().unwrap();
    site.run(&format!("-restore data --to {}", out.path().display())).ended(0);
    assert_eq!(fs::read(out.path().join("d/big")).unwrap(), noise(2, 2 << 20));
    assert_eq!(fs::read(out.path().join("d/small/7")).unwrap(), noise(7, 3000));
}

/// The mirror may have the only copy of what the store has lost: it is read before anything takes its place.
#[test]
fn what_a_lost_pack_held_is_saved_from_the_mirror_before_it_is_replaced() {
    let (site, nights) = two_nights();
    fs::remove_file(pack(&site, 0)).unwrap();
    site.write("d/small/3", "newer");
    fs::remove_file(site.src("d/small/4")).unwrap();
    site.run("-backup data").ended(0).warns(&["is missing or cut"]);
    let out = tempfile::tempdir().unwrap();
    site.run(&format!("-restore data --snapshot 2 --to {}", out.path().display())).ended(0);
    same(&nights[1].tree, &tree(out.path(), &site.dirs()), "the last night before the loss");
}

#[test]
fn what_a_lost_pack_held_is_saved_from_the_source_before_a_restore_replaces_it() {
    let site = Site::new();
    site.write("d/a", noise(1, 5000));
    site.init();
    let before = files(&site.mirror(".backup/store/packs"));
    site.write("d/a", noise(2, 5000));
    site.night();
    for pack in files(&site.mirror(".backup/store/packs")).difference(&before) {
        if fs::read(pack).unwrap()[16 + 5] == 0 {
            fs::remove_file(pack).unwrap();
        }
    }
    site.run("-restore data --snapshot 1").ended(0);
    assert_eq!(fs::read(site.src("d/a")).unwrap(), noise(1, 5000));
    site.run("-restore data --snapshot 3").ended(0);
    assert_eq!(fs::read(site.src("d/a")).unwrap(), noise(2, 5000));
}

#[test]
fn a_check_says_that_the_record_of_what_the_mirror_holds_is_gone() {
    let (site, _) = two_nights();
    fs::remove_file(site.mirror(".backup/store/snapshots/000002")).unwrap();
    site.run("-check data").ended(2).warns(&["it holds snapshot 2"]);
}
