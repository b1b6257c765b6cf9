//! Joins several indexes into one, reading each from front to back: memory does not grow with the chunks (floor 2).

use super::build::{self, Tables};
use super::file::IndexFile;
use super::table::Table;
use crate::format::index::{BlockRow, ChunkRow, ContainerRow, Counts};
use crate::id::Id;
use crate::store::Error;
use crate::store::layout::Layout;
use std::path::PathBuf;

/// How many of the smallest indexes (given by their sizes, ascending) to merge when there are more than `limit`: as long as the next is
/// not much larger than all before it together, so that each chunk is written again only a logarithmic number of times.
pub fn choose(sizes: &[u64], limit: usize) -> usize {
    if sizes.len() <= limit {
        return 0;
    }
    let mut sum = 0_u64;
    let mut take = 0;
    for &size in sizes {
        if take >= 2 && size > sum.saturating_mul(2) {
            break;
        }
        sum = sum.saturating_add(size);
        take += 1;
    }
    take
}

/// Writes one index that holds all rows of `files`. Of several places of a chunk one in a pack that is not lost is kept; a chunk that is in
/// lost packs only keeps its row, so that it is still known where it was.
pub fn merge(layout: &Layout, files: &[IndexFile], lost: &dyn Fn(&Id) -> bool) -> Result<PathBuf, Error> {
    build::write(layout, &Joined { inputs: inputs(files)?, lost })
}

/// An index, and how many rows the ones before it have.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) file: &'a IndexFile,
    /// Which one it is.
    pub(super) number: usize,
    containers: u32,
    blocks: u32,
}

/// Indexes in this order.
pub(super) fn inputs(files: &[IndexFile]) -> Result<Vec<Input<'_>>, Error> {
    let mut inputs = Vec::new();
    let (mut containers, mut blocks) = (0, 0);
    for (number, file) in files.iter().enumerate() {
        inputs.push(Input { file, number, containers: build::number(containers)?, blocks: build::number(blocks)? });
        containers += u64::from(file.counts().containers);
        blocks += u64::from(file.counts().blocks);
    }
    Ok(inputs)
}

/// The tables of all inputs, one after the other.
struct Joined<'a> {
    inputs: Vec<Input<'a>>,
    lost: &'a dyn Fn(&Id) -> bool,
}

impl Tables for Joined<'_> {
    fn counts(&self) -> Result<Counts, Error> {
        let sum = |of: fn(Counts) -> u64| self.inputs.iter().map(|input| of(input.file.counts())).sum();
        let (containers, blocks) =
            (build::number(sum(|c| c.containers.into()))?, build::number(sum(|c| c.blocks.into()))?);
        Ok(Counts { containers, blocks, chunks: sum(|c| c.chunks) })
    }

    fn containers(&self) -> impl Iterator<Item = Result<ContainerRow, Error>> {
        self.inputs.iter().flat_map(|input| Table::containers(input.file))
    }

    fn blocks(&self) -> impl Iterator<Item = Result<BlockRow, Error>> {
        let moved =
            |first: u32| move |row: BlockRow| BlockRow { container: row.container.saturating_add(first), ..row };
        self.inputs
            .iter()
            .flat_map(move |input| Table::blocks(input.file).map(move |row| row.map(moved(input.containers))))
    }

    fn chunks(&self) -> Result<impl Iterator<Item = Result<ChunkRow, Error>>, Error> {
        let rows = Merged::new(&self.inputs, self.lost)?;
        Ok(rows.map(|row| row.map(|(input, row)| ChunkRow { block: row.block.saturating_add(input.blocks), ..row })))
    }
}

/// The chunks of one input that were not taken yet.
struct Rows<'a> {
    input: Input<'a>,
    rest: Table<'a, ChunkRow>,
    head: Option<ChunkRow>,
}

/// The rows of all inputs in order; of several for one chunk, the first that is not lost, or else the first.
pub(super) struct Merged<'a> {
    all: Vec<Rows<'a>>,
    lost: &'a dyn Fn(&Id) -> bool,
}

impl<'a> Merged<'a> {
    /// Of all chunks of these.
    pub(super) fn new(inputs: &[Input<'a>], lost: &'a dyn Fn(&Id) -> bool) -> Result<Self, Error> {
        let rows = inputs.iter().map(|input| {
            let mut rows = Table::chunks(input.file);
            let head = rows.next().transpose()?;
            Ok(Rows { input: *input, head, rest: rows })
        });
        Ok(Self { all: rows.collect::<Result<_, Error>>()?, lost })
    }

    /// Takes the least row, if it is of this chunk.
    fn take(&mut self, wanted: Option<Id>) -> Result<Option<(Input<'a>, ChunkRow)>, Error> {
        let heads = self.all.iter_mut().filter_map(|rows| Some((rows.head?.id, rows)));
        let Some((_, rows)) =
            heads.min_by_key(|(id, _)| *id).filter(|(id, _)| wanted.is_none_or(|wanted| wanted == *id))
        else {
            return Ok(None);
        };
        let next = rows.rest.next().transpose()?;
        Ok(std::mem::replace(&mut rows.head, next).map(|row| (rows.input, row)))
    }

    fn is_lost(&self, (input, row): &(Input<'_>, ChunkRow)) -> Result<bool, Error> {
        match input.file.locate(row) {
            Ok(place) => Ok((self.lost)(&place.pack)),
            // It leads nowhere.
            Err(e) if e.is_damage() => Ok(true),
            Err(e) => Err(e),
        }
    }

    fn step(&mut self) -> Result<Option<(Input<'a>, ChunkRow)>, Error> {
        let Some(mut best) = self.take(None)? else { return Ok(None) };
        while let Some(other) = self.take(Some(best.1.id))? {
            if self.is_lost(&best)? && !self.is_lost(&other)? {
                best = other;
            }
        }
        Ok(Some(best))
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = Result<(Input<'a>, ChunkRow), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn small_indexes_are_merged_and_a_large_one_is_left() {
        assert_eq!(choose(&[1; 8], 8), 0);
        assert_eq!(choose(&[1, 1, 1, 1, 1, 1, 1, 1, 1000], 8), 8);
        assert_eq!(choose(&[1, 100, 1000, 5000, 20_000, 100_000, 500_000, 3_000_000, 9_000_000], 8), 2);
    }
}
