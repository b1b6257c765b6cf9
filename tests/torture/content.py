"""Contents, sizes and holes (31 to 35)."""
import errno
import fcntl
import glob
import os
import random
import struct
import subprocess
import time

from registry import group
from world import MIB, must

KIB = 1 << 10
EDGES = [0, 1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 512 * KIB - 1, 512 * KIB, 512 * KIB + 1, MIB - 1, MIB, MIB + 1,
         4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 8 * MIB + 1]


def noise(t, size):
    return random.Random(size * 7 + t.world.seed).randbytes(size)


@group(31, title="sizes at the edges of blocks and chunks")
def sizes(t):
    edges = [size for size in EDGES if size < 4 * MIB or size == 4 * MIB + 1] if t.quick else EDGES
    for size in edges:
        t.file(f"noise{size}", noise(t, size)), t.file(f"same{size}", b"s" * size)
    t.cycle()
    for size in edges:
        with open(t.at(f"noise{size}"), "ab") as file:
            file.write(b"+")
        os.truncate(t.at(f"same{size}"), max(0, size - 1))
    t.night()


@group(31, title="sizes around 2 and 4 GiB, holes but for their edges; 1 TiB and the largest that can be")
def vast(t):
    t.rsync = t.store = False                       # they would read every zero
    t.keeps = False
    vast_sizes = [(1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 40, (1 << 43) + 5, (1 << 44) - 4096, (1 << 62), (1 << 63) - 4096, (1 << 63) - 1]
    made = 0
    for size in vast_sizes:
        try:
            with open(t.at(f"s{size}"), "wb") as file:
                file.truncate(size)
                os.pwrite(file.fileno(), b"first", 0)
                os.pwrite(file.fileno(), b"middle", size // 2)
                if size < 1 << 44:
                    os.pwrite(file.fileno(), b"last", size - 4)
            made += 1
        except OSError as error:
            if error.errno not in (errno.EFBIG, errno.EINVAL):
                raise
            os.unlink(t.at(f"s{size}"))
    t.need(made >= 7, f"only {made} of the sizes could be made")
    began = time.monotonic()
    if holds(t):
        t.cycle()
        t.need(time.monotonic() - began < 60, "the time goes with the size, not with the data")


def holds(t):
    """ext4 cannot hold what is larger than 16 TiB: where the mirror can't, such files are not made."""
    if t.world.mirror.startswith("ext4"):
        for name in os.listdir(t.d):
            if os.lstat(t.at(name)).st_size > (1 << 44) - 4096:
                os.unlink(t.at(name))
    return True


@group(31, title="more than 4 GiB of data", only="root", big=True)
def beyond_4_gib(t):
    t.store = False
    block = noise(t, 64 * MIB)
    with open(t.at("large"), "wb") as file:
        for n in range(66):
            file.write(struct.pack("<Q", n) + block)
    t.cycle()


@group(32, title="holes: at the start, at the end, alternating, nothing else, deceptive, unwritten")
def holes(t):
    def sparse(name, size, *pieces):
        with open(t.at(name), "wb") as file:
            file.truncate(size)
            for at, content in pieces:
                os.pwrite(file.fileno(), content, at)
    data = noise(t, 4096)
    sparse("start", 10_240_000 + 5, (10_240_000, b"text\n"))
    sparse("end", 5_000_000, (0, data))
    sparse("all", 3_000_000), sparse("one-byte-hole", 1), sparse("page", 4096), sparse("tail", 4097, (0, data))
    sparse("alternating", 4096 * 400, *((4096 * n, data) for n in range(0, 400, 2)))
    sparse("odd", 9_999_999, *((n * 777_777, b"odd") for n in range(12)))
    sparse("deceptive", 8192 * 40, *((8192 * n, bytes(4096)) for n in range(40)))          # a block of NULs, then one of hole
    sparse("zeros-then-hole", 2 * MIB, (0, bytes(MIB))), sparse("hole-then-zeros", 2 * MIB, (MIB, bytes(MIB)))
    sparse("chunks", 40 * MIB, *((n * 5 * MIB - 3, data) for n in range(1, 8)))
    for name, mode in (("unwritten", 0), ("unwritten-beyond", 1)):                          # 1: keep the size
        t.file(name, data)
        must("fallocate", *(["--keep-size"] if mode else []), "-l", str(MIB), t.at(name))
    t.file("punched", noise(t, MIB))
    must("fallocate", "-p", "-o", "65536", "-l", "262144", t.at("punched"))
    # Room that is set aside need not be on the mirror; what is a hole stays one.
    t.cycle()
    with open(t.at("all"), "r+b") as file:
        os.pwrite(file.fileno(), b"no hole", 2_000_000)
    must("fallocate", "-p", "-o", "0", "-l", "4096000", t.at("alternating"))
    os.truncate(t.at("end"), 50_000_000)
    os.truncate(t.at("start"), 100)
    t.file("deceptive", b"none")
    t.night()


MAGIC = [b"BKPACK", b"backup", b"BLK", b"target t\n", b"Signature: 8a477f597d28d172789f06886806bc55"]


@group(33, title="zeros, ones, random, repetitive, our own packs, indexes and records, their magic numbers")
def contents(t):
    size = 600_000 if t.quick else 6_000_000
    for name, content in {"zeros": bytes(size), "ones": b"\xff" * size, "random": noise(t, size), "ab": b"ab" * (size // 2), "lines": b"the same line\n" * (size // 14),
                          "period": noise(t, 1000) * (size // 1000), "ramp": bytes(range(256)) * (size // 256), "one changed": b"a" * (size - 1) + b"b",
                          "twice": noise(t, size // 2) * 2}.items():
        t.file(name, content)
    t.cycle()
    # What the store has written is content like any other; its beginnings are those of our own formats.
    t.dir("ours")
    found = [name for name in glob.glob(f"{t.mir}/.backup/**/*", recursive=True) if os.path.isfile(name)]
    for n, name in enumerate(found):
        content = open(name, "rb").read()
        t.file(f"ours/{n}", content), t.file(f"ours/head{n}", content[:64]), t.file(f"ours/cut{n}", content[:-1]), t.file(f"ours/inside{n}", b"x" + content * 2)
    t.need(len(found) > 4, "the store has no files")
    t.night()
    t.quiet()
    t.check()


def flagged(t, *words):
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@group(34, title="compressed, reflinked, inline, verity: files that a file system stores in its own way")
def stored_otherwise(t):
    t.file("plain", noise(t, 300_000)), t.dir("compressed")
    if t.world.source == "btrfs":
        must("btrfs", "property", "set", t.d / "compressed", "compression", "zstd")
    t.file("compressed/zeros", b"compress me " * 50_000), t.file("compressed/small", b"c" * 100), t.file("compressed/noise", noise(t, 200_000))
    if t.world.source in ("xfs", "btrfs"):
        must("cp", "--reflink=always", t.at("plain"), t.at("reflink"))
        with open(t.at("reflink"), "r+b") as file:
            os.pwrite(file.fileno(), b"own", 100_000)
    for size in (1, 60, 100, 160, 2000, 3900):
        t.file(f"inline{size}", b"i" * size)
    t.cycle()
    t.file("compressed/zeros", b"other " * 60_000), t.file("inline60", b"j" * 5000)
    t.night()


@group(34, title="inline data and verity on an ext4 of its own", only="root")
def inline_ext4(t):
    image, at = t.world.folder / "inline.img", t.places[0] / "s"
    with open(image, "wb") as file:
        file.truncate(64 * MIB)
    must("mkfs.ext4", "-q", "-F", "-O", "inline_data,verity", image)
    must("mount", "-o", "loop", image, at)
    try:
        (at / "d").mkdir()
        for size in (0, 1, 59, 60, 61, 100, 150, 160, 4000):
            t.file(f"f{size}", b"i" * size)
        os.symlink("s" * 60, t.at("link")), t.dir("dir"), t.file("dir/in", b"in")
        t.file("sealed", b"sealed " * 2000)
        fd = os.open(t.at("sealed"), os.O_RDONLY)
        try:                                        # FS_IOC_ENABLE_VERITY: version, sha256, block size
            fcntl.ioctl(fd, 0x40806685, struct.pack("<III", 1, 1, 4096) + bytes(128 - 12))
        except OSError as error:
            t.need(error.errno in (errno.EOPNOTSUPP, errno.ENOTTY), f"verity: {error}")
        finally:
            os.close(fd)
        t.keeps = False
        t.cycle()
        t.file("f60", b"longer than an inode has room for" * 9)
        t.night()
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)
        image.unlink()


@group(35, title="text files of every size")
def sweep(t):
    for size in range(0, 20_001, 250 if t.quick else 1):
        line = b"%07d\n" % size
        if size % 1000 == 0:
            t.dir(f"{size // 1000:02}")
        t.file(f"{size // 1000:02}/{size}", (line * (size // 8 + 1))[:size])
    t.keeps = t.quick
    t.cycle()
