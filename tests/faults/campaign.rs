//! Many points: which ones, and by whom they are run.

use crate::judge::Judge;
use crate::plan::{self, Kind, Order};
use crate::point::{self, Point};
use crate::scenes::{SCENES, Scene};
use crate::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What became of a scene.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Points that hit something.
    done: u64,
    /// Runs that were over before their fault.
    missed: u64,
    wrong: u64,
    seeds: u64,
}

enum Task {
    /// Count the calls of a scene under a seed, and make points of them: at most so many.
    Count(&'static Scene, u64, u64),
    Point(Point),
    /// Nothing now: others may still make some.
    Wait,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    /// Tasks that are being worked on.
    busy: usize,
    tallies: BTreeMap<&'static str, Tally>,
    said: u64,
    /// What was wrong, in short, and how often.
    kinds: BTreeMap<String, u64>,
}

/// What a violation is like: the beginning without its numbers, and what the program said that tells it from others.
fn in_short(why: &str) -> String {
    const TELLING: [&str; 6] = [
        "failed to spawn thread",
        "it was changed by someone else during this run",
        "HELD: the mirror was changed",
        "HELD: DIR",
        "cannot be put in place",
        "is not in this snapshot",
    ];
    let first = why.lines().next().unwrap_or_default().split(';').next().unwrap_or_default();
    // Between the two are names.
    let (head, tail) = (first.split(':').next().unwrap_or_default(), first.rsplit(": ").next().unwrap_or_default());
    let said = TELLING.into_iter().find(|text| why.contains(text)).unwrap_or_default();
    format!("{head}: {tail:.60} | {said}").replace(|c: char| c.is_ascii_digit(), "#")
}

pub(crate) struct Campaign {
    order: Order,
    /// The scenes, with how many points each must have.
    quotas: Vec<(&'static Scene, u64)>,
    folder: PathBuf,
    state: Mutex<State>,
    began: Instant,
}

/// Of each kind of violation so many are told and kept: the rest would say the same.
const TOLD: u64 = 3;
const PAUSE: Duration = Duration::from_millis(5);

impl Campaign {
    /// Each scene gets the same share.
    pub(crate) fn new(order: Order, only: Option<&str>, folder: &Path) -> Self {
        let scenes: Vec<_> = SCENES.iter().filter(|scene| only.is_none_or(|name| name == scene.name)).collect();
        let share = order.points.div_ceil(u64::try_from(scenes.len()).expect("a small number").max(1));
        let mut state = State::default();
        if let (Some((seed, at, then)), Some(scene)) = (order.one, scenes.first()) {
            state.tasks.push_back(Task::Point(plan::point(order.kind, scene, seed, at, then)));
        }
        let share = if order.one.is_some() { 0 } else { share };
        let quotas = scenes.into_iter().map(|scene| (scene, share)).collect();
        let folder = folder.join(format!("{:?}", order.kind).to_lowercase());
        Self { order, quotas, folder, state: Mutex::new(state), began: Instant::now() }
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
            let tally = state.tallies.get(scene.name).copied().unwrap_or_default();
            let Tally { done, missed, wrong, seeds } = tally;
            let short = if done < *quota { format!("  FEWER than the {quota} that were to be") } else { String::new() };
            println!(
                "  {:<16} {done:>6} points, {seeds:>3} seeds, {missed:>4} missed, {wrong:>3} wrong{short}",
                scene.name
            );
            good &= wrong == 0 && done >= *quota;
        }
        for (kind, count) in &state.kinds {
            println!("  {count:>5} x {kind}");
        }
        let total = |of: fn(&Tally) -> u64| state.tallies.values().map(of).sum::<u64>();
        println!(
            "{:?}, seed {}: {} points, {} violations, {:.0} s",
            self.order.kind,
            self.order.seed,
            total(|tally| tally.done),
            total(|tally| tally.wrong),
            self.began.elapsed().as_secs_f64()
        );
        good
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, number: usize) {
        let mut judge = Judge::new();
        let root = self.folder.join(format!("worker-{number}"));
        while let Some(task) = self.next() {
            if matches!(task, Task::Wait) {
                std::thread::sleep(PAUSE);
            } else {
                self.carry_out(&task, &root, &mut judge);
                self.state().busy -= 1;
            }
        }
        std::fs::remove_dir_all(root).ok();
    }

    /// The next task, until all is done.
    fn next(&self) -> Option<Task> {
        let mut state = self.state();
        if state.tasks.is_empty() && state.busy == 0 {
            // All points that were planned are run: those that missed are made up for.
            for (scene, quota) in &self.quotas {
                let tally = state.tallies.entry(scene.name).or_default();
                let left = quota.saturating_sub(tally.done);
                if left > 0 && tally.missed < 3 * quota + 100 {
                    let seed = self.order.seed * 1_000_003 + tally.seeds;
                    tally.seeds += 1;
                    state.tasks.push_back(Task::Count(scene, seed, left));
                }
            }
        }
        let task = state.tasks.pop_front();
        state.busy += usize::from(task.is_some());
        task.or_else(|| (state.busy > 0).then_some(Task::Wait))
    }

    fn carry_out(&self, task: &Task, root: &Path, judge: &mut Judge) {
        let worked = catch_unwind(AssertUnwindSafe(|| match *task {
            Task::Count(scene, seed, most) => {
                let mut world = World::new(root.to_path_buf(), seed, judge);
                let calls = point::count(scene, &mut world, self.order.kind != Kind::Errors);
                let points = plan::points(self.order.kind, scene, seed, calls, most).into_iter().map(Task::Point);
                self.state().tasks.extend(points);
            }
            Task::Point(point) => {
                let mut world = World::new(root.to_path_buf(), point.seed, judge);
                let outcome = point.run(&mut world);
                self.tell(&point, &outcome, root);
            }
            Task::Wait => {}
        }));
        // A run that nothing disturbed went wrong: that is worse than what is looked for.
        if worked.is_err() {
            let (scene, seed) = match task {
                Task::Count(scene, seed, _) => (*scene, *seed),
                Task::Point(point) => (point.scene, point.seed),
                Task::Wait => return,
            };
            let kept = self.keep(root, &format!("{}-{seed}-undisturbed", scene.name));
            println!("VIOLATION in {}, seed {seed}, before any fault; state: {kept}", scene.name);
            let mut state = self.state();
            *state.kinds.entry("before any fault".to_owned()).or_default() += 1;
            let tally = state.tallies.entry(scene.name).or_default();
            tally.wrong += 1;
            tally.missed += 1;
        }
    }

    fn keep(&self, root: &Path, name: &str) -> String {
        let kept = self.folder.join(name);
        std::fs::remove_dir_all(&kept).ok();
        std::fs::rename(root, &kept).map_or_else(|_| "lost".to_owned(), |()| kept.display().to_string())
    }

    fn tell(&self, point: &Point, outcome: &point::Outcome, root: &Path) {
        let mut state = self.state();
        let tally = state.tallies.entry(point.scene.name).or_default();
        let is_hit = outcome.hit.is_some();
        tally.done += u64::from(is_hit);
        tally.missed += u64::from(!is_hit);
        if self.order.one.is_some() {
            println!("{point:?}\n  {outcome:?}");
        }
        if let Err(why) = &outcome.wrong {
            tally.wrong += 1;
            let times = state.kinds.entry(in_short(why)).or_default();
            *times += 1;
            if *times <= TOLD {
                self.violation(point, outcome, why, root);
            }
        }
        let done: u64 = state.tallies.values().map(|tally| tally.done).sum();
        if done >= state.said + self.order.points.div_ceil(20) {
            state.said = done;
            println!(
                "  {:?}: {done} of {} points, {:.0} s",
                self.order.kind,
                self.order.points,
                self.began.elapsed().as_secs_f64()
            );
        }
    }

    fn violation(&self, point: &Point, outcome: &point::Outcome, why: &str, root: &Path) {
        let Point { scene, seed, first, second, edited } = point;
        let kind = format!("{:?}", self.order.kind).to_lowercase();
        let (at, then) = (first.at, second.map_or(0, |blow| blow.at));
        let kept = self.keep(root, &format!("{}-{seed}-{at}-{then}", scene.name));
        let hit = outcome.hit.as_ref().map_or("nothing".to_owned(), |hit| format!("{} {}", hit.call.shown(), hit.path));
        let second = second.map_or(String::new(), |blow| format!(", then {blow:?}, edited between: {edited}"));
        println!("VIOLATION in {}, seed {seed}, {first:?}{second}\n  at {hit}\n  {why}\n  state: {kept}", scene.name);
        println!("  again: {kind} --only {} --at {seed} {at} {then}", scene.name);
    }
}
