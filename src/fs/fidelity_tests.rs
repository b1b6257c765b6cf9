//! What trees of several kinds and users can hold, as values; `probe` has the tests that ask a file system.

use super::{ALL_TIMES, Fidelity, Times};
use crate::entry::{Entry, Identity, Meta, Node, Time, Xattr};
use crate::path::RelPath;

fn of_user(times: Times) -> Fidelity {
    let namespaces = vec![b"user.".to_vec(), b"system.posix_acl_".to_vec()];
    Fidelity { owners: false, user: 1000, groups: vec![1000, 50], devices: false, times, namespaces }
}

fn time(seconds: i64, nanoseconds: u32) -> Time {
    Time { seconds, nanoseconds }
}

fn meta(mode: u32, uid: u32, gid: u32) -> Meta {
    Meta { mode, uid, gid, mtime: time(0, 0), xattrs: Vec::new() }
}

#[test]
fn times_are_clamped_and_cut_as_the_kernel_does() {
    // ext4 with inodes of 128 bytes.
    let old = of_user(Times { first: -(1 << 31), last: (1 << 31) - 1, unit: 1_000_000_000 });
    for (given, kept) in [
        (time(5, 999_999_999), time(5, 0)),
        (time(1 << 40, 1), time((1 << 31) - 1, 0)),
        (time(-(1 << 40), 7), time(-(1 << 31), 0)),
        (time(-1, 999_999_999), time(-1, 0)),
    ] {
        assert_eq!(old.time(given), kept);
    }
    let coarse = of_user(Times { unit: 100, ..ALL_TIMES });
    assert_eq!(coarse.time(time(-9, 123_456_789)), time(-9, 123_456_700));
    assert_eq!(of_user(ALL_TIMES).time(time(1 << 40, 1)), time(1 << 40, 1));
}

#[test]
fn a_program_of_another_owner_does_not_run_as_us() {
    let user = of_user(ALL_TIMES);
    for (given, uid, gid, set) in [
        (0o4755, 1000, 1000, 0o4755),
        (0o4755, 0, 1000, 0o755),
        (0o2755, 0, 50, 0o2755),
        (0o6755, 0, 51, 0o755),
        (0o1644, 0, 0, 0o1644),
    ] {
        assert_eq!(user.mode(&meta(given, uid, gid), false), set, "{given:o} {uid} {gid}");
    }
    assert_eq!(user.mode(&meta(0o2775, 0, 0), true), 0o2775, "on a folder it only hands down the group");
}

#[test]
fn what_cannot_be_held_is_no_difference() {
    let user = of_user(Times { unit: 1_000_000_000, ..ALL_TIMES });
    let entry = |uid, nanoseconds, xattr: &str| Entry {
        path: RelPath::new("a").unwrap(),
        meta: Meta {
            mtime: time(3, nanoseconds),
            xattrs: vec![Xattr { name: xattr.as_bytes().to_vec(), value: b"1".to_vec() }],
            ..meta(0o644, uid, 0)
        },
        identity: Identity::default(),
        flags: 0,
        node: Node::Fifo,
    };
    assert!(user.is_same(&entry(0, 5, "trusted.a"), &entry(7, 9, "security.b")));
    assert!(!user.is_same(&entry(0, 5, "user.a"), &entry(0, 5, "user.b")));
    assert!(!user.makes(&Node::CharDevice { major: 1, minor: 3 }) && user.makes(&Node::Socket));
}
