//! Guards: what is looked at before anything is touched (floor 6).
//!
//! What the table and the places contradict is refused; what only looks wrong holds the run, and then both sides are in the store.

use super::Error;
use super::places::Ends;
use crate::entry::{ChunkRef, Node};
use crate::fs::dir::Dir;
use crate::fs::durable;
use crate::fs::stat::Stat;
use crate::manifest::cursor::Cursor;
use crate::mirror::end::{Around, End};
use crate::mirror::home;
use crate::mirror::look::{Drift, Look};
use crate::path::{RelPath, shown, shown_path};
use crate::store::chunks::ChunkSource;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a run is held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasons {
    /// What looks wrong at the source.
    pub source: Vec<String>,
    /// What someone else did to the mirror.
    pub mirror: Option<String>,
    /// What of the mirror could not be looked at, so that nobody knows whether it is in the store.
    pub unread: Option<String>,
    /// What there is too little of to change the mirror.
    pub room: Option<String>,
}

impl Reasons {
    /// Whether nothing is wrong.
    pub const fn is_empty(&self) -> bool {
        self.source.is_empty() && self.mirror.is_none() && self.unread.is_none() && self.room.is_none()
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        self.source.iter().chain(&self.mirror).chain(&self.unread).chain(&self.room).cloned().collect()
    }
}

/// In words: `P is the mirror of target T`, or `P lies in M, which is ...`.
fn as_mirror(place: &str, around: &Around) -> String {
    let lies = if around.is_place { "is".to_owned() } else { format!("lies in {}, which is", around.root) };
    format!("{place} {lies} the mirror of target {}", shown(around.role.target.as_bytes()))
}

/// Refuses a SOURCE that is an active mirror or lies in one.
pub(super) fn source_is_no_mirror(ends: &Ends<'_>) -> Result<(), Error> {
    let Some(around) = ends.source.mirror_around()? else { return Ok(()) };
    let (is, name) = (as_mirror(&ends.source.name(), &around), shown(around.role.target.as_bytes()));
    // Where both have the same store, one is a copy. Nobody may be told to move the only one away.
    let there = ends.mirror.role().ok().flatten();
    let both_here = ends.source.here().and(ends.mirror.here());
    let is_one = both_here.is_some_and(|mirror| durable::real_path(mirror).as_os_str().as_bytes() == around.real);
    let copied = !is_one && there.is_some_and(|there| there.store == around.role.store);
    let way = if copied {
        let (root, mirror) = (&around.root, ends.mirror.name());
        format!("MIRROR {mirror} has the same .backup: if it was copied to SOURCE by mistake, move {root}/.backup away")
    } else {
        format!(
            "Put SOURCE and MIRROR right in backup.tab; if the mirror took over from a dead source, after that: backup -swap {name}"
        )
    };
    Err(Error::Refused(format!("SOURCE {is}: the table looks swapped (nothing was written). {way}")))
}

/// As [`source_is_no_mirror`], for commands that do not read SOURCE: where MIRROR is none, that is worth a look. A dead SOURCE says nothing.
pub(super) fn rows_are_not_swapped(ends: &Ends<'_>) -> Result<(), Error> {
    match ends.mirror.role() {
        Ok(None) => match source_is_no_mirror(ends) {
            Err(refused @ Error::Refused(_)) => Err(refused),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Refuses to restore into a mirror, or around that of the target.
pub(super) fn place_is_no_mirror(place: &dyn End, ends: &Ends<'_>, tops: &[RelPath]) -> Result<(), Error> {
    let elsewhere = "(nothing was written). Choose a folder outside of every mirror: --to /some/new/folder";
    if let Some(around) = place.mirror_around()? {
        let is = as_mirror(&place.name(), &around);
        return Err(Error::Refused(format!("the place to restore to, {is} {elsewhere}")));
    }
    let Some((ours, top)) = place.here().and_then(|path| over(path, tops, ends)) else { return Ok(()) };
    let (place, ours, name) = (place.name(), shown_path(&ours), &ends.target.name);
    let message = format!("{top} below {place} would be written over the mirror of target {name}, {ours} {elsewhere}");
    Err(Error::Refused(message))
}

/// Refuses a mirror that lies, through symlinks or bind mounts, in what it is a mirror of: the table sees only names.
pub(super) fn mirror_is_outside(ends: &Ends<'_>) -> Result<(), Error> {
    let Some((ours, dir)) = ends.source.here().and_then(|path| over(path, &ends.target.dirs, ends)) else {
        return Ok(());
    };
    let (ours, source) = (shown_path(&ours), ends.source.name());
    Err(Error::Refused(format!(
        "MIRROR {ours} really lies in DIR {dir} of SOURCE {source}, and would hold itself (nothing was written). Look where its symlinks \
         lead and what is mounted there, and correct backup.tab"
    )))
}

/// A place that the target writes to on this host, and the one of these folders of a tree that it lies in, or that lies in it.
fn over<'t>(tree: &Path, tops: &'t [RelPath], ends: &Ends<'_>) -> Option<(PathBuf, &'t RelPath)> {
    let tree = durable::real_path(tree);
    let own = home::folder(&tree);
    let meet = |top: &RelPath, ours: &Path| {
        let place = Folder::find(&tree, top);
        // `.backup` at the root of a tree is never part of it.
        !ours.starts_with(&own) && (place.has(ours) || place.is_in(ours) || place.is_same(&Folder::find(ours, top)))
    };
    ends.written_here().find_map(|ours| {
        let real = durable::real_path(&ours);
        tops.iter().find(|top| meet(top, &real)).map(|top| (ours, top))
    })
}

/// A folder of a tree, by its name and, as one folder may be mounted at two places, by what is there. Below the root of the tree nothing is followed: a
/// symlink there is no folder, and holds nothing.
struct Folder {
    path: PathBuf,
    /// All above it, from the root of the tree on, as far as they are there.
    above: Vec<Stat>,
    is: Option<Stat>,
}

impl Folder {
    fn find(tree: &Path, top: &RelPath) -> Self {
        let mut folder = Self { path: tree.join(top.as_path()), above: Vec::new(), is: None };
        let mut at = Dir::way(tree).ok();
        let mut names = top.names();
        while let Some(stat) = at.as_ref().and_then(|at| at.stat_self().ok()) {
            let Some(name) = names.next() else {
                folder.is = Some(stat);
                break;
            };
            folder.above.push(stat);
            at = at.and_then(|at| at.child_to_pass(name).ok());
        }
        folder.above.extend(tree.ancestors().skip(1).filter_map(look));
        folder
    }

    fn is_same(&self, other: &Self) -> bool {
        matches!((&self.is, &other.is), (Some(one), Some(other)) if one.is_same(other))
    }

    /// Whether a place is this folder, or lies in it.
    fn has(&self, place: &Path) -> bool {
        let is_this = |stat: Stat| self.is.is_some_and(|is| is.is_same(&stat));
        place.starts_with(&self.path) || place.ancestors().filter_map(look).any(is_this)
    }

    /// Whether it is this place, or lies in it.
    fn is_in(&self, place: &Path) -> bool {
        let is_place = |stat: Stat| self.is.iter().chain(&self.above).any(|is| is.is_same(&stat));
        self.path.starts_with(place) || look(place).is_some_and(is_place)
    }
}

fn look(path: &Path) -> Option<Stat> {
    Dir::way(path).ok()?.stat_self().ok()
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
        let what = match root.names_of(&dir) {
            Ok(names) if !names.is_empty() => continue,
            Err(e) => format!("DIR {dir} cannot be listed ({e})"),
            Ok(_) if had_content(on_mirror, chunks, &dir)? => format!("DIR {dir} is empty and was not before"),
            Ok(_) => continue,
        };
        let files = count_files(on_mirror, chunks, &dir)?;
        reasons.push(if files > 0 { format!("{what}: {files} files of it are on the mirror") } else { what });
    }
    Ok(reasons)
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

fn count_files(manifest: Option<ChunkRef>, chunks: &dyn ChunkSource, dir: &RelPath) -> Result<u64, Error> {
    let Some(root) = manifest else { return Ok(0) };
    let mut cursor = Cursor::new(root, chunks.reader()?)?;
    cursor.seek(dir)?;
    let mut files = 0;
    while let Some(entry) = cursor.next_entry()?.filter(|entry| entry.path.is_within(dir)) {
        files += u64::from(matches!(entry.node, Node::File { .. }));
    }
    Ok(files)
}

/// A mirror that could not be seen whole, in words.
pub(super) fn unread_reason(look: &Look) -> Option<String> {
    match look.taken.totals.problems {
        0 => None,
        1 => Some("1 path on the mirror, named above, cannot be read".to_owned()),
        n => Some(format!("{n} paths on the mirror, named above, cannot be read")),
    }
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
