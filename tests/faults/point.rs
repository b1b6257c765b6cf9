//! One point: a state, a run with a fault, what the judge says of what is left, and the run that must put all right without help.

use crate::scenes::Scene;
use crate::trace::{self, Ended, Fault, Hit, Ran};
use crate::world::World;
use nix::sys::signal::Signal;

/// A fault at the k-th call that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blow {
    pub(crate) fault: Fault,
    pub(crate) at: u64,
}

/// What is done, and can be done again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) scene: &'static Scene,
    pub(crate) seed: u64,
    pub(crate) first: Blow,
    /// The fault of the run that goes on after the first.
    pub(crate) second: Option<Blow>,
    /// Whether the source is edited before that.
    pub(crate) edited: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was hit, last first; nothing when the run was over before it.
    pub(crate) hit: Option<Hit>,
    pub(crate) wrong: Result<(), String>,
}

/// A run of any scene makes more calls than that.
const FEWEST: u64 = 10;
const CODES: [i32; 6] = [0, 1, 2, 3, 4, 64];
const HELD: i32 = 3;
const PARTIAL: i32 = 1;
const LOCKED: i32 = 4;

/// How many calls the run makes when nothing disturbs it.
pub(crate) fn count(scene: &Scene, world: &mut World<'_>, changes_only: bool) -> u64 {
    scene.prepare(world);
    let ran = trace::run(&mut world.command(scene.words), Fault::None, 0, changes_only);
    assert_eq!(ran.ended, Ended::Exit(scene.code), "{}, undisturbed: {}", scene.name, world.said());
    assert!(ran.calls >= FEWEST, "{}: only {} calls were counted: this proves nothing", scene.name, ran.calls);
    ran.calls
}

impl Point {
    pub(crate) fn run(&self, world: &mut World<'_>) -> Outcome {
        self.scene.prepare(world);
        let (ran, mut wrong) = self.blow(world, self.scene.words, self.first);
        let mut hit = ran.hit;
        if let (Some(second), Ok(()), Some(_), false) = (self.second, &wrong, &hit, self.is_over(world)) {
            // What a restore is to bring back does not change with the source.
            if self.edited && self.scene.wanted == "src" {
                world.edit();
            }
            let again;
            (again, wrong) = self.blow(world, self.scene.again, second);
            wrong = wrong.map_err(|why| format!("{why} (after {:?} at {hit:?})", self.first));
            hit = again.hit;
        }
        let wrong = wrong.and_then(|()| self.converges(world));
        Outcome { hit, wrong }
    }

    /// A run with a fault, and what is left.
    fn blow(&self, world: &mut World<'_>, words: &str, blow: Blow) -> (Ran, Result<(), String>) {
        let ran = trace::run(&mut world.command(words), blow.fault, blow.at, blow.fault.kills());
        let wrong = self.ended_well(world, &ran, blow.fault).and_then(|()| self.is_safe(world, &ran));
        (ran, wrong.map_err(|why| format!("{why}\n    said: {}", world.said())))
    }

    /// How it ended can be understood, and is true.
    fn ended_well(&self, world: &mut World<'_>, ran: &Ran, fault: Fault) -> Result<(), String> {
        let said = world.said();
        if said.contains("panicked") {
            return Err("it panicked".to_owned());
        }
        let code = match ran.ended {
            Ended::Signal(Signal::SIGKILL) if fault.kills() && ran.hit.is_some() => return Ok(()),
            Ended::Exit(code) if CODES.contains(&code) && code != LOCKED => code,
            other => return Err(format!("it ended with {other:?}")),
        };
        if code != 0 && said.is_empty() {
            return Err(format!("P5: exit code {code} without a word"));
        }
        match code {
            0 => self.is_done(world).map_err(|why| format!("P5: exit code 0, but {why}")),
            HELD => self.is_untouched(world).map_err(|why| format!("P4: held, but {why}")),
            PARTIAL if fault.interrupts() => Err("P5: what was interrupted was taken for unreadable".to_owned()),
            PARTIAL if self.is_of_mirror(world, ran) => {
                Err("P5: an error of the mirror was taken for one of the source".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether there is nothing to go on with: a swap after a swap would take it back.
    fn is_over(&self, world: &World<'_>) -> bool {
        self.scene.swaps() && world.is_swapped() == Ok(true)
    }

    /// Whether what was hit is on the mirror's side. A restore writes to the source, and there the sides are not so clear.
    fn is_of_mirror(&self, world: &World<'_>, ran: &Ran) -> bool {
        let mirror = world.at(world.mirror);
        !self.scene.restores() && ran.hit.as_ref().is_some_and(|hit| hit.path.starts_with(&mirror))
    }

    /// The outcome is that of a run that nothing disturbed.
    fn is_done(&self, world: &mut World<'_>) -> Result<(), String> {
        if self.scene.swaps() {
            return if world.is_swapped()? { world.is_tidy() } else { Err("the table was not exchanged".to_owned()) };
        }
        if self.scene.prunes() {
            world.is_pruned()?;
        }
        world.tree_is(self.scene.writes.unwrap_or("mir"), self.scene.wanted)?;
        if !self.scene.restores() {
            world.newest_is(self.scene.wanted)?;
            world.acknowledged_are_in(world.mirror)?;
        }
        world.is_tidy()
    }

    fn is_untouched(&self, world: &mut World<'_>) -> Result<(), String> {
        // What a killed run left half done stays so.
        let mirror = world.mirror;
        if self.second.is_some() {
            world.is_mixture(mirror, &["mir", "before", "src"])
        } else {
            world.tree_is(mirror, mirror)
        }
    }

    /// P1 to P3 of what a disturbed run leaves.
    fn is_safe(&self, world: &mut World<'_>, ran: &Ran) -> Result<(), String> {
        world.is_swapped()?;
        world.acknowledged_are_there()?;
        world.is_kept(&["src", "mir"])?;
        let writes = self.scene.writes;
        for tree in ["src", "mir", "to"].into_iter().filter(|tree| Some(*tree) != writes) {
            // A run that goes on after one that was held may find nothing to hold any more.
            if !(tree == "mir" && ran.ended == Ended::Exit(0)) {
                world.tree_is(tree, tree).map_err(|why| format!("a tree was touched: {why}"))?;
            }
        }
        let Some(tree) = writes else { return Ok(()) };
        let mut of =
            if self.scene.wanted == "src" { vec![tree, "before", "src"] } else { vec![tree, self.scene.wanted] };
        let nights = world.nights();
        if self.has_errors() {
            // What cannot be read is carried forward from an earlier night.
            of.extend(nights.iter().map(String::as_str));
        }
        world.is_mixture(tree, &of)
    }

    /// What could not be read when a mirror was adopted is in no snapshot: when it can be read again, a person has to look at it.
    fn may_hold(&self) -> bool {
        self.scene.holds || (self.has_errors() && self.scene.adopts)
    }

    fn has_errors(&self) -> bool {
        !self.first.fault.kills() || self.second.is_some_and(|blow| !blow.fault.kills())
    }

    /// The next run puts all right.
    fn converges(&self, world: &mut World<'_>) -> Result<(), String> {
        let scene = self.scene;
        let mut code = if self.is_over(world) { 0 } else { world.run(scene.again) };
        if code == HELD && self.may_hold() {
            code = world.run("-approve data");
        }
        let wrong = if code == 0 { self.is_done(world) } else { Err(format!("it ended with {code}")) };
        let wrong = wrong.and_then(|()| world.acknowledged_are_there()).and_then(|()| world.is_kept(&["src", "mir"]));
        wrong.map_err(|why| format!("the next run did not put it right: {why}\n    said: {}", world.said()))
    }
}
