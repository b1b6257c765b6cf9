//! An open mirror on another host (floor 5): the same answers as [`crate::mirror::local::LocalMirror`] gives, with as few waits as can be.
//!
//! What was said when it was opened is known here, and kept up to date by what every change answers. Whether the store lacks content is asked there;
//! whether it lacks a node of a manifest is not: one that is not known here is nearly always new, and the other end drops what it has.

use super::alike::Resembling;
use super::cache::Nodes;
use super::far_put::{Puts, pack};
use super::far_read::Content;
use super::message::{Answer, Ask, Opened};
use super::talk::{Failure, Talk};
use super::tell::{let_go, part, tell};
use crate::chunk::cut::Chunker;
use crate::entry::{ChunkRef, Time};
use crate::format::config::Config;
use crate::format::pack::BlockKind;
use crate::format::role::Role;
use crate::format::snapshot::Record;
use crate::id::Id;
use crate::limits::ASK_IDS;
use crate::mirror::Error;
use crate::mirror::look::Look;
use crate::mirror::prune::{Order, Pruned};
use crate::mirror::service::{Draft, MirrorService};
use crate::mirror::verify::Verified;
use crate::monitor::{Monitor, Silent};
use crate::scan::selection::Selection;
use crate::store::Error as StoreError;
use crate::store::block::Block;
use crate::store::chunks::{Alike, Answer as Lacks, ChunkReader, ChunkSink, ChunkSource};
use crate::tree::apply::Applied;
use crate::tree::survey::Survey;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Records that are asked for at a time, where they are asked for backwards one after the other.
const RECORDS: u64 = 64;

/// A mirror that an agent holds open for us.
pub struct FarMirror<'t> {
    talk: &'t Talk,
    chunker: Chunker,
    is_incomplete: bool,
    known: Mutex<Known>,
    content: Content<'t>,
    puts: Puts,
    resembling: Resembling<'t>,
    /// Others may add to the store meanwhile.
    is_only_read: bool,
    /// The manifest of which the nodes are at hand, if the store has it.
    last: Option<ChunkRef>,
}

/// What the mirror says of itself.
struct Known {
    role: Role,
    /// Something was done since that may have changed the role.
    is_stale: bool,
    sequences: Vec<u64>,
    records: BTreeMap<u64, Record>,
    /// The last record that had to be asked for.
    asked: u64,
}

impl<'t> FarMirror<'t> {
    /// Opens it by this question; nodes are kept in a folder of this host.
    pub fn open(talk: &'t Talk, ask: Ask, cache: Option<&Path>, monitor: &dyn Monitor) -> Result<Self, Error> {
        let is_only_read = matches!(ask, Ask::OpenToRead);
        let answer = talk.ask(ask, &mut |event| tell(monitor, talk.host(), event))?;
        let Answer::Opened(opened) = answer else { return Err(talk.unfit().into()) };
        if !is_sound(&opened) {
            return Err(talk.unfit().into());
        }
        let Opened { role, chunker, is_incomplete, sequences, records } = opened;
        let lists = |root: &ChunkRef| !is_incomplete && records.iter().any(|record| record.root == *root);
        let nodes = Nodes::open(cache, role.store, lists);
        let records = records.into_iter().map(|record| (record.sequence, record)).collect();
        let known = Mutex::new(Known { role, is_stale: false, sequences, records, asked: 0 });
        let (last, resembling) = (nodes.last(), Resembling::default());
        let content = Content::new(talk, nodes);
        Ok(Self { talk, chunker, is_incomplete, known, content, puts: Puts::default(), resembling, is_only_read, last })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, ask: Ask, monitor: &dyn Monitor) -> Result<Answer, Failure> {
        self.talk.ask(ask, &mut |event| tell(monitor, self.talk.host(), event))
    }

    fn unfit<T>(&self) -> Result<T, Error> {
        Err(self.talk.unfit().into())
    }

    fn learn(&self, record: &Record) {
        let mut known = self.known();
        if !known.sequences.contains(&record.sequence) {
            known.sequences.push(record.sequence);
            known.sequences.sort_unstable();
        }
        known.records.insert(record.sequence, record.clone());
    }

    /// Asks for records from `sequence` back, for who seems to go through all of them.
    fn ask_back(&self, sequence: u64) -> Result<(), Error> {
        let Answer::Records(records, _) = self.ask(Ask::Records(sequence.saturating_sub(RECORDS)), &Silent)? else {
            return self.unfit();
        };
        let good = records.into_iter().filter_map(|(number, record)| Some((number, record.ok()?)));
        let good = good.filter(|(number, record)| record.sequence == *number);
        self.known().records.extend(good);
        Ok(())
    }

    fn ask_data(&self, ids: Vec<Id>) -> Result<Lacks<'_>, StoreError> {
        let mut pending = Vec::new();
        for some in ids.chunks(ASK_IDS) {
            pending.push(self.talk.begin(Ask::Missing(some.to_vec()))?);
        }
        Ok(Box::new(move || {
            let mut missing = Vec::with_capacity(ids.len());
            for pending in pending {
                let Answer::Missing(some) = pending.wait()? else { return Err(self.talk.unfit().into()) };
                missing.extend(some);
            }
            if missing.len() != ids.len() {
                return Err(self.talk.unfit().into());
            }
            let given = self.puts.given(&ids);
            Ok(missing.into_iter().zip(given).map(|(missing, given)| missing && !given).collect())
        }))
    }
}

/// Whether a mirror can be so. What this side computes with is not believed.
fn is_sound(opened: &Opened) -> bool {
    let Opened { role, chunker, sequences, records, .. } = opened;
    let is_one_of = |record: &Record| sequences.binary_search(&record.sequence).is_ok();
    Config { store: role.store, chunker: *chunker }.is_sound()
        && sequences.is_sorted_by(|one, next| one < next)
        && records.iter().all(is_one_of)
}

impl ChunkSource for FarMirror<'_> {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, StoreError> {
        self.content.reader()
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn expect(&self, chunks: Vec<ChunkRef>) {
        self.content.foretell(chunks);
    }
}

impl ChunkSink for FarMirror<'_> {
    fn ask(&self, kind: BlockKind, ids: Vec<Id>) -> Result<Lacks<'_>, StoreError> {
        match kind {
            BlockKind::Data => self.ask_data(ids),
            BlockKind::Manifest => {
                Ok(Box::new(move || Ok(ids.iter().map(|id| !self.content.nodes.is_known(id)).collect())))
            }
        }
    }

    fn resemble(&self, alike: Vec<Alike>) {
        self.resembling.ask(self.talk, alike);
    }

    fn put(&self, block: Block) -> Result<(), StoreError> {
        let block = pack(block)?;
        self.content.nodes.keep(&block);
        match self.resembling.patch(&block, &self.content.nodes, self.last)? {
            Some(patch) => Ok(self.puts.patch(self.talk, patch)?),
            None => Ok(self.puts.put(self.talk, block)?),
        }
    }

    fn settle(&self) -> Result<(), StoreError> {
        Ok(self.puts.settle(self.talk)?)
    }
}

impl MirrorService for FarMirror<'_> {
    fn chunker(&self) -> Chunker {
        self.chunker
    }

    fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    fn role(&self) -> Role {
        if self.known().is_stale
            && let Ok(Answer::Role(Some(role))) = self.ask(Ask::Role, &Silent)
        {
            let mut known = self.known();
            known.role = role;
            known.is_stale = false;
        }
        self.known().role.clone()
    }

    fn sequences(&self) -> Result<Vec<u64>, Error> {
        if self.is_only_read {
            match self.ask(Ask::Sequences, &Silent)? {
                Answer::Sequences(now) if now.is_sorted_by(|one, next| one < next) => self.known().sequences = now,
                _ => return self.unfit(),
            }
        }
        Ok(self.known().sequences.clone())
    }

    fn record(&self, sequence: u64) -> Result<Record, Error> {
        let goes_back = {
            let mut known = self.known();
            if let Some(record) = known.records.get(&sequence) {
                return Ok(record.clone());
            }
            let asked = std::mem::replace(&mut known.asked, sequence);
            asked > sequence && asked.saturating_sub(sequence) <= RECORDS
        };
        if goes_back {
            self.ask_back(sequence)?;
            if let Some(record) = self.known().records.get(&sequence) {
                return Ok(record.clone());
            }
        }
        let record = match self.ask(Ask::Record(sequence), &Silent)? {
            Answer::Record(record) if record.sequence == sequence => record,
            _ => return self.unfit(),
        };
        self.known().records.insert(sequence, (*record).clone());
        Ok(*record)
    }

    fn tidy(&self, now: Time, monitor: &dyn Monitor) -> Result<Option<Record>, Error> {
        let Answer::Tidied(record) = self.ask(Ask::Tidy(now), monitor)? else { return self.unfit() };
        if let Some(record) = &record {
            self.learn(record);
        }
        Ok(record.map(|record| *record))
    }

    fn look(&self, selection: &Selection, monitor: &dyn Monitor) -> Result<Look, Error> {
        match self.ask(Ask::Look(part(selection)), monitor)? {
            Answer::Look(look) => Ok(*look),
            _ => self.unfit(),
        }
    }

    fn look_dry(&self, selection: &Selection, all: bool, monitor: &dyn Monitor) -> Result<Look, Error> {
        match self.ask(Ask::LookDry(part(selection), all), monitor)? {
            Answer::Look(look) => Ok(*look),
            _ => self.unfit(),
        }
    }

    fn verify(&self, data: bool, monitor: &dyn Monitor) -> Result<Verified, Error> {
        match self.ask(Ask::Verify(data), monitor)? {
            Answer::Verified(verified) => Ok(verified),
            _ => self.unfit(),
        }
    }

    fn commit(&self, draft: Draft) -> Result<Record, Error> {
        self.puts.check()?;
        let root = draft.root;
        let answer = self.ask(Ask::Commit(draft), &Silent);
        self.puts.check()?;
        let record = match answer? {
            Answer::Record(record) if record.root == root => record,
            _ => return self.unfit(),
        };
        self.learn(&record);
        self.content.nodes.save(root);
        Ok(*record)
    }

    fn pin(&self, sequence: u64, pinned: bool) -> Result<bool, Error> {
        match self.ask(Ask::Pin(sequence, pinned), &Silent)? {
            Answer::Changed(changed) => Ok(changed),
            _ => self.unfit(),
        }
    }

    fn prune(&self, order: &Order, monitor: &dyn Monitor) -> Result<Pruned, Error> {
        let Answer::Pruned(pruned) = self.ask(Ask::Prune(order.clone()), monitor)? else { return self.unfit() };
        if !order.dry {
            let mut known = self.known();
            known.sequences.retain(|sequence| !order.drop.contains(sequence));
            known.records.retain(|sequence, _| !order.drop.contains(sequence));
        }
        Ok(pruned)
    }

    fn survey(&self, look: &Look, to: ChunkRef, selection: &Selection) -> Result<Survey, Error> {
        match self.ask(Ask::Survey { look: look.taken.root, to, part: part(selection) }, &Silent)? {
            Answer::Survey(survey) => Ok(survey),
            _ => self.unfit(),
        }
    }

    fn publish(
        &self,
        look: &Look,
        to: &Record,
        selection: &Selection,
        monitor: &dyn Monitor,
    ) -> Result<Applied, Error> {
        self.puts.check()?;
        self.known().is_stale = true;
        let (root, recorded) = (look.taken.root, look.recorded);
        let ask = Ask::Publish { look: root, recorded, to: to.sequence, part: part(selection) };
        match self.ask(ask, monitor)? {
            Answer::Applied(applied) => Ok(applied),
            _ => self.unfit(),
        }
    }
}

impl Drop for FarMirror<'_> {
    fn drop(&mut self) {
        let_go(self.talk);
    }
}
