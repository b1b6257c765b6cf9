//! The actions of a plan that is gone through several times (floor 3): to count, to find moves, to carry it out. A plan is made by comparing two
//! manifests, and most nights change little, so its actions are remembered where they are few; of more the plan is made anew each time.

use super::plan::{Action, Plan};
use crate::entry::Entry;
use crate::limits::PLAN_KEPT;
use crate::manifest;
use crate::manifest::diff::Change;
use std::mem::size_of;
use std::vec::IntoIter;

/// What was remembered: all actions, or nothing.
#[derive(Debug)]
pub struct Kept(Option<Vec<Action>>);

/// The actions of a plan, in order.
#[expect(clippy::large_enum_variant, reason = "there is one of it at a time")]
pub enum Actions<'p, D> {
    /// As they were remembered.
    Remembered(IntoIter<Action>),
    /// As they come.
    Made(Plan<'p, D>),
}

impl Kept {
    /// What can be remembered of a plan.
    pub(super) fn of<D>(plan: Plan<'_, D>) -> Result<Self, manifest::Error>
    where
        D: Iterator<Item = Result<Change, manifest::Error>>,
    {
        let mut keeping = Keeping::new();
        plan.into_iter().try_for_each(|action| action.map(|action| keeping.add(action)))?;
        Ok(keeping.kept())
    }

    /// The actions; `plan` makes it anew.
    pub fn actions<'p, D, E>(self, plan: impl FnOnce() -> Result<Plan<'p, D>, E>) -> Result<Actions<'p, D>, E> {
        Ok(match self.0 {
            Some(actions) => Actions::Remembered(actions.into_iter()),
            None => Actions::Made(plan()?),
        })
    }

    /// Goes through the actions and their numbers; `plan` makes it anew.
    pub(super) fn each<'p, D, E>(
        &self,
        plan: impl FnOnce() -> Result<Plan<'p, D>, E>,
        mut visit: impl FnMut(usize, &Action),
    ) -> Result<(), E>
    where
        D: Iterator<Item = Result<Change, manifest::Error>>,
        E: From<manifest::Error>,
    {
        match &self.0 {
            Some(actions) => actions.iter().enumerate().for_each(|(at, action)| visit(at, action)),
            None => plan()?.enumerate().try_for_each(|(at, action)| action.map(|action| visit(at, &action)))?,
        }
        Ok(())
    }
}

impl<D: Iterator<Item = Result<Change, manifest::Error>>> Iterator for Actions<'_, D> {
    type Item = Result<Action, manifest::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Remembered(actions) => actions.next().map(Ok),
            Self::Made(plan) => plan.next(),
        }
    }
}

/// Remembers actions as they come, as long as they fit.
pub(super) struct Keeping {
    actions: Option<Vec<Action>>,
    room: usize,
}

impl Keeping {
    pub(super) const fn new() -> Self {
        Self { actions: Some(Vec::new()), room: PLAN_KEPT }
    }

    pub(super) fn add(&mut self, action: Action) {
        let rest = self.room.checked_sub(weight(&action));
        self.room = rest.unwrap_or(0);
        match &mut self.actions {
            Some(actions) if rest.is_some() => actions.push(action),
            _ => self.actions = None,
        }
    }

    pub(super) fn kept(self) -> Kept {
        Kept(self.actions)
    }
}

/// Bytes of memory that an action takes.
fn weight(action: &Action) -> usize {
    let (new, old) = match action {
        Action::Put { new, old } | Action::Link { new, old } | Action::Meta { new, old } => (Some(new), old.as_ref()),
        Action::Remove { old } => (None, Some(old)),
    };
    // A vector has up to twice the room that it needs, while it grows three times; once it is in the weight of the entries.
    2 * size_of::<Action>() + new.into_iter().chain(old).map(Entry::weight).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::{Action, Keeping, PLAN_KEPT};
    use crate::entry::{Entry, Identity, Meta, Node, Time};
    use crate::path::RelPath;
    use crate::tree::plan::Plan;

    fn remove(name: &str) -> Action {
        let meta = Meta { mode: 0, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
        let path = RelPath::new(name).unwrap();
        Action::Remove { old: Entry { path, meta, identity: Identity::default(), flags: 0, node: Node::Fifo } }
    }

    /// How many of so many actions, each with a path of so many bytes, come back without a plan.
    fn remembered(count: usize, bytes: usize) -> Option<usize> {
        type NoPlan = Plan<'static, std::iter::Empty<Result<super::Change, crate::manifest::Error>>>;
        let mut keeping = Keeping::new();
        let name = "/n".repeat(bytes / 2);
        (0..count).for_each(|_| keeping.add(remove(name.trim_start_matches('/'))));
        let actions = keeping.kept().actions(|| Err::<NoPlan, _>(())).ok()?;
        Some(actions.map(Result::unwrap).filter(|action| action.path().as_bytes().len() == bytes - 1).count())
    }

    #[test]
    fn few_actions_are_remembered_and_many_are_not() {
        assert_eq!(remembered(0, 2), Some(0));
        assert_eq!(remembered(1000, 200), Some(1000));
        assert_eq!(remembered(PLAN_KEPT / 500, 2), None, "many small ones");
        assert_eq!(remembered(PLAN_KEPT / (1 << 16) + 1, 1 << 16), None, "few long ones");
    }
}
