//! Trees that are deep, names that are long, folders that are many, and few descriptors to work with.

use crate::support::{Ran, Site, bare, finish};
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

/// A site whose trees nothing but `rm` can remove: paths in them are longer than the system takes.
struct Deep(Site);

impl Drop for Deep {
    fn drop(&mut self) {
        let site = self.0.path("");
        Command::new("rm").arg("-rf").arg(site).status().unwrap();
    }
}

/// Makes so many directories of this name, each in the one before, with a file beside it in every so many.
fn dig(top: &Path, name: &str, depth: usize, files: usize) {
    let folder = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut at: OwnedFd = File::open(top).unwrap().into();
    for level in 0..depth {
        if level % files == 0 {
            for beside in ["a", "z"] {
                let flags = OFlags::CREATE | OFlags::WRONLY;
                File::from(openat(&at, beside, flags, Mode::from(0o644)).unwrap()).write_all(b"content").unwrap();
            }
        }
        mkdirat(&at, name, Mode::from(0o755)).unwrap();
        at = openat(&at, name, folder, Mode::empty()).unwrap();
    }
}

/// All that is in a tree, but for what is ours: kinds, sizes, modes, times and paths.
fn listed(root: &Path) -> BTreeSet<Vec<u8>> {
    let mut find = Command::new("find");
    find.arg(".").args(["-path", "./.backup", "-prune", "-o", "-printf", "%y %m %T@ %P\\n"]);
    let found = find.current_dir(root).output().unwrap();
    assert!(found.status.success() && found.stderr.is_empty(), "{}", String::from_utf8_lossy(&found.stderr));
    found.stdout.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect()
}

fn equal(site: &Site, other: &Path, entries: usize) {
    let (source, other) = (listed(&site.src("")), listed(other));
    assert!(source == other, "not the same: {} and {} entries", source.len(), other.len());
    // And one that is empty, after the last line.
    assert_eq!(source.len(), entries + 1);
}

fn limited(site: &Site, descriptors: usize, words: &str) -> Ran {
    let command = site.command(words.split_whitespace());
    let mut limited = bare("sh", &site.path(""));
    limited.arg("-c").arg(format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""));
    limited.arg(command.get_program()).args(command.get_args());
    finish(limited)
}

/// A first night, one without change, a restore, a check, and one, which is held and approved, of which all is gone but one file, with so many descriptors.
fn through_every_command(site: &Site, entries: usize, descriptors: usize) {
    let run = |words: &str| limited(site, descriptors, words).ended(0).in_peace();
    run("-backup --init data");
    equal(site, &site.mirror(""), entries);
    run("-backup data");
    fs::create_dir(site.path("restored")).unwrap();
    run(&format!("-restore data --to {}", site.path("restored").display()));
    equal(site, &site.path("restored"), entries);
    run("-check data");
    fs::rename(site.src("d/top"), site.path("gone")).unwrap();
    limited(site, descriptors, "-backup data").ended(3);
    run("-approve data");
    equal(site, &site.mirror(""), 3);
}

fn site() -> Deep {
    let site = Site::with(&["."], "");
    fs::create_dir_all(site.src("d/top")).unwrap();
    site.write("d/keep", "content");
    Deep(site)
}

#[test]
fn a_tree_of_3000_levels_takes_few_descriptors() {
    let site = site();
    dig(&site.0.src("d/top"), "d", 3000, 100);
    // Its levels and files; the root, `d`, `top` and `keep`.
    through_every_command(&site.0, 3000 + 2 * 30 + 4, 64);
}

#[test]
fn a_path_of_100_of_the_longest_names_takes_few_descriptors() {
    let site = site();
    dig(&site.0.src("d/top"), &"n".repeat(255), 100, 10);
    through_every_command(&site.0, 100 + 2 * 10 + 4, 64);
}

#[test]
fn many_folders_with_one_file_each_take_few_descriptors() {
    let site = site();
    for n in 0..2000 {
        site.0.write(format!("d/top/{n}/file"), "content");
    }
    through_every_command(&site.0, 2 * 2000 + 4, 32);
}
