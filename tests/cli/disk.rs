//! Small file systems of every kind, in a file, mounted through a loop device.

use crate::support::we_are_root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An ext4 whose inodes have no room for fractions of a second, nor for dates after 2038.
pub(crate) const WHOLE_SECONDS: &str = "mkfs.ext4 -q -I 128";

/// A file system that is mounted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Disk {
    at: PathBuf,
    image: TempDir,
    options: &'static str,
}

impl Disk {
    /// So many MB, made with these words and mounted at a folder, which is made.
    #[track_caller]
    pub(crate) fn new(at: &Path, megabytes: u64, mkfs: &str) -> Self {
        Self::with_options(at, megabytes, mkfs, "loop")
    }

    /// As `new`, mounted with these options, `loop` among them.
    #[track_caller]
    pub(crate) fn with_options(at: &Path, megabytes: u64, mkfs: &str, options: &'static str) -> Self {
        assert!(we_are_root(), "this test mounts a file system: run it as root");
        let image = tempfile::Builder::new().prefix("backup-disk-").tempdir().unwrap();
        let file = image.path().join("image");
        fs::File::create(&file).unwrap().set_len(megabytes << 20).unwrap();
        let mut words = mkfs.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        does(command.args(words).arg(&file));
        fs::create_dir_all(at).unwrap();
        let disk = Self { at: at.to_path_buf(), image, options };
        disk.mount();
        disk
    }

    #[track_caller]
    fn mount(&self) {
        does(Command::new("mount").args(["-o", self.options]).arg(self.image.path().join("image")).arg(&self.at));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(&self.at).status();
        if !done.is_ok_and(|done| done.success()) {
            drop(Command::new("umount").arg("--lazy").arg(&self.at).status());
        }
    }
}

#[track_caller]
fn does(command: &mut Command) {
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {text}");
}
