//! `-mount`: browse the history as a file system (floor 6). Reads without a lock, and writes nothing.

use super::Error;
use super::places::Ends;
use super::snapshots::open_to_read;
use crate::browse::fuse::{self, serve};
use crate::browse::history::{History, Records};
use crate::browse::library::Library;
use crate::browse::title::Label;
use crate::entry::Time;
use crate::format::snapshot::Record;
use crate::fs::dir::Dir;
use crate::fs::{clock, durable};
use crate::limits::{BROWSE_MESSAGES, BROWSE_THREADS};
use crate::mirror::service::MirrorService;
use crate::path::shown_path;
use crossbeam_channel::Receiver;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use crate::browse::fuse::End;

/// What is to be mounted where, and who hears of it.
pub struct Options<'o> {
    /// The folder where the snapshots shall be seen.
    pub place: PathBuf,
    /// Whether other users may enter.
    pub others: bool,
    /// The time, for the folders around the snapshots.
    pub now: Time,
    /// Writes the time of a snapshot as the name of its folder has it.
    pub label: &'o Label<'o>,
    /// Says when to end.
    pub stop: &'o Receiver<()>,
    /// Receives what the operator should know, from any thread.
    pub tell: &'o (dyn Fn(&str) + Sync),
    /// Hears that it is mounted, and how many snapshots there are.
    pub ready: &'o (dyn Fn(usize) + Sync),
}

/// Mounts, and serves until it is unmounted or stopped.
pub fn mount(ends: Ends<'_>, options: &Options<'_>) -> Result<End, Error> {
    proved(&ends, &options.place)?;
    let (history, note) = open_to_read(&ends)?;
    if let Some(note) = note {
        (options.tell)(&note);
    }
    let heard = Mutex::new(HashSet::new());
    let tell = |message: &str| {
        if is_new(message, &heard) {
            (options.tell)(message);
        }
    };
    let records = Opened(history.as_ref());
    let list = History::new(&records, options.label, &tell);
    let count = list.all().map_err(|e| Error::Refused(format!("{e} (nothing is mounted)")))?.len();
    let library = Library::new(list, &tell, (clock::effective_uid(), clock::effective_gid()), options.now);
    let how = fuse::Options {
        name: format!("backup:{}", ends.target.name),
        others: options.others,
        threads: std::thread::available_parallelism().map_or(2, usize::from).clamp(2, BROWSE_THREADS),
    };
    let end = serve((&library, history.as_ref()), &options.place, &how, options.stop, &mut || (options.ready)(count));
    end.map_err(|e| explained(e, &options.place))
}

/// The records of what was opened.
struct Opened<'h>(&'h dyn MirrorService);

impl Records for Opened<'_> {
    fn sequences(&self) -> Result<Vec<u64>, String> {
        self.0.sequences().map_err(|e| e.to_string())
    }

    fn record(&self, sequence: u64) -> Result<Record, String> {
        self.0.record(sequence).map_err(|e| e.to_string())
    }
}

/// Each message is told once, as long as not too many were.
fn is_new(message: &str, heard: &Mutex<HashSet<String>>) -> bool {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    if heard.len() >= BROWSE_MESSAGES {
        heard.clear();
    }
    heard.insert(message.to_owned())
}

/// Refuses a place that something would be hidden by, or that a backup would walk into.
fn proved(ends: &Ends<'_>, place: &Path) -> Result<(), Error> {
    let refused = |why: &str| Error::Refused(format!("{}: {why} (nothing is mounted)", shown_path(place)));
    let names = match Dir::open(place).and_then(|dir| dir.names()) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(refused("there is no such folder: make it first"));
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotConnected => {
            return Err(refused(
                "a mount is there whose program is gone: end it by fusermount3 -u, or by umount -l as root",
            ));
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => return Err(refused("it is no folder")),
        Err(e) => return Err(refused(&format!("it cannot be listed: {e}"))),
        Ok(names) => names,
    };
    if !names.is_empty() {
        return Err(refused("it is not empty, and what is in it would be hidden: mount to an empty folder"));
    }
    let real = durable::real_path(place);
    for (end, what) in [(ends.source, "SOURCE"), (ends.mirror, "MIRROR")] {
        if end.here().is_some_and(|here| real.starts_with(durable::real_path(here))) {
            return Err(refused(&format!(
                "it lies in {what}, where a backup would walk into it: mount to a folder elsewhere"
            )));
        }
    }
    Ok(())
}

/// What to do where it cannot be mounted.
fn explained(error: fuse::Error, place: &Path) -> Error {
    let fuse::Error::Mount(e) = &error else { return error.into() };
    let hint = match e.kind() {
        std::io::ErrorKind::NotFound => {
            "is FUSE there? Debian has it in the package fuse3 (apt install fuse3; modprobe fuse)"
        }
        std::io::ErrorKind::PermissionDenied => {
            "may you use /dev/fuse? For --allow-other, /etc/fuse.conf needs the line user_allow_other"
        }
        _ => "is the package fuse3 installed, and may you write to the folder?",
    };
    Error::Refused(format!(
        "{}: cannot be mounted: {}; {hint}",
        shown_path(place),
        crate::path::shown(e.to_string().trim().as_bytes())
    ))
}
