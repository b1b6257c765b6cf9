//! `-pin` and `-unpin` (floor 7).

use super::exit::Exit;
use super::terminal::Terminal;
use super::{Failure, Session};
use crate::fs::clock;
use crate::ops::Context;
use serde_json::json;

pub(super) fn run(session: &Session, name: &str, sequence: u64, pinned: bool) -> Result<Exit, Failure> {
    let (target, out) = (session.found.target(name)?, session.out);
    let monitor = Terminal::new(&target.name, session.verbose, out);
    let changed =
        session.hosts.pin(target, sequence, pinned, Context { monitor: &monitor, now: clock::now(), random: 0 });
    monitor.finish();
    let changed = changed.map_err(|e| Failure::of(&target.name, &e))?;
    let what = match (pinned, changed) {
        (true, true) => "is pinned: it stays whatever KEEP says",
        (true, false) => "was pinned before",
        (false, true) => "is pinned no more: KEEP says how long it stays",
        (false, false) => "was not pinned",
    };
    let text = format!("{}: snapshot {sequence} {what}", target.name);
    let value =
        json!({ "type": "summary", "target": target.name, "sequence": sequence, "pinned": pinned, "changed": changed });
    out.summary(&text, &value);
    Ok(Exit::Done)
}
