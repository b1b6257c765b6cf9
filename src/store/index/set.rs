//! All indexes of a store, and what is not yet in any (floor 2).

use super::build::Pending;
use super::file::IndexFile;
use super::table::Table;
use super::{Location, merge, sift};
use crate::fs::durable;
use crate::id::Id;
use crate::limits::{INDEX_MAPPED, INDEX_PENDING, INDEXES};
use crate::path::shown_path;
use crate::store::Error;
use crate::store::layout::Layout;
use crate::store::pack::writer::FinishedPack;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Finds chunks.
#[derive(Debug, Default)]
pub struct IndexSet {
    files: Vec<IndexFile>,
    pending: Pending,
    /// Packs that an index names and that are not there, or not whole: nothing is looked for in them.
    lost: HashSet<Id>,
    /// Indexes that cannot be used, and why.
    bad: Vec<(PathBuf, String)>,
}

impl IndexSet {
    /// Opens every index of a store. One that is damaged is left out and remembered: packs that stand in no other are indexed again
    /// by the next run that writes.
    pub fn open(layout: &Layout) -> Result<Self, Error> {
        let mut set = Self::default();
        for item in WalkDir::new(layout.indexes()).min_depth(1).max_depth(1).sort_by_file_name() {
            let item = match item {
                Ok(item) => item,
                // No folder, no index: everything is rebuilt from the packs.
                Err(e) if e.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => continue,
                Err(e) => return Err(crate::fs::Error::new("list", &layout.indexes(), e).into()),
            };
            if Layout::id_of(item.path(), "idx").is_none() {
                continue;
            }
            match IndexFile::open(item.path()) {
                Ok(file) => set.files.push(file),
                Err(Error::Fs(e)) if e.is_missing() => {}
                Err(e @ Error::Damaged { .. }) => set.bad.push((item.path().to_path_buf(), e.to_string())),
                Err(e) => return Err(e),
            }
        }
        set.arrange();
        Ok(set)
    }

    /// Whether both are of the same files.
    pub fn is_same(&self, other: &Self) -> bool {
        let paths = |set: &Self| set.files.iter().map(|file| file.path().to_path_buf()).collect::<HashSet<_>>();
        paths(self) == paths(other)
    }

    /// Puts the indexes in order, the largest first: most of what is looked for is there. The smallest may be mapped.
    fn arrange(&mut self) {
        self.files.sort_by_key(|file| std::cmp::Reverse(file.counts().chunks));
        let mut left = INDEX_MAPPED;
        for file in self.files.iter_mut().rev() {
            let rest = left.checked_sub(file.length());
            file.may_map(rest.is_some());
            left = rest.unwrap_or(0);
        }
    }

    /// The open indexes.
    pub fn files(&self) -> &[IndexFile] {
        &self.files
    }

    /// Sets indexes aside that cannot be used, before they are made again, perhaps under the same names; tells of each.
    pub fn set_bad_aside(&mut self) -> Result<Vec<String>, Error> {
        let told = |(path, why): (PathBuf, String)| {
            let aside = path.with_extension("bad");
            durable::publish(&path, &aside)?;
            Ok(format!("{why}. It was set aside as {} and made again from the packs", shown_path(&aside)))
        };
        std::mem::take(&mut self.bad).into_iter().map(told).collect()
    }

    /// Where a chunk is, if the store has it.
    pub fn find(&self, id: &Id) -> Result<Option<Location>, Error> {
        for file in &self.files {
            if let Some(location) = file.find(id)?.filter(|l| self.lost.is_empty() || !self.lost.contains(&l.pack)) {
                return Ok(Some(location));
            }
        }
        Ok(None)
    }

    /// As [`IndexSet::find`], with the number of the row: rows are counted through all indexes.
    pub fn find_numbered(&self, id: &Id) -> Result<Option<(u64, Location)>, Error> {
        let mut first = 0;
        for file in &self.files {
            if let Some((number, row)) = file.find_numbered(id)? {
                let place = file.locate(&row)?;
                if !self.lost.contains(&place.pack) {
                    return Ok(Some((first + number, place)));
                }
            }
            first += file.counts().chunks;
        }
        Ok(None)
    }

    /// The same indexes, opened once more. All have been written.
    pub fn again(&self) -> Result<Self, Error> {
        let open = |file: &IndexFile| IndexFile::open(file.path());
        let files = self.files.iter().map(open).collect::<Result<_, _>>()?;
        let mut again = Self { files, lost: self.lost.clone(), ..Self::default() };
        again.arrange();
        Ok(again)
    }

    /// Whether the store has a chunk, or will have it when it is flushed.
    pub fn contains(&self, id: &Id) -> Result<bool, Error> {
        if self.pending.contains(id) {
            return Ok(true);
        }
        if self.has_lost() {
            return Ok(self.find(id)?.is_some());
        }
        // It is in a pack that is whole, whichever that is.
        for file in &self.files {
            if file.find_row(id)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Every pack that the indexes name, with the length that it should have.
    pub fn packs(&self) -> Result<Vec<(Id, u64)>, Error> {
        let mut packs = Vec::new();
        for file in &self.files {
            for row in Table::containers(file) {
                let row = row?;
                packs.push((row.name, row.length));
            }
        }
        packs.sort_unstable();
        packs.dedup();
        Ok(packs)
    }

    /// Proves every index in full: its name, the order of its rows, and that each leads somewhere. Tells what is wrong.
    pub fn verify(&self, tell: &mut dyn FnMut(String)) -> Result<(), Error> {
        self.bad.iter().for_each(|(_, why)| tell(why.clone()));
        for file in &self.files {
            let mut last = None;
            let mut sound = Layout::id_of(file.path(), "idx") == Some(file.hash()?);
            for row in Table::chunks(file) {
                let row = row?;
                sound &= last.is_none_or(|last| last < row.id) && file.locate(&row).is_ok();
                last = Some(row.id);
            }
            if !sound {
                tell(format!(
                    "{}: it is damaged; remove it and run -backup: it is rebuilt from the packs",
                    shown_path(file.path())
                ));
            }
        }
        Ok(())
    }

    /// The chunks that are placed in a pack.
    pub fn chunks_of(&self, pack: &Id) -> Result<Vec<Id>, Error> {
        let mut chunks = Vec::new();
        for file in &self.files {
            for row in Table::chunks(file) {
                let row = row?;
                if file.locate(&row)?.pack == *pack {
                    chunks.push(row.id);
                }
            }
        }
        Ok(chunks)
    }

    /// Whether packs that an index names are gone.
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Whether this pack is gone.
    pub fn is_lost(&self, pack: &Id) -> bool {
        self.lost.contains(pack)
    }

    /// Writes one index that names all packs but these, and those that are lost; has it proved; and removes all others, durably. From then on nothing points
    /// to those packs.
    pub fn replace_without(
        &mut self,
        layout: &Layout,
        gone: &HashSet<Id>,
        prove: &mut dyn FnMut(&IndexFile) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.flush(layout)?;
        let is_gone = |pack: &Id| gone.contains(pack) || self.lost.contains(pack);
        let path = sift::sift(layout, &self.files, &is_gone)?;
        let file = IndexFile::open(&path)?;
        prove(&file)?;
        for old in std::mem::replace(&mut self.files, vec![file]) {
            if old.path() != path {
                durable::remove(old.path())?;
            }
        }
        self.lost.clear();
        self.arrange();
        durable::sync_folder(&layout.indexes())?;
        Ok(())
    }

    /// Says that a pack is not to be used.
    pub fn lose(&mut self, pack: Id) {
        self.lost.insert(pack);
    }

    /// Takes the chunks of a durable pack; writes an index when many have gathered.
    pub fn add(&mut self, pack: &FinishedPack, layout: &Layout) -> Result<(), Error> {
        self.lost.remove(&pack.name);
        self.pending.add(pack)?;
        if self.pending.len() >= INDEX_PENDING { self.flush(layout) } else { Ok(()) }
    }

    /// Makes everything durable, and merges small indexes when there are many: also in the middle of a long run, which looks into each of them.
    pub fn flush(&mut self, layout: &Layout) -> Result<(), Error> {
        if !self.pending.is_empty() {
            let path = std::mem::take(&mut self.pending).write(layout)?;
            self.enter(&path)?;
        }
        let sizes: Vec<u64> = self.files.iter().rev().map(|file| file.counts().chunks).collect();
        let take = merge::choose(&sizes, INDEXES);
        if take < 2 {
            return Ok(());
        }
        let small = self.files.split_off(self.files.len().saturating_sub(take));
        let path = merge::merge(layout, &small, &|pack| self.lost.contains(pack))?;
        self.enter(&path)?;
        // The new one is durable: the old ones may go.
        small.iter().filter(|old| old.path() != path).try_for_each(|old| durable::remove(old.path()))?;
        Ok(())
    }

    /// Opens an index that was written. What is lost and put again may give the very index that there was: that is there once.
    fn enter(&mut self, path: &Path) -> Result<(), Error> {
        self.files.retain(|file| file.path() != path);
        self.files.push(IndexFile::open(path)?);
        self.arrange();
        Ok(())
    }
}
