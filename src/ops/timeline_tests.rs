//! Versions of paths, from made-up differences.

use super::{Changed, Snapshot, Timeline};
use crate::entry::{ChunkRef, Time};
use crate::format::snapshot::Kind;
use crate::id::Id;
use crate::ops::change::{self, Facts, Fields, What};
use crate::path::RelPath;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

/// Snapshots with the numbers 1, 2, ...; those that are not backups cover `d` only.
fn timeline(kinds: &[Kind]) -> Timeline {
    let root = ChunkRef { id: Id::of(b""), length: 1 };
    let snapshot = |(sequence, kind): (u64, &Kind)| Snapshot {
        sequence,
        time: Time::default(),
        kind: *kind,
        root,
        dirs: vec![path("d")],
    };
    Timeline::new((1..).zip(kinds).map(snapshot).collect())
}

fn changed(at: &str, what: What, size: Option<u64>) -> Changed {
    let of = |size| Facts { kind: change::Kind::File, mode: 0o644, uid: 0, gid: 0, mtime: Time::default(), size };
    Changed { path: path(at), what, fields: Fields::default(), facts: size.map(of), to: None }
}

type Told = (What, u64, Vec<(u64, u64)>, Option<u64>);

/// Of each version: what happened, its size, where it is, and where it was gone.
fn told(timeline: &Timeline, at: &str) -> Vec<Told> {
    let (_, versions) = timeline.paths().find(|(found, _)| **found == path(at)).unwrap();
    let one = |v: super::Version<'_>| (v.what.clone(), v.facts.size, v.snapshots, v.gone.map(|(at, _)| at.sequence));
    versions.into_iter().map(one).collect()
}

#[test]
fn versions_begin_and_end_with_what_differs() {
    let mut line = timeline(&[Kind::Backup; 6]);
    line.apply(0, vec![changed("d/a", What::Created, Some(1))]);
    line.apply(2, vec![changed("d/a", What::Content, Some(2))]);
    line.apply(3, vec![Changed { to: Some(path("d/b")), ..changed("d/a", What::Removed, None) }]);
    line.apply(3, vec![changed("d/b", What::Moved(path("d/a")), Some(2))]);
    line.apply(5, vec![changed("d/a", What::Created, Some(1))]);
    let expected = vec![
        (What::Created, 1, vec![(1, 2)], None),
        (What::Content, 2, vec![(3, 3)], Some(4)),
        (What::Created, 1, vec![(6, 6)], None),
    ];
    assert_eq!(told(&line, "d/a"), expected);
    assert_eq!(told(&line, "d/b"), [(What::Moved(path("d/a")), 2, vec![(4, 6)], None)]);
    let all: Vec<bool> = line.paths().flat_map(|(_, versions)| versions).map(|version| version.is_oldest).collect();
    assert_eq!(all, [true, false, false, false]);
}

#[test]
fn what_stands_beside_the_line_ends_nothing() {
    let mut line = timeline(&[Kind::Backup, Kind::Rescue, Kind::Held, Kind::Backup]);
    line.apply(0, vec![changed("d/a", What::Created, Some(1)), changed("e/a", What::Created, Some(1))]);
    line.apply(1, vec![changed("d/a", What::Content, Some(7)), changed("d/new", What::Created, Some(8))]);
    line.apply(2, vec![changed("d/a", What::Removed, None)]);
    let expected = vec![(What::Created, 1, vec![(1, 1), (4, 4)], None), (What::Content, 7, vec![(2, 2)], None)];
    assert_eq!(told(&line, "d/a"), expected);
    assert_eq!(told(&line, "d/new"), [(What::Created, 8, vec![(2, 2)], None)]);
    assert_eq!(told(&line, "e/a"), [(What::Created, 1, vec![(1, 1), (4, 4)], None)], "the others do not cover it");
    assert_eq!([line.base(0), line.base(1), line.base(2), line.base(3)], [None, Some(0), Some(0), Some(0)]);
}

#[test]
fn a_snapshot_that_cannot_be_read_is_in_no_range() {
    let mut line = timeline(&[Kind::Backup; 4]);
    line.apply(0, vec![changed("d/a", What::Created, Some(1))]);
    line.cannot_read(1);
    line.apply(3, vec![changed("d/a", What::Content, Some(2))]);
    assert_eq!(line.base(2), Some(0));
    let expected = vec![(What::Created, 1, vec![(1, 1), (3, 3)], None), (What::Content, 2, vec![(4, 4)], None)];
    assert_eq!(told(&line, "d/a"), expected);
}
