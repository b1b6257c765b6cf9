//! `-diff`: what differs between two snapshots, or one and what is there now (floor 6).
//!
//! Snapshots are read without a lock. `source` is scanned as by a dry run, `mirror` looked at as `-check` does, under its lock. Nothing is written.

use super::change::{Facts, Fields, Sides, What};
use super::now::{Unread, source_now};
use super::places::{Ends, open_tree};
use super::snapshots::{Which, find, open_to_read};
use super::{Context, Error, guards};
use crate::entry::{ChunkRef, Entry};
use crate::format::snapshot::Kind;
use crate::limits::RECENT_NODES;
use crate::manifest::cursor::{self, Cursor};
use crate::manifest::diff::{Change, Diff};
use crate::mirror::service::MirrorService;
use crate::path::RelPath;
use crate::scan::selection::{Selection, Standing};
use crate::store::chunks::ChunkSource;
use crate::store::dry::Dry;
use crate::store::recent::Recent;
use crate::tree::moves::Moves;
use serde::{Deserialize, Serialize};

/// A state of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// This snapshot, of any kind.
    Number(u64),
    /// The newest of the source.
    Latest,
    /// SOURCE as it is.
    Source,
    /// The mirror as it is.
    Mirror,
}

/// What to compare.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// From this.
    pub from: State,
    /// To this.
    pub to: State,
    /// Only what is here, or below; nothing means everything.
    pub paths: Vec<RelPath>,
}

impl Options {
    fn has(&self, state: State) -> bool {
        self.from == state || self.to == state
    }

    /// Whether SOURCE has to be read.
    pub fn reads_source(&self) -> bool {
        self.has(State::Source)
    }
}

/// One path that differs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Which.
    pub path: RelPath,
    /// How.
    pub what: What,
    /// Which metadata differ.
    pub fields: Fields,
    /// What it was.
    pub old: Option<Facts>,
    /// What it is.
    pub new: Option<Facts>,
}

/// What it comes to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What was compared, in words: a number, or where that is.
    pub from: String,
    /// With what.
    pub to: String,
    /// Names that are new.
    pub created: u64,
    /// Names that are gone.
    pub removed: u64,
    /// Files that have another name.
    pub moved: u64,
    /// Names of other content.
    pub content: u64,
    /// Names of other metadata only.
    pub metadata: u64,
    /// Names of another kind.
    pub types: u64,
    /// Bytes of the files that are new or of other content, as they are.
    pub bytes_new: u64,
    /// Bytes of those that are gone or of other content, as they were.
    pub bytes_old: u64,
    /// Paths that could not be read; each was named.
    pub unread: u64,
}

/// A state that can be read.
struct Side {
    root: ChunkRef,
    name: String,
}

/// Compares, and tells of one path after the other, in order.
pub fn diff(
    ends: Ends<'_>,
    options: &Options,
    context: Context<'_>,
    tell: &mut dyn FnMut(Line),
) -> Result<Report, Error> {
    let mirror = if options.has(State::Mirror) {
        guards::rows_are_not_swapped(&ends)?;
        ends.open_mirror(context)?
    } else {
        let (mirror, note) = open_to_read(&ends)?;
        if let Some(note) = note {
            context.monitor.note(&note);
        }
        mirror
    };
    let monitor = Unread::new(context.monitor);
    let compared = Compared {
        ends,
        mirror: mirror.as_ref(),
        dry: Dry::new(mirror.as_ref()),
        selection: ends.selection()?,
        is_now: options.has(State::Source) || options.has(State::Mirror),
        monitor,
    };
    let (from, to) = (compared.side(options.from)?, compared.side(options.to)?);
    let mut report = Report { from: from.name.clone(), to: to.name.clone(), ..Report::default() };
    compared.lines((from.root, to.root), &options.paths, &mut |line| {
        report.count(&line);
        tell(line);
    })?;
    report.unread = compared.monitor.count();
    Ok(report)
}

impl Report {
    fn count(&mut self, line: &Line) {
        let count = match line.what {
            What::Created => &mut self.created,
            What::Removed => &mut self.removed,
            What::Moved(_) => &mut self.moved,
            What::Content => &mut self.content,
            What::Metadata => &mut self.metadata,
            What::Type => &mut self.types,
        };
        *count = count.saturating_add(1);
        if !matches!(line.what, What::Moved(_) | What::Metadata) {
            let size = |facts: Option<Facts>| facts.map_or(0, |facts| facts.size);
            self.bytes_new = self.bytes_new.saturating_add(size(line.new));
            self.bytes_old = self.bytes_old.saturating_add(size(line.old));
        }
    }
}

struct Compared<'a> {
    ends: Ends<'a>,
    mirror: &'a dyn MirrorService,
    dry: Dry<'a>,
    selection: Selection,
    /// Whether one of them is no snapshot, and so has nothing that is excluded now.
    is_now: bool,
    monitor: Unread<'a>,
}

impl Compared<'_> {
    fn side(&self, state: State) -> Result<Side, Error> {
        let which = match state {
            State::Number(n) => Which::Number(n),
            State::Latest => Which::Newest,
            State::Source => return self.source(),
            State::Mirror => {
                let look = self.mirror.look_dry(&self.selection, false, &self.monitor)?;
                return Ok(Side { root: look.taken.root, name: format!("mirror {}", self.ends.mirror.name()) });
            }
        };
        let record = find(self.mirror, which)?;
        Ok(Side { root: record.root, name: record.sequence.to_string() })
    }

    fn source(&self) -> Result<Side, Error> {
        guards::source_is_no_mirror(&self.ends)?;
        let name = self.ends.source.name();
        let root = open_tree(self.ends.source_here()?, "SOURCE", &name)?;
        let newest = self.mirror.newest(|record| record.kind == Kind::Backup)?;
        let through = (self.mirror, &self.dry);
        let taken = source_now(root, &self.selection, newest.as_ref(), through, &self.monitor)?;
        Ok(Side { root: taken.root, name: format!("source {name}") })
    }

    fn lines(
        &self,
        (from, to): (ChunkRef, ChunkRef),
        paths: &[RelPath],
        tell: &mut dyn FnMut(Line),
    ) -> Result<(), Error> {
        if from == to {
            return Ok(());
        }
        let recent = Recent::new(&self.dry, RECENT_NODES);
        let chunks: &dyn ChunkSource = &recent;
        let sides = Sides { chunks, old: from, new: to };
        let moves = Moves::between(from, to, chunks)?;
        let is_meant = |path: &RelPath| paths.is_empty() || paths.iter().any(|top| path.is_within(top));
        let cursor = |root| Ok::<_, Error>(Cursor::new(root, chunks.reader()?)?);
        for change in Diff::new(Some(cursor(from)?), Some(cursor(to)?)) {
            let change = change?;
            if self.is_excluded(&change) {
                continue;
            }
            let Some(line) = line(sides, &moves, change)? else { continue };
            if is_meant(&line.path) || matches!(&line.what, What::Moved(from) if is_meant(from)) {
                tell(line);
            }
        }
        Ok(())
    }

    /// What is excluded by now is no part of the target any more.
    fn is_excluded(&self, change: &Change) -> bool {
        let Some(path) = change.new.as_ref().or(change.old.as_ref()).map(|entry| &entry.path) else { return true };
        self.is_now
            && (change.old.is_none() || change.new.is_none())
            && self.selection.standing(path) != Standing::Inside
    }
}

/// What one difference is. Nothing for a file that goes only to be somewhere else, and for what is the same in a tree.
fn line(sides: Sides<'_>, moves: &Moves, Change { old, new }: Change) -> Result<Option<Line>, Error> {
    let facts = |entry: &Option<Entry>| entry.as_ref().map(Facts::of);
    let (mut was, is) = (facts(&old), facts(&new));
    let (path, what, fields) = match (old, new) {
        (None, None) => return Ok(None),
        (Some(old), None) if moves.takes(&old.path) => return Ok(None),
        (Some(old), None) => (old.path, What::Removed, Fields::default()),
        (old, Some(new)) => {
            if let Some(from) = moves.to(&new.path).map(|found| &found.from) {
                let moved = cursor::find(sides.old, sides.chunks.reader()?, from)?;
                let fields = moved.as_ref().map(|moved| Fields::between(moved, &new)).unwrap_or_default();
                was = facts(&moved);
                (new.path, What::Moved(from.clone()), fields)
            } else if let Some(old) = old {
                let Some((what, fields)) = sides.compare(&old, &new)? else { return Ok(None) };
                (new.path, what, fields)
            } else {
                (new.path, What::Created, Fields::default())
            }
        }
    };
    Ok(Some(Line { path, what, fields, old: was, new: is }))
}
