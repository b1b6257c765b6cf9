//! What the program is doing while which trees are attacked, and where in them.

use crate::attack::Attack;
use crate::circle::{self, Circle};
use crate::site;
use crate::spot::{ALL, Level};
use crate::world::{Outcome, World};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

/// One time round: what was run.
type Runs = Result<Vec<Outcome>, String>;

#[derive(Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) trees: &'static [&'static str],
    pub(crate) levels: &'static [Level],
    round: fn(&mut World, &Attack) -> Runs,
}

const HELD: Option<i32> = Some(3);
const DIRS: &[Level] = &[Level::Dirs];
const MIDDLE: &[Level] = &[Level::Middle];
const FILES: &[Level] = &[Level::Files];
const STAGE: &[Level] = &[Level::Stage];
const OWNERS: &[Level] = &[Level::Owners];

const fn scene(
    name: &'static str,
    trees: &'static [&'static str],
    levels: &'static [Level],
    round: fn(&mut World, &Attack) -> Runs,
) -> Scene {
    Scene { name, trees, levels, round }
}

pub(crate) const SCENES: &[Scene] = &[
    scene("first, all", &["src", "mir"], ALL, first),
    scene("source, dirs", &["src"], DIRS, night),
    scene("source, middle", &["src"], MIDDLE, night),
    scene("source, files", &["src"], FILES, night),
    scene("source, all", &["src"], ALL, night),
    scene("mirror, dirs", &["mir"], DIRS, night),
    scene("mirror, middle", &["mir"], MIDDLE, night),
    scene("mirror, files", &["mir"], FILES, night),
    scene("mirror, all", &["mir"], ALL, night),
    scene("both, all", &["src", "mir"], ALL, night),
    scene("restore, dirs", &["src"], DIRS, restore),
    scene("restore, middle", &["src"], MIDDLE, restore),
    scene("restore, files", &["src"], FILES, restore),
    scene("restore, all", &["src"], ALL, restore),
    scene("to, dirs", &["to"], DIRS, restore_to),
    scene("to, middle", &["to"], MIDDLE, restore_to),
    scene("to, files", &["to"], FILES, restore_to),
    scene("to, all", &["to"], ALL, restore_to),
    scene("owners, mirror", &["mir"], OWNERS, night),
    scene("owners, restore", &["src"], OWNERS, restore),
    scene("stage, restore", &["src"], STAGE, restore),
    scene("stage, to", &["to"], STAGE, restore_to),
    scene("circle", &["src"], &[], circle),
    scene("check, all", &["src", "mir"], ALL, check),
    scene("anything", &["src", "mir", "to"], ALL, anything),
];

impl Scene {
    /// The state in which it begins.
    pub(crate) fn prepare(world: &mut World) -> Result<(), String> {
        world.must("-backup --init data")?;
        world.must("-restore data --to to")
    }

    pub(crate) fn round(&self, world: &mut World, attack: &Attack) -> Runs {
        attack.settle();
        (self.round)(world, attack)
    }
}

/// Attacked from the beginning, or only when the program writes.
fn when(world: &mut World) -> bool {
    world.random.one_in(2)
}

/// A mirror loses what it knows of itself, and is made one again.
fn first(world: &mut World, attack: &Attack) -> Runs {
    // After a run that was refused there is none.
    fs::remove_dir_all(world.at("mir/.backup")).ok();
    site::plant(&world.at("src"), &mut world.random);
    site::edit(&world.at("src"), &mut world.random);
    let late = when(world);
    let mut runs = vec![world.run("-backup --init data", Some((attack, late)))?];
    runs.extend(approve(world, attack, &runs[0])?);
    Ok(runs)
}

fn night(world: &mut World, attack: &Attack) -> Runs {
    site::plant(&world.at("src"), &mut world.random);
    site::edit(&world.at("src"), &mut world.random);
    let late = when(world);
    let mut runs = vec![world.run("-backup data", Some((attack, late)))?];
    runs.extend(approve(world, attack, &runs[0])?);
    Ok(runs)
}

/// Carries out what was held, while it is attacked where there is something to put in place.
fn approve(world: &mut World, attack: &Attack, night: &Outcome) -> Result<Option<Outcome>, String> {
    if night.code != HELD {
        return Ok(None);
    }
    let late = !world.random.one_in(4);
    world.run("-approve data", Some((attack, late))).map(Some)
}

fn restore(world: &mut World, attack: &Attack) -> Runs {
    site::plant(&world.at("src"), &mut world.random);
    site::edit(&world.at("src"), &mut world.random);
    let late = when(world);
    Ok(vec![world.run("-restore data --delete", Some((attack, late)))?])
}

fn restore_to(world: &mut World, attack: &Attack) -> Runs {
    site::edit(&world.at("to"), &mut world.random);
    let late = when(world);
    let words = *world.random.pick(&["-restore data --to to", "-restore data --to to --delete"]);
    Ok(vec![world.run(words, Some((attack, late)))?])
}

fn check(world: &mut World, attack: &Attack) -> Runs {
    let words = *world.random.pick(&["-check data", "-check data --data"]);
    Ok(vec![world.run(words, Some((attack, false)))?])
}

fn anything(world: &mut World, attack: &Attack) -> Runs {
    let round = *world.random.pick(&[first, night, night, restore, restore_to, check]);
    round(world, attack)
}

/// Two folders of the source are always in each other.
fn circle(world: &mut World, _: &Attack) -> Runs {
    let mut circle = Circle::new(&world.at("src"), &mut world.random);
    let over = AtomicBool::new(false);
    let mut run = std::thread::scope(|scope| {
        let turning = scope.spawn(|| circle.turn(&over));
        let run = world.run("-backup data", None);
        over.store(true, Ordering::Relaxed);
        let moves = turning.join().map_err(|_| "the attacker died".to_owned())?;
        run.map(|run| Outcome { swaps: moves, ..run })
    })?;
    circle.take_out().map_err(|e| e.to_string())?;
    if run.code == HELD {
        run.code = world.run("-approve data", None)?.code;
    }
    match circle::depth(&world.at("mir")) {
        0 | 1 => Ok(vec![run]),
        depth => Err(format!("folders were found in themselves, {depth} deep, after {} moves", run.swaps)),
    }
}
