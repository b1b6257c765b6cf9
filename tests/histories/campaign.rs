//! Many histories: which ones, and by whom they are lived through.

use crate::author::Author;
use crate::judge::Judge;
use crate::shrink::shrink;
use crate::step::{Fs, Setting, Step};
use crate::tally::Tally;
use crate::world::World;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many violations are made shorter and told; the rest are counted.
const TOLD: u64 = 5;
const SHRINKING: Duration = Duration::from_mins(2);
/// So many histories have every transition between kinds.
const ENOUGH: u64 = 60;

/// A history that is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) seed: u64,
    pub(crate) fs: Fs,
}

pub(crate) struct Lived {
    pub(crate) steps: Vec<Step>,
    pub(crate) tally: Tally,
    pub(crate) wrong: Option<String>,
}

#[derive(Default)]
struct State {
    orders: VecDeque<Order>,
    done: u64,
    violations: u64,
    tally: Tally,
}

pub(crate) struct Campaign {
    /// Where the states are, by file system; and the copies.
    folder: PathBuf,
    nights: Option<usize>,
    wanted: u64,
    state: Mutex<State>,
    began: Instant,
}

/// Lives through a history: the steps that are given, or those that an author writes as it goes.
pub(crate) fn live(mut world: World<'_>, given: Option<&[Step]>, read_by_others: bool) -> Lived {
    let mut steps = Vec::new();
    let done = catch_unwind(AssertUnwindSafe(|| -> Result<(), String> {
        let mut author = Author::new(&world.setting);
        let mut given = given.map(|steps| steps.iter());
        loop {
            let step = match &mut given {
                Some(steps) => steps.next().cloned(),
                None => (world.nights < world.setting.nights).then(|| author.next(&world.source(), world.snapshots())),
            };
            let Some(step) = step else { break };
            steps.push(step.clone());
            world.carry_out(&step)?;
        }
        world.finish(read_by_others)
    }));
    let wrong =
        done.unwrap_or_else(|_| Err("a step that cannot be carried out: the harness panicked".to_owned())).err();
    Lived { steps, tally: world.tally, wrong }
}

impl Campaign {
    pub(crate) fn new(folder: &Path, orders: Vec<Order>, nights: Option<usize>) -> Self {
        let wanted = u64::try_from(orders.len()).unwrap();
        let state = State { orders: orders.into(), ..State::default() };
        Self { folder: folder.to_owned(), nights, wanted, state: Mutex::new(state), began: Instant::now() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs it; whether nothing was wrong and nothing fell short.
    pub(crate) fn run(&self, workers: usize) -> bool {
        std::thread::scope(|scope| {
            for number in 0..workers {
                scope.spawn(move || self.work(number));
            }
        });
        let state = self.state();
        let tally = &state.tally;
        println!("between nights, and so on the mirror:\n{}", tally.on_mirror.table());
        println!("where one snapshot was restored over another:\n{}", tally.restored.table());
        for (what, count) in &tally.counts {
            println!("  {count:>9} {what}");
        }
        let missing = [tally.on_mirror.missing(), tally.restored.missing()].concat();
        let short = state.done < self.wanted || (state.done >= ENOUGH && !missing.is_empty());
        if !missing.is_empty() {
            println!("never seen: {}", missing.join(", "));
        }
        println!(
            "{} histories of {}, {} nights, {} operations, {} restores, {} transitions, {} violations, {:.0} s",
            state.done,
            self.wanted,
            tally.of("nights"),
            tally.of("operations"),
            tally.of("restores") + tally.of("restores in place"),
            tally.on_mirror.total() + tally.restored.total(),
            state.violations,
            self.began.elapsed().as_secs_f64()
        );
        state.violations == 0 && !short
    }

    fn work(&self, number: usize) {
        let mut judge = Judge::new();
        loop {
            let Some(order) = self.state().orders.pop_front() else { return };
            let lived = self.live(order, None, number, &mut judge);
            let mut state = self.state();
            state.done += 1;
            state.tally.add(&lived.tally);
            if state.done.is_multiple_of(self.wanted.div_ceil(20)) {
                println!("  {} of {} histories, {:.0} s", state.done, self.wanted, self.began.elapsed().as_secs_f64());
            }
            if let Some(why) = lived.wrong {
                state.violations += 1;
                println!("VIOLATION in history {} on {}: {why}", order.seed, order.fs.name());
                let is_told = state.violations <= TOLD;
                drop(state);
                if is_told {
                    self.tell(order, lived.steps, number, &mut judge);
                }
            }
        }
    }

    fn live(&self, order: Order, steps: Option<&[Step]>, number: usize, judge: &mut Judge) -> Lived {
        let (root, copies) = self.places(order.fs, number);
        let setting = Setting::new(order.seed, order.fs, self.nights);
        let lived = live(World::new(setting, &root, &copies, judge), steps, order.seed.is_multiple_of(10));
        for folder in [root, copies] {
            std::fs::remove_dir_all(folder).ok();
        }
        lived
    }

    fn places(&self, fs: Fs, number: usize) -> (PathBuf, PathBuf) {
        (self.folder.join(fs.name()).join(number.to_string()), self.folder.join("copies").join(number.to_string()))
    }

    /// Makes a history that failed shorter, and prints it.
    fn tell(&self, order: Order, steps: Vec<Step>, number: usize, judge: &mut Judge) {
        let mut last = None;
        let all = steps.len();
        let steps = shrink(steps, SHRINKING, |steps| {
            let wrong = self.live(order, Some(steps), number, judge).wrong;
            let fails = wrong.is_some();
            last = wrong.or(last.take());
            fails
        });
        let _alone = self.state();
        println!("history {} on {}, {} of {all} steps:", order.seed, order.fs.name(), steps.len());
        println!("{}", Setting::new(order.seed, order.fs, None).table("src", "mir"));
        for step in &steps {
            println!("  {step:?}");
        }
        println!("  => {}", last.unwrap_or_else(|| "only as a whole".to_owned()));
        println!("for tests/histories/seeds.txt: {} {}", order.seed, order.fs.name());
    }

    /// One history again, told step by step; what it leaves is kept where it fails.
    pub(crate) fn again(&self, order: Order) -> bool {
        let mut judge = Judge::new();
        let (root, copies) = self.places(order.fs, 0);
        let setting = Setting::new(order.seed, order.fs, self.nights);
        println!("{}", setting.table("src", "mir"));
        let lived = live(World::new(setting, &root, &copies, &mut judge), None, true);
        lived.steps.iter().for_each(|step| println!("  {step:?}"));
        println!("{:?}", lived.tally.counts);
        let Some(why) = lived.wrong else { return true };
        println!("VIOLATION: {why}\n  state: {}, copies: {}", root.display(), copies.display());
        self.tell(order, lived.steps, 1, &mut judge);
        false
    }
}
