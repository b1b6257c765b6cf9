//! Files that are moved and have left their old place before their new one comes: they wait in a folder of the stage (floor 3).
//!
//! What must stay true: only what is known to be in the store comes here, and what is not as it came is never removed.

use super::Error;
use super::moves::Moves;
use super::stage::{self, Stage, Waiting};
use super::trust::{Known, Trust};
use crate::fs::dir::Dir;
use crate::path::RelPath;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;

pub(super) struct Aside<'a> {
    pub(super) moves: &'a Moves,
    stage: &'a Stage,
    /// The folder, once it is needed.
    dir: Option<Arc<Dir>>,
    /// What lies there.
    waiting: HashSet<usize>,
}

impl<'a> Aside<'a> {
    pub(super) fn new(moves: &'a Moves, stage: &'a Stage) -> Self {
        Self { moves, stage, dir: None, waiting: HashSet::new() }
    }

    /// Lets go what was taken out of the tree and is what was known at `path`; unless it is to be moved: then it waits.
    pub(super) fn let_go(
        &mut self,
        out: Waiting<'_>,
        path: &RelPath,
        known: &Known,
        trust: &mut Trust<'_>,
    ) -> io::Result<()> {
        // Where it cannot wait, its new place gets a new file.
        let waits = self.keep(out, path, known, trust).unwrap_or(false);
        if !waits {
            out.dir.unlink(out.name)?;
        }
        trust.renamed(known);
        Ok(())
    }

    fn keep(&mut self, out: Waiting<'_>, path: &RelPath, known: &Known, trust: &mut Trust<'_>) -> io::Result<bool> {
        let Some(number) = self.moves.behind(path).filter(|_| known.has_one_name()) else { return Ok(false) };
        out.sync(self.stage.durability())?;
        let (dir, name) = (self.dir()?, stage::name(number));
        out.dir.rename_new(out.name, &dir, &name)?;
        // It has left the tree: what is not as it was stays here, for the next run to save.
        if let Ok(now) = dir.stat(&name)
            && known.is(&now)
        {
            trust.leave(&now);
            self.waiting.insert(number);
        }
        Ok(true)
    }

    fn dir(&mut self) -> io::Result<Arc<Dir>> {
        let dir = self.dir.take().map_or_else(|| self.stage.aside().map(Arc::new), Ok)?;
        Ok(Arc::clone(self.dir.insert(dir)))
    }

    /// The folder, and the name in it of the file with this number, which waits no more.
    pub(super) fn take(&mut self, number: usize) -> Option<(Arc<Dir>, Vec<u8>)> {
        let dir = self.dir.clone()?;
        self.waiting.remove(&number).then(|| (dir, stage::name(number)))
    }

    /// Removes what was not fetched, and the folder.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        let Some(dir) = self.dir.take() else { return Ok(()) };
        for number in self.waiting.drain() {
            // What resists is found when the folder is to go.
            let _gone = dir.unlink(&stage::name(number));
        }
        self.stage.end_aside()
    }
}
