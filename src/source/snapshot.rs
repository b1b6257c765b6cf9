//! Takes a snapshot: starts the threads, joins them, and sorts out which error came first (floor 3).

use super::Error;
use super::assemble::{Assembler, Outcome};
use super::blocks::{Blocks, write};
use super::budget::Budget;
use super::feed::{Batch, Feeder, Halt};
use super::lane::lane;
use super::read::Streamer;
use super::replica::Replica;
use crate::chunk::cut::{Chunker, Cutter};
use crate::entry::{Apart, ChunkRef, Time};
use crate::format::snapshot::Totals;
use crate::fs::dir::{Dir, max_open};
use crate::fs::fidelity::Fidelity;
use crate::limits::{IN_FLIGHT, OPEN_SHARE, WORKER_FOLDERS};
use crate::manifest::cursor::{Cursor, find};
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::scan::selection::Selection;
use crate::scan::walk::{Filter, Walk};
use crate::store;
use crate::store::chunks::ChunkStore;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What to take a snapshot of.
pub struct Request<'a> {
    /// The root of the tree, open.
    pub root: Arc<Dir>,
    /// The part of it that is meant.
    pub selection: &'a Selection,
    /// Manifest of an earlier snapshot of the same tree: what has not changed since is taken over unread.
    pub parent: Option<ChunkRef>,
    /// What is enough to take over an entry of the parent unread.
    pub trust: Trust,
    /// If the tree is a mirror: what is as the parent says, as far as it can be there, keeps the parent's entry, identity and all.
    pub of_mirror: Option<OfMirror<'a>>,
    /// Asked, in path order, whether a path is to be looked at at all.
    pub filter: Option<Box<Filter<'a>>>,
    /// Whether caches that say so of themselves are passed over.
    pub without_caches: bool,
    /// How the store wants files cut.
    pub chunker: Chunker,
}

/// What is to be known of a mirror to tell what was done to it.
#[derive(Clone, Copy, Debug)]
pub struct OfMirror<'a> {
    /// What it can hold.
    pub fidelity: &'a Fidelity,
    /// A folder of ours on its file system, where that can be tried.
    pub folder: &'a Dir,
    /// Whether what is not taken over unread is only to be proved: a file that has the content that it was made of is not asked for in the store, nor
    /// put there. So it is where nothing is written.
    pub proves: bool,
}

/// When an entry of the parent manifest is taken over unread. Kind, size, mtime and mode must be as they were in any case.
#[derive(Clone, Copy, Debug)]
pub enum Trust {
    /// On a source: inode, ctime and owner are as they were too. Where ctime has whole seconds only, it must be earlier than this time, when the
    /// snapshot of the parent began: what changed while that was taken may have changed again in the same second.
    Identity(Time),
    /// On a mirror, which we wrote: not changed since this time (ctime), and of the same owner, if it can have that.
    Before(Time),
    /// Never: all files are read.
    Nothing,
}

/// A snapshot whose chunks have been put into the store; it has no record yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Root of its manifest.
    pub root: ChunkRef,
    /// What it amounts to.
    pub totals: Totals,
    /// Owners that occur.
    pub users: BTreeSet<u32>,
    /// Groups that occur.
    pub groups: BTreeSet<u32>,
    /// What the entries do not say. Known to who looked only.
    #[serde(skip)]
    pub apart: Apart,
}

/// Reads the tree and puts what is new into the store.
pub fn take(request: Request<'_>, store: &dyn ChunkStore, monitor: &dyn Monitor) -> Result<Taken, Error> {
    let pool = rayon::ThreadPoolBuilder::new().thread_name(|n| format!("worker {n}")).build();
    let pool = Arc::new(pool.map_err(no_thread)?);
    let budget = Budget::new(IN_FLIGHT);
    let folders = (WORKER_FOLDERS * pool.current_num_threads()).min(max_open() / OPEN_SHARE);
    let (parcels_in, parcels_out) = lane(&pool, 64);
    let (blocks_in, blocks_out) = lane(&pool, 16);
    let in_flight = Arc::default();
    let parent = request.parent.map(|root| Cursor::new(root, store.reader()?)).transpose()?;
    let parent_root = request.parent;
    let in_parent = |path: &RelPath| match parent_root {
        Some(root) => find(root, store.reader()?, path),
        None => Ok(None),
    };
    let blocks = Blocks::new(store, blocks_in, Arc::clone(&in_flight));
    let replica = request.of_mirror.map(|OfMirror { fidelity, folder, proves }| Replica { fidelity, folder, proves });
    let replica = replica.as_ref();
    let mut assembler = Assembler::new(blocks, monitor, &in_parent, replica);
    std::thread::scope(|scope| {
        let budget = &budget;
        // If one cannot be started, its end of the lane goes, and those that have been started stop.
        let start = std::thread::Builder::new;
        let writer = start().spawn_scoped(scope, move || write(blocks_out, store, &in_flight)).map_err(no_thread)?;
        let feeder = move || {
            let cutter = Cutter::new(request.chunker);
            let streamer =
                Streamer { lane: &parcels_in, budget, cutter, buffer: Vec::new(), of_mirror: replica.map(|_| store) };
            let feeder = Feeder {
                selection: request.selection,
                parent,
                trust: request.trust,
                replica,
                monitor,
                streamer,
                batch: Batch::default(),
                folders: Budget::new(folders),
                leaders: HashMap::new(),
                full: HashMap::new(),
                carrying: None,
                skipping: None,
                inside: RelPath::root(),
                absent: BTreeSet::new(),
            };
            let walk = Walk::new(request.root, request.selection, request.filter);
            feeder.run(if request.without_caches { walk.without_caches() } else { walk })
        };
        let feeder = start().spawn_scoped(scope, feeder).map_err(no_thread)?;
        let mut parcels = parcels_out;
        let assembled = assembler.take_all(&mut parcels);
        // On an error the lane is closed here, so that the feeder stops.
        drop(parcels);
        let fed = feeder.join().unwrap_or(Err(Halt::Error(store::Error::Gone("the feeder died").into())));
        let (failure, apart) = match (assembled, fed) {
            (Err(e), _) | (Ok(()), Err(Halt::Error(e))) => (Some(e), Apart::default()),
            (Ok(()), Err(Halt::Closed)) => (None, Apart::default()),
            (Ok(()), Ok(apart)) => (None, apart),
        };
        // Either way the assembler goes, and with it the lane that the writer waits on.
        let assembled = if let Some(e) = failure {
            drop(assembler);
            Err(e)
        } else {
            assembler.finish()
        };
        let written = writer.join().unwrap_or(Err(store::Error::Gone("the writer died")));
        // The writer's own error says more than that it has stopped.
        let new_bytes = written?;
        assembled.map(|(root, Outcome { totals, users, groups })| {
            let totals = Totals { new_bytes, ..totals };
            Taken { root, totals, users, groups, apart }
        })
    })
}

fn no_thread(e: impl std::fmt::Display) -> Error {
    store::Error::Threads(e.to_string()).into()
}
