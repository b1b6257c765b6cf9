//! Where a mirror keeps its own files (format-spec.md, 1; floor 4).

use super::Error;
use crate::format::role::Role;
use crate::fs::durable;
use crate::limits::TEXT_MAX;
use crate::path::shown_path;
use std::path::{Path, PathBuf};

/// The folder `.backup` of a place.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// Of the place with this root.
    pub fn of(place: &Path) -> Self {
        Self { root: place.join(".backup") }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Words for whoever finds it by hand.
    pub fn readme(&self) -> PathBuf {
        self.root.join("README")
    }

    /// Which mirror this is.
    pub fn role(&self) -> PathBuf {
        self.root.join("role")
    }

    /// The lock.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Staged files.
    pub fn stage(&self) -> PathBuf {
        self.root.join("stage")
    }

    /// The store, where the table does not say otherwise.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The role, if the place has one.
    pub fn read_role(&self) -> Result<Option<Role>, Error> {
        let path = self.role();
        match durable::read(&path, TEXT_MAX) {
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(e.into()),
            Ok(bytes) => {
                Role::decode(&bytes).map(Some).map_err(|source| Error::Role { path: shown_path(&path), source })
            }
        }
    }

    /// Writes the role durably.
    pub fn write_role(&self, role: &Role) -> Result<(), Error> {
        Ok(durable::replace(&self.role(), &role.encode())?)
    }
}
