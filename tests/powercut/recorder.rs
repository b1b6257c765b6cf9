//! A FUSE file system whose files are disks in memory: what a loop device on one of them writes and flushes is seen here, in order.
//!
//! What must stay true: the kernel keeps nothing of these files (direct I/O, no times to live), and a flush is logged before it is answered.

use super::disk::Disk;
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    WriteFlags,
};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

pub(crate) type Shared = Arc<Mutex<Disk>>;
type Disks = Arc<RwLock<HashMap<u64, Shared>>>;

/// Whoever holds a disk and panics has left it whole enough to be thrown away.
pub(crate) fn lock(disk: &Shared) -> std::sync::MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The mounted file system.
#[derive(Debug)]
pub(crate) struct Shelf {
    place: PathBuf,
    disks: Disks,
    /// Unmounts when it goes.
    _session: BackgroundSession,
}

impl Shelf {
    pub(crate) fn mount(place: &Path) -> std::io::Result<Self> {
        let disks = Disks::default();
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("powercut".to_owned()), MountOption::RW];
        config.n_threads = Some(4);
        config.clone_fd = true;
        let session = fuser::spawn_mount(Recorder { disks: Arc::clone(&disks) }, place, &config)?;
        Ok(Self { place: place.to_owned(), disks, _session: session })
    }

    /// Adds a disk and says where it is.
    pub(crate) fn add(&self, size: u64) -> (PathBuf, Shared) {
        let disk = Arc::new(Mutex::new(Disk::new(size)));
        let mut disks = self.disks.write().unwrap();
        let number = disks.keys().max().map_or(2, |last| last + 1);
        disks.insert(number, Arc::clone(&disk));
        (self.place.join(number.to_string()), disk)
    }

    pub(crate) fn remove(&self, path: &Path) {
        let number = path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse().ok());
        number.and_then(|number: u64| self.disks.write().unwrap().remove(&number));
    }
}

#[derive(Debug)]
struct Recorder {
    disks: Disks,
}

impl Recorder {
    fn disk(&self, node: INodeNo) -> Option<Shared> {
        self.disks.read().unwrap_or_else(PoisonError::into_inner).get(&node.0).cloned()
    }

    fn facts(&self, node: INodeNo) -> Option<FileAttr> {
        let (kind, size) = match node {
            INodeNo::ROOT => (FileType::Directory, 0),
            _ => (FileType::RegularFile, lock(&self.disk(node)?).size()),
        };
        Some(FileAttr {
            ino: node,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

impl Filesystem for Recorder {
    fn lookup(&self, _req: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let node = name.to_str().and_then(|name| name.parse().ok()).map(INodeNo);
        match node.filter(|node| *node != INodeNo::ROOT).and_then(|node| self.facts(node)) {
            Some(facts) => reply.entry(&Duration::ZERO, &facts, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _req: &Request, node: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        match self.facts(node) {
            Some(facts) => reply.attr(&Duration::ZERO, &facts),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _req: &Request, _node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        at: u64,
        length: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(disk) = self.disk(node) else { return reply.error(Errno::EIO) };
        let mut disk = lock(&disk);
        let left = disk.size().saturating_sub(at);
        let mut bytes = vec![0; usize::try_from(left.min(u64::from(length))).unwrap_or(0)];
        disk.read(at, &mut bytes);
        drop(disk);
        reply.data(&bytes);
    }

    fn write(
        &self,
        _req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        at: u64,
        bytes: &[u8],
        _write: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(disk) = self.disk(node) else { return reply.error(Errno::EIO) };
        let mut disk = lock(&disk);
        if at.saturating_add(bytes.len() as u64) > disk.size() {
            return reply.error(Errno::ENOSPC);
        }
        disk.write(at, bytes);
        drop(disk);
        reply.written(u32::try_from(bytes.len()).unwrap_or(0));
    }

    fn flush(&self, _req: &Request, _node: INodeNo, _fh: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _req: &Request, node: INodeNo, _fh: FileHandle, _data: bool, reply: ReplyEmpty) {
        let Some(disk) = self.disk(node) else { return reply.error(Errno::EIO) };
        lock(&disk).flush();
        reply.ok();
    }
}
