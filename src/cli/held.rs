//! What an operator reads when a run was held (floor 7): what was seen, that nothing was touched, and the commands that go on from here.

use super::exit::Exit;
use super::out::{Out, stderr};
use super::table::Found;
use crate::format::snapshot::Record;
use crate::ops::guards::Reasons;
use crate::table::Target;
use serde_json::Value;

/// A run that was held.
pub(super) struct Held<'a> {
    pub(super) found: &'a Found,
    pub(super) target: &'a Target,
    pub(super) record: &'a Record,
    /// The snapshot of what was found on the mirror, where that was changed.
    pub(super) rescue: Option<u64>,
    pub(super) reasons: &'a Reasons,
}

impl Held<'_> {
    /// Prints it; `row` has the facts of the snapshot.
    pub(super) fn tell(&self, mut row: Value, out: Out) -> Exit {
        let ways = self.ways();
        if out.json {
            if let Some(object) = row.as_object_mut() {
                object.insert("reasons".to_owned(), self.reasons.all().into());
                object.insert("rescue".to_owned(), self.rescue.into());
                object.insert("next".to_owned(), ways.into());
            }
            out.summary("", &row);
        } else {
            stderr(&format!("backup: {}\n  {}", self.seen(), ways.join("\n  ")));
        }
        Exit::Held
    }

    fn seen(&self) -> String {
        let saved = self.rescue.map(|n| format!(" What was found on the mirror is snapshot {n}.")).unwrap_or_default();
        format!(
            "{}: HELD: {}. The mirror was not touched; the source is snapshot {}.{saved}",
            self.target.name,
            self.reasons.all().join("; "),
            self.record.sequence
        )
    }

    /// One way on for each cause that this can have, the one that does no harm first.
    fn ways(&self) -> Vec<String> {
        let name = &self.target.name;
        let command = |words: &str| self.found.command(&format!("-{words} {name}"));
        let mut ways = Vec::new();
        if let Some(rescue) = self.rescue {
            let restore = self.found.command(&format!("-restore {name} --snapshot {rescue} --to /some/new/folder"));
            ways.push(format!("To see what was done there: {}; or {restore}", command("check")));
            ways.push(format!("If people work on the mirror now, because the source died: {}", command("swap")));
        }
        if !self.reasons.source.is_empty() {
            let (backup, restore) = (command("backup"), command("restore"));
            ways.push(format!("If a disk of SOURCE is not mounted: mount it, then {backup}"));
            if self.record.sequence > 1 {
                ways.push(format!("If files there are gone or spoilt: {restore} brings back the last good night"));
            }
        }
        if self.reasons.unread.is_some() {
            let backup = command("backup");
            ways.push(format!("When it can be read (does the disk fail? the kernel's log tells): {backup}"));
            return ways;
        }
        if self.reasons.room.is_some() {
            ways.push(format!("When there is room: {}", command("backup")));
            if self.reasons.source.is_empty() && self.reasons.mirror.is_none() {
                return ways;
            }
        }
        let approve = command("approve");
        ways.push(self.rescue.map_or_else(
            || format!("If all is well: {approve}"),
            |n| {
                format!(
                    "If the mirror shall be as the source again (snapshot {n} keeps what was done there): {approve}"
                )
            },
        ));
        ways
    }
}
