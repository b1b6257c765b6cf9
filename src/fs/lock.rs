//! One run at a time: `flock` on a file; the kernel releases it when the process dies, so no lock is ever stale (floor 1).

use super::{Error, durable};
use rustix::fs::{FlockOperation, OFlags};
use std::fs::File;
use std::path::Path;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says at once (`None`) that another process has it.
    pub fn take(path: &Path) -> Result<Option<Self>, Error> {
        let opened = durable::open(path, OFlags::RDWR | OFlags::CREATE);
        let file = opened.map_err(|e| Error::new("open the lock", path, e))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(Error::new("lock", path, e)),
        }
    }
}
