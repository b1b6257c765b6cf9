//! `-prune`: KEEP says which snapshots go, and the mirror's end gives back their room (floor 6).
//!
//! It is decided here, in the operator's zone and by the operator's table, under the mirror's lock; the mirror's end proves that it may be done.

use super::judge::snapshot;
use super::places::Ends;
use super::{Context, Error, guards};
use crate::format::snapshot::Record;
use crate::manifest::vanished::{Neighbours, last_copy};
use crate::mirror::prune::{Most, Order, Pruned};
use crate::mirror::service::MirrorService;
use crate::retention::{Decision, Policy, Question, Reason, Snapshot, decide};
use crate::store::chunks::ChunkSource;
use jiff::tz::TimeZone;

/// What the operator wants.
#[derive(Clone, Debug)]
pub struct Options {
    /// Write nothing.
    pub dry_run: bool,
    /// How much may be copied to get at unused room.
    pub most: Most,
    /// In which days begin and end.
    pub zone: TimeZone,
}

/// A snapshot and what becomes of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The snapshot.
    pub record: Record,
    /// Why it stays; nothing: it goes.
    pub reasons: Vec<Reason>,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// All snapshots that there were.
    pub rows: Vec<Row>,
    /// What was done, or would be.
    pub pruned: Pruned,
}

/// Drops snapshots by KEEP and sweeps the store.
pub fn prune(ends: Ends<'_>, options: &Options, context: Context<'_>) -> Result<Report, Error> {
    guards::rows_are_not_swapped(&ends)?;
    let opened = ends.open_mirror(context)?;
    let mirror = opened.as_ref();
    let records = records(mirror)?;
    let Decision { verdicts, notes } = decision(&ends, mirror, &records, options, context)?;
    for note in &notes {
        context.monitor.note(note);
    }
    let drop = verdicts.iter().filter(|verdict| !verdict.is_kept()).map(|verdict| verdict.sequence).collect();
    let order = Order { drop, most: options.most, dry: options.dry_run };
    let pruned = mirror.prune(&order, context.monitor)?;
    let rows = records.into_iter().zip(verdicts).map(|(record, verdict)| Row { record, reasons: verdict.reasons });
    Ok(Report { rows: rows.collect(), pruned })
}

/// All of them. One that cannot be read could need anything.
fn records(mirror: &dyn MirrorService) -> Result<Vec<Record>, Error> {
    // From the newest on: a mirror on another host gives many at a time to who goes back.
    let mut records = Vec::new();
    for sequence in mirror.sequences()?.into_iter().rev() {
        match mirror.record(sequence).map_err(Error::from) {
            Ok(record) => records.push(record),
            Err(e) if e.is_lost() => return Err(e),
            Err(e) => {
                return Err(Error::Refused(format!(
                    "{e}; what snapshot {sequence} needs is not known, so nothing was removed. If its record cannot be mended, move it out of \
                     store/snapshots: then the snapshot is given up"
                )));
            }
        }
    }
    records.reverse();
    Ok(records)
}

fn decision(
    ends: &Ends<'_>,
    mirror: &dyn MirrorService,
    records: &[Record],
    options: &Options,
    context: Context<'_>,
) -> Result<Decision, Error> {
    let pins = ends.mirror.pins()?;
    let state = mirror.role().state;
    let facts = |record: &Record| (record.sequence, record.time, record.kind, record.root);
    let snapshots: Vec<Snapshot> = records.iter().map(|record| snapshot(facts(record), &pins, state)).collect();
    let policy = Policy { keep: ends.target.keep.as_ref(), now: context.now, zone: options.zone.clone() };
    let chunks: &dyn ChunkSource = mirror;
    let mut ask = |question: Question| {
        let Question { snapshot, next, before, newest } = question;
        last_copy(Neighbours { of: snapshot, next, before, newest }, chunks)
    };
    decide(&snapshots, &policy, &mut ask).map_err(|e| match Error::from(e) {
        e if e.is_lost() => e,
        e => Error::Refused(format!("{e}; what would be lost cannot be told, so nothing was removed")),
    })
}
