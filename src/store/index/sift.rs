//! Writes one index of several without the packs that go (floor 2). Memory: two bits for each of their blocks.

use super::build::{self, Tables};
use super::file::IndexFile;
use super::merge::{Input, Merged, inputs};
use super::table::Table;
use crate::format::index::{BlockRow, ChunkRow, ContainerRow, Counts};
use crate::id::Id;
use crate::store::Error;
use crate::store::layout::Layout;
use crate::store::sweep::bits::{Bits, Ranked};
use std::path::PathBuf;

/// Writes an index of all that is in packs which stay, durably; of several places of a chunk one there.
pub(super) fn sift(layout: &Layout, files: &[IndexFile], is_gone: &dyn Fn(&Id) -> bool) -> Result<PathBuf, Error> {
    let mut kept = Vec::new();
    let (mut containers, mut blocks) = (0, 0);
    for file in files {
        let part = Kept::of(file, is_gone)?;
        let next = (containers + part.containers.count(), blocks + part.blocks.count());
        kept.push((part, containers, blocks));
        (containers, blocks) = next;
    }
    let mut sifted = Sifted { inputs: inputs(files)?, kept, is_gone, counts: Counts::default() };
    let chunks = sifted.chunks()?.try_fold(0, |sum, row| row.map(|_| sum + 1))?;
    sifted.counts = Counts { containers: build::number(containers)?, blocks: build::number(blocks)?, chunks };
    build::write(layout, &sifted)
}

/// What stays of one index.
struct Kept {
    containers: Ranked,
    blocks: Ranked,
}

impl Kept {
    fn of(file: &IndexFile, is_gone: &dyn Fn(&Id) -> bool) -> Result<Self, Error> {
        let mut containers = Bits::new(file.counts().containers.into());
        for (number, row) in (0..).zip(Table::containers(file)) {
            if !is_gone(&row?.name) {
                containers.set(number);
            }
        }
        let mut blocks = Bits::new(file.counts().blocks.into());
        for (number, row) in (0..).zip(Table::blocks(file)) {
            if containers.has(row?.container.into()) {
                blocks.set(number);
            }
        }
        Ok(Self { containers: containers.ranked(), blocks: blocks.ranked() })
    }
}

/// The tables of all inputs, one after the other, without what goes.
struct Sifted<'a> {
    inputs: Vec<Input<'a>>,
    /// Of each input what stays, and how many containers and blocks of those before it do.
    kept: Vec<(Kept, u64, u64)>,
    is_gone: &'a dyn Fn(&Id) -> bool,
    counts: Counts,
}

impl Sifted<'_> {
    fn parts(&self) -> impl Iterator<Item = (&IndexFile, &Kept, u64)> {
        self.inputs.iter().zip(&self.kept).map(|(input, (kept, containers, _))| (input.file, kept, *containers))
    }

    fn renumbered(&self, input: &Input<'_>, row: ChunkRow) -> Option<Result<ChunkRow, Error>> {
        let (kept, _, first) = self.kept.get(input.number)?;
        let block = kept.blocks.rank(row.block.into())?;
        Some(build::number(first + block).map(|block| ChunkRow { block, ..row }))
    }
}

impl Tables for Sifted<'_> {
    fn counts(&self) -> Result<Counts, Error> {
        Ok(self.counts)
    }

    fn containers(&self) -> impl Iterator<Item = Result<ContainerRow, Error>> {
        self.parts().flat_map(|(file, kept, _)| {
            let rows = (0..).zip(Table::containers(file));
            rows.filter(|(number, _)| kept.containers.rank(*number).is_some()).map(|(_, row)| row)
        })
    }

    fn blocks(&self) -> impl Iterator<Item = Result<BlockRow, Error>> {
        self.parts().flat_map(|(file, kept, first)| {
            Table::blocks(file).filter_map(move |row| {
                let moved = row.and_then(|row| {
                    let Some(container) = kept.containers.rank(row.container.into()) else { return Ok(None) };
                    Ok(Some(BlockRow { container: build::number(first + container)?, ..row }))
                });
                moved.transpose()
            })
        })
    }

    fn chunks(&self) -> Result<impl Iterator<Item = Result<ChunkRow, Error>>, Error> {
        let rows = Merged::new(&self.inputs, self.is_gone)?;
        Ok(rows.filter_map(|row| match row {
            Ok((input, row)) => self.renumbered(&input, row),
            Err(e) => Some(Err(e)),
        }))
    }
}
