//! A [`Library`] as a mounted file system (floor 3).
//!
//! [`front`] is what the kernel talks to: it takes a question and hands it to [`jobs`], where workers answer it, each with a reader of its own.
//!
//! What must stay true: it ends when the file system is unmounted, by whomever, and when it is told to end nothing stays mounted.

pub mod front;
pub mod jobs;

use super::library::Library;
use crate::store;
use crate::store::chunks::ChunkSource;
use crossbeam_channel::Receiver;
use front::Front;
use fuser::{Config, MountOption, Session, SessionACL};
use jobs::Jobs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// So long is waited for an unmounted file system to end: who still works in it keeps it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How to mount.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the table of mounts calls it.
    pub name: String,
    /// Whether other users may enter, each as the modes of the files allow.
    pub others: bool,
    /// Threads that answer.
    pub threads: usize,
}

/// Why there is no mount, or no more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be mounted.
    #[error("cannot be mounted: {0}")]
    Mount(io::Error),
    /// The kernel cannot be talked to any more.
    #[error("the mount ended: {0}")]
    Ended(io::Error),
    /// The store cannot be read at all.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Threads could not be started.
    #[error("cannot start threads: {0}; look how many processes there are, and may be (ulimit -u), and run it again")]
    Threads(io::Error),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was unmounted.
    Unmounted,
    /// It was told to end, and unmounted.
    Stopped,
    /// It was told to end while somebody worked in it: it has no place any more, and who works in it gets errors.
    Detached,
}

/// Mounts a library and serves it until it is unmounted or `stop` says something. `ready` is called when it is mounted.
pub fn serve(
    (library, source): (&Library<'_>, &dyn ChunkSource),
    place: &Path,
    options: &Options,
    stop: &Receiver<()>,
    ready: &mut dyn FnMut(),
) -> Result<End, Error> {
    let jobs = Arc::new(Jobs::new(options.threads.max(1)));
    let front = Front::new(Arc::clone(&jobs), options.others);
    // Before it is mounted: a store that cannot be read has no place.
    drop(source.reader()?);
    let mut session = Session::new(front, place, &config(options)).map_err(Error::Mount)?;
    let mut unmounter = session.unmount_callable();
    std::thread::scope(|scope| {
        let _ends = EndOf(&jobs);
        for worker in 0..options.threads.max(1) {
            let jobs = &jobs;
            let work = move || -> Result<(), store::Error> {
                let mut reader = source.reader()?;
                while let Some(job) = jobs.next(worker) {
                    job(library, reader.as_mut());
                }
                Ok(())
            };
            std::thread::Builder::new().spawn_scoped(scope, work).map_err(Error::Threads)?;
        }
        let (end, ended) = crossbeam_channel::bounded(1);
        let talk = move || drop(end.send(session.run()));
        std::thread::Builder::new().spawn(talk).map_err(Error::Threads)?;
        ready();
        crossbeam_channel::select! {
            recv(ended) -> how => {
                let how = how.unwrap_or_else(|_| Err(io::Error::other("a thread is gone")));
                return how.map(|()| End::Unmounted).map_err(Error::Ended);
            }
            recv(stop) -> _ => {}
        }
        if unmounter.unmount().is_err() {
            // Somebody works in it, as root sees it; for others it is detached already.
            let _gone = rustix::mount::unmount(place, rustix::mount::UnmountFlags::DETACH);
        }
        Ok(if ended.recv_timeout(PATIENCE).is_ok() { End::Stopped } else { End::Detached })
    })
}

/// However a mount ends, its workers do.
struct EndOf<'j>(&'j Jobs);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn config(options: &Options) -> Config {
    let mut config = Config::default();
    config.mount_options =
        vec![MountOption::RO, MountOption::NoAtime, MountOption::FSName(plain(&options.name)), MountOption::NoDev];
    config.mount_options.push(MountOption::NoSuid);
    if options.others {
        config.acl = SessionACL::All;
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    config
}

/// What can stand in a list of options.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.:/".contains(c) { c } else { '_' }).collect()
}
