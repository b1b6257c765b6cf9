"""Fifos, sockets, devices, and what changes its kind (21, 22, 38)."""
import os
import socket
import stat
import threading

from deviations import MAJOR_ON_XFS, MINOR_ON_XFS
from registry import group

KINDS = ["file", "dir", "symlink", "fifo", "socket", "char", "block"]


def make(t, kind, name, mark=b""):
    """Something of a kind; where only root can make it, root does, in a user's world too."""
    path = t.at(name)
    if kind == "file":
        t.file(name, b"content " + mark)
    elif kind == "dir":
        os.mkdir(path)
        t.file(name + "/in", b"in " + mark)
    elif kind == "symlink":
        os.symlink(b"to " + mark, path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        os.mknod(path, (stat.S_IFCHR if kind == "char" else stat.S_IFBLK) | 0o640, os.makedev(1, 3 + len(mark) % 5))


def unmake(t, name):
    path = t.at(name)
    if stat.S_ISDIR(os.lstat(path).st_mode):
        for below in os.listdir(path):
            os.unlink(path + b"/" + below)
        os.rmdir(path)
    else:
        os.unlink(path)


DEVICES = [(0, 0), (511, (1 << 18) - 1), (1, 3), (1, 5), (8, 0), (255, 255), (256, 256), (4095, 1), (4095, (1 << 20) - 1), (10, 229), (1, 1 << 19)]


@group(21, title="fifos, sockets, devices with all numbers; none is opened")
def specials(t):
    t.dir("sub")
    for mode in (0o600, 0o644, 0, 0o4755, 0o1777):
        os.mkfifo(t.at(f"fifo{mode:o}")), os.chmod(t.at(f"fifo{mode:o}"), mode)
        os.mknod(t.at(f"sock{mode:o}"), stat.S_IFSOCK), os.chmod(t.at(f"sock{mode:o}"), mode)
    for major, minor in DEVICES:
        for kind, letter in ((stat.S_IFCHR, "c"), (stat.S_IFBLK, "b")):
            if t.world.source != "xfs" or (major <= MAJOR_ON_XFS and minor <= MINOR_ON_XFS):
                os.mknod(t.at(f"sub/{letter}{major}-{minor}"), kind | 0o660, os.makedev(major, minor))
    t.dir("socks/nested")
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(t.d)
    listener.bind("socks/nested/listening")
    os.chdir(here)
    listener.listen()
    t.file("plain", b"x")
    t.own()
    t.cycle()
    os.mkfifo(t.at("later")), os.chmod(t.at("fifo644"), 0o600), os.utime(t.at("sock600"), ns=(1, 10**18))
    os.unlink(t.at("sub/c1-3")), os.mknod(t.at("sub/c1-3"), stat.S_IFCHR | 0o660, os.makedev(1, 7))
    os.chmod(t.at("sub/b8-0"), 0o600)
    t.night()
    t.quiet()
    listener.close()


@group(22, 38, title="all changes of kind between nights, seven by seven")
def kinds(t):
    for a in KINDS:
        for b in KINDS:
            make(t, a, f"{a}-{b}", b"1")
    t.cycle()
    for a in KINDS:
        for b in KINDS:
            unmake(t, f"{a}-{b}")
            make(t, b, f"{a}-{b}", b"two")
    t.night("--verbose")
    t.quiet()
    t.check()
    for a in KINDS:
        for b in KINDS:
            unmake(t, f"{a}-{b}")
            make(t, a, f"{a}-{b}", b"1")
    t.night()


@group(22, 38, title="kinds that swap while a night reads: never a hang, and the next night is good")
def swapped_while_read(t):
    for n in range(60):
        t.file(f"stable{n}", b"stable")
    t.dir("s")
    for n in range(12):
        t.file(f"s/{n}", b"x" * 5000)
    t.own()
    t.backup("--init")
    stop = threading.Event()

    def swap():
        turn = 0
        while not stop.is_set():
            n = turn % 12
            turn += 1
            try:
                unmake(t, f"s/{n}")
                make(t, ["fifo", "symlink", "dir", "file", "socket"][turn // 12 % 5], f"s/{n}", b"x")
                t.give(t.at(f"s/{n}"))
            except OSError:
                pass
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(2 if t.quick else 12):
            ran = t.night(codes=(0, 1), judged=False, timeout=60)
            for n in range(60):
                if not os.path.lexists(t.on_mirror(f"stable{n}")):
                    t.fail(f"stable{n} is gone from the mirror: {ran}")
            t.counts["checks"] += 60
    finally:
        stop.set()
        thread.join()
    t.night(codes=(0, 1), judged=False)
    t.night()
    t.quiet()
