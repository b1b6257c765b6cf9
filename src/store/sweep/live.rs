//! What of a store is still needed: one bit for each row of its indexes (floor 2).
//!
//! A chunk may have several places; one is chosen, the first that is found in a pack that is there, and the others are needed by nobody. The indexes are held
//! open as they were when this was begun, whatever becomes of their files meanwhile.

use super::bits::Bits;
use crate::entry::ChunkRef;
use crate::id::Id;
use crate::store::index::Location;
use crate::store::index::file::IndexFile;
use crate::store::index::set::IndexSet;
use crate::store::index::table::Table;
use crate::store::{Error, Store};
use std::collections::HashMap;

/// What is needed.
#[derive(Debug)]
pub struct Live {
    index: IndexSet,
    /// Rows of chunks that are needed.
    needed: Bits,
    /// Rows of nodes that were entered. Not the same: equal bytes can be the content of a file, too.
    entered: Bits,
}

/// How much of a pack is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Its name.
    pub name: Id,
    /// Length of the file.
    pub length: u64,
    /// What remains of that if only what is needed is kept: about, where blocks are needed in part. Zero: nothing.
    pub needed: u64,
}

impl Live {
    /// Nothing is needed yet.
    pub fn of(store: &Store) -> Result<Self, Error> {
        let index = store.with_index(IndexSet::again)?;
        let rows = index.files().iter().map(|file| file.counts().chunks).sum();
        Ok(Self { index, needed: Bits::new(rows), entered: Bits::new(rows) })
    }

    fn row(&self, chunk: &ChunkRef) -> Result<u64, Error> {
        let found = self.index.find_numbered(&chunk.id)?;
        let (row, _) = found.filter(|(_, place)| place.length == chunk.length).ok_or(Error::MissingChunk(chunk.id))?;
        Ok(row)
    }

    /// This chunk is needed. If the store does not have it, that is an error.
    pub fn need(&mut self, chunk: &ChunkRef) -> Result<(), Error> {
        let row = self.row(chunk)?;
        self.needed.set(row);
        Ok(())
    }

    /// This node is needed; whether what is below it was not looked at yet.
    pub fn enter(&mut self, node: &ChunkRef) -> Result<bool, Error> {
        let row = self.row(node)?;
        self.needed.set(row);
        Ok(self.entered.set(row))
    }

    /// Where a chunk is, if it is needed.
    pub fn place(&self, id: &Id) -> Result<Option<Location>, Error> {
        let found = self.index.find_numbered(id)?;
        Ok(found.filter(|(row, _)| self.needed.has(*row)).map(|(_, place)| place))
    }

    /// How much of each pack is needed, by name. Packs that are not there are not among them.
    pub fn uses(&self) -> Result<Vec<Use>, Error> {
        let mut packs: HashMap<Id, Sums> = HashMap::new();
        let mut first = 0;
        for file in self.index.files() {
            self.add(file, first, &mut packs)?;
            first += file.counts().chunks;
        }
        let lost = |name: &Id| self.index.is_lost(name);
        let mut uses: Vec<Use> =
            packs.into_iter().filter(|(name, _)| !lost(name)).map(|(name, sums)| sums.of(name)).collect();
        uses.sort_unstable_by_key(|pack| pack.name);
        Ok(uses)
    }

    /// Adds what one index says, whose rows begin with this number.
    fn add(&self, file: &IndexFile, first: u64, packs: &mut HashMap<Id, Sums>) -> Result<(), Error> {
        let containers = Table::containers(file).collect::<Result<Vec<_>, _>>()?;
        let mut sums = vec![Sums::default(); containers.len()];
        let outside = || file.damaged(crate::format::Error::Invalid("a row of an index"));
        for block in Table::blocks(file) {
            let block = block?;
            let sum = sums.get_mut(block.container as usize).ok_or_else(outside)?;
            sum.stored = sum.stored.saturating_add(block.stored.into());
        }
        for (row, chunk) in (first..).zip(Table::chunks(file)) {
            let chunk = chunk?;
            if self.needed.has(row) {
                let block = file.block(chunk.block)?;
                let sum = sums.get_mut(block.container as usize).ok_or_else(outside)?;
                let share = u64::from(chunk.length) * u64::from(block.stored) / u64::from(block.plain.max(1));
                sum.needed = sum.needed.saturating_add(share.max(1));
            }
        }
        for (container, sum) in containers.iter().zip(sums) {
            let pack = packs.entry(container.name).or_default();
            pack.length = pack.length.max(container.length);
            // An index may name a pack twice, and so may two.
            pack.stored = pack.stored.max(sum.stored);
            pack.needed = pack.needed.saturating_add(sum.needed);
        }
        Ok(())
    }

    /// Proves that everything that is needed is found by another index, in packs that are there.
    pub fn prove(&self, index: &IndexFile, is_gone: &dyn Fn(&Id) -> bool) -> Result<(), Error> {
        let rows = self.index.files().iter().flat_map(Table::chunks);
        for (number, row) in (0..).zip(rows) {
            // An index that cannot be read any more says so for each row, without end.
            let row = row?;
            if !self.needed.has(number) {
                continue;
            }
            let place = index.find(&row.id)?;
            if place.is_none_or(|place| place.length != row.length || is_gone(&place.pack)) {
                return Err(Error::MissingChunk(row.id));
            }
        }
        Ok(())
    }
}

/// What is known of a pack.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    length: u64,
    /// Stored bytes of its blocks.
    stored: u64,
    /// Those of them that are needed.
    needed: u64,
}

impl Sums {
    fn of(self, name: Id) -> Use {
        let needed =
            u128::from(self.length) * u128::from(self.needed.min(self.stored)) / u128::from(self.stored.max(1));
        let least = u64::from(self.needed > 0);
        Use { name, length: self.length, needed: u64::try_from(needed).unwrap_or(self.length).max(least) }
    }
}
