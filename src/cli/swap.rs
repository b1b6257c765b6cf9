//! `-swap` (floor 7).

use super::exit::Exit;
use super::out::Out;
use super::terminal::Terminal;
use super::{Failure, Session};
use crate::fs::clock;
use crate::ops::Context;
use crate::ops::swap::{Outcome, Report};
use crate::path::shown_path;
use crate::table::Target;
use serde_json::json;

pub(super) fn run(session: &Session, name: &str) -> Result<Exit, Failure> {
    let (found, out) = (&session.found, session.out);
    let target = found.target(name)?;
    let monitor = Terminal::new(name, session.verbose, out);
    let report = session.hosts.swap(target, found.tab(), Context { monitor: &monitor, now: clock::now(), random: 0 });
    monitor.finish();
    let report = report.map_err(|e| Failure::of(name, &e))?;
    tell(target, &shown_path(found.tab().file), &report, out);
    Ok(Exit::Done)
}

fn tell(target: &Target, table: &str, report: &Report, out: Out) {
    let name = &target.name;
    // As the table has them now.
    let (source, mirror) = (target.mirror.to_string(), target.source.to_string());
    let (word, done) = match report.outcome {
        Outcome::Swapped => ("swapped", format!("SOURCE is now {source}{}, MIRROR {mirror}", holds(report.snapshot))),
        Outcome::TableOnly => {
            ("table-only", format!("{source} was promoted before; {table} says so now: MIRROR is {mirror}"))
        }
        Outcome::TakenBack => ("taken-back", format!("the swap is taken back: SOURCE is {source}, MIRROR {mirror}")),
    };
    let next = next(name, &source, &mirror, report);
    let text = [vec![format!("{name}: {done}")], next.clone()].concat().join("\n  ");
    let value = json!({
        "type": "summary", "target": name, "outcome": word, "source": source, "mirror": mirror, "snapshot": report.snapshot,
        "link": report.link, "old_source_reachable": report.reachable,
        "next": next,
    });
    out.summary(&text, &value);
}

fn holds(snapshot: u64) -> String {
    if snapshot == 0 { String::new() } else { format!(" (snapshot {snapshot} and what was changed there since)") }
}

/// What the operator does now.
fn next(name: &str, source: &str, mirror: &str, report: &Report) -> Vec<String> {
    if report.outcome == Outcome::TakenBack {
        return vec![
            format!("point the automount at {source} again"),
            format!(
                "then: backup -backup {name}; it is held if {mirror} was changed while it was live, and that is saved first"
            ),
        ];
    }
    let other = if report.reachable {
        format!(
            "stop all work on {mirror}: it is no source any more. When nobody uses it: backup -backup --init {name}"
        )
    } else {
        format!("when the disk of {mirror} is back, or a new one: backup -backup --init {name}")
    };
    let link = report
        .link
        .as_ref()
        .map(|link| format!("the store is found through {link} from now on; the STORE line has become a comment"));
    let next = [
        format!("now: point the automount at {source}"),
        format!("{other} (what lies there is saved first, the history is copied to it)"),
        format!("a mistake? backup -swap {name} takes it back, as long as {mirror} was not made the mirror"),
    ];
    link.into_iter().chain(next).collect()
}
