"""Names and paths (1 to 12)."""
import os
import resource

from registry import group

ALL_BYTES = [bytes([n]) for n in range(1, 256) if n != ord("/")]
THINNED = [bytes([n]) for n in [*range(1, 33), 34, 37, 39, 42, 45, 46, 58, 61, 63, 92, 96, 126, 127, 128, 133, 155, 160, 192, 255]]


def some_bytes(t):
    return THINNED if t.quick else ALL_BYTES


def forms(byte):
    """A byte alone, first, last, in the middle; what would be "." or ".." is not a name."""
    return [name for name in (byte, byte + b"first", b"last" + byte, b"mid" + byte + b"dle") if name not in (b".", b"..")]


@group(1, 2, title="every byte alone, first, last and in the middle, in names of files, directories and symlinks")
def every_byte(t):
    t.dir("files"), t.dir("dirs"), t.dir("links"), t.dir("hard")
    for byte in some_bytes(t):
        for name in forms(byte):
            path = t.at("files", name)
            with open(path, "wb") as file:
                file.write(name)
            os.mkdir(t.at("dirs", name))
            with open(t.at("dirs", name, name), "wb") as file:
                file.write(byte)
            os.symlink(name, t.at("links", name))
        os.link(t.at("files", b"last" + byte), t.at("hard", b"to" + byte))
    t.cycle()
    for byte in some_bytes(t):
        os.rename(t.at("files", b"mid" + byte + b"dle"), t.at("files", byte + b"moved" + byte))
        os.unlink(t.at("links", byte + b"first"))
        with open(t.at("files", b"last" + byte), "ab") as file:
            file.write(b"more")
    t.night()


@group(1, title="a directory with ten files under each byte: the list of 1991")
def ten_files(t):
    for byte in some_bytes(t)[::1 if not t.quick else 7]:
        t.dir(b"a" + byte + b"b")
        for n in range(10):
            t.file(b"a" + byte + b"b/%d" % n, byte * n)
    t.cycle()


@group(2, title="what is printed of such names has no control characters")
def escaped(t):
    bad = [b"new\nline", b"cr\rx", b"tab\tx", b"esc\x1b[2J", b"del\x7f", "c1\u0085x".encode(), b"csi\xc2\x9b31m", b"bell\a", b"raw\x9b1m", "rtl\u202e".encode(), b"bs\\x0a"]
    for name in bad:
        t.file(name, b"good")
    t.own()
    t.cycle()
    # Each is said: as a change on the mirror, and as what cannot be read.
    for name in bad:
        with open(t.on_mirror(name), "wb") as file:
            file.write(b"changed by someone else")
    for words in (["-backup", "--verbose"], ["-backup", "--json", "--verbose"], ["-check", "--verbose"], ["-snapshots"]):
        ran = t.run(*words, "t")
        text = ran.out + ran.err
        ugly = [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e")]
        t.equal(f"control characters that {words} printed", [], ugly)
        t.need(b"\x1b".decode() not in text and len(ran.out) > 0 or ran.err, f"said nothing: {ran}")
    t.ended(t.run("-approve", "t"), 0)
    t.night()


@group(3, 4, title="names that shells, options and tables would take for something else")
def odd_words(t):
    odd = ["-", "--", "-rf", "--init", " ", "  ", "trailing ", " leading", "~", "~root", "$(x)", "`x`", '"', "'", "*", "?", "[a]", "{a,b}", "host:path", ":",
           "=", "a=b", "%", "%s%n", "&", "|", ";", "<", ">", "!", "#", "#x", "\\", "\\n", "a\\", "...", ".. ", "..\\x", ". ", " .", "..x", ".x", ".hidden", "..a", "....",
           "@", "+", ",", "CON", "nul.txt", "a.b.c", "-backup", "t", "d", "(x)", "^", "x ", "\\x41", "\\134"]
    for n, name in enumerate(odd):
        t.file(name, b"%d" % n)
        t.dir("in/" + name), t.file(f"in/{name}/{name}", b"deep")
        os.symlink(name, t.at("to " + name))
    t.cycle()
    for name in odd:
        if t.world.quick and odd.index(name) % 6:
            continue
        place = t.places[0] / "one"
        t.ended(t.run("-restore", "t", "--to", place, "--", "d/in/" + name), 0)
        t.equal(f"restored alone: {name}", b"deep", open(place / "d/in" / name / name, "rb").read())
        t.clear(place)


RESERVED = [".backup", ".stage", "stage", "tmp-1", ".tmp", "x.tmp", ".#lock", "lost+found", "role", "store", "packs", "snapshots", "000001", "lock", "config",
            ".backup.tab", "backup.tab", "ready", "README"]


@group(5, title="names that are our own, below a DIR")
def reserved(t):
    for name in RESERVED:
        t.file(f"f/{name}" if t.dir("f") else "", b"a file"), t.dir(f"dirs/{name}/store"), t.file(f"dirs/{name}/role", b"target other\n")
        t.dir(f"deep/{name}/{name}"), t.file(f"deep/{name}/{name}/{name}", name.encode())
    t.dir(".backup/store/packs"), t.file(".backup/role", b"not ours"), t.file(".backup/lock", b"")
    t.dir("lost+found"), t.file("lost+found/#12", b"found")
    t.cycle()
    t.file("deep/.backup/.backup/more", b"more"), t.file("lost+found/#13", b"more")
    t.night()


@group(5, title="at the root of the whole source, .backup and lost+found are left alone, all else is kept")
def reserved_at_root(t):
    t.dirs = ["."]
    t.table()
    for name in (".stage", "stage", "tmp-1", ".backup.old", "lost+found2"):
        (t.src / name).mkdir()
        (t.src / name / "in").write_bytes(b"kept")
    (t.src / "lost+found").mkdir()
    (t.src / "lost+found/found").write_bytes(b"of this disk")
    (t.src / "a").write_bytes(b"a")
    t.rsync = False                          # it would delete .backup with all else below "."
    t.cycle()
    t.need(not (t.mir / "lost+found").exists(), "lost+found at the root is on the mirror")


@group(6, 7, title="not UTF-8, overlong, surrogates, NFC beside NFD, names equal but for case")
def encodings(t):
    names = [b"\xff", b"\xfe\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xc0\xae\xc0\xae", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80",
             b"a\xcc", "\u00e9".encode(), "e\u0301".encode(), "\u1e69".encode(), "s\u0323\u0307".encode(), "\u212b".encode(), "\u00c5".encode(), b"\xef\xbb\xbfbom", "\u200b".encode(),
             "\ufdd0".encode(), "\U0001f600".encode(), "\u0130".encode(), "i\u0307".encode(), "\u00df".encode(), b"ss", b"SS", b"Case", b"case", b"CASE", b"cASE", "\ufffd".encode(), b"\xef\xbf"]
    for name in names:
        t.file(name, b"of " + name), t.dir(b"dirs/" + name), t.file(b"dirs/" + name + b"/in", name), os.symlink(name, t.at(b"to-" + name))
    t.cycle()
    for name in names:
        t.file(name, b"another " + name)
    os.rename(t.at(b"case"), t.at(b"caSE"))
    t.night()


@group(8, title="names of every length, of one byte and of several")
def lengths(t):
    for n in range(1, 256):
        if t.quick and n % 16 and n not in (1, 2, 3, 253, 254, 255):
            continue
        t.file("f" * n, b"%d" % n), t.dir("d" * n), t.file("d" * n + "/" + "g" * n, b"%d" % n), os.symlink("x" * n, t.at("l" * n))
        if n % 2 == 0:
            t.file("é" * (n // 2), b"two")
        if n % 4 == 0:
            t.file("\U0001f600" * (n // 4), b"four")
    t.file("a" + "é" * 127, b"255 bytes")
    t.cycle()


def descend(fd, names):
    """Makes and enters a chain of directories without a path."""
    for name in names:
        os.mkdir(name, 0o755, dir_fd=fd)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    return fd


def write_at(fd, name, content):
    out = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd)
    os.write(out, content)
    os.close(out)


def by_descriptor(t):
    """Paths too long for rsync, for the reader, and for cp."""
    t.rsync = t.store = t.keeps = False


@group(9, title="total path lengths of 4085 to 4100 below the DIR and from the root of the file system")
def path_lengths(t):
    by_descriptor(t)
    # Of a path relative to the target, and of an absolute one.
    for start, tag in ((len("d/rel/"), "rel"), (len(os.fsencode(t.d)) + 5, "abs")):
        t.dir(tag)
        for total in (range(4085, 4101) if not t.quick else (4090, 4094, 4095, 4096, 4097, 4100)):
            fd = descend(os.open(t.at(tag), os.O_RDONLY), [f"{total}"] + ["n" * 200] * 18)
            left = total - start - 5 - 18 * 201
            while left > 255:
                fd = descend(fd, ["m" * 100])
                left -= 101
            write_at(fd, "f" * left, b"%d" % total)
            os.symlink("t", "l" * left, dir_fd=fd)
            os.close(fd)
    t.cycle()


@group(9, title="300 levels of 255 bytes")
def long_path(t):
    by_descriptor(t)
    levels = 60 if t.quick else 300
    fd = os.open(t.d, os.O_RDONLY)
    for level in range(levels):
        write_at(fd, "file", b"%d" % level)
        fd = descend(fd, [chr(ord("a") + level % 26) * 255])
    write_at(fd, "last", b"deepest"), os.mkfifo("fifo", dir_fd=fd), os.symlink("x", "link", dir_fd=fd)
    os.close(fd)
    t.cycle()
    fd = os.open(t.d, os.O_RDONLY)
    for level in range(levels // 2):
        below = os.open(chr(ord("a") + level % 26) * 255, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    write_at(fd, "more", b"more"), os.unlink("file", dir_fd=fd)
    os.close(fd)
    t.night()


@group(10, title="ten thousand levels, or as many as compare_trees may open", big=True)
def ten_thousand_levels(t):
    by_descriptor(t)
    t.keeps, t.timeout = False, 600
    fd = os.open(t.d, os.O_RDONLY)
    for level in range(min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 100)):
        fd = descend(fd, ["x"])
        if level % 1000 == 999:
            write_at(fd, "file", b"%d" % level)
    os.close(fd)
    t.cycle()


@group(10, title="a thousand levels")
def thousand_levels(t):
    by_descriptor(t)
    fd = os.open(t.d, os.O_RDONLY)
    for level in range(200 if t.quick else 1000):
        write_at(fd, "file", b"%d" % level)
        fd = descend(fd, ["dir"])
    os.close(fd)
    t.cycle()


def crowd(t, files, folders):
    t.dir("files"), t.dir("dirs")
    for n in range(files):
        os.close(os.open(t.at(f"files/{n}"), os.O_CREAT | os.O_WRONLY, 0o644))
    for n in range(folders):
        os.mkdir(t.at(f"dirs/{n}"))
        t.file(f"dirs/{n}/one", b"1")
    t.cycle()
    t.file("files/one more", b"x")
    os.rename(t.at("files/7"), t.at("dirs/7/moved"))
    t.night()


@group(11, title="many files in one directory, and many directories of one file")
def crowded(t):
    if t.quick:
        crowd(t, 300, 100)
    else:
        t.keeps = False
        crowd(t, 20_000, 5_000)


@group(11, title="a million files in one directory, a hundred thousand directories", big=True)
def million(t):
    t.store = t.keeps = False
    t.timeout = 1800
    crowd(t, 1_000_000, 100_000)
