//! The proof that the harness can find something: a writer that renames without a sync.
//!
//! On xfs it loses old content and new, once the antagonist's syncs have carried the renames to the disk. With a sync before each rename, nothing is
//! lost. No program of ours is run here.

use super::antagonist::Antagonist;
use super::cuts::{choose, position, redo};
use super::disk::Mark;
use super::recorder::lock;
use super::site::Site;
use fastrand::Rng;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const FILES: usize = 80;

fn write_all(folder: &Path, rng: &mut Rng, sync: bool) {
    for n in 0..FILES {
        let mut bytes = vec![0; 10_000];
        rng.fill(&mut bytes);
        let aside = folder.join("aside");
        let mut file = File::create(&aside).unwrap();
        file.write_all(&bytes).unwrap();
        if sync {
            file.sync_all().unwrap();
        }
        drop(file);
        std::fs::rename(&aside, folder.join(n.to_string())).unwrap();
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Replaces files with or without care; how many states of so many have a file that is neither old nor new.
pub(crate) fn bad_states(site: &mut Site, careful: bool, states: usize) -> usize {
    let (tree, aside) = (site.on_volume("tree"), site.on_volume("tree/d/aside"));
    site.mounted(|site| {
        std::fs::create_dir_all(tree.join("d")).unwrap();
        write_all(&tree.join("d"), &mut site.rng, true);
        site.judge.remember("old", &tree);
    });
    let mut disk = lock(&site.volume.disk);
    disk.push();
    disk.begin_log();
    drop(disk);
    site.mounted(|site| {
        let antagonist = Antagonist::start(&site.volume.place);
        site.volume.mark(Mark::Begin);
        write_all(&tree.join("d"), &mut site.rng, careful);
        site.volume.mark(Mark::End);
        drop(antagonist);
        site.judge.remember("new", &tree);
    });
    let mut disk = lock(&site.volume.disk);
    disk.cut_to(0);
    let log = disk.end_log();
    drop(disk);
    let mark = |mark| position(&log, mark).unwrap();
    let (mut at, mut bad) = (0, 0);
    for cut in choose(&log, mark(Mark::Begin)..mark(Mark::End), states, &mut site.rng) {
        let mut disk = lock(&site.volume.disk);
        redo(&log[at..cut.durable], &mut disk);
        at = cut.durable;
        disk.push();
        cut.lay(&log, &mut disk);
        drop(disk);
        let verdict = site.mounted(|site| {
            // What was not renamed yet may be anything.
            if aside.exists() {
                std::fs::remove_file(&aside).unwrap();
            }
            site.judge.mixture(&tree, &["old", "new"])
        });
        bad += usize::from(verdict.is_err());
        lock(&site.volume.disk).cut_to(0);
    }
    redo(&log[at..], &mut lock(&site.volume.disk));
    bad
}
