//! `-backup` and `-approve` (floor 7).

use super::args::BackupArgs;
use super::exit::Exit;
use super::held::Held;
use super::jobs;
use super::out::{Out, stderr};
use super::table::Found;
use super::terminal::Terminal;
use super::{Failure, Session, size, time};
use crate::format::snapshot::Record;
use crate::fs::clock;
use crate::ops::Context;
use crate::ops::backup::Options;
use crate::ops::run::Report;
use crate::table::Target;
use crate::tree::apply::Applied;
use serde_json::{Value, json};
use std::time::Instant;

/// Backs up the targets, as many at the same time as was asked for; one that fails does not stop the others.
pub(super) fn run(session: &Session, args: &BackupArgs) -> Result<Exit, Failure> {
    let targets = targets(&session.found, args)?;
    let options = Options { init: args.init, dry_run: args.dry_run, reread: args.reread };
    Ok(jobs::each(&targets, args.jobs.into(), session.out, |target| {
        let exit = with_context(session, target, |context| session.hosts.backup(target, options, context));
        exit.unwrap_or_else(|failure| {
            session.out.error_of(&target.name, &failure.message);
            failure.exit
        })
    }))
}

/// Those that are named, each once; or all of the table.
fn targets<'a>(found: &'a Found, args: &BackupArgs) -> Result<Vec<&'a Target>, Failure> {
    if args.all {
        return Ok(found.table.targets.iter().collect());
    }
    let mut targets: Vec<&Target> = Vec::new();
    for name in &args.targets {
        let target = found.target(name)?;
        if targets.iter().all(|known| known.name != target.name) {
            targets.push(target);
        }
    }
    Ok(targets)
}

pub(super) fn approve(session: &Session, name: &str, number: Option<u64>) -> Result<Exit, Failure> {
    let target = session.found.target(name)?;
    with_context(session, target, |context| session.hosts.approve(target, number, context))
}

fn with_context(
    session: &Session,
    target: &Target,
    verb: impl FnOnce(Context<'_>) -> Result<Report, crate::ops::Error>,
) -> Result<Exit, Failure> {
    let (started, out) = (Instant::now(), session.out);
    let monitor = Terminal::new(&target.name, session.verbose, out);
    let random =
        clock::random().map_err(|e| Failure { message: format!("no random numbers: {e}"), exit: Exit::Failed })?;
    let report = verb(Context { monitor: &monitor, now: clock::now(), random });
    monitor.finish();
    let report = report.map_err(|e| Failure::of(&target.name, &e))?;
    Ok(tell(&session.found, target, &report, started.elapsed().as_secs_f64(), out))
}

fn tell(found: &Found, target: &Target, report: &Report, seconds: f64, out: Out) -> Exit {
    match report {
        Report::Done { record, applied, lost } => {
            done(target, record, applied, seconds, out).worst(partial_if(*lost > 0))
        }
        Report::Held { record, rescue, reasons } => {
            Held { found, target, record, rescue: *rescue, reasons }.tell(row(target, record), out)
        }
        Report::Dry { taken, survey, reasons } => {
            let text = format!(
                "{}: dry run: {}, {}; on the mirror {} would be made, {} replaced, {} touched, {} removed{} ({} written){}",
                target.name,
                size::count(taken.totals.files, "file"),
                size::bytes(taken.totals.bytes),
                survey.created,
                survey.replaced,
                survey.touched,
                survey.removed,
                size::moved(survey.moved),
                size::bytes(survey.bytes),
                if reasons.is_empty() {
                    String::new()
                } else {
                    format!("; it would be held: {}", reasons.all().join("; "))
                }
            );
            let value = json!({
                "type": "dry-run", "target": target.name, "files": taken.totals.files, "bytes": taken.totals.bytes,
                "created": survey.created, "replaced": survey.replaced, "touched": survey.touched,
                "removed": survey.removed, "moved": survey.moved, "held": reasons.all(), "problems": taken.totals.problems,
            });
            out.summary(&text, &value);
            if reasons.is_empty() { partial_if(taken.totals.problems > 0) } else { Exit::Held }
        }
    }
}

fn partial_if(problems: bool) -> Exit {
    if problems { Exit::Partial } else { Exit::Done }
}

fn row(target: &Target, record: &Record) -> Value {
    json!({
        "type": "summary", "target": target.name, "sequence": record.sequence, "kind": record.kind,
        "time": time::rfc3339(record.time), "files": record.totals.files, "bytes": record.totals.bytes,
        "new_bytes": record.totals.new_bytes, "problems": record.totals.problems,
    })
}

fn done(target: &Target, record: &Record, applied: &Applied, seconds: f64, out: Out) -> Exit {
    let totals = &record.totals;
    let problems = match totals.problems {
        0 => String::new(),
        n => format!("; {n} not read or carried forward"),
    };
    let text = format!(
        "{}: snapshot {}: {}, {}; {} new in the store; mirror: {} written ({}), {} removed, {} touched{}; {seconds:.1} s{problems}",
        target.name,
        record.sequence,
        size::count(totals.files, "file"),
        size::bytes(totals.bytes),
        size::bytes(totals.new_bytes),
        applied.written,
        size::bytes(applied.bytes),
        applied.removed,
        applied.touched,
        size::moved(applied.moved),
    );
    let mut value = row(target, record);
    if let Some(object) = value.as_object_mut() {
        let facts = [
            ("written", applied.written),
            ("removed", applied.removed),
            ("moved", applied.moved),
            ("touched", applied.touched),
            ("failed", applied.failed),
        ];
        object.extend(facts.map(|(key, n)| (key.to_owned(), n.into())));
        object.insert("seconds".to_owned(), seconds.into());
    }
    out.summary(&text, &value);
    if applied.failed > 0 {
        stderr(&format!(
            "backup: {}: {} on the mirror could not be changed, and stayed as before; snapshot {} is safe in the store; mend the cause \
             and run -backup again",
            target.name,
            size::count(applied.failed, "path"),
            record.sequence
        ));
        return Exit::Failed;
    }
    partial_if(totals.problems > 0)
}
