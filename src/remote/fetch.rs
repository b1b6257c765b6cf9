//! Chunks that were asked for: the answer is waited for, decoded and proved by the first who needs one of them (floor 5).
//!
//! What must stay true: a chunk that does not come with others is asked for alone, so that what is wrong with one is no harm to the rest.

use super::cache::Nodes;
use super::message::{Answer, Ask};
use super::talk::{Failure, Pending, Talk};
use super::unpack::{Bytes, only, unpack};
use crate::chunk::codec::Decoder;
use crate::entry::ChunkRef;
use crate::id::Id;
use crate::limits::FETCH_FAULTS;
use crate::store::Error;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Where chunks are asked for, and where manifest nodes are kept that came.
#[derive(Clone, Copy)]
pub struct From<'t, 'n> {
    /// The conversation.
    pub talk: &'t Talk,
    /// The nodes.
    pub nodes: &'n Nodes,
}

/// A question for some chunks.
pub struct Fetch<'t> {
    stage: Mutex<Stage<'t>>,
}

enum Stage<'t> {
    UnderWay(Vec<ChunkRef>, Pending<'t>),
    /// What came and was not taken yet.
    Come(HashMap<Id, Bytes>),
    /// The line failed.
    Failed(Failure),
}

impl<'t> Fetch<'t> {
    /// Asks.
    pub fn begin(talk: &'t Talk, chunks: Vec<ChunkRef>) -> Result<Self, Failure> {
        let pending = talk.begin(Ask::Read(chunks.clone()))?;
        Ok(Self { stage: Mutex::new(Stage::UnderWay(chunks, pending)) })
    }

    /// One of the chunks, waiting for it if it has not come; it stays to be taken again, unless this is the last time. Nothing if it did not come.
    pub fn take(
        &self,
        from: From<'t, '_>,
        chunk: &ChunkRef,
        last: bool,
        decoder: &mut Decoder,
    ) -> Result<Option<Bytes>, Failure> {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, Stage::UnderWay(..))
            && let Stage::UnderWay(chunks, pending) = std::mem::replace(&mut *stage, Stage::Come(HashMap::new()))
        {
            *stage = match resolve(from, chunks, pending, decoder) {
                Ok(come) => Stage::Come(come),
                Err(failure) => Stage::Failed(failure),
            };
        }
        match &mut *stage {
            Stage::Come(come) if last => Ok(come.remove(&chunk.id)),
            Stage::Come(come) => Ok(come.get(&chunk.id).cloned()),
            Stage::UnderWay(..) => Ok(None),
            Stage::Failed(failure) => Err(failure.clone()),
        }
    }
}

/// Waits for the answer, and asks again for what it had no room for. What the other end could not give is left out.
fn resolve<'t>(
    from: From<'t, '_>,
    mut chunks: Vec<ChunkRef>,
    mut pending: Pending<'t>,
    decoder: &mut Decoder,
) -> Result<HashMap<Id, Bytes>, Failure> {
    let (mut come, mut faults) = (HashMap::new(), 0_usize);
    let wanted = chunks.iter().map(|chunk| (chunk.id, chunk.length)).collect();
    loop {
        let packed = match pending.wait() {
            Ok(Answer::Chunks(packed)) => packed,
            Ok(_) => return Err(from.talk.unfit()),
            // The first of them cannot be had.
            Err(Failure::Fault { .. }) if chunks.len() > 1 && faults < FETCH_FAULTS => {
                faults = faults.saturating_add(1);
                chunks.remove(0);
                pending = from.talk.begin(Ask::Read(chunks.clone()))?;
                continue;
            }
            Err(Failure::Fault { .. }) => return Ok(come),
            Err(failure) => return Err(failure),
        };
        let before = chunks.len();
        for block in packed {
            // Whoever needs what is missing asks for it alone, and is told what is wrong with it.
            if let Some(found) = unpack(&block, &wanted, decoder) {
                from.nodes.keep(&only(block, &found));
                come.extend(found);
            }
        }
        chunks.retain(|chunk| !come.contains_key(&chunk.id));
        if chunks.is_empty() || chunks.len() == before {
            return Ok(come);
        }
        pending = from.talk.begin(Ask::Read(chunks.clone()))?;
    }
}

/// Asks for one chunk and waits for it.
pub fn one(from: From<'_, '_>, chunk: &ChunkRef, decoder: &mut Decoder) -> Result<Bytes, Error> {
    let Answer::Chunks(packed) = from.talk.ask(Ask::Read(vec![*chunk]), &mut |_| {})? else {
        return Err(from.talk.unfit().into());
    };
    if packed.is_empty() {
        return Err(Error::Far {
            host: from.talk.host().to_owned(),
            message: Error::MissingChunk(chunk.id).to_string(),
            damaged: false,
        });
    }
    let wanted = HashMap::from([(chunk.id, chunk.length)]);
    for block in packed {
        let mut found = unpack(&block, &wanted, decoder).unwrap_or_default();
        if !found.is_empty() {
            from.nodes.keep(&only(block, &found));
        }
        if let Some((_, bytes)) = found.pop() {
            return Ok(bytes);
        }
    }
    Err(Error::Far {
        host: from.talk.host().to_owned(),
        message: format!(
            "what came for chunk {} is not that chunk: its block is damaged; `backup -check TARGET --data` tells what is affected",
            chunk.id
        ),
        damaged: true,
    })
}
