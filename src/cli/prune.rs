//! `-prune` (floor 7).

use super::args::PruneArgs;
use super::exit::Exit;
use super::out::Out;
use super::terminal::Terminal;
use super::{Failure, Session, size, time};
use crate::format::snapshot::Kind;
use crate::fs::clock;
use crate::mirror::prune::{Most, Pruned};
use crate::ops::Context;
use crate::ops::prune::{Options, Report, Row};
use crate::retention::Reason;
use jiff::tz::TimeZone;
use serde_json::json;

pub(super) fn run(session: &Session, args: &PruneArgs) -> Result<Exit, Failure> {
    let (target, out) = (session.found.target(&args.target)?, session.out);
    let most = args.max_rewrite.as_deref().map_or(Some(Most::All), most);
    let most = most.ok_or_else(|| Failure::usage("--max-rewrite: 500M, 2G or 10%"))?;
    let options = Options { dry_run: args.dry_run, most, zone: TimeZone::system() };
    let monitor = Terminal::new(&target.name, session.verbose, out);
    let report = session.hosts.prune(target, &options, Context { monitor: &monitor, now: clock::now(), random: 0 });
    monitor.finish();
    let report = report.map_err(|e| Failure::of(&target.name, &e))?;
    for row in &report.rows {
        tell_row(row, out, args.dry_run || session.verbose);
    }
    tell(&target.name, &report, args.dry_run, out);
    Ok(if report.pruned.left == 0 { Exit::Done } else { Exit::Failed })
}

/// `500M`, `2G`, `10%`; K is 1024, and a number alone is bytes.
fn most(text: &str) -> Option<Most> {
    if let Some(percent) = text.strip_suffix('%') {
        return percent.parse().ok().filter(|percent| *percent <= 100).map(Most::Percent);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.strip_prefix(digits)? {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).map(Most::Bytes)
}

/// As JSON each of them, else only when it is asked for.
fn tell_row(row: &Row, out: Out, wanted: bool) {
    let (record, word) = (&row.record, if row.reasons.is_empty() { "drop" } else { "keep" });
    let reasons: Vec<String> = row.reasons.iter().map(Reason::to_string).collect();
    let kind = match record.kind {
        Kind::Backup => "backup",
        Kind::Rescue => "rescue",
        Kind::Held => "held",
    };
    let text = format!("{:6}  {word}  {kind:6}  {}  {}", record.sequence, time::local(record.time), reasons.join("; "));
    let value = json!({
        "type": "snapshot", "sequence": record.sequence, "time": time::rfc3339(record.time), "kind": record.kind,
        "keep": !row.reasons.is_empty(), "reasons": reasons,
    });
    if out.json || wanted {
        out.summary(text.trim_end(), &value);
    }
}

fn tell(name: &str, report: &Report, dry: bool, out: Out) {
    let Pruned { snapshots, unused, rewritten, copied, freed, bytes, waste, left } = report.pruned;
    let would = if dry { "would be " } else { "" };
    let kept = report.rows.len() as u64 - snapshots.min(report.rows.len() as u64);
    let next = next(&report.rows);
    let for_nothing = if waste > 0 { format!(", {} of them for nothing", size::bytes(waste)) } else { String::new() };
    let mut parts = vec![
        format!("{name}: {} {would}dropped, {kept} kept", size::count(snapshots, "snapshot")),
        format!("{} {would}removed, {rewritten} {would}written again", size::count(unused, "pack")),
        format!("{} {would}given back, {} in packs{for_nothing}", size::bytes(freed), size::bytes(bytes)),
    ];
    if left > 0 {
        parts.push(format!("{} left alone", size::count(left, "pack")));
    }
    if let Some((sequence, why)) = &next {
        parts.push(format!("next to go: snapshot {sequence} ({why})"));
    }
    let text = parts.join("; ");
    let next = next.map(|(sequence, why)| json!({ "sequence": sequence, "reason": why }));
    let value = json!({
        "type": "summary", "target": name, "dry_run": dry, "dropped": snapshots, "kept": kept, "packs_removed": unused,
        "packs_rewritten": rewritten, "bytes_copied": copied, "bytes_freed": freed, "bytes": bytes, "bytes_unused": waste,
        "packs_left": left, "next": next,
    });
    out.summary(&text, &value);
}

/// The snapshot that a further night pushes out: nothing keeps it but that it has the last rank of a rule.
fn next(rows: &[Row]) -> Option<(u64, String)> {
    let is_last = |reason: &Reason| match reason {
        Reason::Last(rank, count) | Reason::NewestOf(_, rank, count) => rank == count,
        _ => false,
    };
    let row = rows.iter().find(|row| !row.reasons.is_empty() && row.reasons.iter().all(is_last))?;
    Some((row.record.sequence, row.reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join("; ")))
}

#[cfg(test)]
mod tests {
    use super::most;
    use crate::mirror::prune::Most;

    #[test]
    fn bounds_are_read() {
        assert_eq!(most("10%"), Some(Most::Percent(10)));
        assert_eq!(most("100"), Some(Most::Bytes(100)));
        assert_eq!(most("2G"), Some(Most::Bytes(2 << 30)));
        for bad in ["", "%", "101%", "-1", "2g", "2GB", "G", "1.5G", "99999999999T"] {
            assert_eq!(most(bad), None, "{bad}");
        }
    }
}
