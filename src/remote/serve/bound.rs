//! The place that a conversation is about, and the questions about it that need nothing open (floor 5).
//!
//! What must stay true: the place is admitted anew for each question, so that what was put in its way meanwhile is seen; and the answer is of the
//! very directory that was admitted.

use super::fault::out_of_turn;
use crate::fs::space::Need;
use crate::id::Id;
use crate::limits::RECORDS_BYTES;
use crate::mirror::end::End;
use crate::mirror::near::Near;
use crate::path::{NAME_MAX, shown};
use crate::remote::message::{Answer, Ask, Fault, Whereabouts};
use crate::remote::policy::Policy;
use crate::store::import;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A place of a target.
pub(super) struct Bound<'a> {
    place: Whereabouts,
    policy: &'a Policy,
}

impl<'a> Bound<'a> {
    /// To what the client named, if it may be named.
    pub(super) fn to(place: Whereabouts, policy: &'a Policy) -> Result<Self, Fault> {
        let plain = |c: char| !c.is_control() && !c.is_whitespace();
        if place.target.is_empty() || place.target.len() > NAME_MAX || !place.target.chars().all(plain) {
            let name = shown(place.target.as_bytes().get(..NAME_MAX).unwrap_or(place.target.as_bytes()));
            return Err(Fault::Refused(format!("{name}: this cannot be the name of a target (nothing was written)")));
        }
        let bound = Self { place, policy };
        bound.near()?;
        Ok(bound)
    }

    /// The place, as this host has it now.
    pub(super) fn near(&self) -> Result<Near, Fault> {
        let admit = |path: &[u8]| self.policy.admit(Path::new(OsStr::from_bytes(path)));
        let (path, store) = (admit(&self.place.path)?, self.place.store.as_deref().map(admit).transpose()?);
        let near = Near::new(&self.place.target, &path, store.as_deref()).called(None);
        Ok(near.keeping([Some(path), store].into_iter().flatten()))
    }

    /// Answers what needs nothing open.
    pub(super) fn answer(&self, ask: Ask) -> Result<Answer, Fault> {
        let near = self.near()?;
        Ok(match ask {
            Ask::Role => Answer::Role(near.role()?),
            Ask::MirrorAround => Answer::Around(near.mirror_around()?),
            Ask::WithoutContent(dirs) => Answer::Why(near.without_content(&dirs)?),
            Ask::Records(after) => Self::records(&near, after)?,
            Ask::Pins => Answer::Sequences(near.pins()?),
            Ask::Room(settled) => Answer::Room(near.room(settled)?),
            Ask::RoomForHistory(packs) => Answer::Need(room_for(&near, packs)?),
            Ask::Init(random) => {
                near.init(random)?;
                Answer::Done
            }
            _ => return Err(out_of_turn("nobody answers that")),
        })
    }

    /// The records after a number, until there are many bytes of them.
    fn records(near: &Near, after: u64) -> Result<Answer, Fault> {
        let store = near.open_store()?;
        let (mut records, mut bytes) = (Vec::new(), 0_usize);
        for sequence in store.sequences()?.into_iter().filter(|sequence| *sequence > after) {
            if bytes > RECORDS_BYTES {
                return Ok(Answer::Records(records, true));
            }
            let record = store.record(sequence).map_err(|e| e.to_string());
            bytes =
                bytes.saturating_add(record.as_ref().map_or(Ok(0), |record| record.encode().map(|bytes| bytes.len()))?);
            records.push((sequence, record));
        }
        Ok(Answer::Records(records, false))
    }
}

fn room_for(near: &Near, packs: BTreeMap<Id, u64>) -> Result<Need, Fault> {
    let store = near.store_here().unwrap_or_default();
    Ok(import::room_for(packs, &store)?)
}
