//! Taking over the history of another store, after a swap (floor 2).
//!
//! What must stay true: packs, then the index, then records in ascending order and their pins, each durable before the next, so whoever sees a snapshot here
//! can read all of it that the other store had. What is here already is not copied again: an interrupted import is simply begun again.
//!
//! Each pack is proved by its name while it is copied. One whose bytes are there and wrong is reported and left out: `-check` tells which files
//! needed it. One that cannot be read, not even the second time, ends the import when the rest is copied, for that may pass; an error of writing ends it
//! at once.

use super::history::{History, Past, packs_in};
use super::layout::Layout;
use super::pack::reader::PackReader;
use super::pack::writer::{self, FinishedPack};
use super::{Error, Store};
use crate::format::snapshot::Record;
use crate::fs::content::write_at;
use crate::fs::space::Need;
use crate::fs::{Error as FsError, durable};
use crate::id::Id;
use crate::limits::PROBLEMS_SHOWN;
use crate::monitor::{Monitor, Phase};
use crate::path::shown_path;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// What was taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Packs that were copied.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Snapshots that are new here.
    pub snapshots: u64,
    /// Packs and records that are damaged or gone; each was reported.
    pub damaged: u64,
}

impl Store {
    /// Copies all content and all snapshots of another store that this one does not have. Both must be locked, and this one recovered.
    pub fn import(&self, from: &dyn History, monitor: &dyn Monitor) -> Result<Imported, Error> {
        let mut done = Imported::default();
        let mut past = from.past()?;
        let pins = std::mem::take(&mut past.pins);
        let records = self.new_records(from, &past, &mut done, monitor)?;
        let packs = self.new_packs(past, &mut done, monitor)?;
        monitor.begin(Phase::Copying, Some(packs.len() as u64), Some(packs.values().sum()));
        let mut unreadable = Vec::new();
        for (name, length) in packs {
            match self.copy_pack(from, name) {
                Err(Error::Unreadable(e)) => {
                    unreadable.push(e);
                    // A disk that is all dead would keep us waiting for days.
                    if unreadable.len() == PROBLEMS_SHOWN {
                        break;
                    }
                }
                Err(e) => return Err(e),
                Ok(Ok(pack)) => {
                    self.index.write().unwrap_or_else(PoisonError::into_inner).add(&pack, &self.layout)?;
                    done.packs += 1;
                    done.bytes += pack.length;
                }
                Ok(Err(message)) => {
                    monitor.wrong(&format!("{message}; it is left out of the history that is copied"));
                    done.damaged += 1;
                }
            }
            monitor.advance(1, length);
        }
        self.index.write().unwrap_or_else(PoisonError::into_inner).flush(&self.layout)?;
        if let Some(last) = unreadable.pop() {
            for e in unreadable {
                monitor.wrong(&e);
            }
            return Err(Error::Unreadable(last));
        }
        for sequence in records {
            self.take_record(sequence, &from.record_bytes(sequence)?)?;
            done.snapshots += 1;
        }
        // A record that was left out has none.
        let here = self.sequences()?;
        pins.into_iter().filter(|pin| here.binary_search(pin).is_ok()).try_for_each(|pin| self.pin(pin).map(drop))?;
        Ok(done)
    }

    /// The snapshots that this store lacks, ascending. One of the same number that is another one is refused.
    fn new_records(
        &self,
        from: &dyn History,
        past: &Past,
        done: &mut Imported,
        monitor: &dyn Monitor,
    ) -> Result<Vec<u64>, Error> {
        let mut new = Vec::new();
        for (sequence, theirs) in &past.seals {
            let sequence = *sequence;
            match (theirs, self.sealed_record(sequence)) {
                (Ok(theirs), Ok((_, ours))) if *theirs != ours => {
                    let (ours, theirs) = (shown_path(self.layout.root()), from.name());
                    return Err(Error::Conflict { sequence, ours, theirs });
                }
                (Ok(_), Err(Error::NoSnapshot(_) | Error::Damaged { .. })) => new.push(sequence),
                (_, Ok(_)) => {}
                (Ok(_), Err(e)) => return Err(e),
                (Err(what), _) => {
                    monitor.wrong(&format!("{what}; the snapshot is left out of the history that is copied"));
                    done.damaged += 1;
                }
            }
        }
        Ok(new)
    }

    /// The packs that this store lacks, with their lengths.
    fn new_packs(&self, past: Past, done: &mut Imported, monitor: &dyn Monitor) -> Result<BTreeMap<Id, u64>, Error> {
        let mut theirs = past.packs;
        for message in past.lost {
            monitor.wrong(&message);
            done.damaged += 1;
        }
        for (name, length) in self.packs()? {
            if PackReader::open(&self.layout, &name).is_ok_and(|pack| pack.length() == length) {
                theirs.remove(&name);
            }
        }
        Ok(theirs)
    }

    /// Copies a pack, or says why it is not worth it.
    fn copy_pack(&self, from: &dyn History, name: Id) -> Result<Result<FinishedPack, String>, Error> {
        let aside = aside(&self.layout);
        let found = match copy(from, &name, &aside) {
            Err(Error::Unreadable(_)) => copy(from, &name, &aside)?,
            other => other?,
        };
        if found != name {
            durable::remove(&aside)?;
            let path = from.pack_name(&name);
            return Ok(Err(format!("{path}: it is damaged: its bytes are not those that its name says")));
        }
        writer::publish(&aside, &self.layout, &name)?;
        let pack = PackReader::open(&self.layout, &name)?;
        match pack.contents() {
            Ok(rows) => Ok(Ok(FinishedPack { name, length: pack.length(), rows })),
            Err(e @ Error::Damaged { .. }) => Ok(Err(e.to_string())),
            Err(e) => Err(e),
        }
    }

    /// Writes a record as it is. One of ours that is there is damaged: it is set aside.
    fn take_record(&self, sequence: u64, bytes: &[u8]) -> Result<(), Error> {
        let path = self.layout.snapshot(sequence);
        Record::decode(bytes).map_err(|e| Error::damaged(&path, e))?;
        if durable::exists(&path)? {
            durable::publish(&path, &path.with_extension("bad"))?;
        }
        Ok(durable::write_new(&path, bytes)?)
    }
}

/// The room that these packs take which a store will take over. It need not be there yet.
pub fn room_for(mut missing: BTreeMap<Id, u64>, to: &Path) -> Result<Need, Error> {
    let to = Layout::new(to);
    let here = match packs_in(&to) {
        Err(Error::Fs(e)) if e.is_missing() => BTreeMap::new(),
        here => here?,
    };
    missing.retain(|name, length| here.get(name) != Some(length));
    let need = missing.values().fold(Need::default(), |sum, length| sum.and(Need::of_file(*length)));
    // What an interrupted import had not finished is the first to go.
    let begun = aside(&to).metadata().map_or(Need::default(), |file| Need::of_file(file.len()));
    Ok(need.without(begun))
}

/// Where a pack is until it is whole.
fn aside(layout: &Layout) -> PathBuf {
    layout.packs().join(format!("{}import.pack", durable::TMP))
}

/// Copies a pack and makes it durable; gives the hash of its bytes.
fn copy(from: &dyn History, pack: &Id, to: &Path) -> Result<Id, Error> {
    durable::remove_if_any(to)?;
    let output = durable::create(to)?;
    let (mut hasher, mut at) = (blake3::Hasher::new(), 0);
    from.read_pack(pack, &mut |bytes| {
        hasher.update(bytes);
        write_at(&output, at, bytes).map_err(|e| FsError::new("write", to, e))?;
        at += bytes.len() as u64;
        Ok(())
    })?;
    output.sync_data().map_err(|e| FsError::new("sync", to, e))?;
    Ok(Id::from_bytes(*hasher.finalize().as_bytes()))
}
