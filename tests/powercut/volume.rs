//! A disk of the recorder under a loop device, with a file system on it.
//!
//! What must stay true: after a disk was changed under the loop device, a mount reads it anew; and whatever happens, device and mount are given back.

use super::disk::Mark;
use super::recorder::{Shared, Shelf, lock};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fs {
    Ext4,
    Xfs,
    Btrfs,
}

impl Fs {
    pub(crate) const ALL: [Self; 3] = [Self::Ext4, Self::Xfs, Self::Btrfs];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    const fn size(self) -> u64 {
        match self {
            Self::Ext4 => 64 << 20,
            Self::Xfs => 304 << 20,
            Self::Btrfs => 160 << 20,
        }
    }

    fn maker(self) -> Command {
        let words: &[&str] = match self {
            Self::Ext4 => &["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
            Self::Xfs => &["mkfs.xfs", "-q", "-f", "-K"],
            Self::Btrfs => &["mkfs.btrfs", "-q", "-f", "-K"],
        };
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    }
}

impl fmt::Display for Fs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Runs a tool of the system and gives its output.
pub(crate) fn tool(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// Gives back the loop devices of a harness that was killed. Its recorder is gone, so what is left of their paths is `/` and our number of the disk.
pub(crate) fn release_leftovers() {
    let list = tool(Command::new("losetup").args(["--list", "--noheadings", "--output", "NAME,BACK-FILE"]));
    for line in list.lines() {
        let Some((device, file)) = line.trim().split_once(' ') else { continue };
        let file = file.trim();
        let is_number = file.strip_prefix('/').is_some_and(|name| name.parse::<u64>().is_ok());
        if is_number && !Path::new(file).exists() {
            tool(Command::new("losetup").args(["--detach", device]));
        }
    }
}

#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) fs: Fs,
    pub(crate) disk: Shared,
    /// Where it is mounted.
    pub(crate) place: PathBuf,
    shelf: Arc<Shelf>,
    image: PathBuf,
    device: String,
    mounted: bool,
}

impl Volume {
    /// A new disk with a new file system.
    pub(crate) fn new(shelf: &Arc<Shelf>, fs: Fs, place: &Path) -> Self {
        std::fs::create_dir_all(place).unwrap();
        let (image, disk) = shelf.add(fs.size());
        let device = tool(Command::new("losetup").args(["--find", "--show"]).arg(&image));
        let volume =
            Self { fs, disk, place: place.to_owned(), shelf: Arc::clone(shelf), image, device, mounted: false };
        tool(fs.maker().arg(&volume.device));
        volume
    }

    /// Mounts, which repeats the journal; the error is the kernel's.
    pub(crate) fn mount(&mut self) -> Result<(), String> {
        self.forget_cache();
        let none = MsFlags::empty();
        mount(Some(self.device.as_str()), &self.place, Some(self.fs.name()), none, None::<&str>)
            .map_err(|e| format!("{} cannot be mounted: {e}", self.fs))?;
        self.mounted = true;
        Ok(())
    }

    /// Empties what the kernel has cached of the device, and waits until a read of its head comes to the disk: as long as anybody has the device open
    /// (a `losetup` that looks for a free one, udev's probing), its cache stays when a file system is unmounted.
    fn forget_cache(&self) {
        for _ in 0..2000 {
            let reads = lock(&self.disk).head_reads;
            tool(Command::new("blockdev").args(["--flushbufs", &self.device]));
            let head = File::open(&self.device).and_then(|mut device| device.read_exact(&mut [0; 4096]));
            head.unwrap_or_else(|e| panic!("{}: {e}", self.device));
            if lock(&self.disk).head_reads > reads {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{}: the kernel would mount what it has in its cache, not this state", self.device);
    }

    pub(crate) fn unmount(&mut self) {
        for _ in 0..200 {
            match umount2(&self.place, MntFlags::empty()) {
                Err(nix::errno::Errno::EBUSY) => std::thread::sleep(Duration::from_millis(5)),
                other => {
                    other.unwrap_or_else(|e| panic!("{} cannot be unmounted: {e}", self.place.display()));
                    self.mounted = false;
                    return;
                }
            }
        }
        panic!("{} is busy for a second", self.place.display());
    }

    pub(crate) fn mark(&self, mark: Mark) {
        lock(&self.disk).mark(mark);
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.mounted {
            let _unheeded: Result<(), _> = umount2(&self.place, MntFlags::MNT_DETACH);
        }
        let _unheeded: Result<_, _> = Command::new("losetup").args(["--detach", &self.device]).output();
        self.shelf.remove(&self.image);
    }
}
