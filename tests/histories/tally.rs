//! What was done in all histories, counted.

use crate::step::Name;
use crate::thing::Kind;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Names of a tree with what stood there, and which inode it was.
pub(crate) type Kinds = BTreeMap<Name, (Kind, u64)>;

const KINDS: usize = Kind::ALL.len();

/// From what to what paths went: nothing, and eight kinds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transitions([[u64; KINDS]; KINDS]);

impl Transitions {
    /// Counts what is different. What stayed of its kind counts when it is another inode.
    pub(crate) fn count(&mut self, before: &Kinds, after: &Kinds) {
        let nothing = (Kind::Nothing, 0);
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        for name in after.keys().chain(gone) {
            let (was, is) = (before.get(name).unwrap_or(&nothing), after.get(name).unwrap_or(&nothing));
            if was != is {
                self.0[was.0 as usize][is.0 as usize] += 1;
            }
        }
    }

    fn add(&mut self, other: &Self) {
        let cells = self.0.iter_mut().flatten().zip(other.0.iter().flatten());
        cells.for_each(|(mine, more)| *mine += more);
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// Pairs of kinds that did not occur.
    pub(crate) fn missing(&self) -> Vec<String> {
        let pairs = Kind::ALL.into_iter().flat_map(|from| Kind::ALL.map(|to| (from, to)));
        let never = pairs.filter(|(from, to)| self.0[*from as usize][*to as usize] == 0);
        never.filter(|pair| *pair != (Kind::Nothing, Kind::Nothing)).map(|(a, b)| format!("{a:?} to {b:?}")).collect()
    }

    pub(crate) fn table(&self) -> String {
        let mut text = format!("  {:<10}", "from, to");
        for to in Kind::ALL {
            write!(text, "{:>9}", format!("{to:?}")).unwrap();
        }
        for (from, row) in Kind::ALL.into_iter().zip(self.0) {
            write!(text, "\n  {:<10}", format!("{from:?}")).unwrap();
            for count in row {
                write!(text, "{count:>9}").unwrap();
            }
        }
        text
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// How often what was done.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Between nights, and so on the mirror; and where one snapshot was restored over another.
    pub(crate) on_mirror: Transitions,
    pub(crate) restored: Transitions,
}

impl Tally {
    pub(crate) fn note(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.on_mirror.add(&other.on_mirror);
        self.restored.add(&other.restored);
    }

    pub(crate) fn of(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }
}
