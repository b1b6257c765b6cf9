//! What the program is doing when the connection goes. A seed makes each of them another run.

use crate::random::Random;
use crate::trees;
use crate::world::World;
use std::path::Path;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    prepare: fn(&mut World<'_>),
    /// The run whose connection goes, and the one after it. TO is a place that has nothing yet.
    pub(crate) words: &'static str,
    /// The tree that it writes to: "mir", "src" or "to"; `None` where it must leave all trees alone.
    pub(crate) writes: Option<&'static str>,
    /// The listing that this tree shall equal at the end.
    pub(crate) wanted: &'static str,
    /// Whether it takes a snapshot that must equal that listing.
    pub(crate) is_night: bool,
}

const NIGHT: &str = "-backup data";
const INIT: &str = "-backup --init data";
const SWAP: &str = "-swap data";

const fn night(name: &'static str, prepare: fn(&mut World<'_>)) -> Scene {
    Scene { name, prepare, words: NIGHT, writes: Some("mir"), wanted: "src", is_night: true }
}

const fn restore(name: &'static str, words: &'static str, writes: &'static str) -> Scene {
    Scene { name, prepare: newer_work, words, writes: Some(writes), wanted: "one", is_night: false }
}

pub(crate) const SCENES: &[Scene] = &[
    Scene { words: INIT, ..night("first", |_| {}) },
    night("edits", |world| changed(world, trees::edit)),
    night("types", |world| changed(world, trees::retype)),
    night("renames", |world| changed(world, trees::rename)),
    night("links", |world| changed(world, trees::relink)),
    night("many", |world| changed(world, trees::crowd)),
    restore("restore", "-restore data --snapshot 1 --delete", "src"),
    restore("restore-to", "-restore data --snapshot 1 --to TO", "to"),
    Scene { writes: None, words: "-check data --data", ..restore("check", "", "") },
    Scene { writes: None, words: SWAP, ..restore("swap", "", "") },
    Scene { words: INIT, writes: Some("src"), wanted: "mir", ..night("history", failed_over) },
];

impl Scene {
    pub(crate) fn swaps(&self) -> bool {
        self.words == SWAP
    }

    /// Makes the state in which the run begins, and remembers it.
    pub(crate) fn prepare(&self, world: &mut World<'_>) {
        (self.prepare)(world);
        for tree in ["src", "mir", "to"] {
            world.remember(tree, tree);
        }
    }
}

fn changed(world: &mut World<'_>, change: fn(&Path, &mut Random)) {
    world.night(INIT, "one");
    change(&world.at("src"), &mut world.random);
}

/// Two nights, and work on the source since.
fn newer_work(world: &mut World<'_>) {
    changed(world, trees::edit);
    world.night(NIGHT, "two");
    trees::edit(&world.at("src"), &mut world.random);
}

/// The source was lost, and people worked on the mirror: now the old source becomes its mirror, and the history follows.
fn failed_over(world: &mut World<'_>) {
    newer_work(world);
    world.must(SWAP);
    world.mirror = "src";
    trees::edit(&world.at("mir"), &mut world.random);
}
