//! `-snapshots` (floor 7).

use super::exit::Exit;
use super::out::stderr;
use super::{Failure, Session, size, time};
use crate::format::snapshot::Kind;
use crate::ops::snapshots::Listed;
use crate::path::shown;
use serde_json::json;

pub(super) fn run(session: &Session, name: &str) -> Result<Exit, Failure> {
    let (target, out) = (session.found.target(name)?, session.out);
    let Listed { records, pins, note } = session.hosts.snapshots(target).map_err(|e| Failure::of(&target.name, &e))?;
    if let Some(note) = note {
        stderr(&format!("backup: {}: {note}", target.name));
    }
    if !out.json && !out.quiet {
        out.line("     n  kind    time                      files       bytes         new  note");
    }
    let mut exit = Exit::Done;
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                stderr(&format!("backup: {}: {e}", target.name));
                exit = Exit::Failed;
                continue;
            }
        };
        let totals = &record.totals;
        let note = shown(&record.note);
        let pinned = pins.contains(&record.sequence);
        let mark = match (pinned, note.is_empty()) {
            (false, _) => "",
            (true, false) => "pinned; ",
            (true, true) => "pinned",
        };
        let kind = match record.kind {
            Kind::Backup => "backup",
            Kind::Rescue => "rescue",
            Kind::Held => "held",
        };
        let text = format!(
            "{:6}  {kind:6}  {}  {:>9}  {:>10}  {:>10}  {mark}{note}",
            record.sequence,
            time::local(record.time),
            totals.files,
            size::bytes(totals.bytes),
            size::bytes(totals.new_bytes)
        );
        let value = json!({
            "sequence": record.sequence, "time": time::rfc3339(record.time), "kind": record.kind, "files": totals.files,
            "bytes": totals.bytes, "new_bytes": totals.new_bytes, "pinned": pinned, "directories": totals.directories,
            "others": totals.others, "problems": totals.problems, "note": note,
        });
        out.summary(text.trim_end(), &value);
    }
    Ok(exit)
}
