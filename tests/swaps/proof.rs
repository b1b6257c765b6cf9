//! The harness proves that it would see an escape: two programs that look before they go, but go by path, are led astray by the same attacker; and
//! the judge finds a canary that was stored.

use crate::attack::Attack;
use crate::judge::Judge;
use crate::spot::{ALL, Level};
use crate::world::World;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use walkdir::WalkDir;

/// So often a careless program is run at most.
const RUNS: usize = 2000;

/// The two programs: `copy FROM TO` and `open TREE`. What they stumble over is passed by.
pub(crate) fn careless(words: &[String]) {
    for item in WalkDir::new(&words[1]).into_iter().filter_map(Result::ok) {
        let kind = item.file_type();
        if words[0] == "open" && !kind.is_symlink() {
            fs::set_permissions(item.path(), Permissions::from_mode(0o755)).ok();
        } else if words[0] == "copy" {
            let to = Path::new(&words[2]).join(item.path().strip_prefix(&words[1]).unwrap());
            if kind.is_dir() {
                fs::create_dir_all(to).ok();
            } else if kind.is_file() {
                fs::copy(item.path(), to).ok();
            }
        }
    }
}

/// Runs one of them until it is found out.
fn is_caught(world: &mut World, words: &[&str], levels: &[Level], found: fn(&World) -> bool) -> Option<usize> {
    let attack = Attack::new(&world.at(""), &["src"], levels, &world.canary);
    (1..=RUNS).find(|_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("careless").args(words).current_dir(world.at(""));
        assert_eq!(world.run_command(command, Some((&attack, false))).code, Some(0));
        found(world)
    })
}

/// Panics when something is not seen.
pub(crate) fn prove(folder: &Path, seed: u64) {
    let mut judge = Judge::new();
    let mut world = World::new(folder, seed);
    world.canary.is_whole().unwrap();
    let has_copied = |world: &World| world.canary.is_not_in(&world.at("to")).is_err();
    // At a fifo a careless copier would wait for ever.
    let copied = is_caught(&mut world, &["copy", "src", "to"], &[Level::Dirs, Level::Middle], has_copied);
    let copied = copied.expect("what a careless copier has copied is found");
    assert!(world.canary.is_untouched().is_err(), "a careless copier was not seen in the canary");

    let mut world = World::new(folder, seed);
    let opened = is_caught(&mut world, &["open", "src"], ALL, |world| world.canary.is_untouched().is_err());
    let opened = opened.expect("a careless chmod is seen");

    // Each kind of proof by itself.
    let mut world = World::new(folder, seed);
    world.must("-backup --init data").unwrap();
    world.is_free(&mut judge).unwrap();
    world.is_safe(&mut judge).unwrap();
    let done =
        Command::new("cp").arg("-r").arg(world.at("canary/d/m1/l0")).arg(world.at("src/d/copied")).status().unwrap();
    let seen = world.canary.is_untouched().expect_err("a copy is seen");
    assert!(done.success() && seen.contains("events"), "opening was not told: {seen}");
    let seen = world.run("-backup data", None).expect_err("a copy is seen by the times, too");
    assert!(seen.contains(" was ") && seen.contains(" and is "), "reading was not seen by the times: {seen}");
    let found = world.is_free(&mut judge).expect_err("a canary in the store is found");
    println!("  a careless copier was caught in run {copied}, a careless chmod in run {opened}; in a store: {found}");
}
