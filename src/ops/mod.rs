//! The verbs (floor 6): one file each. They put the rooms below together and decide what an operator's command means.

pub mod approve;
pub mod backup;
pub mod change;
pub mod check;
pub mod diff;
mod drafts;
mod elsewhere;
pub mod errand;
pub mod find;
mod gate;
pub mod guards;
pub mod hosts;
mod judge;
pub mod list;
mod loss;
pub mod mount;
mod now;
mod owners;
mod past;
mod paths;
pub mod pattern;
pub mod pins;
pub mod places;
pub mod prune;
pub mod restore;
mod room;
pub mod run;
pub mod snapshots;
mod stage;
pub mod swap;
pub mod timeline;

use crate::browse::fuse;
use crate::entry::Time;
use crate::monitor::Monitor;
use crate::{fs, manifest, mirror, remote, source, store, tree};

/// What the world tells a verb: nothing below asks for it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Receives progress and problems.
    pub monitor: &'a dyn Monitor,
    /// The time to write on snapshots.
    pub now: Time,
    /// For the id of a new store.
    pub random: u128,
}

/// What ends a verb.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// At the mirror.
    #[error(transparent)]
    Mirror(#[from] mirror::Error),
    /// While reading the source.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// While writing to a tree.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// In the store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// In a manifest.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    /// On a file of ours.
    #[error(transparent)]
    Fs(#[from] fs::Error),
    /// On the way to another host, or back.
    #[error(transparent)]
    Remote(#[from] remote::Error),
    /// The host of SOURCE cannot be reached.
    #[error("{0}")]
    Unreached(remote::Error),
    /// What was typed is no pattern.
    #[error("{0}")]
    Pattern(String),
    /// Of a mount.
    #[error(transparent)]
    Mount(#[from] fuse::Error),
    /// The command cannot be carried out as things are: nothing was written.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Whether another run has the lock.
    pub const fn is_locked(&self) -> bool {
        matches!(self, Self::Mirror(mirror::Error::Locked(_)))
    }

    /// Whether it is the connection to another host that failed: whatever was asked there is not known.
    pub const fn is_lost(&self) -> bool {
        match self {
            Self::Store(e)
            | Self::Manifest(manifest::Error::Store(e))
            | Self::Mirror(mirror::Error::Store(e) | mirror::Error::Manifest(manifest::Error::Store(e)))
            | Self::Source(source::Error::Store(e) | source::Error::Manifest(manifest::Error::Store(e))) => {
                matches!(e, store::Error::Lost(_))
            }
            Self::Remote(_) => true,
            _ => false,
        }
    }
}
