//! `-check` (floor 7).

use super::exit::Exit;
use super::terminal::Terminal;
use super::{Failure, Session, size};
use crate::fs::clock;
use crate::ops::Context;
use serde_json::json;

pub(super) fn run(session: &Session, name: &str, data: bool) -> Result<Exit, Failure> {
    let (target, out) = (session.found.target(name)?, session.out);
    let monitor = Terminal::new(&target.name, session.verbose, out);
    let report = session.hosts.check(target, data, Context { monitor: &monitor, now: clock::now(), random: 0 });
    monitor.finish();
    let report = report.map_err(|e| Failure::of(&target.name, &e))?;
    let verdict =
        if report.wrong == 0 { "all in order".to_owned() } else { size::count(report.wrong, "thing") + " wrong" };
    let mut parts = vec![format!("{}: {verdict}: {}", target.name, size::count(report.store.snapshots, "snapshot"))];
    if data {
        parts.push(format!("{} of packs read", size::bytes(report.store.bytes_read)));
    }
    if let Some(number) = report.on_mirror {
        parts.push(format!("mirror compared with snapshot {number}{}", if data { ", all bytes" } else { "" }));
    }
    if let Some(news) = report.source {
        parts.push(match news.added + news.changed + news.removed {
            0 => "source as in the newest snapshot".to_owned(),
            _ => format!("source since: {} new, {} changed, {} gone", news.added, news.changed, news.removed),
        });
    }
    let text = parts.join("; ");
    let source = report.source.map(|n| json!({ "added": n.added, "changed": n.changed, "removed": n.removed }));
    let value = json!({
        "type": "summary", "target": target.name, "wrong": report.wrong, "snapshots": report.store.snapshots,
        "bytes_read": report.store.bytes_read, "on_mirror": report.on_mirror, "source": source,
    });
    out.summary(&text, &value);
    Ok(if report.wrong == 0 { Exit::Done } else { Exit::Failed })
}
