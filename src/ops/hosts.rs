//! Where a verb runs (floor 6): what reads SOURCE or writes to it runs where SOURCE is; everything else where the operator is.

use super::approve::approve;
use super::backup::{self, backup};
use super::check::{self, check};
use super::places::Ends;
use super::restore::{self, Would, restore};
use super::run;
use super::snapshots::{Listed, snapshots};
use super::swap::{self, Tab, swap};
use super::{Context, Error};
use crate::mirror::end::End;
use crate::mirror::near::Near;
use crate::place::Place;
use crate::table::Target;
use std::path::Path;

/// How the hosts of a target are reached.
#[derive(Clone, Debug, Default)]
pub struct Hosts {}

impl Hosts {
    fn end(target: &Target, path: Option<&Path>, what: &str, place: &Place) -> Result<Box<dyn End>, Error> {
        let path = path.ok_or_else(|| {
            Error::Refused(format!(
                "{what} {place} is on another host, which this version cannot reach: run it where both places are local"
            ))
        })?;
        let store = if what == "MIRROR" { target.store_path() } else { None };
        Ok(Box::new(Near {
            target: target.name.clone(),
            path: path.to_owned(),
            label: None,
            store: store.map(Path::to_owned),
        }))
    }

    fn with<T>(&self, target: &Target, verb: impl FnOnce(Ends<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let source = Self::end(target, target.source_path(), "SOURCE", &target.source)?;
        let mirror = Self::end(target, target.mirror_path(), "MIRROR", &target.mirror)?;
        verb(Ends { target, source: source.as_ref(), mirror: mirror.as_ref() })
    }

    /// `-backup`.
    pub fn backup(
        &self,
        target: &Target,
        options: backup::Options,
        context: Context<'_>,
    ) -> Result<run::Report, Error> {
        self.with(target, |ends| backup(ends, options, context))
    }

    /// `-approve`.
    pub fn approve(&self, target: &Target, sequence: Option<u64>, context: Context<'_>) -> Result<run::Report, Error> {
        self.with(target, |ends| approve(ends, sequence, context))
    }

    /// `-restore`.
    pub fn restore(
        &self,
        target: &Target,
        options: &restore::Options,
        context: Context<'_>,
        would: &mut dyn FnMut(Would),
    ) -> Result<restore::Report, Error> {
        self.with(target, |ends| restore(ends, options, context, would))
    }

    /// `-check`.
    pub fn check(&self, target: &Target, data: bool, context: Context<'_>) -> Result<check::Report, Error> {
        self.with(target, |ends| check(ends, data, context))
    }

    /// `-swap`.
    pub fn swap(&self, target: &Target, tab: Tab<'_>, context: Context<'_>) -> Result<swap::Report, Error> {
        self.with(target, |ends| swap(ends, tab, context))
    }

    /// `-snapshots`.
    pub fn snapshots(&self, target: &Target) -> Result<Listed, Error> {
        self.with(target, snapshots)
    }
}
