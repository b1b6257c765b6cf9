//! `-restore` (floor 7).

use super::args::RestoreArgs;
use super::exit::Exit;
use super::out::Out;
use super::table::{Found, typed_path};
use super::terminal::Terminal;
use super::{Failure, Session, size, time};
use crate::fs::clock;
use crate::ops::Context;
use crate::ops::restore::{Change, Options, Report, Would};
use crate::ops::snapshots::Which;
use crate::path::{RelPath, shown};
use crate::place::Place;
use serde_json::json;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(super) fn run(session: &Session, args: &RestoreArgs) -> Result<Exit, Failure> {
    let (found, out) = (&session.found, session.out);
    let target = found.target(&args.target)?;
    let now = clock::now();
    let options = Options {
        paths: args.paths.iter().map(|path| parse_path(path)).collect::<Result<_, _>>()?,
        which: which(args.snapshot, args.at.as_deref(), now)?,
        to: None,
        delete: args.delete,
        dry_run: args.dry_run,
    };
    let to = args.to.as_deref().map(place).transpose()?;
    let monitor = Terminal::new(&target.name, session.verbose, out);
    let context = Context { monitor: &monitor, now, random: 0 };
    let report = session.hosts.restore(target, to.as_ref(), options, context, &mut |would| show(&would, out));
    monitor.finish();
    let report = report.map_err(|e| Failure::of(&target.name, &e))?;
    Ok(tell(found, &target.name, args, &report, out))
}

/// A PATH as typed: a trailing slash and a leading `./` do no harm.
pub(super) fn parse_path(text: &OsStr) -> Result<RelPath, Failure> {
    let bytes = text.as_bytes();
    let names: Vec<&[u8]> = bytes.split(|&b| b == b'/').filter(|name| !name.is_empty() && *name != b".").collect();
    let bad = |why: &str| {
        Failure::usage(format!("{}: {why}; paths are relative to the target: detrend/2003/bias.fits", shown(bytes)))
    };
    if bytes.first() == Some(&b'/') {
        return Err(bad("it begins with a slash"));
    }
    RelPath::new(names.join(&b'/')).map_err(|e| bad(&e.to_string()))
}

/// The snapshot that `--snapshot` or `--at` means.
pub(super) fn which(number: Option<u64>, at: Option<&str>, now: crate::entry::Time) -> Result<Which, Failure> {
    match (at, number) {
        (_, Some(n)) => Ok(Which::Number(n)),
        (Some(text), None) => time::parse(text, now).map(Which::At).ok_or_else(|| {
            let text = shown(text.as_bytes());
            Failure::usage(format!("--at {text}: not a time; as 2026-11-21, \"2026-11-21 03:00\", yesterday, tuesday, \"tuesday 03:00\" or \"2 days ago\""))
        }),
        (None, None) => Ok(Which::Newest),
    }
}

fn place(text: &OsStr) -> Result<Place, Failure> {
    Place::parse(text.as_bytes()).map_err(|e| Failure::usage(format!("--to {}: {e}", shown(text.as_bytes()))))
}

fn show(would: &Would, out: Out) {
    let verb = match would.change {
        Change::Create => "create",
        Change::Replace => "replace",
        Change::Touch => "touch",
        Change::Move => "move",
        Change::Remove => "remove",
    };
    let path = would.path.to_string();
    let from = would.from.as_ref().map(ToString::to_string);
    let shown = from.as_ref().map_or_else(|| path.clone(), |from| format!("{from} -> {path}"));
    let value = json!({ "type": "would", "action": verb, "path": path, "from": from });
    out.summary(&format!("{verb:8} {shown}"), &value);
}

fn tell(found: &Found, target: &str, args: &RestoreArgs, report: &Report, out: Out) -> Exit {
    let (number, survey) = (report.record.sequence, &report.survey);
    let applied = report.applied.unwrap_or_default();
    let place = args.to.as_deref().map_or_else(|| "SOURCE".to_owned(), |place| shown(place.as_bytes()));
    let text = if report.applied.is_none() {
        format!(
            "{target}: dry run: snapshot {number} to {place}: {} would be created, {} replaced, {} touched, {} removed{} ({})",
            survey.created,
            survey.replaced,
            survey.touched,
            survey.removed,
            size::moved(survey.moved),
            size::bytes(survey.bytes)
        )
    } else {
        format!(
            "{target}: snapshot {number} of {} restored to {place}: {} written ({}), {} touched, {} removed{}",
            time::local(report.record.time),
            applied.written,
            size::bytes(applied.bytes),
            applied.touched,
            applied.removed,
            size::moved(applied.moved)
        )
    };
    let undo = report.rescue.map(|rescue| undo(found, target, rescue, args));
    let text = undo.as_ref().map_or(text.clone(), |undo| format!("{text}\n  to undo: {undo}"));
    let value = json!({
        "type": "summary", "target": target, "sequence": number, "place": place, "created": survey.created,
        "replaced": survey.replaced, "touched": survey.touched, "removed": survey.removed, "moved": survey.moved,
        "bytes": survey.bytes,
        "failed": applied.failed, "unread": report.unread, "rescue": report.rescue, "undo": undo, "dry_run": report.applied.is_none(),
    });
    out.summary(&text, &value);
    match (applied.failed, report.unread) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Partial,
        _ => Exit::Failed,
    }
}

/// The command that undoes a restore, to be typed in any folder.
fn undo(found: &Found, target: &str, rescue: u64, args: &RestoreArgs) -> String {
    let to = args.to.as_deref().map(|place| format!(" --to {}", typed_path(Path::new(place)))).unwrap_or_default();
    // Elsewhere, what the snapshot does not have may never have been ours.
    let delete = if args.to.is_none() || args.delete { " --delete" } else { "" };
    found.command(&format!("-restore {target} --snapshot {rescue}{to}{delete}"))
}
