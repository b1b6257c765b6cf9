//! An end of a target on this host (floor 4).

use super::end::{Around, End, Room, Turning};
use super::home::{Home, role_of};
use super::local::LocalMirror;
use super::place::{Place, check_target, no_mirror};
use super::reading::Reading;
use super::service::MirrorService;
use super::turn::Turn;
use super::{Error, make};
use crate::format::role::{Role, State};
use crate::format::snapshot::Record;
use crate::fs::dir::Dir;
use crate::fs::pin::Held;
use crate::fs::space::{Need, Space};
use crate::fs::{Error as FsError, durable};
use crate::monitor::Monitor;
use crate::path::{RelPath, shown_path};
use crate::store::Store;
use crate::store::history::History;
use crate::store::import::Imported;
use crate::tree::stage::MAKING;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An agent that was hung up on has ended after this time.
const PATIENCE: Duration = Duration::from_secs(6);

/// A place on this host.
#[derive(Clone, Debug)]
pub struct Near {
    /// Name of the target in the table.
    pub target: String,
    /// Its path.
    pub path: PathBuf,
    /// As messages name it, where that is not its path: they are read on another host.
    pub label: Option<String>,
    /// Its store, where the table says another place than the usual one.
    pub store: Option<PathBuf>,
    /// How long to wait for its lock: who was hung up on may need a moment to end.
    pub patience: Duration,
    /// What its paths begin at, if that is held.
    pub held: Vec<Held>,
}

impl Near {
    /// A place that this program was called for.
    pub fn new(target: &str, path: &Path, store: Option<&Path>) -> Self {
        let (target, path, store) = (target.to_owned(), path.to_owned(), store.map(Path::to_owned));
        Self { target, path, label: None, store, patience: Duration::ZERO, held: Vec::new() }
    }

    /// A place that an agent was called for from another host, where messages have to name it so.
    #[must_use]
    pub fn called(self, label: Option<String>) -> Self {
        Self { label, patience: PATIENCE, ..self }
    }

    /// Keeps what its paths begin at.
    #[must_use]
    pub fn keeping(self, held: impl IntoIterator<Item = Held>) -> Self {
        Self { held: held.into_iter().collect(), ..self }
    }

    /// For what works with it on this host.
    pub fn place(&self) -> Place<'_> {
        Place {
            target: &self.target,
            mirror: &self.path,
            store: self.store.as_deref(),
            patience: self.patience,
            held: &self.held,
        }
    }

    fn store_path(&self) -> PathBuf {
        self.place().store_path()
    }

    /// Opens its store as it is, to see what snapshots there are.
    pub fn open_store(&self) -> Result<Store, Error> {
        let place = self.place();
        let (_, home) = place.enter()?;
        match home.read_role()? {
            None => Err(no_mirror(&place, Some(&home))),
            Some(role) => check_target(&role, &place).and_then(|()| place.open_store(&home)),
        }
    }

    fn open_root(&self) -> Result<Dir, Error> {
        Dir::open(&self.path).map_err(|e| FsError::new("open", &self.path, e).into())
    }
}

impl End for Near {
    fn name(&self) -> String {
        self.label.clone().unwrap_or_else(|| shown_path(&self.path))
    }

    fn store_name(&self) -> String {
        shown_path(&self.store_path())
    }

    fn here(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn store_here(&self) -> Option<PathBuf> {
        Some(self.store_path())
    }

    fn role(&self) -> Result<Option<Role>, Error> {
        role_of(&self.path)
    }

    fn mirror_around(&self) -> Result<Option<Around>, Error> {
        // Through symlinks, and as it is named: either may lead into a mirror.
        let real = durable::real_path(&self.path);
        let named = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        for above in named.ancestors().chain(real.ancestors()) {
            let role = match role_of(above) {
                // What anybody may have put there says nothing.
                Err(Error::NotOurs(_)) => None,
                role => role?,
            };
            if let Some(role) = role.filter(|role| !matches!(role.state, State::Promoted(_))) {
                let root = durable::real_path(above);
                let is_place = root == real;
                let real = root.as_os_str().as_bytes().to_vec();
                return Ok(Some(Around { root: shown_path(above), real, is_place, role }));
            }
        }
        Ok(None)
    }

    fn without_content(&self, dirs: &[RelPath]) -> Result<Option<String>, Error> {
        let root = self.open_root()?;
        let mut found = 0;
        for dir in dirs {
            match root.names_of(dir) {
                Ok(names) => found += names.len(),
                Err(e) => return Ok(Some(format!("DIR {dir} cannot be listed ({e})"))),
            }
        }
        Ok((found == 0).then(|| "there is nothing in its DIRs".to_owned()))
    }

    fn records(&self) -> Result<Vec<Result<Record, String>>, Error> {
        let store = self.open_store()?;
        let record = |n| store.record(n).map_err(|e| e.to_string());
        Ok(store.sequences()?.into_iter().map(record).collect())
    }

    fn pins(&self) -> Result<Vec<u64>, Error> {
        Ok(self.open_store()?.pins()?)
    }

    fn room(&self, settled: bool) -> Result<Room, Error> {
        let at = if settled { Space::at_last } else { Space::at };
        // Where a swap left a link, the store is where that leads.
        let store = Home::of(&self.path)?.map(|home| home.store(self.store.as_deref())).transpose()?.flatten();
        let store = store.map_or_else(|| at(&self.store_path()), |store| at(&store))?;
        Ok(Room { tree: at(&self.path)?, store, staged: staged(&self.path) })
    }

    fn room_for_history(&self, from: &dyn History) -> Result<Need, Error> {
        make::room_for_history(&self.place(), from)
    }

    fn init(&self, random: u128) -> Result<(), Error> {
        make::init(&self.place(), random)
    }

    fn init_after_swap(&self, from: &dyn History, random: u128, monitor: &dyn Monitor) -> Result<Imported, Error> {
        make::init_after_swap(&self.place(), from, random, monitor)
    }

    fn open<'a>(&'a self, monitor: &dyn Monitor) -> Result<Box<dyn MirrorService + 'a>, Error> {
        Ok(Box::new(LocalMirror::open(&self.place(), monitor)?))
    }

    fn open_to_read(&self) -> Result<Box<dyn MirrorService + '_>, Error> {
        Ok(Box::new(Reading::open(&self.place())?))
    }

    fn history(&self) -> Result<Box<dyn History + '_>, Error> {
        Ok(Box::new(make::history(&self.place())?))
    }

    fn begin_turn(&self) -> Result<Box<dyn Turning + '_>, Error> {
        Ok(Box::new(Turn::begin(&self.place())?))
    }
}

/// What a run that was interrupted had not finished making in the stage of a place: it goes before anything new is staged.
pub fn staged(place: &Path) -> Need {
    let stage = Home::of(place).ok().flatten().and_then(|home| Dir::open(&home.stage()).ok());
    let of_folder = |folder: &str| stage.as_ref().and_then(|stage| made_in(stage, folder));
    MAKING.into_iter().filter_map(of_folder).fold(Need::default(), Need::and)
}

fn made_in(stage: &Dir, folder: &str) -> Option<Need> {
    let dir = stage.child(folder.as_bytes()).ok()?;
    let names = dir.names().ok()?;
    let found = names.iter().filter_map(|name| dir.stat(name).ok()).filter(|stat| stat.is_file() && stat.links == 1);
    Some(found.fold(Need::default(), |sum, stat| sum.and(Need { bytes: stat.allocated, inodes: 1 })))
}
