//! What must be true after a power cut: at once, and when the next run has ended.
//!
//! P1, P2 and P3 are promises of the program; see `steps` for what each step makes of them.

use super::judge::{NOTHING, Verdict};
use super::site::{Acknowledged, Site};
use super::steps::{Again, Step};
use std::path::Path;

/// When the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// While the command ran.
    During,
    /// When it had ended.
    After,
    /// In the recovery.
    InRecovery,
}

#[derive(Clone, Debug)]
pub(crate) struct Due<'a> {
    pub(crate) step: &'a Step,
    /// The snapshots that were acknowledged before the cut.
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) when: When,
}

impl Due<'_> {
    /// On the disk as the cut left it.
    pub(crate) fn at_once(&self, site: &mut Site) -> Verdict {
        let Step { tree, old, new, goal, .. } = self.step;
        self.nothing_is_lost(site)?;
        if self.when == When::After {
            return site.judge.tree(tree, new).map_err(|why| format!("P3, after exit {}: {why}", self.step.ends));
        }
        // A tree that was not there before may not be there yet.
        let judged = match old {
            None if !tree.exists() => Ok(()),
            _ if self.when == When::InRecovery => site.judge.mixture(tree, &[old.unwrap_or(NOTHING), new, goal]),
            _ => site.judge.mixture(tree, &[old.unwrap_or(NOTHING), new]),
        };
        judged.map_err(|why| format!("P3: {why}"))
    }

    /// The next run, without any help.
    pub(crate) fn recover(&self, site: &mut Site) -> Verdict {
        let step = self.step;
        let held = |site: &mut Site, codes: &[i32]| {
            let held = site.program(&format!("-backup {}", step.target)).ended(codes)?.code == 3;
            if held { site.program(&format!("-approve {}", step.target)).ended(&[0]).map(drop) } else { Ok(()) }
        };
        match step.again {
            Again::Same => site.program(&step.words).ended(&[0]).map(drop),
            Again::Held if self.when != When::InRecovery => held(site, &[3]),
            Again::Held | Again::MayBeHeld => held(site, &[0, 3]),
        }
    }

    /// When it has ended.
    pub(crate) fn at_last(&self, site: &mut Site) -> Verdict {
        let step = self.step;
        site.judge.tree(&step.tree, step.goal).map_err(|why| format!("the next run has not converged: {why}"))?;
        self.nothing_is_lost(site)?;
        site.judge.verify(&step.store(site))?;
        is_empty(&step.mirror(site).join(".backup/stage"))
    }

    fn nothing_is_lost(&self, site: &mut Site) -> Verdict {
        for Acknowledged { store, sequence, listing } in &self.acknowledged {
            site.judge.snapshot(store, *sequence, listing).map_err(|why| format!("P1: {why}"))?;
        }
        let Some(old) = self.step.old else { return Ok(()) };
        let store = self.step.store(site);
        site.judge.kept(&[old], &self.step.tree, &store).map_err(|why| format!("P2: {why}"))
    }
}

fn is_empty(folder: &Path) -> Verdict {
    let mut left = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    left.next().map_or(Ok(()), |name| Err(format!("left in {}: {name:?}", folder.display())))
}
