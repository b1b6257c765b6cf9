//! Small disks with other file systems: images in memory, mounted where only this process and what it starts can see them. So they are gone with it,
//! however it ends.

use crate::step::Fs;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::path::Path;
use std::process::Command;

const SIZE: u64 = 2 << 30;

/// Must be called before there are threads: each has a view of mounts of its own.
pub(crate) fn withdraw() {
    unshare(CloneFlags::CLONE_NEWNS).expect("root, for mounts of its own");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("mounts of its own");
}

fn tool(words: &[&str], last: &[&Path]) {
    let mut command = Command::new(words[0]);
    let done = command.args(&words[1..]).args(last).output().unwrap_or_else(|e| panic!("{words:?}: {e}"));
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A new file system of this kind, mounted there.
pub(crate) fn provide(fs: Fs, place: &Path) {
    std::fs::create_dir_all(place).unwrap();
    if fs == Fs::Tmpfs {
        return;
    }
    let image = place.with_extension("image");
    File::create(&image).unwrap().set_len(SIZE).unwrap();
    match fs {
        Fs::Tmpfs => {}
        Fs::Ext4 => tool(&["mkfs.ext4", "-q", "-F", "-I", "256"], &[&image]),
        Fs::Xfs => tool(&["mkfs.xfs", "-q", "-f"], &[&image]),
        Fs::Btrfs => tool(&["mkfs.btrfs", "-q", "-f"], &[&image]),
    }
    tool(&["mount", "-o", "loop"], &[&image, place]);
}

/// Gives it back, so that its folder can be removed.
pub(crate) fn give_back(place: &Path) {
    umount2(place, MntFlags::MNT_DETACH).ok();
    std::fs::remove_file(place.with_extension("image")).ok();
}
