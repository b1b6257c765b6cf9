//! Where a mirror keeps its own files (format-spec.md, 1; floor 4).
//!
//! What must stay true: nothing in a folder `.backup` is believed, or written to, before it was proved that only root or who runs this program can
//! have put it there; and it is held, so that who may write to the root of the mirror, and so may rename it, leads us nowhere else.

use super::Error;
use crate::format::role::Role;
use crate::fs::dir::Dir;
use crate::fs::pin::Held;
use crate::fs::{Error as FsError, clock, durable};
use crate::limits::TEXT_MAX;
use crate::path::shown_path;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the folder.
pub const NAME: &str = ".backup";

/// The folder `.backup` of a place, held.
#[derive(Clone, Debug)]
pub struct Home {
    root: Held,
}

/// Where the folder of a place is, by its name.
pub fn folder(place: &Path) -> PathBuf {
    place.join(NAME)
}

/// Where the store of a place is, by its name, where the table does not say otherwise.
pub fn usual_store(place: &Path) -> PathBuf {
    folder(place).join("store")
}

impl Home {
    /// Of the place with this root, if it has one.
    pub fn of(place: &Path) -> Result<Option<Self>, Error> {
        match Dir::way(place) {
            Err(e) if is_none(&e) => Ok(None),
            Err(e) => Err(FsError::new("open", place, e).into()),
            Ok(root) => Self::within(&root, place),
        }
    }

    /// Of the place whose root is open, if it has one.
    pub fn within(root: &Dir, place: &Path) -> Result<Option<Self>, Error> {
        let name = folder(place);
        match root.stat_if_any(NAME.as_bytes()) {
            Ok(None) => Ok(None),
            Ok(Some(stat)) if !stat.is_directory() => Err(not_ours(&name, "it is no folder")),
            Ok(Some(_)) => {
                let dir = root.child_to_pass(NAME.as_bytes()).map_err(|e| FsError::new("open", &name, e))?;
                Ok(Some(Self { root: prove(&dir, &name)? }))
            }
            Err(e) => Err(FsError::new("look at", &name, e).into()),
        }
    }

    /// Of the place whose root is open, made where it is missing.
    pub fn make(root: &Dir, place: &Path) -> Result<Self, Error> {
        match root.make_dir(NAME.as_bytes()) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                Err(FsError::new("make the folder", &folder(place), e).into())
            }
            _ => {
                let gone = || FsError::new("open", &folder(place), io::Error::from(io::ErrorKind::NotFound));
                Ok(Self::within(root, place)?.ok_or_else(gone)?)
            }
        }
    }

    /// The folder, to reach what is in it by single names.
    pub fn open(&self) -> Result<Dir, Error> {
        Ok(Dir::open(&self.root).map_err(|e| FsError::new("open", &self.root, e))?)
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
    pub fn usual_store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Its store, if it is there: the usual one, which a swap may have made a link to another place, or the one that the table names.
    pub fn store(&self, elsewhere: Option<&Path>) -> Result<Option<Held>, Error> {
        let linked = if elsewhere.is_none() { durable::link_at(&self.usual_store())? } else { None };
        match elsewhere.or(linked.as_deref()) {
            Some(path) => hold_store(path),
            None => Ok(durable::is_there(&self.usual_store())?.then(|| self.root.below("store"))),
        }
    }

    /// Its store, or where one is to be made.
    pub fn store_or_new(&self, elsewhere: Option<&Path>) -> Result<Held, Error> {
        if let Some(store) = self.store(elsewhere)? {
            return Ok(store);
        }
        let Some(path) = elsewhere else { return Ok(self.root.below("store")) };
        durable::make_folder(path)?;
        let gone = || FsError::new("open", path, io::Error::from(io::ErrorKind::NotFound));
        Ok(hold_store(path)?.ok_or_else(gone)?)
    }

    /// Whether there is a role, be it one that cannot be read.
    pub fn has_role(&self) -> Result<bool, Error> {
        Ok(durable::exists(&self.role())?)
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

/// The role of the place with this root, if it has one.
pub fn role_of(place: &Path) -> Result<Option<Role>, Error> {
    Home::of(place)?.map_or(Ok(None), |home| home.read_role())
}

/// Holds the folder of a store that is not in a `.backup`, if it is there.
fn hold_store(path: &Path) -> Result<Option<Held>, Error> {
    match Dir::open(path) {
        Err(e) if is_none(&e) => Ok(None),
        Err(e) => Err(FsError::new("open", path, e).into()),
        Ok(dir) => prove(&dir, path).map(Some),
    }
}

/// Holds a folder of our own, if it is one.
fn prove(dir: &Dir, name: &Path) -> Result<Held, Error> {
    let fail = |e| FsError::new("open", name, e);
    let stat = dir.stat_self().map_err(fail)?;
    if stat.is_ours() {
        return Ok(Held::or_named(dir.to_list().map_err(fail)?, name));
    }
    let me = clock::effective_uid();
    Err(not_ours(
        name,
        &if stat.uid == 0 || stat.uid == me {
            format!("others may write to it (mode {:04o})", stat.mode)
        } else {
            format!("it belongs to user {}, not to root or to user {me}, who runs this", stat.uid)
        },
    ))
}

fn not_ours(name: &Path, why: &str) -> Error {
    Error::NotOurs(format!(
        "{}: {why}, so anybody may have put there what is in it: it is not used (nothing was written). If it is known to be good, chown it to who          runs backup, and chmod 0700; else move it away",
        shown_path(name)
    ))
}

/// Whether there is no such folder.
fn is_none(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::{Home, role_of};
    use crate::fs::clock;
    use crate::fs::dir::Dir;
    use crate::mirror::Error;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    #[test]
    fn only_a_folder_that_nobody_else_may_write_to_is_one() {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("place");
        let folder = super::folder(&place);
        assert!(role_of(&place).unwrap().is_none());
        std::fs::create_dir(&place).unwrap();
        assert!(role_of(&place).unwrap().is_none());
        let root = Dir::open(&place).unwrap();
        let home = Home::make(&root, &place).unwrap();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
        let refused = |words: &str| {
            for refused in [Home::of(&place), Home::within(&root, &place), Home::make(&root, &place).map(Some)] {
                let Err(Error::NotOurs(why)) = refused else { panic!("{refused:?}") };
                assert!(why.contains(words) && why.starts_with(folder.to_str().unwrap()), "{why}");
            }
        };
        for mode in [0o770, 0o702, 0o777] {
            set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            refused("others may write to it");
        }
        set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        assert!(Home::of(&place).unwrap().is_some());
        if clock::is_root() {
            chown(&folder, Some(1000), None).unwrap();
            refused("it belongs to user 1000");
            chown(&folder, Some(0), None).unwrap();
        }
        // Whoever renames it leads nowhere else.
        std::fs::rename(&folder, place.join("moved")).unwrap();
        symlink("moved", &folder).unwrap();
        refused("it is no folder");
        std::fs::write(home.role(), "x").unwrap();
        assert!(place.join("moved/role").is_file());
        std::fs::remove_file(&folder).unwrap();
        std::fs::write(&folder, "x").unwrap();
        refused("it is no folder");
    }

    #[test]
    fn a_store_elsewhere_is_proved_too() {
        let scratch = tempfile::tempdir().unwrap();
        let (place, store) = (scratch.path().join("place"), scratch.path().join("stores/store"));
        std::fs::create_dir(&place).unwrap();
        let home = Home::make(&Dir::open(&place).unwrap(), &place).unwrap();
        assert!(home.store(None).unwrap().is_none() && home.store(Some(&store)).unwrap().is_none());
        home.store_or_new(Some(&store)).unwrap();
        symlink(&store, home.usual_store()).unwrap();
        for elsewhere in [None, Some(store.as_path())] {
            assert_eq!(crate::path::shown_path(&home.store(elsewhere).unwrap().unwrap()), store.to_str().unwrap());
        }
        set_permissions(&store, Permissions::from_mode(0o777)).unwrap();
        for elsewhere in [None, Some(store.as_path())] {
            assert!(matches!(home.store(elsewhere), Err(Error::NotOurs(_))));
        }
    }
}
