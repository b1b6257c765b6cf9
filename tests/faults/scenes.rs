//! What the program is doing when the fault comes. A seed makes each of them another run.

use crate::random::Random;
use crate::trace::{self, Fault};
use crate::trees;
use crate::world::World;
use std::fs;
use std::path::Path;
use std::process::Command;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    prepare: fn(&mut World<'_>),
    /// The run that gets the fault.
    pub(crate) words: &'static str,
    /// How it ends when nothing disturbs it.
    pub(crate) code: i32,
    /// The tree that it writes to: "mir", "src" or "to"; `None` where it must leave all trees alone.
    pub(crate) writes: Option<&'static str>,
    /// The listing that the tree shall equal at the end.
    pub(crate) wanted: &'static str,
    /// The run that goes on after the fault.
    pub(crate) again: &'static str,
    /// Whether the run that goes on may be held, and has to be approved.
    pub(crate) holds: bool,
    /// Whether the mirror may have been another program's.
    pub(crate) adopts: bool,
}

const NIGHT: &str = "-backup data";
const INIT: &str = "-backup --init data";
const APPROVE: &str = "-approve data";
const BACK: &str = "-restore data --snapshot 1 --delete";
const PRUNE: &str = "-prune data";
const SWAP: &str = "-swap data";
const ELSEWHERE: &str = "-restore data --snapshot 1 --to to";

const fn night(name: &'static str, prepare: fn(&mut World<'_>)) -> Scene {
    Scene {
        name,
        prepare,
        words: NIGHT,
        code: 0,
        writes: Some("mir"),
        wanted: "src",
        again: NIGHT,
        holds: false,
        adopts: false,
    }
}

pub(crate) const SCENES: &[Scene] = &[
    Scene { words: INIT, again: INIT, ..night("first", |_| {}) },
    night("incremental", |world| changed(world, trees::edit)),
    night("types", |world| changed(world, trees::retype)),
    night("renames", |world| changed(world, trees::rename)),
    night("links", |world| changed(world, trees::relink)),
    Scene { words: APPROVE, holds: true, ..night("mass-delete", mass_delete) },
    Scene { code: 3, holds: true, writes: None, ..night("rescue", drifted) },
    Scene { words: APPROVE, holds: true, ..night("approve-rescue", drifted_and_held) },
    Scene { words: INIT, again: INIT, adopts: true, ..night("adoption", adoption) },
    Scene { words: BACK, again: BACK, writes: Some("src"), wanted: "one", ..night("restore", newer_work) },
    Scene { words: ELSEWHERE, again: ELSEWHERE, writes: Some("to"), wanted: "one", ..night("restore-to", newer_work) },
    Scene { words: SWAP, again: SWAP, writes: None, ..night("swap", |world| changed(world, trees::edit)) },
    Scene {
        words: INIT,
        again: INIT,
        adopts: true,
        writes: Some("src"),
        wanted: "mir",
        ..night("history", failed_over)
    },
    Scene { words: INIT, again: INIT, adopts: true, ..night("recovery", killed) },
    Scene { words: PRUNE, again: PRUNE, writes: None, wanted: "mir", ..night("prune", aged) },
    Scene { words: PRUNE, again: PRUNE, writes: None, wanted: "mir", ..night("prune-again", pruned_and_killed) },
];

impl Scene {
    /// Whether it is the table that is changed.
    pub(crate) fn swaps(&self) -> bool {
        self.words == SWAP
    }

    /// Whether the run drops snapshots.
    pub(crate) fn prunes(&self) -> bool {
        self.words == PRUNE
    }

    /// Whether the run restores: it makes no new night.
    pub(crate) fn restores(&self) -> bool {
        self.wanted == "one"
    }

    /// Makes the state in which the run begins, and remembers it.
    pub(crate) fn prepare(&self, world: &mut World<'_>) {
        (self.prepare)(world);
        for tree in ["src", "mir", "to"] {
            world.remember(tree, tree);
        }
        world.remember("before", "src");
    }
}

fn changed(world: &mut World<'_>, change: fn(&Path, &mut Random)) {
    world.night(INIT, "one");
    change(&world.src(), &mut world.random);
}

fn mass_delete(world: &mut World<'_>) {
    trees::crowd(&world.src(), &mut world.random);
    world.night(INIT, "one");
    trees::lose(&world.src(), &mut world.random);
    world.must(NIGHT, 3);
}

/// Someone worked on the mirror, and someone on the source.
fn drifted(world: &mut World<'_>) {
    world.night(INIT, "one");
    trees::edit(&world.mir(), &mut world.random);
    trees::edit(&world.src(), &mut world.random);
}

fn drifted_and_held(world: &mut World<'_>) {
    drifted(world);
    world.must(NIGHT, 3);
}

/// A mirror that another program made some time ago, with things that are only there.
fn adoption(world: &mut World<'_>) {
    let (from, to) = (world.src(), world.mir());
    let copied = Command::new("cp").arg("-a").args([&from, &to]).status().unwrap();
    assert!(copied.success());
    trees::edit(&to, &mut world.random);
    if world.random.one_in(2) {
        trees::retype(&to, &mut world.random);
    }
    trees::edit(&from, &mut world.random);
    fs::write(to.join("beside"), "not ours").unwrap();
}

/// Two nights, and work on the source since.
fn newer_work(world: &mut World<'_>) {
    world.night(INIT, "one");
    trees::edit(&world.src(), &mut world.random);
    world.night(NIGHT, "two");
    if world.random.one_in(2) {
        trees::retype(&world.src(), &mut world.random);
    } else {
        trees::relink(&world.src(), &mut world.random);
    }
}

/// The source was lost for two days, and people worked on the mirror: now the old source becomes its mirror, and the history follows.
fn failed_over(world: &mut World<'_>) {
    newer_work(world);
    world.must(SWAP, 0);
    world.mirror = "src";
    trees::edit(&world.mir(), &mut world.random);
}

/// Some nights in which much got other content, and nothing went: the last two stay.
fn aged(world: &mut World<'_>) {
    world.keep("last 2");
    world.night(INIT, "one");
    for name in ["two", "three", "four"] {
        trees::rewrite(&world.src(), &mut world.random);
        world.night(NIGHT, name);
    }
    world.expect_pruned(2);
}

/// A prune that was killed somewhere, and perhaps a night after it.
fn pruned_and_killed(world: &mut World<'_>) {
    aged(world);
    let at = 1 + world.random.below(30);
    let fault = if world.random.one_in(2) { Fault::KillBefore } else { Fault::KillAfter };
    trace::run(&mut world.command(PRUNE), fault, u64::try_from(at).unwrap(), true);
    if world.random.one_in(2) {
        trees::rewrite(&world.src(), &mut world.random);
        world.night(NIGHT, "five");
        world.expect_pruned(2);
    }
}

/// A night that was killed somewhere.
fn killed(world: &mut World<'_>) {
    match world.random.below(6) {
        0 => {}
        1 => adoption(world),
        2 => changed(world, trees::retype),
        3 => changed(world, trees::relink),
        4 => changed(world, trees::rename),
        _ => changed(world, trees::edit),
    }
    let at = 1 + world.random.below(250);
    let fault = if world.random.one_in(2) { Fault::KillBefore } else { Fault::KillAfter };
    trace::run(&mut world.command(INIT), fault, u64::try_from(at).unwrap(), true);
}
