//! `-restore`: make SOURCE, or another place, what it was at a snapshot (floor 6).
//!
//! What would be overwritten or removed is in a snapshot of its own before anything is touched, so a restore can be undone.

use super::paths::Wanted;
use super::places::{Ends, open_tree};
use super::snapshots::{Which, find};
use super::stage::PlaceStage;
use super::{Context, Error, drafts, guards, room};
use crate::entry::Time;
use crate::format::role::State;
use crate::format::snapshot::{Kind, Record};
use crate::fs::dir::Dir;
use crate::fs::fidelity::Fidelity;
use crate::fs::{Error as FsError, durable, pin, probe};
use crate::manifest::cursor::Cursor;
use crate::manifest::diff::Diff;
use crate::mirror::near::Near;
use crate::mirror::service::MirrorService;
use crate::monitor::{Phase, Silent};
use crate::path::{RelPath, shown_path};
use crate::scan::selection::Selection;
use crate::scan::walk::Filter;
use crate::source::snapshot::{Request, Taken, Trust, take};
use crate::store::chunks::{ChunkSource, ChunkStore};
use crate::store::dry::Dry;
use crate::tree::apply::{Applied, Target, apply};
use crate::tree::moves::Moves;
use crate::tree::plan::{Action, Plan, Scope};
use crate::tree::relink::Relink;
use crate::tree::survey::{Survey, Surveyed, survey};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options of the command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// What to restore, relative to the target, or patterns of it; nothing means all DIRs.
    pub paths: Vec<RelPath>,
    /// From which snapshot.
    pub which: Which,
    /// Where to on the host that carries it out, instead of SOURCE.
    #[serde(with = "crate::path::bytes_of_path")]
    pub to: Option<PathBuf>,
    /// Whether what the snapshot does not have is removed.
    pub delete: bool,
    /// Write nothing; say what would be done.
    pub dry_run: bool,
}

/// What a restore would do to one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Would {
    /// What.
    pub change: Change,
    /// To which path.
    pub path: RelPath,
    /// Where the file is that is moved there.
    pub from: Option<RelPath>,
}

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It is made.
    Create,
    /// Something else takes its place.
    Replace,
    /// Its metadata is set.
    Touch,
    /// A file gets this path instead of its own.
    Move,
    /// It goes.
    Remove,
}

impl Would {
    /// Nothing for a file that goes only to be moved.
    fn of(action: &Action, moves: &Moves) -> Option<Self> {
        let found = moves.by(action);
        let change = match action {
            _ if found.is_some() => Change::Move,
            Action::Put { old: None, .. } | Action::Link { old: None, .. } => Change::Create,
            Action::Put { .. } | Action::Link { .. } => Change::Replace,
            Action::Meta { .. } => Change::Touch,
            Action::Remove { old } if moves.takes(&old.path) => return None,
            Action::Remove { .. } => Change::Remove,
        };
        Some(Self { change, path: action.path().clone(), from: found.map(|found| found.from.clone()) })
    }
}

/// How it ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot that was restored.
    pub record: Record,
    /// What had to be done.
    pub survey: Survey,
    /// What was done; nothing after a dry run.
    pub applied: Option<Applied>,
    /// The snapshot of what was overwritten.
    pub rescue: Option<u64>,
    /// Paths of the place that could not be read: they were left as they are.
    pub unread: u64,
}

struct Run<'a> {
    mirror: &'a dyn MirrorService,
    place: &'a Path,
    root: Arc<Dir>,
    /// What the place can hold.
    fidelity: Fidelity,
    selection: Selection,
    options: &'a Options,
    record: Record,
    context: Context<'a>,
    /// The newest snapshot of the source, when it is the source that is written to.
    parent: Option<Record>,
}

/// Restores.
pub fn restore(
    ends: Ends<'_>,
    options: &Options,
    context: Context<'_>,
    would: &mut dyn FnMut(Would),
) -> Result<Report, Error> {
    if options.to.is_none() {
        guards::source_is_no_mirror(&ends)?;
    }
    guards::rows_are_not_swapped(&ends)?;
    if ends.history_is_at_source(options.to.is_some()) {
        context.monitor.note(&ends.read_from_source());
        return from(ends.source.open_to_read()?.as_ref(), &ends, options, context, would);
    }
    from(ends.open_mirror(context)?.as_ref(), &ends, options, context, would)
}

fn from(
    mirror: &dyn MirrorService,
    ends: &Ends<'_>,
    options: &Options,
    context: Context<'_>,
    would: &mut dyn FnMut(Would),
) -> Result<Report, Error> {
    let (place, what) = destination(ends, options)?;
    let name = if options.to.is_none() { ends.source.name() } else { shown_path(place) };
    let record = choose(ends, mirror, options, context)?;
    let paths = Wanted { mirror, target: &ends.target.name, record: &record }.meant(&options.paths)?;
    let selection = selection(ends, &record, paths, options.delete)?;
    let end = Near::new(&ends.target.name, place, None);
    guards::place_is_no_mirror(&end, ends, selection.tops())?;
    if options.to.is_some() && !options.dry_run {
        Dir::open_or_make(place).map_err(|e| FsError::new("make the folder", place, e))?;
    }
    let absent = options.dry_run && options.to.is_some() && !durable::exists(place)?;
    let root = open_tree(if absent { Path::new("/proc/self/fdinfo") } else { place }, what, &name)?;
    let parent = mirror.newest(|record| record.kind != Kind::Rescue)?.filter(|_| options.to.is_none());
    let fidelity = probe::fidelity(&root);
    let run = Run { mirror, place, root, fidelity, selection, options, record, context, parent };
    if options.dry_run { run.dry(would) } else { run.carry_out() }
}

/// Where to, and what it is called.
fn destination<'a>(ends: &Ends<'a>, options: &'a Options) -> Result<(&'a Path, &'static str), Error> {
    match options.to.as_deref() {
        Some(place) => Ok((place, "the place to restore to,")),
        None => Ok((ends.source_here()?, "SOURCE")),
    }
}

/// The snapshot to restore. Without a choice by the operator it is what people saw on the mirror: if that was changed since the last run, it was live,
/// and is taken into the store first.
fn choose(
    ends: &Ends<'_>,
    mirror: &dyn MirrorService,
    options: &Options,
    context: Context<'_>,
) -> Result<Record, Error> {
    if options.which != Which::Newest {
        return find(mirror, options.which);
    }
    let newest = find(mirror, options.which)?;
    // What people see on a place that was promoted is SOURCE itself.
    if matches!(mirror.role().state, State::Promoted(_)) {
        return Ok(newest);
    }
    let selection = ends.selection()?;
    let look = if options.dry_run {
        mirror.look_dry(&selection, false, &Silent)?
    } else {
        mirror.look(&selection, &Silent)?
    };
    let Some(reason) = guards::drift_reason(&look.drift) else { return Ok(newest) };
    if options.dry_run {
        context.monitor.note(&format!(
            "{reason}. A real run takes that into the store first and restores it; this one shows snapshot {}",
            newest.sequence
        ));
        return Ok(newest);
    }
    let record = drafts::rescue(mirror, ends, &look, context, "found on the mirror when a restore began")?;
    context.monitor.note(&format!(
        "{reason}. It is now snapshot {}, and that is restored; for the last night: --snapshot {}",
        record.sequence, newest.sequence
    ));
    Ok(record)
}

/// The part of the tree that is meant: the PATHs, or the DIRs of the snapshot.
fn selection(ends: &Ends<'_>, record: &Record, paths: Vec<RelPath>, delete: bool) -> Result<Selection, Error> {
    let tops = if paths.is_empty() { record.dirs.clone() } else { paths };
    // What was excluded since may be brought back, but what is excluded is never removed.
    let excludes: &[String] = if delete { &ends.target.excludes } else { &[] };
    Selection::new(tops, excludes).map_err(|e| Error::Refused(e.to_string()))
}

impl Run<'_> {
    /// A snapshot of what is there now, of everything that may be overwritten.
    fn rescue(&self, store: &dyn ChunkStore) -> Result<Taken, Error> {
        let in_place = self.options.to.is_none();
        self.context.monitor.begin(Phase::Comparing, None, None);
        // Of a store that has lost packs nobody knows without reading whether it has what is here.
        let trusted = self.parent.as_ref().filter(|_| !self.mirror.is_incomplete());
        let filter: Option<Box<Filter<'_>>> =
            if in_place || self.options.delete { None } else { Some(self.only_restored()?) };
        let request = Request {
            root: Arc::clone(&self.root),
            selection: &self.selection,
            parent: self.parent.as_ref().map(|record| record.root),
            trust: trusted.map_or(Trust::Nothing, |record| Trust::Identity(record.time)),
            of_mirror: None,
            filter,
            without_caches: false,
            chunker: self.mirror.chunker(),
        };
        Ok(take(request, store, self.context.monitor)?)
    }

    /// Elsewhere, what the snapshot does not have is none of our business.
    fn only_restored(&self) -> Result<Box<Filter<'_>>, Error> {
        let mut cursor = Cursor::new(self.record.root, self.mirror.reader()?)?;
        Ok(Box::new(move |path| {
            while cursor.peek().ok().flatten().is_some_and(|entry| entry.path < *path) {
                cursor.skip();
            }
            // In doubt it is looked at: more is rescued than needed, never less.
            cursor.peek().map_or(true, |entry| entry.is_some_and(|entry| entry.path == *path))
        }))
    }

    fn plan<'s>(&'s self, store: &'s dyn ChunkStore, now: &'s Taken) -> Result<Plan<'s, Relink<'s, Diff<'s>>>, Error> {
        let cursor = |root| Ok::<_, Error>(Cursor::new(root, store.reader()?)?);
        let (selection, delete) = (&self.selection, self.options.delete);
        let scope = Scope { selection, delete, apart: &now.apart, fidelity: &self.fidelity };
        let diff = Diff::new(Some(cursor(now.root)?), Some(cursor(self.record.root)?));
        Ok(Plan::new(Relink::new(diff, &self.selection, store, self.record.root), scope))
    }

    fn dry(&self, would: &mut dyn FnMut(Would)) -> Result<Report, Error> {
        let store = Dry::new(self.mirror);
        let taken = self.rescue(&store)?;
        let plan = || self.plan(&store, &taken);
        let Surveyed { survey, moves, kept } = survey(plan, ChunkSource::reader(&store)?.as_mut())?;
        for action in kept.actions(plan)? {
            Would::of(&action?, &moves).into_iter().for_each(&mut *would);
        }
        Ok(Report { record: self.record.clone(), survey, applied: None, rescue: None, unread: taken.totals.problems })
    }

    fn carry_out(&self) -> Result<Report, Error> {
        PlaceStage::of(&self.root, self.place).tidy(self.mirror, self.context)?;
        let began = self.root.settled();
        let taken = self.rescue(self.mirror)?;
        self.mirror.settle()?;
        let unread = taken.totals.problems;
        let surveyed = survey(|| self.plan(self.mirror, &taken), self.mirror.reader()?.as_mut())?;
        let survey = surveyed.survey;
        if let Some(why) = room::for_a_place(self.place, survey.need)? {
            return Err(Error::Refused(format!("{why} (nothing was restored)")));
        }
        // In place, what was not there is part of what an undo has to bring back.
        let to_undo = survey.destroys() || (self.options.to.is_none() && survey.created > 0);
        let rescue = if to_undo { Some(self.commit(&taken)?) } else { None };
        let applied = if survey.actions > 0 {
            self.apply(&taken, began, surveyed)?
        } else {
            // All is in place, perhaps by a restore that was killed before it could make sure of it.
            self.root.sync_file_system().map_err(crate::tree::Error::Sync)?;
            Applied::default()
        };
        Ok(Report { record: self.record.clone(), survey, applied: Some(applied), rescue, unread })
    }

    fn commit(&self, taken: &Taken) -> Result<u64, Error> {
        let place = shown_path(&pin::lasting(self.place));
        let note = format!("before the restore of snapshot {}", self.record.sequence);
        let draft = drafts::draft(Kind::Rescue, &place, self.selection.tops().to_vec(), taken, self.context, note);
        Ok(self.mirror.commit(draft)?.sequence)
    }

    fn apply(&self, now: &Taken, began: Time, surveyed: Surveyed) -> Result<Applied, Error> {
        let Surveyed { survey, moves, kept } = surveyed;
        self.context.monitor.begin(Phase::Writing, Some(survey.actions), Some(survey.bytes));
        let place = PlaceStage::of(&self.root, self.place);
        let (stage, path, selection) = (place.open()?, place.path(), &self.selection);
        let (fidelity, trusted) = (&self.fidelity, began);
        let target = Target { root: &self.root, stage, stage_path: &path, selection, fidelity, trusted, moves: &moves };
        let actions = kept.actions(|| self.plan(self.mirror, now))?;
        let applied = apply(actions, target, self.mirror, self.context.monitor)?;
        place.leave()?;
        Ok(applied)
    }
}
