//! Giving back the room of what no snapshot needs any more (floor 2).
//!
//! [`live`] knows what is needed, [`mod@plan`] says which packs go and which are written again, [`copy`] writes what is needed of those to new packs, and here is
//! the order in which that is done, so that whoever is killed at any moment leaves everything that is needed:
//!
//! 1. new packs, and an index that names them ([`ChunkSink::settle`](crate::store::chunks::ChunkSink::settle));
//! 2. one index that names all packs that stay and no other, and in which all that is needed was found ([`Live::prove`]);
//! 3. all other indexes go;
//! 4. the packs go that no index names any more.
//!
//! Each is durable before the next. Between 3 and 4 there are packs without an index: the next run that writes takes them in, the next sweep removes them.

pub mod bits;
pub mod copy;
pub mod live;
pub mod plan;

use super::layout::Layout;
use super::pack::reader::PackReader;
use super::{Error, Store};
use crate::entry::ChunkRef;
use crate::fs::durable;
use crate::id::Id;
use crate::store::chunks::ChunkSource;
use copy::is_at;
use live::Live;
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::PoisonError;

impl Store {
    /// Removes the records of snapshots, durably: they are no snapshots any more. Whoever calls this has proved that all others need nothing that is
    /// not there.
    pub fn forget(&self, sequences: &[u64]) -> Result<(), Error> {
        let forget = |sequence: &u64| durable::remove_if_any(&self.layout.snapshot(*sequence));
        sequences.iter().try_for_each(forget)?;
        if !sequences.is_empty() {
            durable::sync_folder(&self.layout.snapshots())?;
        }
        Ok(())
    }

    /// Bytes of all indexes.
    pub fn index_bytes(&self) -> u64 {
        self.with_index(|index| index.files().iter().map(super::index::file::IndexFile::length).sum())
    }

    /// Removes packs, and before that whatever points to them. Of what is needed there is a place in another pack, or this fails before anything is
    /// removed.
    pub fn remove_packs(&self, gone: &[Id], live: &Live) -> Result<(), Error> {
        let set: HashSet<Id> = gone.iter().copied().collect();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.replace_without(&self.layout, &set, &mut |file| live.prove(file, &|pack| set.contains(pack)))?;
        drop(index);
        self.open.forget();
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        for name in gone {
            let path = self.layout.pack(name);
            durable::remove_if_any(&path)?;
            folders.extend(path.parent().map(PathBuf::from));
        }
        folders.iter().try_for_each(|folder| Ok(durable::sync_folder(folder)?))
    }

    /// Proves that a pack can go: that what it holds of what is needed can be read at the place that was chosen for it. Who keeps the other copy keeps
    /// one that is good.
    pub fn is_no_last_good_copy(&self, name: &Id, live: &Live) -> Result<(), Error> {
        let mut reader = self.reader()?;
        for row in PackReader::open(&self.layout, name)?.contents()? {
            let mut offset = 0_u32;
            for chunk in &row.chunks {
                let place = live.place(&chunk.id)?;
                if place.is_some_and(|place| !is_at(&place, name, row.offset.into(), offset)) {
                    reader.read(&ChunkRef { ..*chunk })?;
                }
                offset = offset.saturating_add(chunk.length);
            }
        }
        Ok(())
    }
}

/// How messages name a pack.
pub fn pack_name(layout: &Layout, name: &Id) -> String {
    crate::path::shown_path(&layout.pack(name))
}
