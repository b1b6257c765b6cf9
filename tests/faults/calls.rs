//! The system calls that are counted, and what of them is told.

use nix::libc::{self, c_long};

/// Where a call says what it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// An open file, in this argument.
    Fd(usize),
    /// A name below an open directory, in this argument and the next.
    At(usize),
    /// A path, in this argument.
    Path(usize),
    Nothing,
}

/// When a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It changes what is on a disk.
    Change,
    /// It does, or only reads, as its flags say.
    Open,
    /// It changes nothing; an error of it is a fault all the same.
    Look,
    /// It maps memory; only that of files counts.
    Map,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) number: c_long,
    pub(crate) name: &'static str,
    pub(crate) on: On,
    pub(crate) class: Class,
}

macro_rules! calls {
    ($($class:ident $on:expr => $($name:ident)+;)+) => {
        &[$($(Call { number: libc::$name, name: stringify!($name), on: $on, class: Class::$class },)+)+]
    };
}

/// Not among them: `getrandom`, whose failure (impossible once a host has started) ends the Rust library itself.
pub(crate) const CALLS: &[Call] = calls! {
    Open On::At(0) => SYS_openat;
    Open On::Path(0) => SYS_open;
    Change On::Fd(0) => SYS_write SYS_pwrite64 SYS_writev SYS_pwritev;
    Change On::Path(0) => SYS_creat SYS_rename SYS_link SYS_unlink SYS_mkdir SYS_rmdir SYS_mknod SYS_chmod SYS_chown SYS_lchown SYS_truncate;
    Change On::At(0) => SYS_renameat SYS_renameat2 SYS_linkat SYS_unlinkat SYS_mkdirat SYS_mknodat SYS_fchmodat SYS_fchmodat2 SYS_fchownat SYS_utimensat;
    Change On::At(1) => SYS_symlinkat;
    Change On::Path(1) => SYS_symlink;
    Change On::Fd(0) => SYS_fchmod SYS_fchown SYS_ftruncate SYS_fallocate SYS_fsync SYS_fdatasync SYS_syncfs SYS_sync_file_range SYS_flock;
    Change On::Fd(0) => SYS_fsetxattr SYS_fremovexattr;
    Change On::Path(0) => SYS_setxattr SYS_lsetxattr SYS_removexattr SYS_lremovexattr;
    Change On::Fd(2) => SYS_copy_file_range;
    Look On::Fd(0) => SYS_read SYS_pread64 SYS_getdents64 SYS_fstat SYS_lseek SYS_flistxattr SYS_fgetxattr SYS_fstatfs;
    Look On::At(0) => SYS_newfstatat SYS_statx SYS_readlinkat;
    Look On::Path(0) => SYS_stat SYS_lstat SYS_readlink SYS_statfs SYS_llistxattr SYS_lgetxattr SYS_access;
    Look On::Nothing => SYS_clone SYS_clone3;
    Map On::Fd(4) => SYS_mmap;
};

/// A call that the Rust runtime makes once before `main`: what comes earlier is the loader's, not ours.
pub(crate) const BEGIN: c_long = libc::SYS_sigaltstack;

impl Call {
    pub(crate) fn of(number: u64) -> Option<&'static Self> {
        CALLS.iter().find(|call| u64::try_from(call.number) == Ok(number))
    }

    /// Whether the call counts, with these arguments: as a change only, or as anything that can fail.
    pub(crate) fn counts(&self, arguments: &[u64; 6], changes_only: bool) -> bool {
        let [first, second, third, _, fifth, _] = *arguments;
        match self.class {
            // What is said on the standard outputs is no state.
            Class::Change => self.on != On::Fd(0) || first > 2,
            Class::Open => {
                let flags = if self.on == On::At(0) { third } else { second };
                !changes_only || flags & WRITES != 0
            }
            Class::Look => !changes_only && (self.on != On::Fd(0) || first > 2),
            Class::Map => !changes_only && fifth < u64::from(u32::MAX >> 1),
        }
    }

    /// Whether the length that it writes can be cut: it is the third argument.
    pub(crate) fn can_be_short(&self) -> bool {
        [libc::SYS_write, libc::SYS_pwrite64].contains(&self.number)
    }

    pub(crate) fn shown(&self) -> &'static str {
        self.name.trim_start_matches("SYS_")
    }
}

const WRITES: u64 = (libc::O_CREAT | libc::O_TRUNC | libc::O_WRONLY | libc::O_RDWR) as u64;

/// The numbers to stop at.
pub(crate) fn stops(changes_only: bool) -> Vec<c_long> {
    let wanted = |call: &&Call| !changes_only || matches!(call.class, Class::Change | Class::Open);
    let mut numbers: Vec<_> = CALLS.iter().filter(wanted).map(|call| call.number).collect();
    numbers.push(BEGIN);
    numbers
}
