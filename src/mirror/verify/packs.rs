//! Packs and indexes as files: are they there, are they whole, do they hold what they say? (floor 4)

use crate::format::pack::BlockRow;
use crate::id::Id;
use crate::mirror::Error;
use crate::monitor::{Monitor, Phase};
use crate::path::shown_path;
use crate::store::pack::hash::Hashed;
use crate::store::pack::reader::{Decoded, PackReader, Scratch};
use crate::store::{self, Store};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Proves every index in full, and that every pack that one names is there and of the right length.
pub(super) fn present(store: &Store, monitor: &dyn Monitor) -> Result<(), Error> {
    store.verify_indexes(&mut |message| monitor.wrong(&message))?;
    for (name, length) in store.packs()? {
        match PackReader::open(store.layout(), &name) {
            Ok(pack) if pack.length() == length => {}
            Ok(pack) => monitor.wrong(&format!(
                "{}: it is {} bytes long and should be {length}: it is damaged",
                shown_path(&store.layout().pack(&name)),
                pack.length()
            )),
            Err(e) => monitor.wrong(&e.to_string()),
        }
    }
    Ok(())
}

/// Reads all packs, hashes every chunk, and collects those that are not what they should be. Gives the packs and bytes read.
pub(super) fn read_all(store: &Store, monitor: &dyn Monitor, bad: &mut HashSet<Id>) -> Result<(u64, u64), Error> {
    let packs = store.packs()?;
    let bytes = packs.iter().map(|(_, length)| length).sum();
    monitor.begin(Phase::Verifying, Some(packs.len() as u64), Some(bytes));
    let (damaged, benches) = (Mutex::new(bad), Benches::default());
    packs.par_iter().for_each(|(name, length)| {
        let mut broken = Vec::new();
        match read_one(store, name, &benches, &mut broken) {
            Ok(true) if broken.is_empty() => {}
            Ok(_) => monitor.wrong(&format!(
                "{}: it is damaged: {} of its chunks are not what they should be",
                shown_path(&store.layout().pack(name)),
                broken.len()
            )),
            Err(e) => monitor.wrong(&e.to_string()),
        }
        damaged.lock().unwrap_or_else(PoisonError::into_inner).extend(broken);
        monitor.advance(1, *length);
    });
    Ok((packs.len() as u64, bytes))
}

/// Whether the file is the one that its name says; the chunks that cannot be read go to `broken`.
fn read_one(store: &Store, name: &Id, benches: &Benches, broken: &mut Vec<Id>) -> Result<bool, store::Error> {
    let pack = PackReader::open(store.layout(), name)?;
    let rows = match pack.contents() {
        Ok(rows) => rows,
        Err(e) => {
            // The indexes still know what should be in it.
            broken.extend(store.chunks_of(name)?);
            return Err(e);
        }
    };
    let parts = pack.parts(&rows);
    let read: Vec<_> = parts
        .par_iter()
        .map(|part| {
            let mut bad = Vec::new();
            let hashed = benches.lend(|bench| {
                let Bench { scratch, block } = bench;
                pack.part(part, scratch, block, &mut |row, plain| prove(row, plain, &mut bad))
            });
            if hashed.is_err() {
                bad = part.rows.iter().flat_map(|row| &row.chunks).map(|chunk| chunk.id).collect();
            }
            (hashed, bad)
        })
        .collect();
    let mut hashes = Vec::new();
    let mut failed = None;
    for (hashed, bad) in read {
        broken.extend(bad);
        match hashed {
            Ok(hashed) => hashes.push(hashed),
            Err(e) => failed = failed.or(Some(e)),
        }
    }
    failed.map_or_else(|| Ok(Hashed::whole(&hashes) == Some(*name)), Err)
}

/// Hashes the chunks of a block.
fn prove(row: &BlockRow, plain: &[u8], broken: &mut Vec<Id>) {
    let mut rest = plain;
    for chunk in &row.chunks {
        let (bytes, tail) = rest.split_at_checked(chunk.length as usize).unwrap_or((&[], &[]));
        rest = tail;
        if Id::of(bytes) != chunk.id {
            broken.push(chunk.id);
        }
    }
}

/// What reading a part takes.
struct Bench {
    scratch: Scratch,
    block: Decoded,
}

/// Those that nobody uses just now.
#[derive(Default)]
struct Benches(Mutex<Vec<Bench>>);

impl Benches {
    fn lend<T>(&self, work: impl FnOnce(&mut Bench) -> Result<T, store::Error>) -> Result<T, store::Error> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bench = match idle {
            Some(bench) => bench,
            None => Bench { scratch: Scratch::new()?, block: Decoded::default() },
        };
        let done = work(&mut bench);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bench);
        done
    }
}
