//! Which paths of a snapshot an operator means (floor 6): each PATH itself, or where the snapshot has no such path, all that it matches as a pattern.

use super::Error;
use crate::browse::tree::{Nodes, Tree};
use crate::entry::ChunkRef;
use crate::format::snapshot::{Kind, Record};
use crate::limits::RESTORE_MATCHES;
use crate::manifest;
use crate::manifest::cursor::Cursor;
use crate::mirror::service::MirrorService;
use crate::path::{RelPath, typed};
use crate::store::chunks::ChunkReader;
use globset::{GlobBuilder, GlobMatcher};
use std::collections::HashSet;

/// A snapshot and the paths that somebody wants of it.
pub(super) struct Wanted<'w> {
    /// Where it is.
    pub(super) mirror: &'w dyn MirrorService,
    /// Name of the target, for commands.
    pub(super) target: &'w str,
    /// The snapshot.
    pub(super) record: &'w Record,
}

impl Wanted<'_> {
    /// The paths that are meant. Every one must be in the snapshot: a typing error must not look like success.
    pub(super) fn meant(&self, paths: &[RelPath]) -> Result<Vec<RelPath>, Error> {
        let nodes = Nodes::default();
        let mut meant = Vec::new();
        for path in paths {
            if has(self.record.root, path, &nodes, self.mirror.reader()?.as_mut())? {
                meant.push(path.clone());
                continue;
            }
            let found = if is_pattern(path) { self.matching(path)? } else { Vec::new() };
            if found.is_empty() && !self.is_known_absent(path) {
                return Err(self.refuse(path)?);
            }
            let is_absent = found.is_empty();
            meant.extend(found);
            if is_absent {
                meant.push(path.clone());
            }
        }
        Ok(meant)
    }

    /// What was not there when a rescue was made is known by its not being in it.
    fn is_known_absent(&self, path: &RelPath) -> bool {
        self.record.kind == Kind::Rescue && self.record.dirs.iter().any(|dir| path.is_within(dir))
    }

    /// What a pattern matches, without what is in a folder that it matches.
    fn matching(&self, pattern: &RelPath) -> Result<Vec<RelPath>, Error> {
        let glob = matcher(pattern)?;
        let folder = literal_part(pattern);
        let mut cursor = Cursor::new(self.record.root, self.mirror.reader()?)?;
        cursor.seek(&folder)?;
        let mut found: Vec<RelPath> = Vec::new();
        while let Some(entry) = cursor.next_entry()?.filter(|entry| entry.path.is_within(&folder)) {
            let is_below = found.last().is_some_and(|last| entry.path.is_within(last));
            if is_below || !glob.is_match(entry.path.as_path()) {
                continue;
            }
            if found.len() >= RESTORE_MATCHES {
                return Err(Error::Refused(format!(
                    "{pattern} matches more than {RESTORE_MATCHES} paths: name the folder, or match folders (nothing was written)"
                )));
            }
            found.push(entry.path);
        }
        Ok(found)
    }

    /// Why a path cannot be had, and where it can.
    fn refuse(&self, path: &RelPath) -> Result<Error, Error> {
        let number = self.record.sequence;
        if is_pattern(path) {
            return Ok(Error::Refused(format!("{path} matches nothing in snapshot {number} (nothing was written)")));
        }
        let hint = match self.newest_with(path)? {
            Some(other) => {
                let (target, path) = (self.target, typed(path.as_bytes()));
                format!(
                    "; the newest that has it is snapshot {other}: backup -restore {target} {path} --snapshot {other}"
                )
            }
            None => ", nor in any other".to_owned(),
        };
        Ok(Error::Refused(format!("{path} is not in snapshot {number}{hint} (nothing was written)")))
    }

    /// The newest other snapshot of the source that has a path, or else the newest of any kind. What cannot be read is passed over.
    fn newest_with(&self, path: &RelPath) -> Result<Option<u64>, Error> {
        let (nodes, mut reader) = (Nodes::default(), self.mirror.reader()?);
        let (mut without, mut other) = (HashSet::from([self.record.root.id]), None);
        for sequence in self.mirror.sequences()?.into_iter().rev() {
            let Ok(record) = self.mirror.record(sequence) else { continue };
            let is_backup = record.kind == Kind::Backup;
            if without.contains(&record.root.id) || (!is_backup && other.is_some()) {
                continue;
            }
            if !has(record.root, path, &nodes, reader.as_mut()).unwrap_or(false) {
                without.insert(record.root.id);
            } else if is_backup {
                return Ok(Some(sequence));
            } else {
                other = Some(sequence);
            }
        }
        Ok(other)
    }
}

/// Whether a manifest has a path, or anything below it.
fn has(root: ChunkRef, path: &RelPath, nodes: &Nodes, reader: &mut dyn ChunkReader) -> Result<bool, manifest::Error> {
    let tree = Tree { root, nodes };
    let rank = tree.rank(reader, &|other| other < path)?;
    Ok(tree.entry(reader, rank)?.is_some_and(|entry| entry.path.is_within(path)))
}

fn is_special(byte: u8) -> bool {
    b"*?[{".contains(&byte)
}

/// Whether a path can be a pattern.
fn is_pattern(path: &RelPath) -> bool {
    path.as_bytes().iter().any(|&byte| is_special(byte))
}

/// The folder in which all lies that a pattern can match.
fn literal_part(pattern: &RelPath) -> RelPath {
    let is_plain = |name: &&[u8]| !name.iter().any(|&byte| is_special(byte) || byte == b'\\' || byte == b'}');
    let mut folder = RelPath::root();
    let mut names = pattern.names().take_while(is_plain);
    while let Some(Ok(())) = names.next().map(|name| folder.push(name)) {}
    folder
}

/// `*` and `?` do not match a `/`; `**` does.
fn matcher(pattern: &RelPath) -> Result<GlobMatcher, Error> {
    let wrong = |why: String| Error::Refused(format!("{pattern} is in no snapshot as it is, and no pattern: {why}"));
    let text = std::str::from_utf8(pattern.as_bytes()).map_err(|e| wrong(e.to_string()))?;
    let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(|e| wrong(e.kind().to_string()))?;
    Ok(glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::{is_pattern, literal_part, matcher};
    use crate::path::RelPath;

    #[test]
    fn a_pattern_begins_at_a_folder() {
        let path = |text: &str| RelPath::new(text).unwrap();
        for (pattern, folder) in
            [("d/*/x", "d"), ("d/e/f*", "d/e"), ("*", ""), ("d/{a,b/c}/x", "d"), ("d/a\\*b", "d"), ("**/x", "")]
        {
            assert!(is_pattern(&path(pattern)));
            assert_eq!(literal_part(&path(pattern)), path(folder), "{pattern}");
        }
        assert!(!is_pattern(&path("d/plain")));
        let matches = |pattern: &str, text: &str| matcher(&path(pattern)).unwrap().is_match(text);
        assert!(matches("d/*.fits", "d/a.fits") && !matches("d/*.fits", "d/e/a.fits"));
        assert!(matches("d/**/*.fits", "d/e/f/a.fits") && matches("d/[ab]?", "d/a1"));
        assert!(matcher(&path("d/[a")).is_err());
    }
}
