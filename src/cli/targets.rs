//! `-targets` (floor 7).

use super::exit::Exit;
use super::out::Out;
use super::table::Found;
use serde_json::json;

pub(super) fn run(found: &Found, out: Out) -> Exit {
    if !out.json {
        out.line("available targets:");
    }
    for target in &found.table.targets {
        if out.json {
            let (source, mirror) = (target.source.to_string(), target.mirror.to_string());
            out.line(&json!({ "target": target.name, "source": source, "mirror": mirror }).to_string());
        } else {
            out.line(&format!("  {}", target.name));
        }
    }
    Exit::Done
}
