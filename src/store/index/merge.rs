//! Joins several indexes into one, reading each from front to back: memory does not grow with the chunks (floor 2).

use super::build;
use super::file::IndexFile;
use crate::format::index::{BlockRow, ChunkRow, ContainerRow};
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
    let (mut containers, mut blocks): (Vec<ContainerRow>, Vec<BlockRow>) = (Vec::new(), Vec::new());
    let mut inputs = Vec::new();
    for file in files {
        let over = |_| Error::Unstorable(crate::format::Error::Limit("an index"));
        let (first_container, first_block) =
            (u32::try_from(containers.len()).map_err(over)?, u32::try_from(blocks.len()).map_err(over)?);
        for number in 0..file.counts().containers {
            containers.push(file.container(number)?);
        }
        for number in 0..file.counts().blocks {
            let block = file.block(number)?;
            blocks.push(BlockRow { container: block.container + first_container, ..block });
        }
        inputs.push(Input { file, next: 0, first_block });
    }
    let pack = |row: &ChunkRow| blocks.get(row.block as usize).and_then(|b| containers.get(b.container as usize));
    let is_lost = |row: &ChunkRow| pack(row).is_none_or(|pack| lost(&pack.name));
    let count = Merged::new(&inputs, &is_lost)?.try_fold(0_u64, |n, row| row.map(|_| n + 1))?;
    build::write(layout, &containers, &blocks, count, Merged::new(&inputs, &is_lost)?)
}

#[derive(Clone, Copy)]
struct Input<'a> {
    file: &'a IndexFile,
    next: u64,
    first_block: u32,
}

impl Input<'_> {
    fn take(&mut self) -> Result<Option<ChunkRow>, Error> {
        if self.next >= self.file.counts().chunks {
            return Ok(None);
        }
        let row = self.file.chunk(self.next)?;
        self.next += 1;
        Ok(Some(ChunkRow { block: row.block.saturating_add(self.first_block), ..row }))
    }
}

/// The rows of all inputs in order; of several for one chunk, the first that is not lost, or else the first.
struct Merged<'a> {
    inputs: Vec<(Input<'a>, Option<ChunkRow>)>,
    is_lost: &'a dyn Fn(&ChunkRow) -> bool,
}

impl<'a> Merged<'a> {
    fn new(inputs: &[Input<'a>], is_lost: &'a dyn Fn(&ChunkRow) -> bool) -> Result<Self, Error> {
        let inputs = inputs.iter().map(|input| {
            let mut input = *input;
            let head = input.take()?;
            Ok((input, head))
        });
        Ok(Self { inputs: inputs.collect::<Result<_, Error>>()?, is_lost })
    }

    /// Takes the least row, if it is of this chunk.
    fn take(&mut self, wanted: Option<Id>) -> Result<Option<ChunkRow>, Error> {
        let least = self.inputs.iter_mut().filter(|(_, head)| head.is_some()).min_by_key(|(_, head)| *head);
        match least {
            Some((input, head)) if wanted.is_none() || head.map(|row| row.id) == wanted => {
                Ok(std::mem::replace(head, input.take()?))
            }
            _ => Ok(None),
        }
    }

    fn step(&mut self) -> Result<Option<ChunkRow>, Error> {
        let Some(mut best) = self.take(None)? else { return Ok(None) };
        while let Some(other) = self.take(Some(best.id))? {
            if (self.is_lost)(&best) && !(self.is_lost)(&other) {
                best = other;
            }
        }
        Ok(Some(best))
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<ChunkRow, Error>;

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
