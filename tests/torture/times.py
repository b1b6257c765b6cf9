"""Times, clocks, and what was changed without a trace in them (42 to 47)."""
import os
import random
import time

from registry import group

SECONDS = [-(1 << 63), -(1 << 62), -(1 << 40), -(1 << 33), -(1 << 31) - 1, -(1 << 31), -(1 << 31) + 1, -2145916800, -86400, -2, -1, 0, 1, 10**9, (1 << 31) - 2, (1 << 31) - 1, 1 << 31,
           (1 << 31) + 1, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, (1 << 33), 15032385534, 15032385535, 15032385536, 16299260423, 16299260424, 16299260425, 253402300800, 1 << 40,
           1 << 62, (1 << 63) - 1]
NANOS = [0, 1, 999, 499_999_999, 999_999_999]


def stamp(path, seconds, nanos):
    os.utime(path, ns=(0, seconds * 10**9 + nanos), follow_symlinks=False)


@group(42, title="times before 1970, 1901, after 2038, 2106, 2446, 2486, and beyond; all fractions of a second")
def times(t):
    nanos = NANOS if not t.quick else NANOS[::2]
    for kind in ("file", "dir", "link", "fifo"):
        t.dir(kind + "s")
        for seconds in SECONDS:
            for nano in nanos:
                name = f"{kind}s/{seconds}.{nano}"
                {"file": lambda: t.file(name, b"x"), "dir": lambda: t.dir(name), "link": lambda: os.symlink("x", t.at(name)), "fifo": lambda: os.mkfifo(t.at(name))}[kind]()
                stamp(t.at(name), seconds, nano)
    t.cycle()
    t.quiet()
    # Each has the time of its neighbour: still the same content, nothing is copied.
    for kind in ("file", "dir", "link", "fifo"):
        for n, seconds in enumerate(SECONDS):
            for nano in nanos:
                stamp(t.at(f"{kind}s/{seconds}.{nano}"), SECONDS[n - 1], nano)
    ran = t.night()
    t.quiet()
    # Where the time is one that the mirror cannot hold, new content is seen all the same.
    for seconds in SECONDS:
        for nano in nanos:
            name = f"files/{seconds}.{nano}"
            with open(t.at(name), "wb") as file:
                file.write(b"y")
            stamp(t.at(name), seconds, nano)
    t.night()
    t.quiet()


@group(42, title="times of the directories themselves, in and above the DIRs")
def times_of_dirs(t):
    t.dirs = ["above/d", "d"]
    t.table()
    (t.src / "above/d/sub").mkdir(parents=True)
    (t.src / "above/d/sub/a").write_bytes(b"a")
    t.dir("empty"), t.dir("full/sub"), t.file("full/sub/a", b"a"), t.file("full/b", b"b")
    for seconds, path in ((-5, t.src / "above/d/sub"), (-(1 << 31), t.src / "above/d"), (1 << 33, t.d / "full/sub"), (4, t.d / "full"), ((1 << 32) + 7, t.d)):
        stamp(path, seconds, 123_456_789)
    t.rsync = False
    t.cycle()
    t.file("full/sub/new", b"n"), os.unlink(t.at("full/b"))
    for seconds, path in ((1 << 33, t.d / "full/sub"), (4, t.d / "full")):
        stamp(path, seconds, 123_456_789)
    t.night()
    t.quiet()


@group(43, title="same size, same time, other content")
def same_time(t):
    sizes = [1, 100, 4096, 300_000, 1_500_000]
    for size in sizes:
        t.file(f"f{size}", b"a" * size), stamp(t.at(f"f{size}"), 10**9, 5)
    t.cycle()
    for turn in range(2):
        for size in sizes:
            with open(t.at(f"f{size}"), "r+b") as file:
                file.seek(size // 2)
                file.write(b"bc"[turn:turn + 1])
            stamp(t.at(f"f{size}"), 10**9, 5)
        t.night()


@group(44, title="touched only: no content is written")
def touched(t):
    for n in range(20):
        t.file(f"f{n}", b"%d" % n * 1000)
    t.dir("sub"), os.symlink("x", t.at("link")), os.mkfifo(t.at("fifo"))
    t.cycle()
    inodes = [os.lstat(t.on_mirror(f"f{n}")).st_ino for n in range(20)]
    for name in [*(f"f{n}" for n in range(20)), "sub", "fifo", "link"]:
        stamp(t.at(name), 10**9 + 7, 7)
    ran = t.night()
    t.equal("written", 0, ran.summary.get("written"))
    t.equal("inodes", inodes, [os.lstat(t.on_mirror(f"f{n}")).st_ino for n in range(20)])
    for n in range(20):
        os.chmod(t.at(f"f{n}"), 0o640)
        os.setxattr(t.at(f"f{n}"), "user.a", b"b")
    ran = t.night()
    t.equal("written", 0, ran.summary.get("written"))
    t.equal("inodes", inodes, [os.lstat(t.on_mirror(f"f{n}")).st_ino for n in range(20)])


@group(46, title="changed in the very tick of the last look, with size and time as before")
def racily_clean(t):
    r = random.Random(t.world.seed)
    t.file("a", b"0" * 100), stamp(t.at("a"), 10**9, 0)
    t.own()
    t.backup("--init")
    for n in range(3 if t.quick else 40):
        content = b"%03d" % n * 40
        running = t.world.start(["-backup", "t"], t.tab)
        time.sleep(r.random() * 0.12)
        t.file("a", content), stamp(t.at("a"), 10**9, 0)
        t.ended(t.world.finish(running, ["-backup"], 60), 0, 1)
        t.backup()
        t.equal("content on the mirror", content, open(t.on_mirror("a"), "rb").read())
    t.night()


@group(47, title="times of directories are those of the source after files were put in, taken out and moved")
def directory_times(t):
    for a in range(4):
        for b in range(4):
            t.dir(f"{a}/{b}")
            for c in range(3):
                t.file(f"{a}/{b}/{c}", b"%d" % c)
    for folder, _, _ in os.walk(t.d):
        stamp(folder, 1_000_000_000 + len(folder), 7)
    t.cycle()
    os.unlink(t.at("0/0/0")), t.file("1/1/new", b"n"), os.rename(t.at("2/2"), t.at("3/moved")), os.rename(t.at("0/1/1"), t.at("2/0/1"))
    t.file("3/3/0", b"other"), t.dir("1/2/sub"), os.link(t.at("1/0/0"), t.at("1/3/linked"))
    for folder, _, _ in os.walk(t.d):
        stamp(folder, 1_000_000_000 + len(folder), 8)
    t.night()
    t.quiet()
