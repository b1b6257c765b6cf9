"""Symlinks and hard links (13 to 20)."""
import os
import shutil
import socket

from registry import group
from world import must


@group(13, title="symlinks: dangling, absolute, relative, loops, chains, odd targets")
def symlinks(t):
    t.file("file", b"x"), t.dir("dir"), t.file("dir/in", b"y")
    targets = [b"nowhere", b"/etc/passwd", b"/", b"..", b".", b"../../..", b"dir", b"dir/", b"./dir/../file", b"//x", b"loop", b"new\nline", b"\xff\xfe", b" ", b"-rf", b"\x01",
               b"a" * 255, b"a" * 256, b"x/" * 400, b"/proc/self/root", b"/dev/zero", b"\xc0\xaf", b"host:path", b"~", b"'"]
    for n, target in enumerate(targets):
        os.symlink(target, t.at(f"t{n}"))
    os.symlink("loop", t.at("loop"))
    for n in range(45):
        os.symlink(f"chain{n + 1}", t.at(f"chain{n}"))
    t.file("chain45", b"end")
    t.cycle()
    for n, target in enumerate(targets):
        os.unlink(t.at(f"t{n}"))
        os.symlink(targets[n - 1], t.at(f"t{n}"))
    t.night()


@group(13, title="symlink targets of every length")
def targets(t):
    longest = min({"xfs": 1023}.get(kind, 4095) for kind in (t.world.source, t.world.mirror))
    some = [1, 2, 59, 60, 61, 254, 255, 256, 511, 512, 1000, 1022, 1023, 1024, 2047, 2048, 3900, 4000, 4093, 4094, 4095]
    for n in some if t.quick else range(1, 4096):
        if n <= longest:
            try:
                os.symlink("t" * n, t.at(f"{n:04}"))
            except OSError:
                t.need(n > 1023, f"a target of {n} bytes cannot be made")
                break
    t.cycle()


@group(14, title="SOURCE named through a symlink is followed; a DIR that is one is kept as it is")
def named_link(t):
    t.dir("real"), t.file("real/a", b"a")
    os.symlink(t.src, t.places[0] / "way")
    os.symlink("d/real", t.src / "e")
    t.dirs = ["d", "e"]
    t.table()
    text = t.tab.read_text()
    t.own()
    t.tab.write_text(text.replace(f"SOURCE {t.src}", f"SOURCE {t.places[0]}/way"))
    t.give(t.places[0] / "way")
    t.rsync = False
    ran = t.run("-backup", "--init", "--json", "t")
    t.need(ran.code in (0, 2, 3), f"kept or refused: {ran}")
    if ran.code == 0:
        t.need(os.path.islink(t.mir / "e") and os.readlink(t.mir / "e") == "d/real", "the DIR is not the symlink that it is on the source")
    t.dirs = ["d"]
    t.table()
    t.clear(t.mir)
    t.rsync = True
    t.cycle()


@group(15, title="owner, time and attributes of symlinks themselves")
def links_of_their_own(t):
    for n in range(6):
        t.file(f"f{n}", b"x")
        os.symlink(f"f{n}", t.at(f"l{n}"))
        os.utime(t.at(f"l{n}"), ns=(1, 10**18 + n * 1_000_000_007), follow_symlinks=False)
    t.own()
    t.own = lambda: None
    for n in range(6):
        if t.is_root or n < 3:
            os.chown(t.at(f"l{n}"), 1000 + n, 2000 + n, follow_symlinks=False)
        if t.is_root:
            os.setxattr(t.at(f"l{n}"), "trusted.n", b"%d" % n, follow_symlinks=False)
    t.cycle()
    for n in range(6):
        os.utime(t.at(f"l{n}"), ns=(1, 10**18 + n), follow_symlinks=False)
        if t.is_root:
            os.setxattr(t.at(f"l{n}"), "trusted.n", b"other", follow_symlinks=False)
    t.night()


@group(16, title="2 and 1,024 names of one file, over several directories")
def many_names(t):
    t.file("two", b"two"), os.link(t.at("two"), t.at("zwei"))
    t.file("first", b"content of all")
    for n in range(1023):
        t.dir(f"dir{n % 7}")
        os.link(t.at("first"), t.at(f"dir{n % 7}/{n}"))
    t.cycle()
    with open(t.at("dir3/3"), "ab") as file:
        file.write(b" and more")
    t.night()
    os.unlink(t.at("first"))
    for n in range(0, 1023, 5):
        os.unlink(t.at(f"dir{n % 7}/{n}"))
    t.night()


@group(16, title="more names than the mirror's file system can give one file")
def too_many_names(t):
    limit = {"ext4": 65_000, "ext4-128": 65_000, "btrfs": 65_535}
    count = 400 if t.quick else min([limit.get(t.world.source, 70_000), 70_000])
    t.file("first", b"content of all")
    for n in range(count - 1):
        if n % 5000 == 0:
            t.dir(f"dir{n // 5000:02}")
        os.link(t.at("first"), t.at(f"dir{n // 5000:02}/{n}"))
    t.rsync = t.keeps = t.store = count < 60_000
    if count <= limit.get(t.world.mirror, count):
        return t.cycle()
    # The rest of the names have a copy; that is said, and is not done again each night.
    t.own()
    ran = t.backup("--init", codes=(0, 1))
    names = [t.on_mirror("first"), *(t.on_mirror(f"dir{n // 5000:02}/{n}") for n in range(count - 1))]
    t.same(t.src, t.mir, "mirror", rsync=False)
    inodes = set()
    for name in names:
        inodes.add(os.lstat(name).st_ino)
    t.equal("inodes of all names", -(-count // limit[t.world.mirror]), len(inodes))
    t.equal("content of the last name", b"content of all", open(names[-1], "rb").read())
    t.need("d/" in ran.out + ran.err, f"it is said: {ran}")
    t.quiet(codes=(0, 1))
    t.check()
    place = t.restored()
    t.equal("names of the restored file", count, os.lstat(place / "d/first").st_nlink)


@group(17, title="names of one file in several DIRs, and outside of them")
def across_dirs(t):
    t.dirs = ["d", "e", "f/g"]
    t.table()
    (t.src / "e").mkdir(), (t.src / "f/g").mkdir(parents=True), (t.src / "outside").mkdir()
    t.file("a", b"shared"), os.link(t.at("a"), t.src / "e/b"), os.link(t.at("a"), t.src / "f/g/c")
    (t.src / "outside/x").write_bytes(b"half outside")
    os.link(t.src / "outside/x", t.src / "e/in"), os.link(t.src / "outside/x", t.src / "f/beside")
    t.rsync = False
    t.cycle()
    t.file("more", b"more"), os.link(t.at("more"), t.src / "f/g/more"), os.unlink(t.at("a"))
    t.night()


@group(18, title="groups of links change between nights: added, removed, moved over, merged, split, and swapped")
def regrouped(t):
    def grouped(*names):
        t.file(names[0], names[0].encode() * 3)
        for name in names[1:]:
            os.link(t.at(names[0]), t.at(name))
    t.dir("a"), t.dir("b")
    grouped("a/1", "a/2", "b/3"), grouped("a/x", "b/y"), grouped("m1", "m2"), grouped("n1", "n2"), grouped("s1", "s2", "s3", "s4"), grouped("one"), grouped("z1", "z2", "z3")
    grouped("p", "q"), grouped("lead", "zlast"), grouped("c1", "c2")
    t.cycle()

    def relink(old, new):
        os.unlink(t.at(new))
        os.link(t.at(old), t.at(new))
    os.link(t.at("a/1"), t.at("b/added"))                     # added
    os.unlink(t.at("b/y"))                                    # removed
    relink("m1", "n1"), relink("m1", "n2")                    # two groups merged
    os.unlink(t.at("s3")), os.unlink(t.at("s4"))              # one split
    grouped("s3", "s4")
    os.link(t.at("one"), t.at("two"))                         # a single one becomes a group
    shutil.copy2(t.at("z2"), t.at("z2.new")), os.rename(t.at("z2.new"), t.at("z2"))   # one leaves with the same content and times
    for old, new in (("p", "tmp"), ("q", "p"), ("tmp", "q")):
        os.rename(t.at(old), t.at(new))                       # the same inode under both: nothing changed
    os.unlink(t.at("lead"))                                   # the first name goes
    os.link(t.at("c1"), t.at("a/0"))                          # a new first name
    t.night()
    # Content through one name; the other groups stay.
    with open(t.at("n2"), "wb") as file:
        file.write(b"through the link")
    with open(t.at("s4"), "ab") as file:
        file.write(b"!")
    relink("s1", "s3"), relink("one", "z1"), relink("z2", "z3")
    t.night()
    # All in one group, then none.
    everything = sorted(name for name in os.listdir(t.d) if os.path.isfile(t.d / name))
    for name in everything[1:]:
        relink(everything[0], name)
    t.night()
    t.quiet()
    for name in everything[1:]:
        shutil.copy2(t.at(name), t.at("tmp")), os.rename(t.at("tmp"), t.at(name))
    t.night()
    t.quiet()


@group(18, title="two groups exchange a name, with equal sizes and times")
def exchanged(t):
    for pair in range(6):
        for side in "ab":
            t.file(f"{pair}{side}1", side.encode() * 100), os.link(t.at(f"{pair}{side}1"), t.at(f"{pair}{side}2"))
            os.utime(t.at(f"{pair}{side}1"), ns=(10**18, 10**18))
    t.cycle()
    for pair in range(6):
        os.rename(t.at(f"{pair}a2"), t.at("tmp")), os.rename(t.at(f"{pair}b2"), t.at(f"{pair}a2")), os.rename(t.at("tmp"), t.at(f"{pair}b2"))
    t.night()


@group(19, title="hard links of symlinks, fifos, sockets and devices")
def hard_specials(t):
    t.dir("sub")
    os.symlink("nowhere", t.at("a-link")), os.mkfifo(t.at("a-fifo"))
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(t.d)
        s.bind("a-socket")
        os.chdir(here)
    names = ["a-link", "a-fifo", "a-socket"]
    if t.is_root:
        os.mknod(t.at("a-char"), 0o20640, os.makedev(1, 3)), os.mknod(t.at("a-block"), 0o60600, os.makedev(259, 200_000))
        names += ["a-char", "a-block"]
    for name in names:
        os.link(t.at(name), t.at("b" + name), follow_symlinks=False), os.link(t.at(name), t.at("sub/0" + name), follow_symlinks=False)
    t.cycle()
    for name in names:
        os.unlink(t.at(name))                                  # the first name goes
        os.link(t.at("b" + name), t.at("sub/9" + name), follow_symlinks=False)
        os.chown(t.at("b" + name), *((7, 8) if t.is_root else (4242, 4242)), follow_symlinks=False)
        os.utime(t.at("b" + name), ns=(5, 10**18 + 5), follow_symlinks=False)
    t.night()
    for name in names:                                         # and they part
        os.unlink(t.at("sub/0" + name))
    os.symlink("nowhere", t.at("sub/0a-link")), os.mkfifo(t.at("sub/0a-fifo"))
    t.night()


@group(19, title="the first name of a file becomes a symlink, a directory, a fifo: the others keep theirs")
def leader_changes(t):
    for kind in ("link", "dir", "fifo", "gone", "file"):
        t.file(f"{kind}1", kind.encode() * 50), os.link(t.at(f"{kind}1"), t.at(f"{kind}2")), os.link(t.at(f"{kind}1"), t.at(f"{kind}3"))
    t.cycle()
    for kind in ("link", "dir", "fifo", "gone", "file"):
        os.unlink(t.at(f"{kind}1"))
    os.symlink("/etc/passwd", t.at("link1")), t.dir("dir1/sub"), os.mkfifo(t.at("fifo1")), t.file("file1", b"another")
    t.night()


@group(20, title="an inode number that another file has by now, of the same size and time")
def inode_reused(t):
    reused = 0
    for n in range(40):
        t.file(f"f{n}", b"a" * 64)
        os.utime(t.at(f"f{n}"), ns=(10**18, 10**18))
    t.cycle()
    for n in range(40):
        old = os.lstat(t.at(f"f{n}")).st_ino
        os.unlink(t.at(f"f{n}"))
        t.file(f"f{n}", b"b" * 64)
        os.utime(t.at(f"f{n}"), ns=(10**18, 10**18))
        reused += os.lstat(t.at(f"f{n}")).st_ino == old
    t.need(reused or t.world.source != "ext4", "no inode number was reused, so nothing was tested")
    t.night()
