//! `-backup`: guards, snapshot of SOURCE, materialise MIRROR (floor 6).

use super::gate::Gate;
use super::guards::Reasons;
use super::loss::Nights;
use super::places::{Ends, open_tree};
use super::run::{Quietly, Report, Run};
use super::{Context, Error, drafts, guards, room};
use crate::entry::ChunkRef;
use crate::format::role::State;
use crate::format::snapshot::{Kind, Record};
use crate::fs::dir::Dir;
use crate::manifest::cursor::Cursor;
use crate::manifest::diff::Diff;
use crate::mirror::look::{self, Drift, Look, Roots};
use crate::mirror::service::{Draft, MirrorService};
use crate::monitor::Phase;
use crate::path::shown;
use crate::source::snapshot::{Request, Taken, Trust, take};
use crate::store::chunks::{ChunkSource, ChunkStore};
use crate::store::dry::Dry;
use crate::tree::plan::Plan;
use crate::tree::survey::survey;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Options of the command.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Options {
    /// Make the mirror if there is none.
    pub init: bool,
    /// Write nothing; say what would be done.
    pub dry_run: bool,
    /// Read every file of the source, whatever its times say.
    pub reread: bool,
}

/// Takes a snapshot of the source and brings the mirror up to it.
pub fn backup(ends: Ends<'_>, options: Options, context: Context<'_>) -> Result<Report, Error> {
    guards::source_is_no_mirror(&ends)?;
    guards::mirror_is_outside(&ends)?;
    ends.note_what_is_not_ours(context.monitor);
    let source = open_tree(ends.source_here()?, "SOURCE", &ends.source.name())?;
    let selection = ends.selection()?;
    let is_new = options.init && !options.dry_run && (!ends.has_mirror()? || ends.waits_for_mirror()?.is_some());
    if is_new {
        room::before_a_run(&ends, &source, &selection, None)?;
    }
    let lost = if options.init && !options.dry_run { ends.init_mirror(context)?.damaged } else { 0 };
    let opened = ends.open_mirror(context)?;
    let mirror = opened.as_ref();
    // What cannot be read is carried forward from the last good night: a held run may be without it.
    let mut parent = match mirror.newest(|record| record.kind == Kind::Backup)? {
        None => mirror.newest(|record| record.kind == Kind::Held)?,
        backup => backup,
    };
    if mirror.role().state == State::Empty
        && let Some(record) = &parent
        && !is_whole(mirror, record, context)?
    {
        parent = None;
    }
    let night = Night { run: Run { ends, mirror, selection, context }, source, parent, reread: options.reread };
    if options.dry_run {
        let dry = Dry::new(mirror);
        let look = mirror.look_dry(&night.run.selection, false, &crate::monitor::Silent)?;
        return night.dry(&dry, &look);
    }
    mirror.tidy(context.now, context.monitor)?;
    let gate = Gate::new(mirror, || if is_new { Ok(()) } else { night.require_room() });
    let (mut taken, look) = night.snapshot_and_look(&gate)?;
    // What was on the mirror and in no snapshot was put into the store, too.
    taken.totals.new_bytes += look.taken.totals.new_bytes;
    night.carry_out(&taken, look, lost)
}

/// Whether the manifest of a snapshot can be read to its end. A mirror that nothing was put on yet needs none: what came with the history of another
/// store may be damaged, and then everything is read anew.
fn is_whole(mirror: &dyn MirrorService, record: &Record, context: Context<'_>) -> Result<bool, Error> {
    let walk = || -> Result<(), Error> {
        let mut cursor = Cursor::new(record.root, mirror.reader()?)?;
        while cursor.next_entry()?.is_some() {}
        Ok(())
    };
    match walk() {
        Ok(()) => Ok(true),
        Err(e) if e.is_lost() => Err(e),
        Err(e) => {
            let what = format!("snapshot {} cannot be built upon, all files are read anew: {e}", record.sequence);
            context.monitor.note(&what);
            Ok(false)
        }
    }
}

/// A run with the source at hand.
struct Night<'a> {
    run: Run<'a>,
    source: Arc<Dir>,
    /// The newest good snapshot of the source.
    parent: Option<Record>,
    reread: bool,
}

impl Night<'_> {
    fn trust(&self) -> Trust {
        let trusted = self.parent.as_ref().filter(|_| !self.reread && !self.run.mirror.is_incomplete());
        trusted.map_or(Trust::Nothing, |record| Trust::Identity(record.time))
    }

    /// Refuses a run that cannot fit; asked before the first write.
    fn require_room(&self) -> Result<(), Error> {
        let parent = match &self.parent {
            Some(record) => Some((Cursor::new(record.root, self.run.mirror.reader()?)?, self.trust())),
            None => None,
        };
        room::before_a_run(&self.run.ends, &self.source, &self.run.selection, parent)
    }

    /// A snapshot of the source. What cannot be read is carried forward from the parent; where there is none yet, from what a tree that becomes a
    /// mirror holds, which is then the last good version that anyone knows.
    fn take(&self, store: &dyn ChunkStore, adopted: Option<ChunkRef>) -> Result<Taken, Error> {
        let totals = self.parent.as_ref().map(|record| record.totals);
        self.run.context.monitor.begin(
            Phase::Reading,
            totals.map(|t| t.files + t.directories + t.others),
            totals.map(|t| t.bytes),
        );
        let request = Request {
            root: Arc::clone(&self.source),
            selection: &self.run.selection,
            parent: self.parent.as_ref().map(|record| record.root).or(adopted),
            trust: self.trust(),
            of_mirror: None,
            filter: None,
            without_caches: true,
            chunker: self.run.mirror.chunker(),
        };
        Ok(take(request, store, self.run.context.monitor)?)
    }

    /// Reads the source while the mirror is looked at; after that, where the mirror is all that was ever known of the source.
    fn snapshot_and_look(&self, store: &dyn ChunkStore) -> Result<(Taken, Look), Error> {
        if self.parent.is_none() {
            let look = self.run.mirror.look(&self.run.selection, &Quietly(self.run.context.monitor))?;
            return Ok((self.take(store, Some(look.taken.root))?, look));
        }
        std::thread::scope(|scope| {
            let quietly = Quietly(self.run.context.monitor);
            let look = move || self.run.mirror.look(&self.run.selection, &quietly);
            let look = std::thread::Builder::new().spawn_scoped(scope, look);
            let look = look.map_err(|e| crate::store::Error::Threads(e.to_string()))?;
            let taken = self.take(store, None);
            let look = look
                .join()
                .unwrap_or_else(|_| Err(crate::mirror::Error::Refused("the look at the mirror died".to_owned())));
            Ok((taken?, look?))
        })
    }

    /// Why the run must be held, if it must.
    fn reasons(&self, look: &Look, to: ChunkRef, chunks: &dyn ChunkStore) -> Result<Reasons, Error> {
        let record = match self.run.mirror.role().state {
            State::Clean(n) | State::Publishing(_, n) => Some(self.run.mirror.record(n)?),
            State::Empty | State::Promoted(_) => None,
        };
        let unread = guards::unread_reason(look);
        // What a mirror holds that is only now becoming one may be all that is left: rows are confused on the first night, too.
        let on_mirror = record.as_ref().map_or(look.taken.root, |record| record.root);
        let mut source = guards::suspicious_dirs(&self.run.ends, &self.source, Some(on_mirror), chunks)?;
        let Some(record) = record else {
            if !source.is_empty() && look.taken.totals.files > 0 {
                source.push("look whether SOURCE and MIRROR are confused in backup.tab".to_owned());
            }
            return Ok(Reasons { source, unread, ..Reasons::default() });
        };
        // A DIR that is missing or empty has been named already.
        if source.is_empty() {
            let cursor = |root| Ok::<_, Error>(Cursor::new(root, chunks.reader()?)?);
            let percent = self.run.ends.target.hold.unwrap_or_default().percent();
            let (old, new) = (|| cursor(record.root), || cursor(to));
            let (dirs, selection) = (&self.run.ends.target.dirs, &self.run.selection);
            source = Nights { old, new, dirs, selection, percent }.reasons()?;
        }
        if !source.is_empty() && self.run.ends.is_another_source(&record.source) {
            source.push(format!("SOURCE was {} until snapshot {}", shown(&record.source), record.sequence));
        }
        let mirror = guards::drift_reason(&self.unwanted(look, record.root, to, chunks)?);
        Ok(Reasons { source, mirror, unread, room: None })
    }

    /// The drift, but for what the source now has as well: that is left as it is. So it is when EXCLUDE or DIR hid something for a while.
    fn unwanted(&self, look: &Look, left: ChunkRef, to: ChunkRef, chunks: &dyn ChunkStore) -> Result<Drift, Error> {
        if look.drift.is_empty() || !matches!(self.run.mirror.role().state, State::Clean(_)) {
            return Ok(look.drift.clone());
        }
        Ok(look::drift(
            chunks,
            Roots { left: Some(left), coming: Some(to), interrupted: false, found: look.taken.root },
            look.scope(&self.run.selection),
            &mut |_, _| {},
        )?)
    }

    fn draft(&self, kind: Kind, taken: &Taken, note: String) -> Draft {
        let place = self.run.ends.target.source.to_string();
        drafts::draft(kind, &place, self.run.ends.dirs(), taken, self.run.context, note)
    }

    fn carry_out(&self, taken: &Taken, mut look: Look, lost: u64) -> Result<Report, Error> {
        self.run.mirror.settle()?;
        // Both go through the same two manifests.
        let reasons = || self.reasons(&look, taken.root, self.run.mirror);
        let (reasons, survey) = rayon::join(reasons, || self.run.survey(&look, taken.root));
        let (mut reasons, survey) = (reasons?, survey?);
        reasons.room = self.run.no_room(&survey)?;
        let adopting = self.run.mirror.role().state == State::Empty;
        if !reasons.is_empty() {
            let rescue = reasons.mirror.is_some();
            let rescue =
                rescue.then(|| self.run.rescue(&look, "found on the mirror when a run was held")).transpose()?;
            let record = self.run.mirror.commit(self.draft(Kind::Held, taken, reasons.all().join("; ")))?;
            return Ok(Report::Held { record, rescue, reasons });
        }
        if self.run.is_of_two_runs(&look, taken.root)? {
            look.recorded = Some(self.run.rescue(&look, "the tree as an interrupted run left it")?);
        }
        let found_any = look.taken.totals.files + look.taken.totals.others > 0;
        if adopting && found_any && survey.destroys() {
            look.recorded = Some(self.run.rescue(&look, "the tree as it was when it became a mirror")?);
        }
        let record = self.run.mirror.commit(self.draft(Kind::Backup, taken, String::new()))?;
        let applied = self.run.publish(&look, &record)?;
        Ok(Report::Done { record, applied, lost })
    }

    fn dry(&self, dry: &Dry<'_>, look: &Look) -> Result<Report, Error> {
        let taken = self.take(dry, None)?;
        let reasons = self.reasons(look, taken.root, dry)?;
        let from = self.parent.as_ref().map_or(look.taken.root, |record| record.root);
        let cursor = |root| Ok::<_, Error>(Cursor::new(root, dry.reader()?)?);
        let diff = || Ok::<_, Error>(Diff::new(Some(cursor(from)?), Some(cursor(taken.root)?)));
        let plan = || Ok::<_, Error>(Plan::new(diff()?, look.scope(&self.run.selection)));
        let survey = survey(plan, dry.reader()?.as_mut())?.survey;
        Ok(Report::Dry { taken, survey, reasons })
    }
}
