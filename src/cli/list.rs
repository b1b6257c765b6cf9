//! `-list` (floor 7).

use super::args::ListArgs;
use super::exit::Exit;
use super::out::Out;
use super::restore::{parse_path, which};
use super::terminal::Terminal;
use super::{Failure, Session, shape, size, time};
use crate::entry::{CARRIED_FORWARD, CHANGED_WHILE_READ, Node};
use crate::fs::clock;
use crate::ops::Context;
use crate::ops::change::{Facts, Kind};
use crate::ops::list::{Options, Row};
use crate::ops::pattern::Pattern;
use crate::path::shown;
use serde_json::json;

pub(super) fn run(session: &Session, args: &ListArgs) -> Result<Exit, Failure> {
    let (target, out) = (session.found.target(&args.target)?, session.out);
    let now = clock::now();
    let fail = |e: crate::ops::Error| Failure::of(&target.name, &e);
    let path = args.path.as_deref().map(parse_path).transpose()?.filter(|path| !path.is_root());
    let options = Options {
        path: path.map(|path| Pattern::path(path.as_bytes())).transpose().map_err(fail)?,
        which: which(args.snapshot, args.at.as_deref(), now)?,
        recursive: args.recursive,
    };
    let monitor = Terminal::new(&target.name, session.verbose, out);
    let context = Context { monitor: &monitor, now, random: 0 };
    let (mut count, mut bytes) = (0_u64, 0_u64);
    let listed = session.hosts.list(target, &options, context, &mut |row| {
        count = count.saturating_add(1);
        bytes = bytes.saturating_add(row.entry.size());
        show(&row, out);
    });
    monitor.finish();
    let record = listed.map_err(fail)?;
    let text = format!(
        "{}: snapshot {} of {}: {}, {}",
        target.name,
        record.sequence,
        time::local(record.time),
        size::count(count, "name"),
        size::bytes(bytes)
    );
    let value = json!({
        "type": "summary", "target": target.name, "sequence": record.sequence, "time": time::rfc3339(record.time),
        "names": count, "bytes": bytes,
    });
    out.summary(&text, &value);
    Ok(Exit::Done)
}

fn show(row: &Row<'_>, out: Out) {
    let (entry, facts) = (row.entry, Facts::of(row.entry));
    let owner = |name: Option<&[u8]>, number: u32| name.map_or_else(|| number.to_string(), shown);
    let (user, group) = (owner(row.user, facts.uid), owner(row.group, facts.gid));
    let device = shape::device(&entry.node);
    let length = match device {
        Some((major, minor)) => format!("{major}, {minor}"),
        None if matches!(facts.kind, Kind::File | Kind::HardLink) => size::bytes(row.size),
        None => String::new(),
    };
    let (target, leader) = match &entry.node {
        Node::Symlink { target } => (Some(shown(target)), None),
        Node::HardLink { leader } => (None, Some(leader.to_string())),
        _ => (None, None),
    };
    let leads = match (&target, &leader) {
        (Some(target), _) => format!(" -> {target}"),
        (_, Some(leader)) => format!(" (the same file as {leader})"),
        _ => String::new(),
    };
    let is = |flag: u32| entry.flags & flag != 0;
    let (carried, changed) = (is(CARRIED_FORWARD), is(CHANGED_WHILE_READ));
    let flags = match (carried, changed) {
        (true, _) => " (could not be read: the last good version)",
        (_, true) => " (changed while it was read)",
        _ => "",
    };
    let (mode, when, path) = (shape::mode(facts.kind, facts.mode), time::local(facts.mtime), entry.path.to_string());
    let text = format!("{mode}  {user:<8} {group:<8} {length:>10}  {when}  {path}{leads}{flags}");
    let value = json!({
        "type": "entry", "path": path, "kind": shape::kind(facts.kind), "mode": format!("{:04o}", facts.mode),
        "uid": facts.uid, "gid": facts.gid, "user": row.user.map(shown), "group": row.group.map(shown), "size": row.size,
        "mtime": time::rfc3339(facts.mtime), "target": target, "leader": leader, "device": device,
        "carried_forward": carried, "changed_while_read": changed,
    });
    out.summary(&text, &value);
}
