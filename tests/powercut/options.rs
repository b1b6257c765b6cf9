//! What is asked for on the command line.

use super::trial::SECOND_CUTS;
use super::volume::Fs;

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) systems: Vec<Fs>,
    pub(crate) seed: u64,
    pub(crate) jobs: usize,
    /// So many sites, whatever comes of them; else as many as it takes.
    pub(crate) sites: Option<usize>,
    /// States wanted in all, of all file systems.
    states: usize,
    /// States of one step at most.
    pub(crate) states_a_step: usize,
    /// The recovery from each so many-th state is cut, too.
    pub(crate) double: usize,
}

/// What a part has: one site of each file system, its nine steps, so many states of each.
const PART: usize = 32;

/// What a campaign has of each step at most, so that many seeds are tried.
const CAMPAIGN: usize = 300;

impl Options {
    /// None when something else is to be tested.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let mut options = Self {
            systems: Fs::ALL.to_vec(),
            seed: 1,
            jobs: (cores * 2).max(3),
            sites: Some(3),
            states: 3 * STEPS * PART,
            states_a_step: PART,
            double: 8,
        };
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().ok_or(format!("{word} needs a number"))?;
                value.parse::<usize>().map_err(|e| format!("{word} {value}: {e}"))
            };
            match word.as_str() {
                "--states" => {
                    options.states = number()?;
                    options.sites = None;
                    options.states_a_step = CAMPAIGN;
                }
                "--seed" => options.seed = number()? as u64,
                "--jobs" => options.jobs = number()?.max(1),
                "--fs" => options.systems = systems(&words.next().ok_or("--fs needs names")?)?,
                filter if !filter.starts_with('-') => {
                    if !"powercut".contains(filter) {
                        println!("powercut: {filter} is no test of this target: nothing is run");
                        return Ok(None);
                    }
                }
                _ => return Err(format!("{word}? --states N --seed S --fs ext4,xfs,btrfs --jobs N")),
            }
        }
        if options.sites.is_some() {
            options.sites = Some(options.systems.len());
            options.states = options.systems.len() * STEPS * PART;
        }
        Ok(Some(options))
    }

    /// States of each file system.
    pub(crate) fn wanted(&self) -> usize {
        self.states.div_ceil(self.systems.len())
    }

    /// Cuts during recovery, of each file system.
    pub(crate) fn second_wanted(&self) -> usize {
        // Nearly all: a file system may not survive one.
        self.wanted() / self.double * SECOND_CUTS * 9 / 10
    }
}

const STEPS: usize = super::STEPS.len();

fn systems(names: &str) -> Result<Vec<Fs>, String> {
    let system = |name: &str| Fs::ALL.into_iter().find(|fs| fs.name() == name).ok_or(format!("--fs {name}?"));
    names.split(',').map(system).collect()
}
