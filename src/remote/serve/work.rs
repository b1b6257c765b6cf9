//! Questions about what is open (floor 5): of a mirror, and of a place in its turn. Some take long.

use super::fault::out_of_turn;
use super::held::{Held, Mirror};
use crate::format::pack::BlockKind;
use crate::mirror::end::Turning;
use crate::mirror::turn::Turn;
use crate::monitor::Monitor;
use crate::remote::message::{Answer, Ask, Fault, Part};
use crate::remote::policy::Policy;
use crate::scan::selection::Selection;
use std::sync::{Mutex, PoisonError};

/// Answers a question about what is open.
pub(super) fn answer(held: &Held, ask: Ask, policy: &Policy, monitor: &dyn Monitor) -> Result<Answer, Fault> {
    match ask {
        Ask::TurnNumber | Ask::FinishPublishing(_) | Ask::LinkStore | Ask::Promote(_) | Ask::TakeBack(_) => {
            turn(held.turn()?, ask, policy, monitor)
        }
        Ask::Look(_) | Ask::LookDry(..) | Ask::Survey { .. } | Ask::Publish { .. } => {
            tree(held.mirror()?, ask, monitor)
        }
        _ => store(held.mirror()?, ask, policy, monitor),
    }
}

fn selection(part: Part) -> Result<Selection, Fault> {
    Ok(Selection::new(part.tops, &part.excludes)?)
}

fn turn(turn: &Mutex<Turn>, ask: Ask, policy: &Policy, monitor: &dyn Monitor) -> Result<Answer, Fault> {
    let mut turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    let keeps = || only_adds(policy, "swap");
    match ask {
        Ask::TurnNumber => return Ok(Answer::Number(turn.number()?)),
        Ask::LinkStore => return Ok(Answer::Why(turn.link_store()?)),
        Ask::FinishPublishing(part) => turn.finish_publishing(&selection(part)?, monitor)?,
        Ask::Promote(number) => {
            keeps()?;
            turn.promote(number)?;
        }
        Ask::TakeBack(number) => {
            keeps()?;
            turn.take_back(number)?;
        }
        _ => return Err(out_of_turn("that is no question for a turn")),
    }
    Ok(Answer::State(turn.state()))
}

/// What is on the tree is what the last look here found; a client only says which look it means.
fn tree(mirror: &Mirror, ask: Ask, monitor: &dyn Monitor) -> Result<Answer, Fault> {
    let service = mirror.service();
    Ok(match ask {
        Ask::Look(part) => {
            let look = service.look(&selection(part)?, monitor)?;
            Answer::Look(Box::new(mirror.saw(look, false)))
        }
        Ask::LookDry(part, all) => {
            let look = service.look_dry(&selection(part)?, all, monitor)?;
            Answer::Look(Box::new(mirror.saw(look, true)))
        }
        Ask::Survey { look, to, part } => {
            Answer::Survey(service.survey(&mirror.last_look(look, false)?, to, &selection(part)?)?)
        }
        Ask::Publish { look, recorded, to, part } => {
            let mut look = mirror.last_look(look, true)?;
            if let Some(sequence) = recorded
                && service.record(sequence)?.root != look.taken.root
            {
                return Err(out_of_turn("that snapshot does not record what was found on the tree"));
            }
            look.recorded = recorded;
            let to = service.record(to)?;
            Answer::Applied(service.publish(&look, &to, &selection(part)?, monitor)?)
        }
        _ => return Err(out_of_turn("that is no question about a tree")),
    })
}

/// Refuses where nothing may be taken away.
fn only_adds(policy: &Policy, what: &str) -> Result<(), Fault> {
    if !policy.append_only() {
        return Ok(());
    }
    Err(Fault::Refused(format!(
        "this agent only adds to the mirror (--append-only): {what} on its own host (nothing was written)"
    )))
}

fn store(mirror: &Mirror, ask: Ask, policy: &Policy, monitor: &dyn Monitor) -> Result<Answer, Fault> {
    let service = mirror.service();
    Ok(match ask {
        Ask::Sequences => Answer::Sequences(service.sequences()?),
        Ask::Record(sequence) => Answer::Record(Box::new(service.record(sequence)?)),
        Ask::Tidy(now) => Answer::Tidied(service.tidy(now, monitor)?.map(Box::new)),
        Ask::Verify(data) => Answer::Verified(service.verify(data, monitor)?),
        Ask::Missing(ids) => {
            // The kind makes no difference to a store on this host.
            Answer::Missing(service.missing(BlockKind::Data, &ids)?)
        }
        Ask::Settle => {
            service.settle()?;
            Answer::Done
        }
        Ask::Commit(draft) => {
            service.settle()?;
            mirror.prove(&draft)?;
            Answer::Record(Box::new(service.commit(draft)?))
        }
        Ask::Prune(order) => {
            if !order.dry {
                only_adds(policy, "prune")?;
            }
            Answer::Pruned(service.prune(&order, monitor)?)
        }
        Ask::Pin(sequence, pinned) => {
            if !pinned {
                only_adds(policy, "unpin")?;
            }
            Answer::Changed(service.pin(sequence, pinned)?)
        }
        _ => return Err(out_of_turn("that is no question about a mirror")),
    })
}
