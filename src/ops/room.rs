//! Is there room for what is about to be written? (floor 5)
//!
//! Before the first write a run is refused for which there is too little by any reckoning; before the mirror tree is touched, when it is known
//! exactly what has to be made, it is held.

use super::Error;
use super::places::Ends;
use crate::fs::dir::Dir;
use crate::fs::space::{Need, Space};
use crate::manifest::cursor::Cursor;
use crate::mirror::home::Home;
use crate::path::{RelPath, shown_path};
use crate::scan::selection::Selection;
use crate::source::estimate::{Estimate, estimate};
use crate::source::snapshot::Trust;
use crate::tree::stage::MAKING;
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
    if all.is_some_and(|all| wanting(ends, all, Space::at).is_ok_and(|why| why.is_none())) {
        return Ok(());
    }
    // A mirror that has no snapshot yet may have a tree to be adopted.
    let there = Dir::open(ends.mirror).ok().filter(|_| parent.is_none()).map(Arc::new);
    let mut need = estimate(source, selection, parent, there)?;
    need.tree = need.tree.without(staged(ends.mirror));
    // Most of what the tree holds comes with the history.
    need.store = history.unwrap_or(need.store);
    if wanting(ends, need, Space::at)?.is_none() {
        return Ok(());
    }
    wanting(ends, need, Space::at_last)?
        .map_or(Ok(()), |why| Err(Error::Refused(format!("{why} (nothing was written)"))))
}

/// What there is too little of for a run, if anything.
fn wanting(
    ends: &Ends<'_>,
    need: Estimate,
    look: impl Fn(&Path) -> Result<Space, crate::fs::Error>,
) -> Result<Option<String>, Error> {
    let store_path = ends.store();
    let (tree, store) = (look(ends.mirror)?, look(&store_path)?);
    if tree.device != store.device {
        let of_tree = too_little(ends.mirror, tree, need.tree, " for the mirror tree");
        return Ok(of_tree.or_else(|| too_little(&store_path, store, need.store, " or more for the store")));
    }
    let parts =
        format!(" ({} for the mirror tree, {} or more for the store)", size(need.tree.bytes), size(need.store.bytes));
    Ok(too_little(ends.mirror, tree, need.tree.and(need.store), &parts))
}

/// Why a tree cannot be written to as planned, if so.
pub(super) fn for_a_tree(place: &Path, need: Need) -> Result<Option<String>, Error> {
    let need = need.without(staged(place));
    if need == Need::default() || too_little(place, Space::at(place)?, need, "").is_none() {
        return Ok(None);
    }
    Ok(too_little(place, Space::at_last(place)?, need, ""))
}

/// What a run that was interrupted had not finished making in the stage of a place: it goes before anything new is staged.
fn staged(place: &Path) -> Need {
    let names = |dir: Dir| Some((dir.names().ok()?, dir));
    let making = Home::of(place).stage().join(MAKING);
    let Some((names, dir)) = Dir::open(&making).ok().and_then(names) else { return Need::default() };
    let found = names.iter().filter_map(|name| dir.stat(name).ok()).filter(|stat| stat.is_file() && stat.links == 1);
    found.fold(Need::default(), |sum, stat| sum.and(Need { bytes: stat.allocated, inodes: 1 }))
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
fn too_little(place: &Path, space: Space, need: Need, parts: &str) -> Option<String> {
    let Need { bytes, inodes } = need.and(BESIDE);
    let short =
        (bytes > space.free).then(|| format!("{} are needed{parts}, {} are free", size(bytes), size(space.free)));
    let few = space.free_inodes.filter(|free| inodes > *free);
    let few = few.map(|free| format!("{inodes} files (inodes) have to be made, {free} can be"));
    let what: Vec<String> = short.into_iter().chain(few).collect();
    (!what.is_empty()).then(|| {
        format!(
            "there is too little room on {}: {}. Make room there or give it a larger disk, and run it again",
            shown_path(place),
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
    use std::path::Path;

    #[test]
    fn too_little_room_is_told_with_numbers() {
        let space = |free, free_inodes| Space { device: 1, free, free_inodes, used: 0, used_inodes: 0 };
        let need = |bytes, inodes| Need { bytes, inodes };
        let why = |space, need| too_little(Path::new("/m"), space, need, "").unwrap_or_default();
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
