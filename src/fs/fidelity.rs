//! How much of an entry's metadata a tree can hold: what its file system keeps, and what we may set there (floor 1).
//!
//! The manifest has all of it. A tree is as it should be when it has what it can have: wherever a tree is compared with a manifest, both sides are
//! first brought to that ([`super::probe`] finds out what it is). Otherwise a file from the year 2500 on a file system that ends in 2446 would be
//! somebody's change, every night.

use super::clock;
use crate::entry::{Entry, Meta, Node, Time};
use rustix::fs::Gid;
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};

/// What a tree can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Whether files can be given to anyone. If not, all are ours, of one of our groups.
    pub owners: bool,
    pub(super) user: u32,
    pub(super) groups: Vec<u32>,
    pub(super) devices: bool,
    pub(super) times: Times,
    pub(super) namespaces: Vec<Vec<u8>>,
}

/// The times that a file system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Times {
    /// First and last second: the kernel takes these for what is beyond, without nanoseconds.
    pub(super) first: i64,
    pub(super) last: i64,
    /// Nanoseconds are a multiple of this, 1 to 10^9.
    pub(super) unit: u32,
}

pub(super) const ALL_TIMES: Times = Times { first: i64::MIN, last: i64::MAX, unit: 1 };

/// The bits of a mode by which a program runs as its owner, or as its group.
const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;

/// Namespaces of attributes (xattr(7)), and one of each that is tried; whatever is in none of them (`btrfs.compression`) is tried when it comes.
pub(super) const SAMPLES: [(&[u8], &[u8]); 4] = [
    (b"user.", b"user.backup"),
    (b"trusted.", b"trusted.backup"),
    (b"security.", b"security.backup"),
    (b"system.posix_acl_", b"system.posix_acl_access"),
];

impl Fidelity {
    /// All, as far as we may.
    pub fn assumed() -> Self {
        let is_root = clock::is_root();
        let mut groups: Vec<u32> =
            rustix::process::getgroups().unwrap_or_default().into_iter().map(Gid::as_raw).collect();
        groups.push(rustix::process::getegid().as_raw());
        let namespaces = SAMPLES.iter().map(|(namespace, _)| namespace.to_vec());
        let of_root = |namespace: &Vec<u8>| [b"trusted.".as_slice(), b"security."].contains(&namespace.as_slice());
        Self {
            owners: is_root,
            user: clock::effective_uid(),
            groups,
            devices: is_root && may_make_devices(),
            times: ALL_TIMES,
            namespaces: namespaces.filter(|namespace| is_root || !of_root(namespace)).collect(),
        }
    }

    /// A time as the file system keeps it.
    pub fn time(&self, time: Time) -> Time {
        let Times { first, last, unit } = self.times;
        let seconds = time.seconds.clamp(first, last);
        // At its ends the kernel keeps no nanoseconds (timestamp_truncate).
        if seconds == last || seconds == first {
            return Time { seconds, nanoseconds: 0 };
        }
        Time { seconds, nanoseconds: time.nanoseconds - time.nanoseconds % unit.max(1) }
    }

    /// The mode that is set. A program that would run as its owner does not run as us instead.
    pub fn mode(&self, meta: &Meta, is_directory: bool) -> u32 {
        let not_ours = |bit, is_ours: bool| if self.owners || is_directory || is_ours { 0 } else { bit };
        let user = not_ours(SET_USER, meta.uid == self.user);
        meta.mode & !user & !not_ours(SET_GROUP, self.groups.contains(&meta.gid))
    }

    /// The group that a file is given, if it can be.
    pub fn group(&self, meta: &Meta) -> Option<u32> {
        (self.owners || self.groups.contains(&meta.gid)).then_some(meta.gid)
    }

    /// Whether an attribute of this name may be set.
    pub fn may_hold(&self, name: &[u8]) -> bool {
        let namespace = SAMPLES.iter().map(|(namespace, _)| *namespace).find(|namespace| name.starts_with(namespace));
        namespace.is_none_or(|namespace| self.namespaces.iter().any(|held| held == namespace))
    }

    /// What is held of the metadata; owners that cannot be set count as none.
    pub fn hold(&self, meta: &Meta, is_directory: bool) -> Meta {
        let (uid, gid) = if self.owners { (meta.uid, meta.gid) } else { (0, 0) };
        let xattrs = meta.xattrs.iter().filter(|xattr| self.may_hold(&xattr.name)).cloned().collect();
        Meta { mode: self.mode(meta, is_directory), uid, gid, mtime: self.time(meta.mtime), xattrs }
    }

    /// Whether all of the metadata is held, owners apart where all files are ours.
    pub fn holds_all(&self, meta: &Meta, is_directory: bool) -> bool {
        let held = self.hold(meta, is_directory);
        (held.mode, held.mtime, held.xattrs.len()) == (meta.mode, meta.mtime, meta.xattrs.len())
    }

    /// Whether an object of this kind can be made.
    pub fn makes(&self, node: &Node) -> bool {
        self.devices || !matches!(node, Node::CharDevice { .. } | Node::BlockDevice { .. })
    }

    /// Whether both make the same thing here.
    pub fn is_same(&self, a: &Entry, b: &Entry) -> bool {
        let hold = |entry: &Entry| self.hold(&entry.meta, entry.is_directory());
        a.node == b.node && (a.meta == b.meta || hold(a) == hold(b))
    }
}

/// In a user namespace root makes no devices.
fn may_make_devices() -> bool {
    let whole = std::fs::read_to_string("/proc/self/uid_map")
        .map_or(true, |map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]));
    whole && rustix::thread::capabilities(None).map_or(true, |sets| sets.effective.contains(CapabilitySet::MKNOD))
}

#[cfg(test)]
#[path = "fidelity_tests.rs"]
mod tests;
