//! The content-addressed store: packs, indexes, snapshot records (floor 2).
//!
//! Nothing that is written is ever modified. What must be durable first: packs, then the index, then the snapshot record that needs
//! them. [`Store`] is a place to put and get chunks and records; what they are for is decided above.

pub mod block;
pub mod chunks;
pub mod dry;
pub mod history;
pub mod import;
pub mod index;
pub mod layout;
pub mod pack;
mod pins;
mod reader;
pub mod recent;
mod renew;
pub mod snapshots;
pub mod sweep;
mod write;

use crate::chunk::codec;
use crate::format::config::Config;
use crate::fs;
use crate::fs::durable;
use crate::fs::pin::{Held, lasting};
use crate::id::Id;
use crate::limits;
use crate::path::shown_path;
use index::set::IndexSet;
use layout::Layout;
use reader::OpenPacks;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError, RwLock};
use write::Writer;

/// What goes wrong with a store. Never mixed up with errors of reading a source: a store error always ends the run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk said no.
    #[error(transparent)]
    Fs(#[from] fs::Error),
    /// A file of the store is not what it was.
    #[error("{path}: {source}; `backup -check TARGET --data` tells what is affected")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: crate::format::Error,
    },
    /// A block does not decode to the chunks that it should hold.
    #[error(
        "{path}: the block at {offset} does not hold what it should: it is damaged; `backup -check TARGET --data` tells what is affected"
    )]
    BadBlock {
        /// The pack.
        path: String,
        /// Offset of the block.
        offset: u64,
    },
    /// A chunk is in no index.
    #[error("chunk {0} is not in the store; `backup -check TARGET` tells which files need it")]
    MissingChunk(Id),
    /// A value that the format cannot hold.
    #[error("cannot be stored: {0}")]
    Unstorable(#[from] crate::format::Error),
    /// The compressor failed.
    #[error("cannot compress: {0}")]
    Codec(#[from] codec::Error),
    /// There is no snapshot with this number.
    #[error("there is no snapshot {0}; `backup -snapshots TARGET` lists them")]
    NoSnapshot(u64),
    /// Two stores that should have one history have two.
    #[error(
        "snapshot {sequence} is another one in {theirs} than in {ours}: the two went separate ways. Nothing was copied. Move {ours} aside, \
         with all that is in it, and run the same command again: it begins with the history of {theirs}"
    )]
    Conflict {
        /// The number.
        sequence: u64,
        /// The store that should have taken the history.
        ours: String,
        /// The one it comes from.
        theirs: String,
    },
    /// A file of the store that the history is copied from cannot be read.
    #[error(
        "{0}: nobody knows whether that lasts, so the copying of the history ends here, and the same command goes on with it. What stays \
         unreadable, move out of its folder: then the history is copied without it, and what is lost is named"
    )]
    Unreadable(String),
    /// A write failed before, and nothing more is taken: what the first error was.
    #[error("{0}")]
    Poisoned(String),
    /// Whoever watches over the first write has declined it: why.
    #[error("{0}")]
    Declined(String),
    /// Threads could not be started: why.
    #[error("cannot start threads: {0}; look how many processes there are, and may be (ulimit -u), and run it again")]
    Threads(String),
    /// A thread of ours went away.
    #[error("the store is gone: {0}")]
    Gone(&'static str),
    /// A store on another host answered so.
    #[error("{host}: {message}")]
    Far {
        /// The host.
        host: String,
        /// Its own words.
        message: String,
        /// Whether something in the store is not what it was.
        damaged: bool,
    },
    /// The line to a store on another host failed, and nothing more can be had from it: why, with the host.
    #[error("{0}")]
    Lost(String),
}

impl Error {
    /// Whether a file of the store is not what it was; others may be good.
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Far { damaged: true, .. })
    }

    fn damaged(path: &Path, source: crate::format::Error) -> Self {
        Self::Damaged { path: shown_path(path), source }
    }
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    config: Config,
    index: RwLock<IndexSet>,
    writer: Mutex<Writer>,
    open: OpenPacks,
    /// Others may write to it meanwhile.
    is_only_read: bool,
    renewals: AtomicU64,
    /// What its paths begin at.
    _held: Option<Held>,
}

impl Store {
    /// Makes a new store in a folder that does not exist yet or is empty. The config comes last: where there is one, there is a store.
    pub fn create(root: &Path, config: Config) -> Result<Self, Error> {
        let layout = Layout::new(root);
        for folder in layout.folders() {
            durable::make_folder(&folder)?;
        }
        let above = lasting(root);
        for folder in layout.folders().iter().map(PathBuf::as_path).chain(above.parent()) {
            durable::sync_folder(folder)?;
        }
        durable::write_new(&layout.config(), &config.encode())?;
        Self::open(root)
    }

    /// Opens a store for reading.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let layout = Layout::new(root);
        let path = layout.config();
        let config = Config::decode(&durable::read(&path, limits::TEXT_MAX)?).map_err(|e| Error::damaged(&path, e))?;
        let index = RwLock::new(IndexSet::open(&layout)?);
        Ok(Self {
            layout,
            config,
            index,
            writer: Mutex::new(Writer::default()),
            open: OpenPacks::default(),
            is_only_read: false,
            renewals: AtomicU64::new(0),
            _held: None,
        })
    }

    /// Keeps the directory that its paths begin at for as long as it is open.
    #[must_use]
    pub fn keeping(self, held: Held) -> Self {
        Self { _held: Some(held), ..self }
    }

    /// Whether a folder holds a store.
    pub fn exists(root: &Path) -> Result<bool, Error> {
        Ok(durable::exists(&Layout::new(root).config())?)
    }

    /// Name and parameters of the store.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Where its files are.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where a chunk is, if the store has it in a pack that is whole.
    pub fn locate(&self, id: &Id) -> Result<Option<index::Location>, Error> {
        self.with_index(|index| index.find(id))
    }

    /// Every pack that the indexes name, with the length that it should have.
    pub fn packs(&self) -> Result<Vec<(Id, u64)>, Error> {
        self.with_index(IndexSet::packs)
    }

    /// Proves every index in full and tells what is wrong.
    pub fn verify_indexes(&self, tell: &mut dyn FnMut(String)) -> Result<(), Error> {
        self.with_index(|index| index.verify(tell))
    }

    /// The chunks that the indexes place in a pack.
    pub fn chunks_of(&self, pack: &Id) -> Result<Vec<Id>, Error> {
        self.with_index(|index| index.chunks_of(pack))
    }

    /// Whether packs are gone, so that content of earlier snapshots may have to be stored again.
    pub fn has_lost(&self) -> bool {
        self.with_index(IndexSet::has_lost)
    }

    fn with_index<T>(&self, read: impl FnOnce(&IndexSet) -> T) -> T {
        read(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }
}
