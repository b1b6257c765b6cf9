//! One cut: a state, a run whose connection goes, what the judge says of what is left, and the run that must put all right without help.

use crate::cutter::{At, Plan, Way, What};
use crate::random::Random;
use crate::scene::Scene;
use crate::world::{Ended, World};
use nix::sys::signal::Signal;

/// What may end a run that lost a host: it says so, and acknowledges nothing.
const FAILED: i32 = 2;
/// The hosts of source, mirror and the place to restore to: both far most often.
const HOSTS: [[&str; 3]; 5] = [["a", "b", "c"], ["a", "b", ""], ["a", "b", "a"], ["a", "", "b"], ["", "b", ""]];
/// Of so many cuts one is a silence, which takes the time until it is noticed.
const STALLS: usize = 250;
const BANNERS: [u64; 4] = [1, 39, 3000, 200_000];

#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) scene: &'static Scene,
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
}

/// What is decided by chance about a scene under a seed: not the same for all scenes.
fn chance(scene: &Scene, seed: u64) -> Random {
    Random::new(scene.name.bytes().fold(seed, |mixed, byte| mixed.wrapping_mul(31) ^ u64::from(byte)))
}

/// Which hosts the states of a scene and a seed have.
pub(crate) fn hosts(scene: &Scene, seed: u64) -> [&'static str; 3] {
    *chance(scene, seed).pick(&HOSTS)
}

/// Cuts of a scene: the run is made once to see how much goes where.
pub(crate) fn plans(scene: &Scene, world: &mut World<'_>, seed: u64, most: usize) -> Vec<Plan> {
    let random = &mut chance(scene, seed.wrapping_add(1 << 32));
    scene.prepare(world);
    world.must(scene.words);
    let counts = world.counts();
    assert!(!counts.is_empty(), "{}: no host was reached: this proves nothing", scene.name);
    let mut frames = Vec::new();
    for (host, [_, frames_in, _, frames_out]) in &counts {
        let ways = [(Way::In, *frames_in), (Way::Out, *frames_out)];
        let of = |(way, end): (Way, u64)| (0..=end).map(move |n| (host.clone(), way, At::Frame(n)));
        frames.extend(ways.into_iter().flat_map(of));
    }
    let mut plans = Vec::new();
    while plans.len() < most && !frames.is_empty() {
        let (host, way, at) = frames.swap_remove(random.below(frames.len()));
        plans.push(Plan { host, way, what: what(random), at });
        let (host, [bytes_in, _, bytes_out, _]) = random.pick(&counts);
        let (way, end) = if random.one_in(2) { (Way::In, *bytes_in) } else { (Way::Out, *bytes_out) };
        let n = u64::try_from(random.below(usize::try_from(end).unwrap() + 1)).unwrap();
        plans.push(Plan { host: host.clone(), way, what: what(random), at: At::Byte(n) });
    }
    for plan in &mut plans {
        if plan.what == What::Garbage {
            (plan.way, plan.at) = (Way::Out, At::Byte(*random.pick(&BANNERS)));
        }
    }
    plans.truncate(most);
    plans
}

fn what(random: &mut Random) -> What {
    if random.one_in(STALLS) {
        return What::Stall;
    }
    match random.below(100) {
        0..58 => What::Cut,
        58..70 => What::Kill,
        70..85 => What::Corrupt,
        85..98 => What::Operator,
        _ => What::Garbage,
    }
}

impl Trial {
    /// Whether it happened, and what was wrong.
    pub(crate) fn run(&self, world: &mut World<'_>) -> (bool, Result<(), String>) {
        self.scene.prepare(world);
        let (ended, is_hit) = world.run(self.scene.words, Some(&self.plan));
        let wrong = world.is_alone().and_then(|()| self.ended_well(world, ended, is_hit));
        let wrong = wrong.and_then(|()| self.is_safe(world));
        let wrong = wrong.map_err(|why| format!("{why}\n    it ended with {ended:?} and said: {}", world.said()));
        (is_hit, wrong.and_then(|()| self.converges(world)))
    }

    fn ended_well(&self, world: &mut World<'_>, ended: Ended, is_hit: bool) -> Result<(), String> {
        let said = world.said();
        if said.contains("panicked") {
            return Err("it panicked".to_owned());
        }
        match ended {
            Ended::Exit(0) if said.contains("could not be compared") => {
                Err("exit code 0, but it did half of it".to_owned())
            }
            Ended::Exit(0) => self.is_done(world).map_err(|why| format!("exit code 0, but {why}")),
            Ended::Exit(FAILED) if is_hit => self.is_told(&said),
            Ended::Signal(number) if self.plan.what == What::Operator && number == Signal::SIGKILL as i32 => Ok(()),
            other => Err(format!("it ended with {other:?}")),
        }
    }

    /// The last line, and no other, says which host it was and what to do.
    fn is_told(&self, said: &str) -> Result<(), String> {
        // A hello has no checksum: what is corrupted there may look like another program, or another version.
        let advice = ["run the command again", ": make the login files", "(install one version on both hosts"];
        let advises = |line: &&str| advice.iter().any(|text| line.contains(text));
        let last = said.lines().last().unwrap_or_default();
        let begins = last.starts_with(&format!("backup: data: {}", self.plan.host));
        let is_once = said.lines().filter(advises).count() == 1 && last.matches("run the command again").count() <= 1;
        if begins && advises(&last) && is_once { Ok(()) } else { Err("it does not say once what happened".to_owned()) }
    }

    /// The outcome is that of a run that nothing disturbed.
    fn is_done(&self, world: &mut World<'_>) -> Result<(), String> {
        if self.scene.swaps() && !world.is_swapped()? {
            return Err("the table was not exchanged".to_owned());
        }
        if let Some(tree) = self.scene.writes {
            world.tree_is(tree, self.scene.wanted)?;
        }
        if self.scene.is_night {
            world.newest_is(self.scene.wanted)?;
            world.acknowledged_are_in(world.mirror)?;
        }
        world.is_tidy()
    }

    /// Whatever happened, this holds.
    fn is_safe(&self, world: &mut World<'_>) -> Result<(), String> {
        world.is_swapped()?;
        world.acknowledged_are_in("mir")?;
        world.nothing_is_lost()?;
        for tree in ["src", "mir", "to"].into_iter().filter(|tree| Some(*tree) != self.scene.writes) {
            world.tree_is(tree, tree).map_err(|why| format!("a tree was touched: {why}"))?;
        }
        self.scene.writes.map_or(Ok(()), |tree| world.is_mixture(tree, &[tree, self.scene.wanted]))
    }

    /// The next run puts all right. A swap that is done is not done again: that would take it back.
    fn converges(&self, world: &mut World<'_>) -> Result<(), String> {
        let is_over = self.scene.swaps() && world.is_swapped()?;
        let ended = if is_over { Ended::Exit(0) } else { world.run(self.scene.words, None).0 };
        let wrong = if ended == Ended::Exit(0) { self.is_done(world) } else { Err(format!("it ended with {ended:?}")) };
        let wrong = wrong.and_then(|()| world.is_alone()).and_then(|()| self.is_safe(world));
        wrong.map_err(|why| format!("the next run did not put it right: {why}\n    said: {}", world.said()))
    }
}
