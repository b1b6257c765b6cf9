//! `-restore` of many paths and patterns, of what is there already, and again after it was killed.

use crate::support::{PROGRAM, Ran, Site, bare, finish, noise, same, set_mtime, tree};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Runs the line that a restore printed, as a shell would.
#[track_caller]
fn undo(site: &Site, said: &Ran) {
    let line = said.out.lines().find_map(|line| line.trim().strip_prefix("to undo: ")).expect("how to undo it");
    typed(site, line);
}

#[track_caller]
fn typed(site: &Site, line: &str) {
    let mut shell = bare("bash", &site.path(""));
    let path = format!("{}:{}", Path::new(PROGRAM).parent().unwrap().display(), std::env::var("PATH").unwrap());
    shell.args(["-c", line]).env("PATH", path).env("BACKUP_TAB", site.path("backup.tab"));
    finish(shell).ended(0).in_peace();
}

fn nights_of_images() -> Site {
    let site = Site::with(&["d", "e"], "");
    for year in ["2003", "2004"] {
        for n in 0..3 {
            site.write(format!("d/{year}/bias{n}.fits"), format!("{year} bias {n}"));
            site.write(format!("d/{year}/flat{n}.fits"), format!("{year} flat {n}"));
        }
        site.write(format!("d/{year}/deep/er/bias9.fits"), "deep");
    }
    site.write("d/odd[1]*.txt", "a name like a pattern");
    site.write("d/odd1.txt", "what it would match");
    site.write("e/other", "other");
    site.write("e/more", "more");
    site
}

#[test]
fn patterns_bring_back_what_they_match_and_can_be_undone() {
    let site = nights_of_images();
    site.init();
    let change = || {
        for path in
            ["d/2003/bias0.fits", "d/2003/flat0.fits", "d/2004/bias1.fits", "d/2004/deep/er/bias9.fits", "e/other"]
        {
            site.write(path, "spoilt");
        }
        fs::remove_file(site.src("d/2003/bias1.fits")).unwrap();
        site.write("d/2003/biasX.fits", "new");
    };
    change();
    let spoilt = site.source_tree();
    let is_back = |path: &str| fs::read(site.src(path)).is_ok_and(|bytes| bytes != b"spoilt");
    let all = [
        "d/2003/bias0.fits",
        "d/2003/bias1.fits",
        "d/2003/flat0.fits",
        "d/2004/bias1.fits",
        "d/2004/deep/er/bias9.fits",
        "e/other",
    ];
    for (words, back) in [
        (vec!["d/*/bias*.fits"], [true, true, false, true, false, false]),
        (vec!["d/**/bias*.fits"], [true, true, false, true, true, false]),
        (vec!["d/200[4-9]", "e/other"], [false, false, false, true, true, true]),
        (vec!["d/{2003/flat?,2004/bias1}.fits", "e/o*"], [false, false, true, true, false, true]),
    ] {
        let said = site.run_words(&[&["-restore", "data"], words.as_slice()].concat()).ended(0).in_peace();
        assert_eq!(all.map(is_back), back, "{words:?}");
        assert!(site.src("d/2003/biasX.fits").exists());
        undo(&site, &said);
        same(&spoilt, &site.source_tree(), &format!("after the undo of {words:?}, the source"));
    }
    // To another place, and back.
    fs::create_dir_all(site.path("place/d/2003")).unwrap();
    fs::write(site.path("place/d/2003/bias0.fits"), "mine").unwrap();
    let before = tree(&site.path("place"), &["d"]);
    let place = site.path("place");
    let said =
        site.run_words(&["-restore", "data", "d/2003/bias*", "--to", place.to_str().unwrap()]).ended(0).in_peace();
    assert_eq!(fs::read(place.join("d/2003/bias0.fits")).unwrap(), b"2003 bias 0");
    assert!(place.join("d/2003/bias2.fits").exists() && !place.join("d/2003/flat0.fits").exists());
    undo(&site, &said);
    assert_eq!(tree(&place, &["d"])[Path::new("d/2003/bias0.fits")], before[Path::new("d/2003/bias0.fits")]);
    // A name that is there is no pattern.
    site.write("d/odd[1]*.txt", "spoilt");
    site.write("d/odd1.txt", "spoilt");
    site.run_words(&["-restore", "data", "d/odd[1]*.txt"]).ended(0);
    assert!(is_back("d/odd[1]*.txt") && !is_back("d/odd1.txt"));
    let source = site.source_tree();
    site.run_words(&["-restore", "data", "d/*.fit"]).ended(2).warns(&["d/*.fit matches nothing in snapshot"]);
    site.run_words(&["-restore", "data", "d/[a"]).ended(2).warns(&["no pattern"]);
    same(&source, &site.source_tree(), "the source after what was refused");
}

#[test]
fn a_dry_run_of_a_pattern_says_what_it_would_do() {
    let site = nights_of_images();
    site.init();
    site.write("d/2003/bias0.fits", "spoilt");
    fs::remove_file(site.src("d/2003/bias1.fits")).unwrap();
    site.write("d/2004/deep/new", "new");
    let (source, mirror) = (site.source_tree(), site.everything());
    let words = ["-restore", "data", "d/2003/bias?.fits", "d/*/deep", "--delete", "--dry-run"];
    site.run_words(&words).ended(0).in_peace().says(&[
        "replace  d/2003/bias0.fits\n",
        "create   d/2003/bias1.fits\n",
        "remove   d/2004/deep/new\n",
    ]);
    let rows = site.run_words(&[&words[..], &["--json"]].concat()).ended(0).json();
    let would: Vec<_> = rows
        .iter()
        .filter(|row| row["type"] == "would")
        .map(|row| (row["action"].as_str(), row["path"].as_str()))
        .collect();
    for wanted in [("replace", "d/2003/bias0.fits"), ("create", "d/2003/bias1.fits"), ("remove", "d/2004/deep/new")] {
        assert!(would.contains(&(Some(wanted.0), Some(wanted.1))), "{would:?}");
    }
    same(&source, &site.source_tree(), "the source");
    same(&mirror, &site.everything(), "the mirror");
}

#[test]
fn a_path_of_another_night_is_refused_with_the_command_that_brings_it_back() {
    let site = nights_of_images();
    site.write("d/it's gone/a", "gone");
    site.init();
    fs::remove_dir_all(site.src("d/it's gone")).unwrap();
    site.night();
    site.write("e/other", "changed");
    site.night();
    let said = site.run_words(&["-restore", "data", "d/it's gone/a"]).ended(2);
    let line = said.err.lines().find_map(|line| line.split_once("snapshot 1: ")).map(|(_, line)| line.to_owned());
    let line = line.unwrap_or_else(|| panic!("{said}")).trim_end_matches(" (nothing was written)").to_owned();
    typed(&site, &line);
    assert_eq!(fs::read(site.src("d/it's gone/a")).unwrap(), b"gone");
    site.run("-restore data d/never").ended(2).warns(&["d/never is not in snapshot 3, nor in any other"]);
    // Of two nights that have it, the newer one.
    site.run("-restore data e/other --snapshot 1").ended(0);
    fs::remove_file(site.src("e/other")).unwrap();
    site.night();
    site.run("-restore data e/other")
        .ended(2)
        .warns(&["the newest that has it is snapshot 3: backup -restore data e/other --snapshot 3"]);
}

#[test]
fn what_is_equal_is_not_written_whatever_its_times_say() {
    let site = Site::new();
    site.write("d/large", noise(1, 3_000_000));
    site.write("d/small", "small");
    site.write("d/other", "other");
    site.init();
    // The content is as it was, and nobody can see that but by reading it.
    for name in ["large", "small"] {
        let bytes = fs::read(site.src("d").join(name)).unwrap();
        fs::remove_file(site.src("d").join(name)).unwrap();
        site.write(Path::new("d").join(name), bytes);
        set_mtime(&site.src("d").join(name), 1_500_000_000, 0);
    }
    let inode = |path: &str| site.src(path).metadata().unwrap().ino();
    let before = ["d/large", "d/small", "d/other"].map(inode);
    let changed = site.src("d/other").metadata().unwrap().ctime_nsec();
    let said = site.run("-restore data --json").ended(0).in_peace().json();
    let summary = said.last().unwrap();
    assert_eq!(
        (&summary["created"], &summary["replaced"], &summary["bytes"]),
        (&0.into(), &0.into(), &0.into()),
        "{summary}"
    );
    assert_eq!(before, ["d/large", "d/small", "d/other"].map(inode));
    assert_eq!(changed, site.src("d/other").metadata().unwrap().ctime_nsec(), "what is as it shall be is not touched");
    site.mirror_equals_source();
    // Elsewhere, too.
    let place = site.restored(1);
    let ino = place.path().join("d/large").metadata().unwrap().ino();
    set_mtime(&place.path().join("d/large"), 5, 0);
    let to = place.path().to_str().unwrap();
    site.run(&format!("-restore data --to {to}")).ended(0).says(&["0 written (0 B), 1 touched"]);
    assert_eq!(ino, place.path().join("d/large").metadata().unwrap().ino());
}

#[test]
fn a_restore_that_was_killed_goes_on_where_it_was() {
    const FILES: usize = 12_000;
    let site = Site::new();
    fs::create_dir_all(site.src("d/many")).unwrap();
    for n in 0..FILES {
        fs::write(site.src(format!("d/many/{n:05}")), "12345").unwrap();
    }
    let first = site.init();
    let place = site.path("place");
    let words = format!("-restore data --to {}", place.display());
    let mut run = site.command(words.split(' ')).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The first files are in place: those of the first batch are done, or nearly so.
    while run.try_wait().unwrap().is_none() && !place.join("d/many/08000").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let was_killed = run.try_wait().unwrap().is_none();
    run.kill().unwrap();
    run.wait().unwrap();
    let there = fs::read_dir(place.join("d/many")).map_or(0, Iterator::count);
    let said = site.run(&format!("{words} --json")).ended(0).json();
    let summary = said.last().unwrap();
    assert_eq!(summary["bytes"], ((FILES - there) * 5) as u64, "{there} files were there: {summary}");
    assert!(there > 8000 || !was_killed, "{there}");
    same(&first.tree, &tree(&place, &["d"]), "the place");
    assert!(!place.join(".backup").exists());
}
