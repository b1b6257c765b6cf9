"""What changes while it is read (36, 37, 40, 41)."""
import mmap
import os
import random
import subprocess
import threading
import time

from registry import group
from world import MIB, must


class Busy:
    """Threads that do things to the source, over and over, until the block ends."""

    def __init__(self, t, *deeds):
        self.stop, self.t = threading.Event(), t
        self.done = [0] * len(deeds)
        self.threads = [threading.Thread(target=self.repeat, args=(n, deed)) for n, deed in enumerate(deeds)]

    def repeat(self, n, deed):
        turn = random.Random(n)
        while not self.stop.is_set():
            try:
                deed(turn)
            except OSError:
                pass
            self.done[n] += 1
            time.sleep(0.0005)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.t.need(all(self.done), "one of the busy ones did nothing")


def furnish(t, stable=80):
    t.dir("stable"), t.dir("busy")
    for n in range(stable):
        t.file(f"stable/{n:03}", b"stable %d" % n * 500)
    for name in ("grows", "slowly", "shrinks", "emptied", "rewritten", "mapped", "ends"):
        t.file(f"busy/{name}", b"0" * 700_000)
    t.own()


def all_stable(t, ran, stable=80):
    for n in range(stable):
        path = t.on_mirror(f"stable/{n:03}")
        t.need(os.path.lexists(path) and open(path, "rb").read() == b"stable %d" % n * 500, f"stable/{n:03} is not as it was: {ran}")


def nights_in_unrest(t, *deeds, timeout=60):
    """Nights while all that goes on; then two in peace, of which the first may still flag what changed."""
    furnish(t)
    t.backup("--init")
    with Busy(t, *deeds):
        for _ in range(2 if t.quick else 10):
            ran = t.night(codes=(0, 1), judged=False, timeout=timeout)
            all_stable(t, ran)
    t.night()
    t.quiet()


def append(t, name, content):
    with open(t.at(name), "ab") as file:
        file.write(content)


@group(36, title="files that grow fast and slowly, shrink, are emptied and written again, are rewritten in place and through a mapping, without an end")
def restless(t):
    def grows(_):
        append(t, "busy/grows", b"g" * 100_000)
        if os.path.getsize(t.at("busy/grows")) > 60 * MIB:
            os.truncate(t.at("busy/grows"), 0)

    def shrinks(r):
        size = os.path.getsize(t.at("busy/shrinks"))
        os.truncate(t.at("busy/shrinks"), size - 1000 if size > 1000 else 900_000)

    def emptied(r):
        with open(t.at("busy/emptied"), "wb") as file:
            file.write(b"e" * r.randrange(900_000))

    def rewritten(r):
        with open(t.at("busy/rewritten"), "r+b") as file:
            file.seek(r.randrange(600_000))
            file.write(r.randbytes(1000))

    def mapped(r):
        with open(t.at("busy/mapped"), "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            for _ in range(50):
                view[r.randrange(600_000)] = r.randrange(256)
    nights_in_unrest(t, grows, shrinks, emptied, rewritten, mapped, lambda r: append(t, "busy/slowly", b"s"))


@group(37, title="files that vanish, appear, are moved within the tree, while it is walked")
def movers(t):
    def vanish(r):
        name = f"busy/v{r.randrange(50)}"
        t.file(name, b"v" * 2000), t.give(t.at(name))
        os.unlink(t.at(f"busy/v{r.randrange(50)}"))

    def move(r):
        for place in ("busy", "stable"):
            os.rename(t.at("busy/moves"), t.at("a-moves")), os.rename(t.at("a-moves"), t.at("z-moves")), os.rename(t.at("z-moves"), t.at("busy/moves"))

    def folders(r):
        n = r.randrange(10)
        t.dir(f"busy/dir{n}/sub"), t.file(f"busy/dir{n}/sub/in", b"in")
        for path in (f"busy/dir{n}", f"busy/dir{n}/sub", f"busy/dir{n}/sub/in"):
            t.give(t.at(path))
        os.rename(t.at(f"busy/dir{n}"), t.at(f"dir{n}"))
        os.unlink(t.at(f"dir{n}/sub/in")), os.rmdir(t.at(f"dir{n}/sub")), os.rmdir(t.at(f"dir{n}"))
    t.dir("busy"), t.file("busy/moves", b"moves")
    nights_in_unrest(t, vanish, move, folders)


@group(37, title="the list of 1991: created, deleted, file to directory and back, while the nights run")
def of_1991(t):
    def swap(r):
        path = t.at("busy/ends")
        os.unlink(path)
        os.mkdir(path), t.file("busy/ends/in", b"in"), t.give(path), t.give(path + b"/in")
        os.unlink(path + b"/in"), os.rmdir(path)
        t.file("busy/ends", b"again"), t.give(path)
    nights_in_unrest(t, swap)


@group(40, title="a file system mounted inside a DIR is not entered, and is named; what was there before is not deleted", only="root")
def mounts(t):
    t.dir("mnt"), t.file("mnt/below", b"below the mount"), t.dir("bound"), t.file("bound/own", b"own"), t.dir("other"), t.file("other/x", b"x")
    t.dir("late"), t.file("late/was", b"was here")
    must("mount", "-t", "tmpfs", "none", t.at("mnt"))
    must("mount", "--bind", t.at("other"), t.at("bound"))
    mounted = ["mnt", "bound"]
    try:
        t.file("mnt/inside", b"of another file system")
        for turn in range(2):
            ran = t.backup("--init", codes=(0, 1))
            for name in ("mnt/inside", "bound/x"):
                t.need(not os.path.lexists(t.on_mirror(name)), f"{name} was entered")
            for name in ("mnt", "bound"):
                t.need(f"d/{name}" in ran.out + ran.err, f"{name} is named: {ran}")
        must("mount", "-t", "tmpfs", "none", t.at("late"))
        mounted.append("late")
        ran = t.run("-backup", "t")
        t.need(ran.code in (0, 1, 3), f"a directory that became a mount point: {ran}")
        t.need("d/late" in ran.out + ran.err, f"late is named: {ran}")
        t.need(os.path.lexists(t.on_mirror("late/was")), f"what was in late before is gone from the mirror: {ran}")
    finally:
        for name in mounted:
            subprocess.run(["umount", "-l", t.at(name)], check=False)
    t.night(codes=(0, 3))
    t.quiet()


@group(40, title="a mount point that comes and goes during the nights", only="root")
def mounts_while_read(t):
    t.dir("busy"), t.dir("busy/mnt"), t.file("busy/mnt/a", b"a")

    def toggle(_):
        subprocess.run(["mount", "-t", "tmpfs", "none", t.at("busy/mnt")], check=False)
        time.sleep(0.01)
        subprocess.run(["umount", "-l", t.at("busy/mnt")], check=False)
    try:
        nights_in_unrest(t, toggle)
    finally:
        while subprocess.run(["umount", t.at("busy/mnt")], capture_output=True, check=False).returncode == 0:
            pass
    t.equal("what is below the mount point", b"a", open(t.on_mirror("busy/mnt/a"), "rb").read())


@group(41, title="the source is read-only")
def read_only_source(t):
    disk = t.world.disk("ext4")
    try:
        t.src, t.d = disk.at / "s", disk.at / "s/d"
        t.d.mkdir(parents=True)
        t.file("a", b"a"), t.dir("sub"), t.file("sub/b", b"b" * 100_000)
        t.table(), t.own(), t.give(t.src)
        disk.remount("ro")
        t.own = lambda: None
        t.cycle()
        disk.remount("rw")
        t.file("a", b"newer")
        disk.remount("ro")
        t.night()
        t.history()
    finally:
        t.kept, t.listings = {}, {}
        disk.close()


@group(41, title="a block of one file cannot be read (EIO): its last good version is kept, the rest goes on")
def bad_block(t):
    disk = t.world.disk("btrfs")
    mark = b"the block that goes bad " * 400
    try:
        t.src, t.d = disk.at / "s", disk.at / "s/d"
        t.d.mkdir(parents=True)
        t.table(), t.file("good", b"good" * 5000), t.file("bad", b"good so far" * 9000), t.own(), t.give(t.src)
        t.backup("--init")
        t.file("bad", b"x" * 70_000 + mark + b"y" * 70_000), t.file("good", b"newer" * 5000)
        t.own()
        must("umount", disk.at)
        with open(disk.image, "r+b") as image:
            content = image.read()
            found = content.find(mark)
            t.need(found > 0, "the block was not found")
            while found >= 0:
                image.seek(found)
                image.write(b"BAD")
                found = content.find(mark, found + len(mark))
        must("mount", "-o", "loop", disk.image, disk.at)
        for _ in range(2):
            ran = t.night(codes=(1,), judged=False)
            t.need("d/bad" in ran.out + ran.err, f"the path is named: {ran}")
            t.equal("the last good version", b"good so far" * 9000, open(t.on_mirror("bad"), "rb").read())
            t.equal("the others go on", b"newer" * 5000, open(t.on_mirror("good"), "rb").read())
    finally:
        disk.close()
