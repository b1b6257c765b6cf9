//! The mirror: role, store and tree under one lock (floor 4).
//!
//! [`service`] is the seam: all that the engine, which runs where SOURCE is, may ask of the end where MIRROR is. [`local`] is that end on this host.
//! [`look`] tells what is on the mirror, [`verify`] proves the store, [`home`] says where a mirror's own files are,
//! [`leftover`] saves what a killed run left in its stage. [`make`] makes a mirror, after a swap with the history of the other end; [`turn`] makes
//! one live data, and [`reading`] reads a history without a lock. [`end`] is a place as the verbs see it before any of that is open, and
//! [`near`] is one on this host.

pub mod admit;
pub mod end;
pub mod home;
pub mod leftover;
pub mod local;
pub mod look;
pub mod make;
pub mod near;
pub mod place;
pub mod prune;
pub mod reading;
pub mod service;
pub mod turn;
pub mod verify;

use crate::{format, manifest};
use crate::{fs, source, store, tree};

/// What goes wrong at a mirror.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of ours could not be read or written.
    #[error(transparent)]
    Fs(#[from] fs::Error),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A manifest could not be read.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    /// The tree could not be looked at.
    #[error("looking at the mirror: {0}")]
    Look(#[from] source::Error),
    /// The tree could not be changed.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// Not a mirror, or not the one that the table means: nothing was written.
    #[error("{0}")]
    Refused(String),
    /// What somebody else may have put there: nothing was written.
    #[error("{0}")]
    NotOurs(String),
    /// Another run has the lock.
    #[error("{0}: another run of `backup` is working on this mirror; try again when it has ended")]
    Locked(String),
    /// The role cannot be read.
    #[error(
        "{path}: {source} (nothing was written). If this mirror is not live data, move that file away and run -backup --init: all snapshots \
         stay, and what is on the tree is rescued"
    )]
    Role {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: format::Error,
    },
}
