//! Is there room for what is about to be written? (floor 6)
//!
//! Before the first write a run is refused for which there is too little by any reckoning; before the mirror tree is touched, when it is known
//! exactly what has to be made, it is held.

use super::Error;
use super::places::Ends;
use crate::fs::dir::Dir;
use crate::fs::space::{Need, Space};
use crate::manifest::cursor::Cursor;
use crate::mirror::end::{End, Room};
use crate::mirror::near::staged;
use crate::path::{RelPath, shown_path};
use crate::scan::selection::Selection;
use crate::source::estimate::{Estimate, estimate};
use crate::source::snapshot::Trust;
use std::path::Path;
use std::sync::Arc;

/// Records, role, and the folders that grow with their names.
const BESIDE: Need = Need { bytes: 128 << 10, inodes: 8 };

/// Refuses a run that cannot fit, before anything is written; where a mirror is made after a swap, with the history that it gets first. The source is
/// walked only if it could fail to fit at all.
pub(super) fn before_a_run(
    ends: &Ends<'_>,
    source: &Arc<Dir>,
    selection: &Selection,
    parent: Option<(Cursor<'_>, Trust)>,
) -> Result<(), Error> {
    let history = if parent.is_none() { ends.room_for_history()? } else { None };
    let all = bound(source, &ends.dirs());
    let all = all.map(|all| Estimate { tree: all, store: all.and(history.unwrap_or_default()) });
    if all.is_some_and(|all| wanting(ends.mirror, all, false).is_ok_and(|why| why.is_none())) {
        return Ok(());
    }
    let is_first = parent.is_none();
    // A mirror that has no snapshot yet may have a tree to be adopted.
    let there = ends.mirror.here().and_then(|path| Dir::open(path).ok()).filter(|_| is_first).map(Arc::new);
    let mut need = estimate(source, selection, parent, there)?;
    // How much of the source a tree behind a pipe has already is seen when it is looked at.
    if is_first && ends.mirror.here().is_none() && matches!(ends.mirror.without_content(&ends.dirs()), Ok(None)) {
        need.tree = Need::default();
    }
    need.tree = need.tree.without(ends.mirror.room(false)?.staged);
    // Most of what the tree holds comes with the history.
    need.store = history.unwrap_or(need.store);
    if wanting(ends.mirror, need, false)?.is_none() {
        return Ok(());
    }
    let why = wanting(ends.mirror, need, true)?;
    why.map_or(Ok(()), |why| Err(Error::Refused(format!("{why} (nothing was written)"))))
}

/// What there is too little of for a run, if anything.
fn wanting(mirror: &dyn End, need: Estimate, settled: bool) -> Result<Option<String>, Error> {
    let Room { tree, store, .. } = mirror.room(settled)?;
    let name = mirror.name();
    if tree.device != store.device {
        let of_tree = too_little(&name, tree, need.tree, " for the mirror tree");
        let of_store = || too_little(&mirror.store_name(), store, need.store, " or more for the store");
        return Ok(of_tree.or_else(of_store));
    }
    let parts =
        format!(" ({} for the mirror tree, {} or more for the store)", size(need.tree.bytes), size(need.store.bytes));
    Ok(too_little(&name, tree, need.tree.and(need.store), &parts))
}

/// Why a mirror tree cannot be written to as planned, if so.
pub(super) fn for_a_mirror(mirror: &dyn End, need: Need) -> Result<Option<String>, Error> {
    for_a_tree(&mirror.name(), need, |settled| {
        let room = mirror.room(settled)?;
        Ok((room.tree, room.staged))
    })
}

/// Why a place on this host cannot be written to as planned, if so.
pub(super) fn for_a_place(place: &Path, need: Need) -> Result<Option<String>, Error> {
    let at = |settled| if settled { Space::at_last(place) } else { Space::at(place) };
    for_a_tree(&shown_path(place), need, |settled| Ok((at(settled)?, staged(place))))
}

fn for_a_tree(
    name: &str,
    need: Need,
    room: impl Fn(bool) -> Result<(Space, Need), Error>,
) -> Result<Option<String>, Error> {
    if need == Need::default() {
        return Ok(None);
    }
    let (space, staged) = room(false)?;
    let need = need.without(staged);
    // What this run has just put into the store may not be counted yet: where it is close, everything has to be on the medium first.
    if need == Need::default() || too_little(name, space, need.and(need), "").is_none() {
        return Ok(None);
    }
    Ok(too_little(name, room(true)?.0, need, ""))
}

/// No snapshot of these DIRs takes more than all that is on their file systems; nothing if that cannot be told.
fn bound(root: &Dir, dirs: &[RelPath]) -> Option<Need> {
    let mut spaces: Vec<Space> = Vec::new();
    for dir in dirs {
        let mut at = root.try_clone().ok()?;
        for name in dir.names() {
            at = at.child(name).ok()?;
        }
        let space = Space::of(&at).ok()?;
        if spaces.iter().all(|known| known.device != space.device) {
            spaces.push(space);
        }
    }
    let sum = |all: Need, space: &Space| all.and(Need { bytes: space.used, inodes: space.used_inodes });
    Some(spaces.iter().fold(Need::default(), sum))
}

/// What is missing, in words and numbers; nothing if there is enough.
fn too_little(place: &str, space: Space, need: Need, parts: &str) -> Option<String> {
    let Need { bytes, inodes } = need.and(BESIDE);
    let short =
        (bytes > space.free).then(|| format!("{} are needed{parts}, {} are free", size(bytes), size(space.free)));
    let few = space.free_inodes.filter(|free| inodes > *free);
    let few = few.map(|free| format!("{inodes} files (inodes) have to be made, {free} can be"));
    let what: Vec<String> = short.into_iter().chain(few).collect();
    (!what.is_empty()).then(|| {
        format!(
            "there is too little room on {place}: {}. Make room there or give it a larger disk, and run it again",
            what.join("; and ")
        )
    })
}

/// `12.3 MB`: decimal units, as disks are sold.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB")];
    let (unit, name) = units.into_iter().find(|(unit, _)| bytes >= *unit).unwrap_or((1000, "kB"));
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::{size, too_little};
    use crate::fs::space::{Need, Space};

    #[test]
    fn too_little_room_is_told_with_numbers() {
        let space = |free, free_inodes| Space { device: 1, free, free_inodes, used: 0, used_inodes: 0 };
        let need = |bytes, inodes| Need { bytes, inodes };
        let why = |space, need| too_little("/m", space, need, "").unwrap_or_default();
        assert_eq!(why(space(10 << 20, Some(100)), need(9 << 20, 50)), "");
        assert_eq!(
            why(space(10 << 20, None), need(9 << 20, 1 << 40)),
            "",
            "inodes that are not counted do not run out"
        );
        let text = why(space(10_000_000, Some(100)), need(20_000_000, 500));
        let numbers = "20.1 MB are needed, 10.0 MB are free; and 508 files (inodes) have to be made, 100 can be";
        assert!(text.starts_with(&format!("there is too little room on /m: {numbers}. Make room")), "{text}");
    }

    #[test]
    fn sizes_have_one_digit_behind_the_point() {
        assert_eq!([999, 1_550, 1_999_999, 7_200_000_000].map(size), ["0.9 kB", "1.5 kB", "1.9 MB", "7.2 GB"]);
    }
}
