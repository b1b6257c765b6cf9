//! `-diff` (floor 7).

use super::exit::Exit;
use super::restore::parse_path;
use super::terminal::Terminal;
use super::{Failure, Session, shape, size};
use crate::fs::clock;
use crate::ops::Context;
use crate::ops::change::{Facts, Kind, What};
use crate::ops::diff::{Line, Options, Report, State};
use crate::path::shown;
use serde_json::json;
use std::ffi::OsString;

pub(super) fn run(
    session: &Session,
    name: &str,
    (from, to): (&str, &str),
    paths: &[OsString],
) -> Result<Exit, Failure> {
    let (target, out) = (session.found.target(name)?, session.out);
    let paths: Vec<_> = paths.iter().map(|path| parse_path(path)).collect::<Result<_, _>>()?;
    let options = Options { from: state(from)?, to: state(to)?, paths };
    let monitor = Terminal::new(&target.name, session.verbose, out);
    let context = Context { monitor: &monitor, now: clock::now(), random: 0 };
    let mut folders = 0_u64;
    let compared = session.hosts.diff(target, options, context, &mut |line| {
        let is_new_time = line.fields.is_time_only() && line.new.is_some_and(|new| new.kind == Kind::Directory);
        // Whatever comes or goes in a folder gives it a new time.
        if is_new_time && line.what == What::Metadata && !out.json && !session.verbose {
            folders = folders.saturating_add(1);
        } else {
            show(session, &line);
        }
    });
    monitor.finish();
    let report = compared.map_err(|e| Failure::of(&target.name, &e))?;
    summary(session, &target.name, &report, folders);
    Ok(if report.unread == 0 { Exit::Done } else { Exit::Partial })
}

fn state(word: &str) -> Result<State, Failure> {
    match word {
        "latest" => Ok(State::Latest),
        "source" => Ok(State::Source),
        "mirror" => Ok(State::Mirror),
        number => number.parse().map(State::Number).map_err(|_| {
            Failure::usage(format!(
                "{}: neither the number of a snapshot nor latest, source or mirror",
                shown(word.as_bytes())
            ))
        }),
    }
}

fn show(session: &Session, line: &Line) {
    let (verb, from) = match &line.what {
        What::Created => ("created", None),
        What::Removed => ("removed", None),
        What::Type => ("type", None),
        What::Content => ("content", None),
        What::Metadata => ("metadata", None),
        What::Moved(from) => ("moved", Some(from.to_string())),
    };
    let (path, fields) = (line.path.to_string(), line.fields.names());
    let kind = |facts: Option<Facts>| facts.map(|facts| shape::kind(facts.kind));
    let more = match (&line.what, kind(line.old), kind(line.new)) {
        (What::Type, Some(old), Some(new)) => format!(" ({old} -> {new})"),
        (What::Metadata | What::Moved(_), ..) if !fields.is_empty() => format!(" ({})", fields.join(", ")),
        _ => String::new(),
    };
    let shown = from.as_ref().map_or_else(|| path.clone(), |from| format!("{from} -> {path}"));
    let one = |facts: Option<Facts>| {
        facts.map(|facts| {
            json!({
                "kind": shape::kind(facts.kind), "mode": format!("{:04o}", facts.mode), "uid": facts.uid, "gid": facts.gid,
                "size": facts.size, "mtime": super::time::rfc3339(facts.mtime),
            })
        })
    };
    let value = json!({
        "type": "difference", "change": verb, "path": path, "from": from, "fields": fields,
        "old": one(line.old), "new": one(line.new),
    });
    session.out.summary(&format!("{verb:<8}  {shown}{more}"), &value);
}

fn summary(session: &Session, target: &str, report: &Report, folders: u64) {
    let Report { from, to, created, removed, moved, content, metadata, types, bytes_new, bytes_old, unread } = report;
    let mut text = format!(
        "{target}: {from} -> {to}: {created} created, {removed} removed, {moved} moved, {content} of other content, {metadata} of other \
         metadata, {types} of another kind; {} new, {} gone",
        size::bytes(*bytes_new),
        size::bytes(*bytes_old)
    );
    if folders > 0 {
        text = format!("{text}; not shown: {folders} folders with a new time only (--verbose)");
    }
    let value = json!({
        "type": "summary", "target": target, "from": from, "to": to, "created": created, "removed": removed, "moved": moved,
        "content": content, "metadata": metadata, "types": types, "bytes_new": bytes_new, "bytes_old": bytes_old,
        "unread": unread,
    });
    session.out.summary(&text, &value);
}
