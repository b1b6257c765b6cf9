//! The scenes one after the other, each until it has had its share of swaps, and what came of them.

use crate::attack::Attack;
use crate::judge::Judge;
use crate::scene::{SCENES, Scene};
use crate::world::{Outcome, World};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// A scene in which nothing can be swapped proves nothing.
const IDLE: usize = 40;
/// Runs of a scene, however fast the attacker is.
const LEAST: u64 = 4;

#[derive(Debug, Default)]
struct Tally {
    swaps: u64,
    runs: u64,
    codes: BTreeMap<i32, u64>,
    noticed: u64,
    escapes: u64,
    wrong: Vec<String>,
    /// The whole scene.
    took: Duration,
    /// The attacked runs in it.
    attacked: Duration,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        self.swaps += outcome.swaps;
        self.runs += 1;
        self.attacked += outcome.took;
        self.noticed += u64::from(outcome.noticed);
        *self.codes.entry(outcome.code.unwrap_or(-1)).or_default() += 1;
    }

    fn blame(&mut self, why: String) {
        self.escapes += u64::from(why.contains("ESCAPE"));
        self.wrong.push(why);
    }

    fn merge(&mut self, other: &Self) {
        self.swaps += other.swaps;
        self.runs += other.runs;
        self.noticed += other.noticed;
        self.escapes += other.escapes;
        self.took += other.took;
        self.attacked += other.attacked;
        self.wrong.extend_from_slice(&other.wrong);
        other.codes.iter().for_each(|(code, times)| *self.codes.entry(*code).or_default() += times);
    }

    fn print(&self, name: &str) {
        let Self { swaps, runs, noticed, escapes, .. } = self;
        let (seconds, mut codes) = (self.took.as_secs_f64(), String::new());
        for (code, times) in &self.codes {
            write!(codes, " {code}: {times:<5}").unwrap();
        }
        println!("  {name:<16} {swaps:>8} {runs:>6} {seconds:>7.1} {noticed:>8} {escapes:>8} {codes}");
    }
}

/// Makes this many swaps in all; whether nothing was wrong.
pub(crate) fn run(folder: &Path, swaps: u64, seed: u64, only: Option<&str>) -> bool {
    let scenes: Vec<_> = match only {
        Some(name) => SCENES.iter().filter(|scene| scene.name.starts_with(name)).collect(),
        None => SCENES.iter().collect(),
    };
    assert!(!scenes.is_empty(), "there is no such scene");
    let mut judge = Judge::new();
    println!("  {:<16}    swaps   runs seconds  noticed  escapes  exit codes", "scene");
    let mut total = Tally::default();
    for (number, scene) in scenes.iter().enumerate() {
        // What one scene has had too many, the others need not have.
        let left = u64::try_from(scenes.len() - number).unwrap();
        // One that waits for the walk moves folders a few times a run: a few runs are enough of it.
        let share = if scene.levels.is_empty() { 1 } else { swaps.saturating_sub(total.swaps).div_ceil(left).max(1) };
        let tally = play(scene, share, seed, folder, &mut judge);
        tally.print(scene.name);
        for why in &tally.wrong {
            println!(
                "VIOLATION in {}: {why}\n  again: --only '{}' --seed {seed} --swaps {share}",
                scene.name, scene.name
            );
        }
        total.merge(&tally);
    }
    total.print("all");
    let Tally { swaps: made, escapes, wrong, .. } = &total;
    let (seconds, wrong) = (total.attacked.as_secs_f64(), wrong.len());
    println!(
        "seed {seed}: {made} swaps in the {seconds:.1} s that the program ran, {escapes} escapes, {wrong} violations"
    );
    total.wrong.is_empty() && total.swaps >= swaps
}

fn play(scene: &Scene, share: u64, seed: u64, folder: &Path, judge: &mut Judge) -> Tally {
    let (began, mut tally) = (Instant::now(), Tally::default());
    let mut world = World::new(folder, seed);
    if let Err(why) = rounds(scene, share, &mut world, &mut tally, judge) {
        tally.blame(why);
    }
    tally.took = began.elapsed();
    tally
}

fn rounds(scene: &Scene, share: u64, world: &mut World, tally: &mut Tally, judge: &mut Judge) -> Result<(), String> {
    Scene::prepare(world)?;
    let attack = Attack::new(&world.at(""), scene.trees, scene.levels, &world.canary);
    let mut idle = 0;
    while tally.swaps < share || tally.runs < LEAST {
        let before = tally.swaps;
        for outcome in scene.round(world, &attack)? {
            tally.add(&outcome);
        }
        idle = if tally.swaps == before { idle + 1 } else { 0 };
        if idle >= IDLE {
            return Err(format!("nothing was swapped in the last {IDLE} rounds"));
        }
    }
    world.is_safe(judge)?;
    world.converge()?;
    if scene.trees.contains(&"src") {
        world.must("-restore data --delete")?;
        world.are_alike("mir", "src")?;
    }
    if scene.trees.contains(&"to") {
        world.must("-restore data --to to --delete")?;
        world.are_alike("mir", "to")?;
    }
    world.is_tidy()?;
    world.is_safe(judge)
}
