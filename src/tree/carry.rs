//! Moving files (floor 3): the object itself comes from where it is to where it shall be, if it is known to be what was seen.
//!
//! ```text
//! new place first    a further name in `making` -> renamed into its new place -> the old name is removed when its turn comes
//! old place first    renamed aside when its turn comes -> given its metadata -> renamed into its new place
//! ```
//!
//! What must stay true: content is on the medium before a name is in its new place, so a sync comes between; a name shows metadata of
//! the one place or the other, never something between; and what cannot be moved is written anew, from the store.

use super::Error;
use super::apply::Applier;
use super::moves::{Move, Way};
use super::plan::Action;
use super::publish::{Publisher, drop_unless_kept};
use super::stage::{self, Waiting};
use super::stager::Staged;
use super::trust::conflict;
use crate::entry::Entry;
use crate::fs::dir::Dir;
use crate::fs::meta::{At, hold};
use crate::fs::stat::Stat;
use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;

impl Applier<'_> {
    /// Numbers of the actions whose file waits aside, or was given a further name in `making`. For what cannot be moved an object is made, as for all
    /// others of the batch.
    pub(super) fn fetch(
        &mut self,
        making: &Dir,
        actions: &[Action],
        staged: &mut Staged,
    ) -> Result<HashSet<usize>, Error> {
        let (mut fetched, mut resists) = (HashSet::new(), Vec::new());
        for (number, action) in actions.iter().enumerate() {
            let (Some(found), Action::Put { new, .. }) = (self.publisher.aside.moves.by(action), action) else {
                continue;
            };
            let name = stage::name(number);
            let to = Waiting { dir: making, name: &name };
            if found.way != Way::Ahead || self.publisher.link_ahead(to, found, new).is_ok() {
                fetched.insert(number);
                self.stager.monitor.advance(1, 0);
            } else {
                resists.push((number, action));
            }
        }
        if !resists.is_empty() {
            let made = self.stager.make_all(making, &resists)?;
            *staged = std::mem::take(staged).and(made);
        }
        Ok(fetched)
    }

    /// Puts a file that was fetched in its new place; if that cannot be done with it, has it made.
    pub(super) fn carry(
        &mut self,
        ready: &Dir,
        number: usize,
        action: &Action,
        staged: &mut Staged,
    ) -> Result<bool, Error> {
        let (Some(found), Action::Put { new, old }) = (self.publisher.aside.moves.by(action), action) else {
            return Ok(false);
        };
        let outcome = match found.way {
            Way::Ahead => {
                let name = stage::name(number);
                self.publisher.bring(Waiting { dir: ready, name: &name }, new, old.as_ref(), found)
            }
            Way::Behind(aside) => match self.publisher.aside.take(aside) {
                Some((dir, name)) => self.publisher.bring(Waiting { dir: &dir, name: &name }, new, old.as_ref(), found),
                None => Ok(false),
            },
        };
        match outcome {
            Ok(true) => self.done.moved += 1,
            Ok(false) => {
                self.make_late(ready, number, action, staged)?;
                return Ok(false);
            }
            Err(e) => self.fail(action, &e),
        }
        Ok(true)
    }

    /// Makes the object of an action whose batch is being published already.
    fn make_late(&mut self, ready: &Dir, number: usize, action: &Action, staged: &mut Staged) -> Result<(), Error> {
        let making = self.stager.stage.begin_late()?;
        let made = self.stager.make_all(&making.dir, &[(number, action)])?;
        let is_made = made.unmade.is_empty() && made.beyond.is_empty();
        self.stager.stage.finish_late(&making, is_made.then(|| stage::name(number)).as_deref(), ready)?;
        *staged = std::mem::take(staged).and(made);
        Ok(())
    }
}

impl Publisher<'_> {
    /// Gives a file that is to be `new` elsewhere a further name in a folder of ours.
    fn link_ahead(&mut self, to: Waiting<'_>, found: &Move, new: &Entry) -> io::Result<()> {
        let (parent, name) = (found.from.parent().unwrap_or_default(), found.from.name());
        let dir = self.leaders.enter(&parent)?;
        let object = hold(dir, name)?;
        let stat = Stat::of_open(&object)?;
        if stat.links != 1 || !self.trust.is_seen(&stat, new) {
            return Err(conflict());
        }
        dir.link(name, to.dir, to.name)?;
        if let Err(e) = self.prove_linked(to, &stat) {
            to.dir.unlink(to.name)?;
            return Err(e);
        }
        self.trust.linked(&object, &stat);
        Ok(())
    }

    /// Proves that the name leads to the very file. Where files are synced one by one, this one is.
    fn prove_linked(&self, name: Waiting<'_>, file: &Stat) -> io::Result<()> {
        if !name.dir.stat(name.name)?.is_same(file) {
            return Err(conflict());
        }
        name.sync(self.durability)
    }

    /// Puts a file in its new place; tells whether it could be used: if not, it is no more in the stage, or not ours to remove.
    fn bring(&mut self, staged: Waiting<'_>, new: &Entry, old: Option<&Entry>, found: &Move) -> io::Result<bool> {
        let object = hold(staged.dir, staged.name)?;
        let stat = Stat::of_open(&object)?;
        if !self.trust.is_left(&stat) {
            // Somebody wrote to it. What still has its old name is safe there.
            if found.way == Way::Ahead {
                staged.discard()?;
            }
            return Ok(false);
        }
        if !found.is_dressed && self.dress(staged, &stat, new).is_err() {
            staged.discard()?;
            return Ok(false);
        }
        let before = Stat::of_open(&object)?;
        let outcome = self.place(staged, new, old).map_err(|refused| drop_unless_kept(staged, refused));
        match found.way {
            // The old name is met later.
            Way::Ahead => self.trust.linked(&object, &before),
            Way::Behind(_) => self.trust.forget(&before),
        }
        outcome.map(|()| true)
    }

    /// Gives a file in the stage its metadata.
    fn dress(&mut self, staged: Waiting<'_>, before: &Stat, new: &Entry) -> io::Result<()> {
        let object = hold(staged.dir, staged.name)?;
        let is_whole = At::Held(object.as_fd()).change(before, &new.meta, self.trust.fidelity)?;
        staged.sync(self.durability)?;
        if !is_whole {
            self.partial.note(&new.path);
        }
        Ok(())
    }
}
