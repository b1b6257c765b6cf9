//! Names of owners and groups as this host knows them (floor 6).

use crate::format::snapshot::Owner;
use nix::unistd::{Gid, Group, Uid, User};
use std::collections::BTreeSet;

/// The names of these users; numbers without a name are left out.
pub(super) fn users(numbers: &BTreeSet<u32>) -> Vec<Owner> {
    named(numbers, |number| User::from_uid(Uid::from_raw(number)).ok().flatten().map(|user| user.name))
}

/// The names of these groups; numbers without a name are left out.
pub(super) fn groups(numbers: &BTreeSet<u32>) -> Vec<Owner> {
    named(numbers, |number| Group::from_gid(Gid::from_raw(number)).ok().flatten().map(|group| group.name))
}

fn named(numbers: &BTreeSet<u32>, name: impl Fn(u32) -> Option<String>) -> Vec<Owner> {
    numbers.iter().filter_map(|&number| Some(Owner { number, name: name(number)?.into_bytes() })).collect()
}
