//! How much of each DIR a run would take from the mirror (floor 6): more than HOLD says, and the run is held.
//!
//! A file counts when its path is gone or has other content. One that was renamed or moved is not lost, and new times are no change; so a clean-up
//! of names passes, and an encrypted or emptied disk does not.

use super::Error;
use crate::entry::{Content, Entry, Node};
use crate::format::bin;
use crate::id::Id;
use crate::manifest::cursor::Cursor;
use crate::manifest::diff::{Change, Diff};
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use std::collections::HashSet;

/// DIRs with fewer files than this are not judged by percentage.
const FEW: u64 = 20;

/// What would happen to the files of one DIR.
#[derive(Debug, Default)]
struct Loss {
    deleted: u64,
    changed: u64,
    total: u64,
}

/// Makes cursors over the two manifests: what the mirror holds, and what it shall hold.
pub(super) struct Nights<'a, O, N> {
    pub(super) old: O,
    pub(super) new: N,
    pub(super) dirs: &'a [RelPath],
    pub(super) selection: &'a Selection,
    pub(super) percent: u8,
}

impl<'a, O, N> Nights<'a, O, N>
where
    O: Fn() -> Result<Cursor<'a>, Error>,
    N: Fn() -> Result<Cursor<'a>, Error>,
{
    /// A reason for each DIR of which too much would go.
    pub(super) fn reasons(&self) -> Result<Vec<String>, Error> {
        let nothing = HashSet::new();
        let mut losses = self.losses(&nothing)?;
        // Most nights change little: then nothing needs to be counted or remembered.
        if losses.iter().all(|loss| loss.deleted + loss.changed <= FEW * u64::from(self.percent) / 100) {
            return Ok(Vec::new());
        }
        self.count(&mut losses)?;
        if losses.iter().any(|loss| self.is_too_much(loss)) {
            let totals: Vec<u64> = losses.iter().map(|loss| loss.total).collect();
            losses = self.losses(&self.added()?)?;
            losses.iter_mut().zip(totals).for_each(|(loss, total)| loss.total = total);
        }
        let tell = |(dir, loss): (&RelPath, &Loss)| self.is_too_much(loss).then(|| self.words(dir, loss));
        Ok(self.dirs.iter().zip(&losses).filter_map(tell).collect())
    }

    fn is_too_much(&self, loss: &Loss) -> bool {
        loss.total >= FEW && (loss.deleted + loss.changed) * 100 > loss.total * u64::from(self.percent)
    }

    fn words(&self, dir: &RelPath, loss: &Loss) -> String {
        let Loss { deleted, changed, total } = loss;
        let percent = (deleted + changed) * 100 / total.max(&1);
        format!(
            "of {total} files in DIR {dir}, {deleted} would be deleted and {changed} get other content ({percent} %, HOLD {}%)",
            self.percent
        )
    }

    /// The number of the DIR that holds a path; none for what the table excludes by now: that is left alone on the mirror, not lost.
    fn dir_of(&self, path: &RelPath) -> Option<usize> {
        let dir = self.dirs.iter().position(|dir| path.is_within(dir));
        dir.filter(|_| self.selection.standing(path) == Standing::Inside)
    }

    fn diff(&self) -> Result<Diff<'a>, Error> {
        Ok(Diff::new(Some((self.old)()?), Some((self.new)()?)))
    }

    /// What would be lost of each DIR, but for content that stands in `elsewhere`.
    fn losses(&self, elsewhere: &HashSet<u64>) -> Result<Vec<Loss>, Error> {
        let mut losses: Vec<Loss> = self.dirs.iter().map(|_| Loss::default()).collect();
        for change in self.diff()? {
            let Change { old: Some(old), new } = change? else { continue };
            let Some(loss) = self.dir_of(&old.path).and_then(|n| losses.get_mut(n)) else { continue };
            let Some(content) = content(&old) else { continue };
            match new.as_ref().and_then(self::content) {
                Some(now) if now == content => {}
                _ if elsewhere.contains(&content) => {}
                Some(_) => loss.changed += 1,
                None => loss.deleted += 1,
            }
        }
        Ok(losses)
    }

    /// Content that appears at a new path.
    fn added(&self) -> Result<HashSet<u64>, Error> {
        let mut added = HashSet::new();
        for change in self.diff()? {
            if let Change { old: None, new: Some(new) } = change? {
                added.extend(content(&new));
            }
        }
        Ok(added)
    }

    /// Counts the files that each DIR has on the mirror.
    fn count(&self, losses: &mut [Loss]) -> Result<(), Error> {
        let mut cursor = (self.old)()?;
        while let Some(entry) = cursor.next_entry()? {
            if content(&entry).is_some()
                && let Some(loss) = self.dir_of(&entry.path).and_then(|n| losses.get_mut(n))
            {
                loss.total += 1;
            }
        }
        Ok(())
    }
}

/// A fingerprint of the content of a file; an empty one has nothing to lose but its name, and counts by that.
fn content(entry: &Entry) -> Option<u64> {
    match &entry.node {
        Node::File { content: Content::Direct(extents), .. } if extents.is_empty() => {
            Some(Id::of(entry.path.as_bytes()).prefix())
        }
        Node::File { .. } => {
            let mut bytes = Vec::new();
            // An entry that was read from a manifest can be written again.
            bin::encode(&entry.node, &mut bytes).ok()?;
            Some(Id::of(&bytes).prefix())
        }
        _ => None,
    }
}
