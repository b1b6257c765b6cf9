//! Removes packs and writes others again, a bounded part at a time (floor 4). The order of what is durable before what is that of [`crate::store::sweep`].

use super::Pruned;
use crate::fs::space::Space;
use crate::id::Id;
use crate::limits::SWEEP_ROUND;
use crate::mirror::Error;
use crate::monitor::{Monitor, Phase};
use crate::store::sweep::copy::Copier;
use crate::store::sweep::live::{Live, Use};
use crate::store::sweep::pack_name;
use crate::store::sweep::plan::Plan;
use crate::store::{Error as StoreError, Store};

/// Room that is left free for others: an eighth of what there is, but no more than this.
const SPARE: u64 = 64 << 20;

/// What a plan would come to.
pub(super) fn estimate(plan: &Plan, pruned: &mut Pruned) {
    let unused: u64 = plan.unused.iter().map(|pack| pack.length).sum();
    let rewritten: u64 = plan.rewrite.iter().map(|pack| pack.length).sum();
    pruned.unused = plan.unused.len() as u64;
    pruned.rewritten = plan.rewrite.len() as u64;
    pruned.copied = plan.rewrite.iter().map(|pack| pack.needed).sum();
    pruned.freed = unused.saturating_add(rewritten).saturating_sub(pruned.copied);
    pruned.bytes = pruned.bytes.saturating_sub(pruned.freed);
}

/// Carries a plan out.
pub(super) fn sweep(
    store: &Store,
    live: &Live,
    plan: Plan,
    pruned: &mut Pruned,
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    let mut sweeper = Sweeper { store, live, pruned, monitor };
    sweeper.remove_unused(plan.unused)?;
    let copied: u64 = plan.rewrite.iter().map(|pack| pack.needed).sum();
    monitor.begin(Phase::Sweeping, Some(plan.rewrite.len() as u64), Some(copied));
    let mut rest = plan.rewrite.into_iter().peekable();
    while rest.peek().is_some() {
        let room = sweeper.room()?.min(SWEEP_ROUND);
        let mut round = Vec::new();
        let mut bytes = 0_u64;
        while let Some(pack) = rest.next_if(|pack| bytes.saturating_add(pack.needed) <= room) {
            bytes = bytes.saturating_add(pack.needed);
            round.push(pack);
        }
        if round.is_empty() {
            let left: Vec<Use> = rest.collect();
            sweeper.no_room(&left);
            return Ok(());
        }
        sweeper.write_again(round)?;
    }
    Ok(())
}

struct Sweeper<'a> {
    store: &'a Store,
    live: &'a Live,
    pruned: &'a mut Pruned,
    monitor: &'a dyn Monitor,
}

impl Sweeper<'_> {
    /// Bytes that may be copied before anything more is given back.
    fn room(&self) -> Result<u64, Error> {
        let free = Space::at_last(self.store.layout().root())?.free;
        Ok((free - (free / 8).min(SPARE)).saturating_sub(self.store.index_bytes().saturating_mul(2)))
    }

    fn remove_unused(&mut self, packs: Vec<Use>) -> Result<(), Error> {
        let mut gone = Vec::new();
        for pack in packs {
            // Nothing is written yet: whatever is wrong is wrong with this pack, or with one that would have to replace it.
            match self.store.is_no_last_good_copy(&pack.name, self.live) {
                Ok(()) => gone.push(pack),
                Err(e) => self.leave(&pack, &e),
            }
        }
        self.pruned.unused = gone.len() as u64;
        self.remove(&gone)
    }

    /// Writes what is needed of these to new packs, and removes them.
    fn write_again(&mut self, packs: Vec<Use>) -> Result<(), Error> {
        let (store, live) = (self.store, self.live);
        let mut copier = Copier::new(store, live)?;
        let before = self.bytes()?;
        let mut gone = Vec::new();
        for pack in packs {
            let copied = store.is_no_last_good_copy(&pack.name, live).and_then(|()| copier.pack(&pack.name));
            if self.is_sound(&pack, copied)? {
                gone.push(pack);
            }
            self.monitor.advance(1, pack.needed);
        }
        copier.end()?;
        let copied = self.bytes()?.saturating_sub(before);
        self.pruned.copied = self.pruned.copied.saturating_add(copied);
        self.pruned.rewritten = self.pruned.rewritten.saturating_add(gone.len() as u64);
        self.pruned.bytes = self.pruned.bytes.saturating_add(copied);
        self.pruned.freed = self.pruned.freed.saturating_sub(copied);
        self.remove(&gone)
    }

    fn bytes(&self) -> Result<u64, Error> {
        Ok(self.store.packs()?.iter().map(|(_, length)| length).sum())
    }

    fn remove(&mut self, packs: &[Use]) -> Result<(), Error> {
        // An index that names packs which are gone, and of which nobody needs anything, is replaced too: then nothing is lost any more.
        if packs.is_empty() && !self.store.has_lost() {
            return Ok(());
        }
        let names: Vec<Id> = packs.iter().map(|pack| pack.name).collect();
        self.store.remove_packs(&names, self.live)?;
        let bytes = packs.iter().map(|pack| pack.length).sum();
        self.pruned.freed = self.pruned.freed.saturating_add(bytes);
        self.pruned.bytes = self.pruned.bytes.saturating_sub(bytes);
        Ok(())
    }

    /// Whether a pack was dealt with. One that is damaged, or that has the only good copy of something, is reported and left as it is; an error of
    /// the disk ends the run.
    fn is_sound(&mut self, pack: &Use, dealt: Result<(), StoreError>) -> Result<bool, Error> {
        match dealt {
            Ok(()) => Ok(true),
            Err(e @ (StoreError::Damaged { .. } | StoreError::BadBlock { .. })) => {
                self.leave(pack, &e);
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn leave(&mut self, pack: &Use, why: &StoreError) {
        self.monitor.wrong(&format!("{}: it is left as it is: {why}", pack_name(self.store.layout(), &pack.name)));
        self.count_left(pack);
    }

    fn count_left(&mut self, pack: &Use) {
        self.pruned.left += 1;
        self.pruned.waste = self.pruned.waste.saturating_add(pack.length.saturating_sub(pack.needed));
    }

    fn no_room(&mut self, packs: &[Use]) {
        let bytes: u64 = packs.iter().map(|pack| pack.length.saturating_sub(pack.needed)).sum();
        self.monitor.wrong(&format!(
            "{}: there is no room to write {} packs again, by which {bytes} bytes would be given back: make some, and run -prune again",
            crate::path::shown_path(self.store.layout().root()),
            packs.len()
        ));
        for pack in packs {
            self.count_left(pack);
        }
    }
}
