//! What people do wrong: every mistake that somebody makes sooner or later, each a test named as a fact. After each, every byte that was on either
//! side before is on a tree or in a snapshot ([`Hoard`]); and the operator is told what was seen and what to type.
//!
//! `cargo test --test cli human -- --nocapture --test-threads=1` shows what the operator sees.

use crate::hoard::Hoard;
use crate::support::{PROGRAM, Ran, Site, bare, finish, noise, same, we_are_root};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

mod hold;
mod mirrors;
mod mounts;
mod restores;
mod runs;
mod sources;
mod tables;

/// Files of DIR `d` that are named by a number.
const FILES: usize = 30;

/// Two nights of the DIRs `d` and `e`; the content of every file is unlike that of any other.
fn archive() -> Site {
    let site = Site::with(&["d", "e"], "");
    fill(&site, "src", 0);
    site.init();
    site.write("d/00", "the second night of 00");
    site.write("d/late", "came on the second night");
    fs::remove_file(site.src("d/01")).unwrap();
    site.night();
    site
}

/// The first night of one DIR with 21 files.
fn started() -> Site {
    let site = Site::new();
    for n in 0..20 {
        site.write(format!("d/{n:02}"), format!("file {n}"));
    }
    site.write("d/sub/file", "below");
    site.init();
    site
}

/// Fills the DIRs of a tree with content of its own.
fn fill(site: &Site, place: &str, seed: u64) {
    let tree = site.path(place);
    for folder in ["d/sub/deep", "e"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    for n in 0..FILES {
        fs::write(tree.join(format!("d/{n:02}")), format!("file {n} of {seed}")).unwrap();
    }
    fs::write(tree.join("d/sub/large"), noise(seed + 77, 300_000)).unwrap();
    fs::write(tree.join("d/sub/deep/file"), format!("deep in {seed}")).unwrap();
    for link in ["d/sub/second name", "d/link"] {
        // A disk that is filled a second time.
        let _not_yet = fs::remove_file(tree.join(link));
    }
    fs::hard_link(tree.join("d/02"), tree.join("d/sub/second name")).unwrap();
    symlink(format!("nowhere in {seed}"), tree.join("d/link")).unwrap();
    for n in 0..5 {
        fs::write(tree.join(format!("e/{n}")), format!("e {n} of {seed}")).unwrap();
    }
}

/// What is typed, with what is seen then.
#[track_caller]
fn typed(site: &Site, words: &str) -> Ran {
    shown(words, site.run(words))
}

#[expect(clippy::print_stdout, reason = "it is read by a person, who asked for it")]
fn shown(words: &str, ran: Ran) -> Ran {
    println!("$ backup {words}\n{}{}[exit {}]", ran.out, ran.err, ran.code);
    ran
}

/// As [`typed`], with other mounts than the rest of the world sees; they go when the program ends.
#[track_caller]
fn typed_after(site: &Site, mounts: &str, words: &str) -> Ran {
    let mut command = bare("unshare", &site.path(""));
    command.arg(if we_are_root() { "--mount" } else { "--map-root-user" });
    command.args(["--mount", "sh", "-ec", &format!("{mounts}\nexec \"$@\""), "sh", PROGRAM]);
    command.arg("--tab").arg(site.path("backup.tab")).args(words.split_whitespace());
    shown(words, finish(command))
}

/// Refused in plain words, and nothing was written to any of these places.
#[track_caller]
fn refused(site: &Site, words: &str, places: &[&str], message: &[&str]) -> Ran {
    let before = all(site, places);
    let ran = typed(site, words).ended(2).warns(message);
    for (was, is) in before.iter().zip(all(site, places)) {
        same(was, &is, "a place of a refused run");
    }
    assert!(ran.out.is_empty() && ran.err.lines().count() <= 4, "{ran}");
    ran
}

fn all(site: &Site, places: &[&str]) -> Vec<crate::support::Tree> {
    let tree = |place: &&str| {
        let mut all = crate::support::tree(&site.path(place), &["."]);
        // Taking the lock is no writing.
        all.retain(|path, _| !path.ends_with(".backup/lock"));
        all
    };
    places.iter().map(tree).collect()
}

/// Held in plain words, and the mirror tree was not touched.
#[track_caller]
fn held(site: &Site, message: &[&str]) -> Ran {
    let before = site.mirror_tree();
    let ran = typed(site, "-backup data").ended(3).warns(&["backup: data: HELD: ", "The mirror was not touched"]);
    let ran =
        ran.warns(&[&format!("backup -approve data --tab {}/backup.tab", site.path("").display())]).warns(message);
    same(&before, &site.mirror_tree(), "the mirror of a held run");
    assert!(ran.out.is_empty() && ran.err.lines().count() <= 6, "{ran}");
    ran
}

/// Writes the table anew: target `data` with these places, and these further lines.
fn rows(site: &Site, source: &str, mirror: &str, lines: &str) {
    fs::write(
        site.path("backup.tab"),
        format!("TARGET data\n SOURCE {source}\n MIRROR {mirror}\n DIR d\n DIR e\n{lines}"),
    )
    .unwrap();
}

/// A target of this name.
fn target(name: &str, source: &str, mirror: &str) -> String {
    format!("TARGET {name}\n SOURCE {source}\n MIRROR {mirror}\n DIR d\n DIR e\n")
}

/// As `cp -a`.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// As `mv`.
fn move_to(site: &Site, from: &str, to: &str) {
    fs::rename(site.path(from), site.path(to)).unwrap();
}

#[test]
#[should_panic(expected = "these are lost")]
fn a_byte_that_is_lost_is_noticed() {
    let site = archive();
    site.write("e/unsaved", "never in any snapshot");
    let hoard = Hoard::of(&site, &["src", "mirror"]);
    fs::remove_file(site.src("e/unsaved")).unwrap();
    hoard.is_kept(&["src", "mirror"]);
}

#[test]
fn there_are_as_many_mistakes_as_ever() {
    let files = [
        include_str!("mirrors.rs"),
        include_str!("mounts.rs"),
        include_str!("restores.rs"),
        include_str!("runs.rs"),
        include_str!("sources.rs"),
        include_str!("tables.rs"),
    ];
    let proved = |test: &&str| test.contains("is_kept(") || test.contains("is_held_and_kept(");
    let count = files.iter().flat_map(|text| text.split("#[test]").skip(1)).filter(proved).count();
    assert!(count >= 70, "only {count} scenarios look for every byte");
}
