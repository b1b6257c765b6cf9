//! Guards: what is looked at before anything is touched (floor 5).
//!
//! What the table and the places contradict is refused; what only looks wrong holds the run, and then both sides are in the store.

use super::Error;
use super::places::Ends;
use crate::entry::ChunkRef;
use crate::format::role::State;
use crate::fs::dir::Dir;
use crate::fs::durable;
use crate::manifest::cursor::Cursor;
use crate::mirror::home::Home;
use crate::mirror::look::Drift;
use crate::path::{RelPath, shown, shown_path};
use crate::store::chunks::ChunkSource;
use std::fmt::Write as _;
use std::path::Path;

/// Refuses to read from, or write to, a place that is an active mirror, or lies in one, as if it were a source.
pub(super) fn not_a_mirror(place: &Path, what: &str) -> Result<(), Error> {
    // Through symlinks, and as it is named: either may lead into a mirror.
    let real = durable::real_path(place);
    let named = std::path::absolute(place).unwrap_or_else(|_| place.to_path_buf());
    for above in named.ancestors().chain(real.ancestors()) {
        if let Some(role) = Home::of(above).read_role()?.filter(|role| !matches!(role.state, State::Promoted(_))) {
            let inside = above != named && above != real;
            let lies = if inside { format!("lies in {}, which is", shown_path(above)) } else { "is".to_owned() };
            return Err(Error::Refused(format!(
                "{what} {} {lies} the mirror of target {}: the table looks swapped (nothing was written)",
                shown_path(place),
                shown(role.target.as_bytes())
            )));
        }
    }
    Ok(())
}

/// What is wrong with the DIRs of a source, so that the run must be held.
pub(super) fn suspicious_dirs(
    ends: &Ends<'_>,
    root: &Dir,
    on_mirror: Option<ChunkRef>,
    chunks: &dyn ChunkSource,
) -> Result<Vec<String>, Error> {
    let mut reasons = Vec::new();
    for dir in ends.dirs() {
        let reason = match names(root, &dir) {
            Err(e) => Some(format!("DIR {dir} cannot be listed ({e})")),
            Ok(names) if names.is_empty() && had_content(on_mirror, chunks, &dir)? => {
                Some(format!("DIR {dir} is empty and was not before"))
            }
            Ok(_) => None,
        };
        reasons.extend(reason);
    }
    Ok(reasons)
}

fn names(root: &Dir, dir: &RelPath) -> std::io::Result<Vec<Vec<u8>>> {
    let mut at = root.try_clone()?;
    for name in dir.names() {
        at = at.child(name)?;
    }
    at.names()
}

fn had_content(manifest: Option<ChunkRef>, chunks: &dyn ChunkSource, dir: &RelPath) -> Result<bool, Error> {
    let Some(root) = manifest else { return Ok(false) };
    let mut cursor = Cursor::new(root, chunks.reader()?)?;
    cursor.seek(dir)?;
    while let Some(entry) = cursor.next_entry()? {
        if entry.path != *dir {
            return Ok(entry.path.is_below(dir));
        }
    }
    Ok(false)
}

/// A mirror that someone else changed, in words.
pub(super) fn drift_reason(drift: &Drift) -> Option<String> {
    if drift.is_empty() {
        return None;
    }
    let mut text = format!(
        "the mirror was changed by someone else: {} added, {} changed, {} removed",
        drift.added, drift.changed, drift.removed
    );
    for (path, what) in drift.samples.iter().take(3) {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "; {path} ({what})");
    }
    Some(text)
}

/// Why a tree does not look like the source of these DIRs: one cannot be listed, or there is nothing in any.
pub(super) fn without_content(root: &Dir, dirs: &[RelPath]) -> Option<String> {
    let mut found = 0;
    for dir in dirs {
        match names(root, dir) {
            Ok(names) => found += names.len(),
            Err(e) => return Some(format!("DIR {dir} cannot be listed ({e})")),
        }
    }
    (found == 0).then(|| "there is nothing in its DIRs".to_owned())
}
