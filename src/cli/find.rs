//! `-find` (floor 7).

use super::exit::Exit;
use super::restore::parse_path;
use super::table::typed;
use super::terminal::Terminal;
use super::{Failure, Session, shape, size, time};
use crate::entry::Time;
use crate::format::snapshot::Kind;
use crate::fs::clock;
use crate::ops::Context;
use crate::ops::change::{self, What};
use crate::ops::find::{Report, Story};
use crate::ops::pattern::Pattern;
use crate::ops::timeline::Version;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::ffi::OsStr;

pub(super) fn run(session: &Session, name: &str, pattern: &OsStr) -> Result<Exit, Failure> {
    let (target, out) = (session.found.target(name)?, session.out);
    let fail = |e: crate::ops::Error| Failure::of(&target.name, &e);
    let pattern = Pattern::anywhere(parse_path(pattern)?.as_bytes()).map_err(fail)?;
    let monitor = Terminal::new(&target.name, session.verbose, out);
    let context = Context { monitor: &monitor, now: clock::now(), random: 0 };
    let (zone, mut tell) = (TimeZone::system(), |story: &Story<'_>| show(session, &target.name, story));
    let found = session.hosts.find(target, &pattern, zone, context, &mut tell);
    monitor.finish();
    let report = found.map_err(fail)?;
    let Report { paths, versions, snapshots, unread } = report;
    if paths == 0 {
        let of = size::count(snapshots, "snapshot");
        let message =
            format!("{}: nothing in {of} matches {pattern}; a name without / is looked for everywhere", target.name);
        return Err(Failure { message, exit: Exit::Failed });
    }
    let text = format!(
        "{}: {} of {} in {}",
        target.name,
        size::count(versions, "version"),
        size::count(paths, "path"),
        size::count(snapshots, "snapshot")
    );
    let value = json!({
        "type": "summary", "target": target.name, "paths": paths, "versions": versions, "snapshots": snapshots,
        "unread": unread,
    });
    out.summary(&text, &value);
    Ok(if unread == 0 { Exit::Done } else { Exit::Failed })
}

fn show(session: &Session, target: &str, story: &Story<'_>) {
    let (out, path) = (session.out, story.path.to_string());
    if !out.json && !out.quiet {
        out.line(&path);
    }
    for (version, kept) in &story.versions {
        let words = format!("-restore {target} {} --snapshot {}", typed(story.path.as_bytes()), version.last);
        let command = session.found.command(&words);
        out.summary(&text(version, *kept, &command), &value(&path, version, *kept, &command));
    }
}

fn text(version: &Version<'_>, kept: Option<Time>, command: &str) -> String {
    let Version { facts, first, snapshots, gone, .. } = version;
    let beside = match first.kind {
        Kind::Backup => "",
        Kind::Rescue => " (rescue)",
        Kind::Held => " (held)",
    };
    let what = match (&version.what, version.is_oldest) {
        (What::Created, true) => "oldest".to_owned(),
        (What::Moved(from), _) => format!("moved from {from}"),
        (What::Metadata, _) => format!("metadata ({})", version.fields.names().join(", ")),
        (what, _) => event(what).to_owned(),
    };
    let ranges: Vec<String> = snapshots.iter().map(|&(from, to)| range(from, to)).collect();
    let length = if facts.kind == change::Kind::File { size::bytes(facts.size) } else { String::new() };
    let mut text = format!(
        "{:>8}  {}  {what}{beside}: {} {length:>10}  of {}, in {}\n          {command}",
        first.sequence,
        time::local(first.time),
        shape::mode(facts.kind, facts.mode),
        time::local(facts.mtime),
        ranges.join(", ")
    );
    if let Some(kept) = kept {
        text = format!("{text}   (kept until {})", time::local(kept));
    }
    if let Some((at, to)) = gone {
        let how = to.map_or_else(|| "vanished".to_owned(), |to| format!("moved to {to}"));
        text = format!("{text}\n{:>8}  {}  {how}", at.sequence, time::local(at.time));
    }
    text
}

fn value(path: &str, version: &Version<'_>, kept: Option<Time>, command: &str) -> Value {
    let Version { facts, first, snapshots, gone, .. } = version;
    let from = if let What::Moved(from) = version.what { Some(from.to_string()) } else { None };
    let gone = gone.map(|(at, to)| {
        json!({ "sequence": at.sequence, "time": time::rfc3339(at.time), "to": to.map(ToString::to_string) })
    });
    let mut value = json!({
        "type": "version", "path": path, "event": event(version.what), "from": from, "fields": version.fields.names(),
        "sequence": first.sequence, "time": time::rfc3339(first.time), "snapshot_kind": first.kind, "oldest": version.is_oldest,
        "kind": shape::kind(facts.kind), "mode": format!("{:04o}", facts.mode), "uid": facts.uid, "gid": facts.gid,
        "size": facts.size, "mtime": time::rfc3339(facts.mtime), "snapshots": snapshots, "last": version.last, "gone": gone,
        "restore": command,
    });
    if let (Some(kept), Some(object)) = (kept, value.as_object_mut()) {
        object.insert("kept_until".to_owned(), time::rfc3339(kept).into());
    }
    value
}

const fn event(what: &What) -> &'static str {
    match what {
        What::Created => "appeared",
        What::Removed => "vanished",
        What::Type => "type",
        What::Content => "content",
        What::Metadata => "metadata",
        What::Moved(_) => "moved",
    }
}

fn range(from: u64, to: u64) -> String {
    if from == to { from.to_string() } else { format!("{from}-{to}") }
}
