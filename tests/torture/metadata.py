"""Permissions, owners, ACLs, attributes and flags (23 to 30)."""
import os
import struct
import subprocess

from registry import group
from world import ID, must

MIXED = [0, 0o111, 0o444, 0o555, 0o777, 0o1777, 0o2755, 0o4755, 0o6755, 0o7777]


def modes_of(t):
    """All 4096, or those that show something."""
    return range(0, 4096, 37 if t.quick else 1)


@group(23, title="every mode of files and directories")
def modes(t):
    t.dir("f"), t.dir("g")
    all_modes = sorted({*modes_of(t), *MIXED})
    for mode in all_modes:
        t.file(f"f/{mode:04o}", b"%d" % mode)
        t.dir(f"g/{mode:04o}")
        t.file(f"g/{mode:04o}/in", b"%d" % mode)
    t.own()
    # An ordinary user reads only what he may; the rest is of the group of unreadable files.
    for mode in all_modes:
        if t.is_root or mode & 0o400:
            os.chmod(t.at(f"f/{mode:04o}"), mode)
        if t.is_root or mode & 0o500 == 0o500:
            os.chmod(t.at(f"g/{mode:04o}"), mode)
    t.cycle()
    # In a directory that may not be written to, the mirror can still add and replace.
    for mode in all_modes:
        if t.is_root or mode & 0o500 == 0o500:
            t.file(f"g/{mode:04o}/new", b"new")
            t.give(t.at(f"g/{mode:04o}/new"))
    t.night()


@group(23, title="modes that change between nights, of files and directories that are full")
def modes_change(t):
    for n, mode in enumerate(MIXED):
        t.dir(f"d{n}"), t.file(f"d{n}/a", b"a"), t.file(f"f{n}", b"f")
    t.cycle()
    for turn in (1, 2):
        for n in range(len(MIXED)):
            mode = MIXED[(n + turn) % len(MIXED)]
            os.chmod(t.at(f"f{n}"), mode if t.is_root else mode | 0o400)
            os.chmod(t.at(f"d{n}"), mode if t.is_root else mode | 0o500)
            t.file(f"d{n}/a", b"a" * turn * 7)
        t.night()


@group(24, title="a file that cannot be read keeps its last good version", only="user")
def unreadable(t):
    for n in range(5):
        t.file(f"f{n}", b"good %d" % n)
    t.cycle()
    t.file("f1", b"newer, and closed")
    t.file("f9", b"never read")
    t.own()
    os.chmod(t.at("f1"), 0), os.chmod(t.at("f9"), 0)
    t.file("f2", b"newer")
    for _ in range(2):
        ran = t.night(codes=(1,), judged=False)
        t.equal("problems", 2, ran.summary.get("problems"))
        t.equal("the last good version", b"good 1", open(t.on_mirror("f1"), "rb").read())
        t.equal("the others go on", b"newer", open(t.on_mirror("f2"), "rb").read())
        t.need(not os.path.lexists(t.on_mirror("f9")), "what was never read is on the mirror")
        t.need("f1" in ran.out + ran.err and "f9" in ran.out + ran.err, f"paths are named: {ran}")
    t.check()
    os.chmod(t.at("f1"), 0o600), os.chmod(t.at("f9"), 0o640)
    t.night()


@group(25, title="a directory that cannot be listed or entered keeps all that was in it", only="user")
def unlistable(t):
    for mode in (0, 0o100, 0o200, 0o300, 0o400, 0o600):
        t.dir(f"{mode:03o}/sub"), t.file(f"{mode:03o}/sub/deep", b"deep"), t.file(f"{mode:03o}/a", b"a")
    t.cycle()
    for mode in (0, 0o100, 0o200, 0o300, 0o400, 0o600):
        t.file(f"{mode:03o}/a", b"changed")
        os.chmod(t.at(f"{mode:03o}"), mode)
    for _ in range(2):
        ran = t.night(codes=(1,), judged=False)
        t.equal("removed", 0, ran.summary.get("removed"))
        for mode in (0, 0o100, 0o200, 0o300, 0o400, 0o600):
            for name, content in (("a", b"a"), ("sub/deep", b"deep")):
                t.equal(f"{mode:03o}/{name}", content, open(t.on_mirror(f"{mode:03o}/{name}"), "rb").read())
    for mode in (0, 0o100, 0o200, 0o300, 0o400, 0o600):
        os.chmod(t.at(f"{mode:03o}"), 0o755)
    t.night()


@group(26, title="immutable and append-only files and directories on the source", only="root")
def flags_on_source(t):
    for flag in "ia":
        t.dir(f"dir{flag}"), t.file(f"dir{flag}/in", b"in"), t.file(f"file{flag}", b"flagged")
        must("chattr", f"+{flag}", t.at(f"dir{flag}"), t.at(f"file{flag}"))
    try:
        t.cycle()
        t.file("more", b"more")
        t.night()
    finally:
        must("chattr", "-R", "-ia", t.d)


@group(26, title="an immutable or append-only file on the mirror is reported, the rest goes on", only="root")
def flags_on_mirror(t):
    for n in range(4):
        t.file(f"f{n}", b"old")
    t.cycle()
    for flag in "ia":
        must("chattr", f"+{flag}", t.on_mirror("f1"))
        try:
            for n in range(4):
                t.file(f"f{n}", b"newer " + flag.encode())
            before = open(t.on_mirror("f1"), "rb").read()
            ran = t.night(codes=(2,), judged=False)
            t.need("f1" in ran.err + ran.out, f"the path is named: {ran}")
            t.equal("the flagged file", before, open(t.on_mirror("f1"), "rb").read())
            t.equal("the others", b"newer " + flag.encode(), open(t.on_mirror("f3"), "rb").read())
        finally:
            must("chattr", "-ia", t.on_mirror("f1"))
        t.night()


IDS = [0, 1, ID, 65533, 65534, 65535, 65536, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 32) - 3, (1 << 32) - 2]


@group(27, title="owners: unknown, nobody, the largest")
def owners(t):
    t.dir("sub")
    for n, uid in enumerate(IDS):
        gid = IDS[-1 - n]
        for name in (f"file{n}", f"sub/file{n}"):
            t.file(name, b"%d" % uid)
        os.symlink("x", t.at(f"link{n}"))
        os.mkfifo(t.at(f"fifo{n}"))
        t.dir(f"dir{n}"), t.file(f"dir{n}/in", b"in")
    t.own()
    for n, uid in enumerate(IDS):
        gid = IDS[-1 - n]
        for name in (f"file{n}", f"sub/file{n}", f"link{n}", f"fifo{n}", f"dir{n}"):
            os.chown(t.at(name), uid, gid, follow_symlinks=False)
    # Files of root would be given to the user by t.own(): they stay as they are.
    t.own = lambda: None
    t.cycle()
    for n, uid in enumerate(IDS):
        os.chown(t.at(f"file{n}"), IDS[(n + 1) % len(IDS)], uid)
        os.chown(t.at(f"dir{n}"), IDS[(n + 1) % len(IDS)], uid)
    t.night()
    for n in range(len(IDS)):
        t.file(f"sub/file{n}", b"other content")
    t.night()
    t.quiet()


@group(27, title="setuid, setgid and sticky stay when the owner is not root")
def setuid_of_others(t):
    t.own()
    for n, mode in enumerate((0o4755, 0o2755, 0o6711, 0o1644, 0o2644)):
        for uid in (ID, ID + 1) if t.is_root else (ID,):
            t.file(f"f{n}-{uid}", b"x")
            os.chown(t.at(f"f{n}-{uid}"), uid, uid)
            os.chmod(t.at(f"f{n}-{uid}"), mode)
    t.cycle()


def acl(entries):
    """The bytes of a POSIX ACL: tag, permissions, id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(entries, key=lambda entry: (entry[0], entry[2])))


def an_acl(count, user=7, group=4, mask=7, other=0):
    none = 0xFFFFFFFF
    named = [(2, n % 8, 70_000 + 3 * n) for n in range(count)] + ([(8, 5, 4_000_000_000)] if count else [])
    masks = [(16, mask, none)] if count else []
    return acl([(1, user, none), (4, group, none), (32, other, none), *named, *masks])


@group(28, title="POSIX ACLs: access and default, masks against modes, up to 100 entries, unknown ids")
def acls(t):
    access, default = "system.posix_acl_access", "system.posix_acl_default"
    for count in (1, 2, 10, 60, 100):
        t.file(f"file{count}", b"x"), t.dir(f"dir{count}"), os.mkfifo(t.at(f"fifo{count}"))
        t.file(f"plain{count}", b"y")
    for mask in range(8):
        t.file(f"mask{mask}", b"m")
    t.own()
    for count in (1, 2, 10, 60, 100):
        for name in ("file", "dir", "fifo"):
            os.setxattr(t.at(f"{name}{count}"), access, an_acl(count, group=1))
        os.setxattr(t.at(f"dir{count}"), default, an_acl(count, mask=count % 8))
        # What is made in it inherits; what was moved into it does not.
        t.file(f"dir{count}/inherits", b"x"), t.dir(f"dir{count}/sub")
        os.rename(t.at(f"plain{count}"), t.at(f"dir{count}/moved"))
    for mask in range(8):
        os.setxattr(t.at(f"mask{mask}"), access, an_acl(1, mask=mask, group=7 - mask))
    t.cycle()
    for count in (1, 2, 10):
        os.removexattr(t.at(f"dir{count}"), default)
        os.removexattr(t.at(f"file{count}"), access)
        t.file(f"dir{count}/later", b"z")
    os.chmod(t.at("mask3"), 0o640)
    os.setxattr(t.at("file100"), access, an_acl(3))
    t.night()


@group(28, title="a directory of the source has no ACL where that of the mirror would inherit one")
def acl_inherited_on_mirror(t):
    t.dir("sub"), t.file("sub/a", b"a")
    t.own()
    t.mir.mkdir()
    t.give(t.mir)
    os.setxattr(t.mir, "system.posix_acl_default", an_acl(2))
    t.cycle()
    t.dir("sub/new"), t.file("sub/new/b", b"b"), os.mkfifo(t.at("sub/new/fifo"))
    t.night()


def largest(t):
    """The largest value that both file systems can hold."""
    return min({"ext4": 3000, "ext4-128": 3000, "xfs": 65536, "btrfs": 15000}[kind] for kind in (t.world.source, t.world.mirror))


@group(29, title="extended attributes: empty, large, long names, binary, on every kind that can have them")
def xattrs(t):
    values = {"empty": b"", "one": b"\0", "binary": bytes(range(256)), "text": b"a=b %s %n\n", "equals": b"=", "nul": b"\0" * 100}
    names = ["a", "%", "%41", "with space", "a.b.c", "n\n", "\x01", "é", "x" * 200, "y" * (255 - 5)]
    t.file("many", b"x"), t.file("names", b"x"), t.file("large", b"x"), t.dir("dir"), t.dir("dir/sub"), t.file("dir/in", b"x")
    for n, name in enumerate(values):
        t.file(f"v{n}", b"x")
        os.setxattr(t.at(f"v{n}"), f"user.{name}", values[name])
        os.setxattr(t.at("many"), f"user.{name}", values[name])
        os.setxattr(t.at("dir"), f"user.{name}", values[name])
    for n, name in enumerate(names):
        t.file(f"n{n}", b"x")
        os.setxattr(t.at(f"n{n}"), f"user.{name}", b"value")
        os.setxattr(t.at("names"), f"user.{name}", b"%d" % n)
    raw = b"user.\xff\xfe\x80"
    t.file("raw", b"x")
    os.setxattr(t.at("raw"), raw, b"\xff")
    os.setxattr(t.at("large"), "user.large", b"L" * largest(t))
    for n in range(20):
        os.setxattr(t.at("dir/sub"), f"user.{n}", b"s" * 100)
    t.cycle()
    os.setxattr(t.at("v0"), "user.empty", b"now full")
    os.removexattr(t.at("v1"), "user.one")
    os.setxattr(t.at("v2"), "user.binary", b"")
    os.removexattr(t.at("dir"), "user.text")
    os.setxattr(t.at("large"), "user.large", b"M" * largest(t))
    t.night()


@group(29, title="attributes that only root sets: trusted, capabilities, on links and specials too")
def xattrs_of_root(t):
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    rooted = struct.pack("<IIIIII", 0x03000001, 1 << 10, 0, 0, 0, 1000)
    t.file("capable", b"program"), t.file("rooted", b"program"), t.file("trusted", b"x"), t.dir("dir"), t.file("both", b"x")
    os.symlink("nowhere", t.at("link")), os.mkfifo(t.at("fifo"))
    t.own()
    os.chmod(t.at("capable"), 0o755)
    os.setxattr(t.at("capable"), "security.capability", capability)
    os.setxattr(t.at("rooted"), "security.capability", rooted)
    os.setxattr(t.at("both"), "user.mine", b"kept")
    for name in ("trusted", "dir", "link", "fifo", "both"):
        os.setxattr(t.at(name), "trusted.note", b"n\0te", follow_symlinks=False)
    os.setxattr(t.at("fifo"), "security.note", b"label")
    os.setxattr(t.at("trusted"), "trusted.empty", b"")
    t.cycle()
    os.setxattr(t.at("link"), "trusted.note", b"other", follow_symlinks=False)
    os.removexattr(t.at("fifo"), "trusted.note")
    os.chmod(t.at("both"), 0o600)
    t.file("rooted", b"another program")                        # writing takes the capability away
    t.night()


@group(13, 29, 31, title="what the mirror's file system has no room for stays in the store: large attributes, long targets, large files, odd devices")
def beyond_mirror(t):
    t.dir("sub"), t.file("sub/near", b"near")
    source, mirror = t.world.source, t.world.mirror
    if source != "xfs" and mirror == "xfs":
        for n in (1024, 2000, 3900):
            os.symlink("t" * n, t.at(f"link{n}"))
        if t.is_root:
            os.mknod(t.at("sub/char"), 0o20600, os.makedev(512, 1)), os.mknod(t.at("sub/block"), 0o60600, os.makedev(1, 1 << 18))
    if not source.startswith("ext4") and mirror.startswith("ext4"):
        for n, size in enumerate((5000, 10_000, 15_000)):
            t.file(f"large{n}", b"x"), t.dir(f"dir{n}")
            os.setxattr(t.at(f"large{n}"), "user.large", b"l" * size)
            os.setxattr(t.at(f"large{n}"), "user.small", b"s")
            os.setxattr(t.at(f"dir{n}"), "user.large", b"d" * size)
        if not t.quick:
            t.rsync = t.store = t.keeps = False            # they would read every zero
            with open(t.at("vast"), "wb") as file:
                file.truncate(1 << 45)
    t.own()
    t.night("--init", codes=(0, 1))
    t.quiet(codes=(0, 1))
    t.check(codes=(0, 1))
    t.file("sub/near", b"changed")
    t.night(codes=(0, 1))
    t.same(t.src, t.restored(), "restored", rsync=False)


@group(30, title="nodump is not heeded")
def nodump(t):
    t.file("dumped", b"x"), t.file("nodump", b"y"), t.dir("dir"), t.file("dir/in", b"z")
    done = subprocess.run(["chattr", "+d", t.at("nodump"), t.at("dir")], capture_output=True, check=False)
    t.need(done.returncode == 0 or t.world.source == "btrfs", f"chattr +d: {done.stderr!r}")
    t.cycle()


@group(30, title="CACHEDIR.TAG: a directory with one is left out, but for the tag")
def cachedir(t):
    signature = b"Signature: 8a477f597d28d172789f06886806bc55"
    for name in ("cache", "deep/er/cache"):
        t.dir(name), t.file(f"{name}/CACHEDIR.TAG", signature + b"\n# made by a test"), t.file(f"{name}/big", b"again")
        t.dir(f"{name}/sub"), t.file(f"{name}/sub/file", b"again")
    t.dir("near"), t.file("near/CACHEDIR.TAG", signature[:-1]), t.file("near/kept", b"kept")
    t.dir("link"), os.symlink("../cache/CACHEDIR.TAG", t.at("link/CACHEDIR.TAG")), t.file("link/kept", b"kept")
    t.own()
    ran = t.backup("--init")
    for name in ("cache", "deep/er/cache"):
        t.equal(f"what is in {name}", ["CACHEDIR.TAG"], sorted(os.listdir(t.m / name)) if (t.m / name).is_dir() else None)
        t.need(f"d/{name}" in ran.out + ran.err, f"{name} is named: {ran}")
    for name in ("near/kept", "link/kept"):
        t.need(os.path.lexists(t.on_mirror(name)), f"{name} is missing")
    t.quiet()
    # Without its tag it is a directory as any other.
    os.unlink(t.at("cache/CACHEDIR.TAG"))
    t.backup()
    t.equal("what is in cache", ["big", "sub"], sorted(os.listdir(t.m / "cache")))
    t.check()
