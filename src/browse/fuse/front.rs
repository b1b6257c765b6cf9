//! What the kernel talks to (floor 3): each question becomes a job.

use super::jobs::Jobs;
use crate::browse::Error;
use crate::browse::facts::{Facts, Kind};
use crate::browse::library::{Library, Name, Opened};
use crate::entry::Time;
use crate::store::chunks::ChunkReader;
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig,
    LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek,
    ReplyOpen, ReplyXattr, Request,
};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// So long the kernel need not ask again for what is in a snapshot.
const LONG: Duration = Duration::from_hours(24);
/// So long it need not for what is around the snapshots, which come and go.
const SHORT: Duration = Duration::from_secs(1);
/// `lseek`: the next data.
const SEEK_DATA: i32 = 3;
/// `lseek`: the next hole.
const SEEK_HOLE: i32 = 4;

/// The file system.
pub struct Front {
    jobs: Arc<Jobs>,
    files: Arc<Files>,
    /// Whether the kernel decides who may read what.
    judges: bool,
}

/// The open files.
#[derive(Default)]
struct Files(Mutex<(u64, HashMap<u64, Arc<Opened>>)>);

impl Files {
    fn all(&self) -> MutexGuard<'_, (u64, HashMap<u64, Arc<Opened>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, file: Arc<Opened>) -> FileHandle {
        let mut all = self.all();
        all.0 = all.0.wrapping_add(1);
        let handle = all.0;
        all.1.insert(handle, file);
        FileHandle(handle)
    }

    fn get(&self, handle: FileHandle) -> Option<Arc<Opened>> {
        self.all().1.get(&handle.0).cloned()
    }

    fn remove(&self, handle: FileHandle) {
        self.all().1.remove(&handle.0);
    }
}

impl Front {
    /// Hands its questions to these workers. With `judges`, the kernel decides who may read what.
    pub fn new(jobs: Arc<Jobs>, judges: bool) -> Self {
        Self { jobs, files: Arc::default(), judges }
    }

    fn job(&self, job: impl for<'l> FnOnce(&'l Library<'_>, &'l mut dyn ChunkReader) + Send + 'static) {
        self.jobs.push(Box::new(job));
    }
}

/// What the kernel is told of an error; the operator is told of what is wrong.
fn errno(library: &Library<'_>, error: &Error) -> Errno {
    if error.is_trouble() {
        library.tell(&error.to_string());
    }
    match error {
        Error::Absent => Errno::ENOENT,
        Error::NoDirectory => Errno::ENOTDIR,
        Error::NoFile => Errno::EINVAL,
        Error::Gone(_) => Errno::ESTALE,
        Error::Unreadable { .. } | Error::Unlisted(_) => Errno::EIO,
    }
}

fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
        Kind::CharDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
    }
}

/// A time that cannot be said is the beginning of 1970.
fn time(time: Time) -> SystemTime {
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let whole = if time.seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    let fraction = Duration::from_nanos(time.nanoseconds.into());
    whole.and_then(|whole| whole.checked_add(fraction)).unwrap_or(UNIX_EPOCH)
}

fn attributes(facts: &Facts) -> FileAttr {
    let mtime = time(facts.mtime);
    FileAttr {
        ino: INodeNo(facts.inode),
        size: facts.size,
        blocks: facts.allocated.div_ceil(512),
        atime: mtime,
        mtime,
        ctime: time(facts.ctime),
        crtime: mtime,
        kind: kind(facts.kind),
        perm: u16::try_from(facts.mode & 0o7777).unwrap_or(0),
        nlink: facts.links,
        uid: facts.uid,
        gid: facts.gid,
        rdev: facts.device,
        blksize: 128 << 10,
        flags: 0,
    }
}

const fn lasts(facts: &Facts) -> Duration {
    if facts.is_lasting { LONG } else { SHORT }
}

/// A value of an attribute as it was asked for: its length, or all of it.
fn give(reply: ReplyXattr, value: &[u8], room: u32) {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    match room {
        0 => reply.size(length),
        _ if length <= room => reply.data(value),
        _ => reply.error(Errno::ERANGE),
    }
}

impl Filesystem for Front {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let mut wanted = vec![
            InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_EXPORT_SUPPORT,
        ];
        if self.judges {
            wanted.push(InitFlags::FUSE_POSIX_ACL);
        }
        for flags in wanted {
            // What an old kernel lacks only costs time.
            let _lacking = config.add_capabilities(flags);
        }
        Ok(())
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.as_bytes().to_vec();
        self.job(move |library, reader| {
            let facts = match name.as_slice() {
                b"." | b".." => library.dots(parent.0, name.len() == 2, reader),
                name => library.lookup(parent.0, name, reader),
            };
            match facts {
                Ok(facts) => reply.entry(&lasts(&facts), &attributes(&facts), Generation(0)),
                Err(e) => reply.error(errno(library, &e)),
            }
        });
    }

    fn getattr(&self, _req: &Request, node: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        self.job(move |library, reader| match library.facts(node.0, reader) {
            Ok(facts) => reply.attr(&lasts(&facts), &attributes(&facts)),
            Err(e) => reply.error(errno(library, &e)),
        });
    }

    fn readlink(&self, _req: &Request, node: INodeNo, reply: ReplyData) {
        self.job(move |library, reader| match library.target(node.0, reader) {
            Ok(target) => reply.data(&target),
            Err(e) => reply.error(errno(library, &e)),
        });
    }

    fn open(&self, _req: &Request, node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let files = Arc::clone(&self.files);
        self.job(move |library, reader| match library.open(node.0, reader) {
            Ok(file) => reply.opened(files.add(file), FopenFlags::FOPEN_KEEP_CACHE),
            Err(e) => reply.error(errno(library, &e)),
        });
    }

    fn read(
        &self,
        _req: &Request,
        _node: INodeNo,
        handle: FileHandle,
        at: u64,
        length: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(file) = self.files.get(handle) else { return reply.error(Errno::EBADF) };
        self.job(move |library, reader| match library.read(&file, at, length as usize, reader) {
            Ok(bytes) => reply.data(&bytes),
            Err(e) => reply.error(errno(library, &e)),
        });
    }

    fn lseek(&self, _req: &Request, _node: INodeNo, handle: FileHandle, at: i64, whence: i32, reply: ReplyLseek) {
        let Some(file) = self.files.get(handle) else { return reply.error(Errno::EBADF) };
        let Ok(from) = u64::try_from(at) else { return reply.error(Errno::ENXIO) };
        if ![SEEK_DATA, SEEK_HOLE].contains(&whence) {
            return reply.error(Errno::EINVAL);
        }
        self.job(move |library, reader| match library.seek(&file, from, whence == SEEK_DATA, reader) {
            Ok(Some(found)) => reply.offset(i64::try_from(found).unwrap_or(i64::MAX)),
            Ok(None) => reply.error(Errno::ENXIO),
            Err(e) => reply.error(errno(library, &e)),
        });
    }

    fn release(
        &self,
        _req: &Request,
        _node: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.files.remove(handle);
        reply.ok();
    }

    fn readdir(&self, _req: &Request, node: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.job(move |library, reader| {
            let mut take = |name: &Name<'_>| {
                reply.add(INodeNo(name.inode), name.next, kind(name.kind), OsStr::from_bytes(name.name))
            };
            match library.list((node.0, offset), false, reader, &mut take) {
                Ok(()) => reply.ok(),
                Err(e) => reply.error(errno(library, &e)),
            }
        });
    }

    fn readdirplus(&self, _req: &Request, node: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        self.job(move |library, reader| {
            let mut take = |name: &Name<'_>| {
                let around = || Facts::around(name.inode, name.kind, 0, Time::default(), (0, 0));
                let facts = name.facts.unwrap_or_else(around);
                // What is not all is good for the kind and the size only: who wants more asks.
                let lasts = if facts.is_lasting { LONG } else { Duration::ZERO };
                let plain = OsStr::from_bytes(name.name);
                reply.add(INodeNo(name.inode), name.next, plain, &lasts, &attributes(&facts), Generation(0))
            };
            match library.list((node.0, offset), true, reader, &mut take) {
                Ok(()) => reply.ok(),
                Err(e) => reply.error(errno(library, &e)),
            }
        });
    }

    fn getxattr(&self, _req: &Request, node: INodeNo, name: &OsStr, room: u32, reply: ReplyXattr) {
        let name = name.as_bytes().to_vec();
        self.job(move |library, reader| match library.xattrs(node.0, reader) {
            Ok(xattrs) => match xattrs.iter().find(|xattr| xattr.name == name) {
                Some(xattr) => give(reply, &xattr.value, room),
                None => reply.error(Errno::NO_XATTR),
            },
            Err(e) => reply.error(errno(library, &e)),
        });
    }

    fn listxattr(&self, _req: &Request, node: INodeNo, room: u32, reply: ReplyXattr) {
        self.job(move |library, reader| match library.xattrs(node.0, reader) {
            Ok(xattrs) => {
                let names: Vec<u8> =
                    xattrs.iter().flat_map(|xattr| [xattr.name.as_slice(), b"\0"]).flatten().copied().collect();
                give(reply, &names, room);
            }
            Err(e) => reply.error(errno(library, &e)),
        });
    }
}
