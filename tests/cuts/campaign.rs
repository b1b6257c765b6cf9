//! Many cuts: which ones, and by whom they are made.

use crate::judge::Judge;
use crate::scene::{SCENES, Scene};
use crate::trial::{self, Trial};
use crate::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Cuts of one seed.
const BATCH: usize = 24;
/// So many violations are told and kept.
const TOLD: u64 = 20;
const PAUSE: Duration = Duration::from_millis(5);

enum Task {
    /// See how much goes where in a scene under a seed, and make cuts of it: at most so many.
    Count(&'static Scene, u64, usize),
    Cut(Trial),
    /// Nothing now: others may still make some.
    Wait,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    done: usize,
    /// Runs that were over before it could happen.
    missed: usize,
    wrong: usize,
    seeds: u64,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    busy: usize,
    tallies: BTreeMap<&'static str, Tally>,
    whats: BTreeMap<String, usize>,
    violations: u64,
    said: usize,
}

fn world<'a>(trial: &Trial, judge: &'a mut Judge, root: &Path) -> World<'a> {
    World::new(root.to_path_buf(), trial.seed, trial::hosts(trial.scene, trial.seed), judge)
}

pub(crate) struct Campaign {
    seed: u64,
    /// The scenes, with how many cuts each must have.
    quotas: Vec<(&'static Scene, usize)>,
    folder: PathBuf,
    state: Mutex<State>,
    began: Instant,
}

impl Campaign {
    pub(crate) fn new(cuts: usize, seed: u64, only: Option<&str>, folder: &Path) -> Self {
        let scenes: Vec<_> = SCENES.iter().filter(|scene| only.is_none_or(|name| name == scene.name)).collect();
        let share = cuts.div_ceil(scenes.len().max(1));
        let quotas = scenes.into_iter().map(|scene| (scene, share)).collect();
        Self { seed, quotas, folder: folder.to_owned(), state: Mutex::default(), began: Instant::now() }
    }

    /// One cut again, as a violation names it.
    pub(crate) fn again(&self, trial: &Trial) -> bool {
        let outcome = trial.run(&mut world(trial, &mut Judge::new(), &self.folder.join("again")));
        println!("{trial:?}\n  happened: {}, {:?}", outcome.0, outcome.1);
        outcome.1.is_ok()
    }

    /// Runs it; whether nothing was wrong and nothing fell short.
    pub(crate) fn run(&self, workers: usize) -> bool {
        std::thread::scope(|scope| {
            for number in 0..workers {
                scope.spawn(move || self.work(number));
            }
        });
        let state = self.state();
        let mut good = true;
        for (scene, quota) in &self.quotas {
            let Tally { done, missed, wrong, seeds } = state.tallies.get(scene.name).copied().unwrap_or_default();
            let short = if done < *quota { format!("  FEWER than the {quota} that were to be") } else { String::new() };
            println!(
                "  {:<11} {done:>6} cuts, {seeds:>3} seeds, {missed:>4} missed, {wrong:>3} wrong{short}",
                scene.name
            );
            good &= wrong == 0 && done >= *quota;
        }
        let total = |of: fn(&Tally) -> usize| state.tallies.values().map(of).sum::<usize>();
        let whats: Vec<_> = state.whats.iter().map(|(what, count)| format!("{count} {what}")).collect();
        println!(
            "seed {}: {} cuts ({}), {} violations",
            self.seed,
            total(|t| t.done),
            whats.join(", "),
            total(|t| t.wrong)
        );
        good
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, number: usize) {
        let mut judge = Judge::new();
        let root = self.folder.join(format!("worker-{number}"));
        while let Some(task) = self.next() {
            if matches!(task, Task::Wait) {
                std::thread::sleep(PAUSE);
                continue;
            }
            if catch_unwind(AssertUnwindSafe(|| self.carry_out(&task, &root, &mut judge))).is_err() {
                // A run that nothing disturbed went wrong: that is worse than what is looked for.
                let (scene, seed) = match task {
                    Task::Count(scene, seed, _) | Task::Cut(Trial { scene, seed, .. }) => (scene, seed),
                    Task::Wait => return,
                };
                println!("VIOLATION in {}, seed {seed}, before any cut", scene.name);
                let mut state = self.state();
                let tally = state.tallies.entry(scene.name).or_default();
                tally.wrong += 1;
                tally.missed += 1;
            }
            self.state().busy -= 1;
        }
    }

    /// The next task, until all is done.
    fn next(&self) -> Option<Task> {
        let mut state = self.state();
        if state.tasks.is_empty() && state.busy == 0 {
            for (scene, quota) in &self.quotas {
                let tally = state.tallies.entry(scene.name).or_default();
                let mut left = quota.saturating_sub(tally.done);
                // What went wrong before any cut would do so again.
                let is_hopeless = tally.missed > quota + 20 || (tally.done == 0 && tally.wrong >= 3);
                let mut fresh = Vec::new();
                while left > 0 && !is_hopeless {
                    fresh.push(Task::Count(scene, self.seed * 1_000_003 + tally.seeds, left.min(BATCH)));
                    tally.seeds += 1;
                    left = left.saturating_sub(BATCH);
                }
                state.tasks.extend(fresh);
            }
        }
        let task = state.tasks.pop_front();
        state.busy += usize::from(task.is_some());
        task.or_else(|| (state.busy > 0).then_some(Task::Wait))
    }

    fn carry_out(&self, task: &Task, root: &Path, judge: &mut Judge) {
        match task {
            Task::Count(scene, seed, most) => {
                let mut world = World::new(root.to_path_buf(), *seed, trial::hosts(scene, *seed), judge);
                let plans = trial::plans(scene, &mut world, *seed, *most);
                let trials = plans.into_iter().map(|plan| Task::Cut(Trial { scene, seed: *seed, plan }));
                // At the front, so that a seed is done with before the next is begun.
                let mut state = self.state();
                trials.for_each(|trial| state.tasks.push_front(trial));
            }
            Task::Cut(trial) => {
                let (is_hit, wrong) = trial.run(&mut world(trial, judge, root));
                self.tell(trial, is_hit, wrong, root);
            }
            Task::Wait => {}
        }
    }

    fn tell(&self, trial: &Trial, is_hit: bool, wrong: Result<(), String>, root: &Path) {
        let mut state = self.state();
        let tally = state.tallies.entry(trial.scene.name).or_default();
        tally.done += usize::from(is_hit);
        tally.missed += usize::from(!is_hit);
        tally.wrong += usize::from(wrong.is_err());
        if is_hit {
            *state.whats.entry(format!("{:?}", trial.plan.what).to_lowercase()).or_default() += 1;
        }
        if let Err(why) = wrong {
            state.violations += 1;
            if state.violations <= TOLD {
                let (name, seed, plan) = (trial.scene.name, trial.seed, trial.plan.shown());
                let kept = self.folder.join(format!("{name}-{seed}-{}", plan.replace(' ', "-")));
                std::fs::remove_dir_all(&kept).ok();
                let place = std::fs::rename(root, &kept).map_or("lost".to_owned(), |()| kept.display().to_string());
                println!("VIOLATION in {name}: {why}\n  state: {place}\n  again: --only {name} --at {seed} '{plan}'");
            }
        }
        let done: usize = state.tallies.values().map(|tally| tally.done).sum();
        let all: usize = self.quotas.iter().map(|(_, quota)| quota).sum();
        if done >= state.said + all.div_ceil(20) {
            state.said = done;
            println!("  {done} of {all} cuts, {:.0} s", self.began.elapsed().as_secs_f64());
        }
    }
}
