//! Putting blocks into packs (floor 2). File content and manifests go to packs of their own.

use super::block::Block;
use super::chunks::{Answer, ChunkSink};
use super::layout::Layout;
use super::pack::reader::PackReader;
use super::pack::seal::Sealing;
use super::pack::writer::{FinishedPack, PackWriter};
use super::{Error, Store};
use crate::format::pack::BlockKind;
use crate::fs::{Error as FsError, durable};
use crate::id::Id;
use crate::limits::{PACK_CHUNKS, PACK_TARGET};
use crate::path::shown_path;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::PoisonError;
use walkdir::WalkDir;

/// The packs that are being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    open: [Option<PackWriter>; 2],
    /// The last of each kind that was full.
    sealing: [Option<Sealing>; 2],
    /// Packs begun.
    begun: u64,
    /// Chunks in all of those: not missing any more, not readable yet.
    unfinished: HashSet<Id>,
    /// The first error is final: pages that a failed sync lost cannot be asked for again.
    poisoned: Option<String>,
}

/// What opening a store for writing found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Packs of an interrupted run that are used again.
    pub adopted: u64,
    /// Packs that an index names and that are gone or cut: what they held is stored again when it is met.
    pub lost: Vec<String>,
    /// Packs without an index that cannot be read, and indexes that cannot be used, as messages.
    pub unusable: Vec<String>,
}

impl Store {
    /// Prepares an open store for writing, under the lock: what an interrupted run has packed is taken in, unfinished files go.
    pub fn recover(&self) -> Result<Recovered, Error> {
        let mut found = Recovered::default();
        let mut on_disk = packs_on_disk(&self.layout)?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for (name, length) in index.packs()? {
            if on_disk.remove(&name) != Some(length) {
                index.lose(name);
                found.lost.push(shown_path(&self.layout.pack(&name)));
            }
        }
        for name in on_disk.into_keys() {
            match PackReader::open(&self.layout, &name).and_then(|pack| Ok((pack.length(), pack.contents()?))) {
                Ok((length, rows)) => {
                    // Its bytes are on the medium; that it has a name may not be, if the run was killed just then.
                    let path = self.layout.pack(&name);
                    path.ancestors().skip(1).take(2).try_for_each(durable::sync_folder)?;
                    index.add(&FinishedPack { name, length, rows }, &self.layout)?;
                    found.adopted += 1;
                }
                Err(e @ Error::Damaged { .. }) => found.unusable.push(e.to_string()),
                Err(e) => return Err(e),
            }
        }
        found.unusable.extend(index.set_bad_aside()?);
        index.flush(&self.layout)?;
        Ok(found)
    }

    /// Does something that writes, unless a write has failed before; an error is the last that is done.
    pub(super) fn writing<T>(&self, work: impl FnOnce(&mut Writer) -> Result<T, Error>) -> Result<T, Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.poisoned.as_ref().map_or(Ok(()), |why| Err(Error::Poisoned(why.clone())))?;
        let outcome = work(&mut writer);
        writer.poisoned = outcome.as_ref().err().map(ToString::to_string);
        outcome
    }

    /// Ends an open pack; it becomes durable while the next one is filled.
    fn close_pack(&self, writer: &mut Writer, slot: usize) -> Result<(), Error> {
        let Some(pack) = writer.open.get_mut(slot).and_then(Option::take) else { return Ok(()) };
        self.wait_for_pack(writer, slot)?;
        if let Some(place) = writer.sealing.get_mut(slot) {
            *place = Some(Sealing::begin(pack, &self.layout)?);
        }
        Ok(())
    }

    /// Waits for the pack that is becoming durable, and takes it into the index.
    fn wait_for_pack(&self, writer: &mut Writer, slot: usize) -> Result<(), Error> {
        let Some(sealing) = writer.sealing.get_mut(slot).and_then(Option::take) else { return Ok(()) };
        let finished = sealing.end()?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.add(&finished, &self.layout)?;
        for chunk in finished.rows.iter().flat_map(|row| &row.chunks) {
            writer.unfinished.remove(&chunk.id);
        }
        Ok(())
    }

    fn append(&self, writer: &mut Writer, block: Block) -> Result<(), Error> {
        let slot = block.kind as usize;
        writer.unfinished.extend(block.chunks.iter().map(|c| c.id));
        let place = writer.open.get_mut(slot).ok_or(Error::Gone("no such kind of block"))?;
        let pack = if let Some(pack) = place {
            pack
        } else {
            writer.begun += 1;
            place.insert(PackWriter::create(&self.layout, writer.begun)?)
        };
        pack.append(block)?;
        let full = pack.length() >= PACK_TARGET || pack.chunks() >= PACK_CHUNKS;
        if full { self.close_pack(writer, slot) } else { Ok(()) }
    }
}

impl ChunkSink for Store {
    /// Ends the open packs, and writes the index.
    fn settle(&self) -> Result<(), Error> {
        self.writing(|writer| {
            let slots = 0..writer.open.len();
            slots.clone().try_for_each(|slot| self.close_pack(writer, slot))?;
            slots.into_iter().try_for_each(|slot| self.wait_for_pack(writer, slot))?;
            writer.unfinished.clear();
            self.index.write().unwrap_or_else(PoisonError::into_inner).flush(&self.layout)
        })
    }

    /// Looked up when the answer is taken.
    fn ask(&self, _kind: BlockKind, ids: Vec<Id>) -> Result<Answer<'_>, Error> {
        Ok(Box::new(move || {
            // Looked up in this order, a chunk that moves from one place to the other meanwhile is found in either.
            let unfinished: Vec<bool> = {
                let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                ids.iter().map(|id| writer.unfinished.contains(id)).collect()
            };
            self.with_index(|index| {
                ids.iter().zip(unfinished).map(|(id, open)| Ok(!open && !index.contains(id)?)).collect()
            })
        }))
    }

    fn put(&self, block: Block) -> Result<(), Error> {
        self.writing(|writer| self.append(writer, block))
    }
}

/// Every pack and its length; unfinished ones are removed. A listing error is an error, never an empty store.
fn packs_on_disk(layout: &Layout) -> Result<HashMap<Id, u64>, Error> {
    let mut found = HashMap::new();
    for item in WalkDir::new(layout.packs()).min_depth(1).max_depth(2) {
        let failed = |path: &Path, e: walkdir::Error| FsError::new("list", path, e);
        let item = item.map_err(|e| failed(&layout.packs(), e))?;
        let unfinished = item.file_name().to_string_lossy().starts_with(durable::TMP);
        if item.depth() == 1 && item.file_type().is_file() && unfinished {
            durable::remove_if_any(item.path())?;
        } else if let Some(name) = Layout::id_of(item.path(), "pack").filter(|_| item.depth() == 2) {
            found.insert(name, item.metadata().map_err(|e| failed(item.path(), e))?.len());
        }
    }
    Ok(found)
}
