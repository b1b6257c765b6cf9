"""A file system of its own for a benchmark, in a sparse file on a loop device (needs root). A new one for each turn: ext4 gives inodes that were removed
within the last minutes to nobody, and looks for others each time, so that whoever makes many files where many were just removed takes several times as long."""
import contextlib
import os
import subprocess


def must(*command):
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextlib.contextmanager
def mounted(folder, kind, size, options=()):
    """A new file system of this kind and of so many bytes, mounted at an empty folder. Its file lies beside that, and goes with it."""
    file, device = folder.with_suffix(f".{kind}"), None
    with open(file, "wb") as out:
        out.truncate(size)
    try:
        must(f"mkfs.{kind}", "-q", *options, file)
        device = must("losetup", "--find", "--show", "--direct-io=on", file)
        must("mount", *(["-o", "noinit_itable"] if kind == "ext4" else []), device, folder)
        yield file
    finally:
        if os.path.ismount(folder):
            must("umount", folder)
        if device:
            must("losetup", "--detach", device)
        file.unlink()
