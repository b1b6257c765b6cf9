#!/usr/bin/env python3
"""Tests of reader.py. The writer in here is built from format-spec.md alone (numbers in brackets are its chapters)."""
import contextlib, io, os, random, shutil, stat, struct, tempfile, unittest

import zstandard
from blake3 import blake3

import reader

FILE, DIR, SYMLINK, FIFO, SOCKET, CHAR, BLOCK, HARDLINK = range(8)
ROOT = os.geteuid() == 0


def h(data):
    return blake3(data).digest()


# ------------------------------------------------------------------------------------------- [2] bin

def u(n):
    if n < 251:
        return bytes([n])
    for marker, w in ((251, 2), (252, 4), (253, 8)):
        if n < 1 << (8 * w):
            return bytes([marker]) + n.to_bytes(w, "little")


def i64(n):
    return u(2 * n if n >= 0 else -2 * n - 1)


def bs(b):
    return u(len(b)) + b


def lst(items):
    return u(len(items)) + b"".join(items)


def time(ns):
    return i64(ns // 10**9) + u(ns % 10**9)


# ------------------------------------------------------------------------------------------- [3] [4] [5] [8] [9]

def shuffle(data, w):
    m = len(data) // w
    return b"".join(data[k:m * w:w] for k in range(w)) + data[m * w:]


def predict(plain, model):
    odd, shift = min(model % 2, len(plain)), model // 2
    half = (len(plain) - odd) // 4
    numbers = struct.unpack_from(f">{2 * half}H", plain, odd)
    out = []
    for run in numbers[:half], numbers[half:]:
        total = 0
        for number in run:
            difference = (number - (total >> shift) + 0x8000) % 0x10000 - 0x8000
            total += difference
            out.append((difference + 128) % 0x10000)
    return bytes(n >> 8 for n in out) + bytes(n & 255 for n in out) + plain[:odd] + plain[odd + 4 * half:]


def encode(codec, plain):
    if codec == 0:
        return plain
    if codec == 5:
        model = len(plain) % 16
        return zstandard.compress(predict(plain, model)) + bytes([model])
    if codec > 1:
        plain = shuffle(plain, 1 << (codec - 1))
    return zstandard.ZstdCompressor(3).compress(plain)


class Writer:
    """Makes a store. `block_size`, `pack_size` cut; codecs are used in turn."""

    def __init__(self, path, codecs=(0, 1, 2, 3, 4, 5), block_size=20000, pack_size=150000, hooks=None):
        self.path, self.codecs, self.block_size, self.pack_size = path, codecs, block_size, pack_size
        self.hooks = hooks or {}
        self.turn, self.known, self.parent = 0, set(), None
        self.pending = {0: [], 1: []}
        self.blocks, self.body, self.packs = [], bytearray(), []
        for d in ("packs", "index", "snapshots"):
            os.makedirs(os.path.join(path, d))
        text = b"backup store\nformat 1\nstore " + b"0123456789abcdef" * 2 + b"\nchunker fastcdc2020 262144 1048576 4194304 1\n"
        self.put("config", text + b"check " + h(text).hex().encode() + b"\n")

    def put(self, name, data):
        full = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(data)

    def hook(self, name, value):
        return self.hooks[name](value) if name in self.hooks else value

    def chunk(self, data, kind=0):
        i = h(data)
        if i not in self.known:
            self.known.add(i)
            self.pending[kind].append((i, data))
            if sum(len(d) for _, d in self.pending[kind]) >= self.block_size:
                self.block(kind)
        return i

    def block(self, kind):
        chunks, self.pending[kind] = self.pending[kind], []
        if not chunks:
            return
        plain, codec = b"".join(d for _, d in chunks), self.codecs[self.turn % len(self.codecs)]
        self.turn += 1
        stored = encode(codec, plain)
        head = struct.pack("<4sBBHIIII", b"BLK1", codec, kind, 0, len(chunks), len(plain), len(stored), 0)
        head = self.hook("block_head", head)
        table = self.hook("block_lengths", b"".join(struct.pack("<I", len(d)) for _, d in chunks))
        self.blocks.append((16 + len(self.body), len(stored), len(plain), codec, kind, [(i, len(d)) for i, d in chunks]))
        self.body += head + h(head + table)[:8] + table + stored
        if len(self.body) > self.pack_size:
            self.pack()

    def pack(self):
        if not self.blocks:
            return
        toc = b"".join(struct.pack("<IIIIBB6x", at, len(c), plain, stored, codec, kind)
                       for at, stored, plain, codec, kind, c in self.blocks)
        toc += b"".join(i + struct.pack("<I", n) for b in self.blocks for i, n in b[5])
        toc = self.hook("toc", toc)
        data = self.hook("pack_head", b"BKUPPACK" + struct.pack("<II", 1, 0)) + bytes(self.body)
        foot = struct.pack("<QIIQ32s8s", len(data), len(self.blocks), sum(len(b[5]) for b in self.blocks), 0, h(toc), b"PACKTAIL")
        data += toc + self.hook("foot", foot)
        name = h(data)
        self.put(f"packs/{name.hex()[:2]}/{name.hex()}.pack", data)
        self.packs.append((name, len(data), self.blocks))
        self.blocks, self.body = [], bytearray()

    def index(self):
        packs, self.packs = self.packs, []
        if not packs:
            return
        containers, blocks, chunks = [], [], []
        for c, (name, size, rows) in enumerate(packs):
            containers.append(struct.pack("<32sQB7x", name, size, 0))
            for at, stored, plain, _, _, ids in rows:
                offset = 0
                for i, n in ids:
                    chunks.append(i + struct.pack("<III", len(blocks), offset, n))
                    offset += n
                blocks.append(struct.pack("<QIIII", at, c, stored, plain, len(ids)))
        chunks = self.hook("index_rows", sorted(chunks))
        head = struct.pack("<8sIIIIQ24x", b"BKUPINDX", 1, len(containers), len(blocks), 0, len(chunks))
        head = self.hook("index_head", head)
        data = head + h(head)[:8] + b"".join(containers + blocks + chunks)
        self.put(f"index/{h(data).hex()}.idx", data)

    def node_tree(self, entries, fan=8):
        """[7] fan items a node; an item is a path, what follows it, the leader of a hard link, the number of entries."""
        if not entries:
            return self.chunk(b"\0", 1), 1
        level, items = 0, [(*e, 1) for e in entries]
        while True:
            nodes = []
            for at in range(0, len(items), fan):
                some = items[at:at + fan]
                data, fronts = bytes([level]), Fronts()
                for path, raw, leader, _ in some:
                    item = fronts.item(path, raw, leader)
                    data += self.hook("item", item) if level else self.hook("entry", item)
                i, count = self.chunk(data, 1), sum(n for *_, n in some)
                nodes.append((some[0][0], i + u(len(data)) + u(count), None, count))
            if len(nodes) == 1:
                return i, len(data)
            level, items = level + 1, nodes

    def snapshot(self, number, entries, kind=0, note=b"", sort=True, fan=8, **said):
        if sort:
            entries = sorted(entries, key=lambda e: e["path"].split(b"/") if e["path"] else [])
        root, length = self.node_tree([entry(self, e) for e in entries], fan)
        self.block(1), self.block(0), self.pack(), self.index()
        count = lambda *k: sum(e["kind"] in k for e in entries)
        numbers = dict(files=count(FILE), directories=count(DIR), others=count(*range(2, 8)),
                       bytes=sum(size_of(e) for e in entries), new_bytes=77, problems=0) | said
        body = b"BKUPSNAP" + struct.pack("<I", 1) + u(number) + u(kind) + time(1069124400123456789)
        body += (b"\1" + self.parent if self.parent else b"\0") + bs(b"elixir") + bs(b"/data") + lst([bs(b"")]) + root + u(length)
        body += b"".join(u(numbers[k]) for k in ("files", "directories", "others", "bytes", "new_bytes", "problems"))
        body += lst([u(1234) + bs(b"ann")]) + lst([u(55) + bs(b"staff")]) + bs(note)
        body = self.hook("record", body)
        self.parent = h(body)
        self.put(f"snapshots/{number:06d}", body + self.parent)


def size_of(e):
    return sum(p if isinstance(p, int) else len(p) for p in e.get("parts", ())) if e["kind"] == FILE else 0


class Fronts:
    """[6] How the paths of a node are written: what each shares with the one before it, and the rest."""

    def __init__(self):
        self.path, self.leader = b"", b""

    def item(self, path, raw, leader):
        out = front(self.path, path) + raw
        self.path = path
        if leader is not None:
            out += front(self.leader, leader)
            self.leader = leader
        return out


def front(before, path):
    n = len(os.path.commonprefix([before, path]))
    return u(n) + bs(path[n:])


def entry(w, e):
    """[6] A dict as `bin`: its path, what follows, its leader; parts of a file: bytes are chunks, numbers are holes."""
    out = u(e.get("mode", 0o644)) + u(e.get("uid", 0)) + u(e.get("gid", 0)) + time(e.get("mtime", 0))
    out += lst([bs(k) + bs(v) for k, v in e.get("xattrs", [])])
    out += u(e.get("inode", 7)) + time(e.get("ctime", 5)) + u(e.get("flags", 0)) + u(e["kind"])
    if e["kind"] == FILE:
        extents = [b"\1" + u(p) if isinstance(p, int) else b"\0" + w.chunk(p) + u(len(p)) for p in e.get("parts", ())]
        out += u(e.get("size", size_of(e)))
        if e.get("indirect"):
            n = e["indirect"]
            lists = [b"".join(extents[at:at + n]) for at in range(0, len(extents), n)]
            out += b"\1" + lst([w.chunk(x, 1) + u(len(x)) for x in lists])
        else:
            out += b"\0" + lst(extents)
    elif e["kind"] == SYMLINK:
        out += bs(e["target"])
    elif e["kind"] in (CHAR, BLOCK):
        out += u(e["dev"][0]) + u(e["dev"][1])
    return e["path"], out, e["target"] if e["kind"] == HARDLINK else None


# ------------------------------------------------------------------------------------------- the tests

def d(path, **k):
    return dict(path=path, kind=DIR, mode=0o755) | k


def f(path, *parts, **k):
    return dict(path=path, kind=FILE, parts=parts) | k


def sample(seed=1, many=120):
    r = random.Random(seed)
    T = 1069124400123456789
    floats = b"".join(struct.pack("<d", r.gauss(0, 1)) for _ in range(3000))
    own = dict(uid=1234, gid=55) if ROOT else dict(uid=os.geteuid(), gid=os.getegid())
    out = [
        d(b"", mtime=T, mode=0o750), d(b"a", mtime=-500000000, mode=0o2555, **own), d(b"a/deep", mtime=T + 1), d(b"a/deep/er", mode=0 if ROOT else 0o500),
        f(b"a/deep/er/x", b"x" * 10, mode=0o400, mtime=-1),
        f(b"a-b", b"sorts after a/..."), f(b"a\x01", b"control"), f(b"a/\xff\xfe\n\\", b"odd name", **own),
        f(b"empty"), f(b"floats", floats, floats[:-3], **own, mode=0o4755, mtime=T + 5, xattrs=[(b"user.a", b"1"), (b"user.b", bytes(5))]),
        f(b"holes", 1 << 20, b"middle" * 100, 70000, b"end", 4096, mtime=T), f(b"hole", 12345),
        f(b"indirect", *[bytes([k]) * (k + 1) for k in range(90)], 100, b"z", indirect=7, mtime=T),
        dict(path=b"link", kind=SYMLINK, target=b"../\xfftarget", mode=0o777, mtime=T + 9, **own),
        dict(path=b"dangling", kind=SYMLINK, target=b"/nowhere", mode=0o777),
        dict(path=b"fifo", kind=FIFO, mode=0o620, mtime=T), dict(path=b"sock", kind=SOCKET, mode=0o600, mtime=T),
        f(b"hl1", b"linked", mtime=3), dict(path=b"hl2", kind=HARDLINK, target=b"hl1", mtime=3, mode=0o644),
        dict(path=b"a/hl3", kind=SYMLINK, target=b"t", mode=0o777), dict(path=b"z", kind=HARDLINK, target=b"a/hl3", mode=0o777),
        d(b"many"),
    ]
    if ROOT:
        out += [dict(path=b"null", kind=CHAR, dev=(1, 3), mode=0o666), dict(path=b"loop", kind=BLOCK, dev=(7, 300), mode=0o660)]
    for k in range(many):
        data = r.randbytes(r.randrange(1, 4000)) if k % 3 else b"text %d " % k * r.randrange(1, 300)
        out.append(f(b"many/%04d" % k, data, mtime=T + k))
    return out


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="reader-test-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.store = os.path.join(self.dir, "store")
        umask = os.umask(0o22)
        self.addCleanup(os.umask, umask)

    def run_(self, *args, status=0):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                got = reader.main([self.store, *map(os.fsdecode, args)])
            except SystemExit as e:
                got = e.code
        self.err = err.getvalue()
        self.assertEqual(got, status, self.err)
        return out.getvalue()

    def files(self, under=""):
        for top, _, names in sorted(os.walk(os.path.join(self.store, under))):
            for name in sorted(names):
                yield os.path.join(top, name)

    def compare(self, entries, dest, times=True):
        """What lies in dest is what the entries say, and nothing else."""
        dest, seen, inodes = os.fsencode(dest), set(), {}
        for top, dirs, names in os.walk(dest):
            seen.update(os.path.relpath(os.path.join(top, n), dest) for n in dirs + names)
        self.assertEqual(seen, {e["path"] for e in entries} - {b""})
        types = {FILE: stat.S_ISREG, DIR: stat.S_ISDIR, SYMLINK: stat.S_ISLNK, FIFO: stat.S_ISFIFO, SOCKET: stat.S_ISSOCK,
                 CHAR: stat.S_ISCHR, BLOCK: stat.S_ISBLK}
        for e in entries:
            p = os.path.join(dest, e["path"]) if e["path"] else dest
            s = os.lstat(p)
            if e["kind"] == HARDLINK:
                self.assertEqual(s.st_ino, inodes[e["target"]])
                continue
            inodes[e["path"]] = s.st_ino
            self.assertTrue(types[e["kind"]](s.st_mode), e["path"])
            self.assertEqual(s.st_mtime_ns, e.get("mtime", 0), e["path"])
            if e["kind"] != SYMLINK:
                self.assertEqual(stat.S_IMODE(s.st_mode), e.get("mode", 0o644), e["path"])
            if ROOT:
                self.assertEqual((s.st_uid, s.st_gid), (e.get("uid", 0), e.get("gid", 0)))
            if e["kind"] == FILE and (ROOT or s.st_mode & 0o400):
                with open(p, "rb") as x:
                    self.assertEqual(x.read(), b"".join(bytes(q) if isinstance(q, int) else q for q in e["parts"]), e["path"])
            if e["kind"] == SYMLINK:
                self.assertEqual(os.readlink(p), e["target"])
            if e["kind"] in (CHAR, BLOCK):
                self.assertEqual((os.major(s.st_rdev), os.minor(s.st_rdev)), e["dev"])
            for name, value in e.get("xattrs", []):
                if "attribute" not in self.err:
                    self.assertEqual(os.getxattr(p, name, follow_symlinks=False), value)

    def extract(self, *args, status=0):
        dest = tempfile.mkdtemp(dir=self.dir)
        self.run_("extract", args[0], dest, *args[1:], status=status)
        return dest


class Good(Base):
    def setUp(self):
        super().setUp()
        self.w = Writer(self.store)
        self.one, self.two = sample(), sample(2, 400)
        self.w.snapshot(1, self.one, note=b"first\n\xff")
        self.w.snapshot(2, [], kind=1)
        self.w.snapshot(1234567, self.two, kind=2, fan=5)

    def test_list(self):
        rows = [x.split("\t") for x in self.run_("list").splitlines()]
        self.assertEqual([x[:3] for x in rows], [["1", "backup", "2003-11-18T03:00:00.123456789Z"],
                         ["2", "rescue", "2003-11-18T03:00:00.123456789Z"], ["1234567", "held", "2003-11-18T03:00:00.123456789Z"]])
        self.assertEqual(rows[0][3:], [str(sum(e["kind"] == FILE for e in self.one)), str(sum(map(size_of, self.one))), "77", "first\\x0a\\xff"])

    def test_ls(self):
        rows = [x.split("\t") for x in self.run_("ls", "1").splitlines()]
        self.assertEqual(len(rows), len(self.one))
        self.assertEqual(rows[0], ["drwxr-x---", "0:0", "0", "2003-11-18T03:00:00.123456789Z", "."])
        by = {x[4]: x for x in rows}
        self.assertIn("a/\\xff\\xfe\\x0a\\\\", by)
        self.assertEqual(by["a"][0], "dr-xr-sr-x")
        self.assertEqual(by["a"][3], "1969-12-31T23:59:59.500000000Z")
        self.assertIn("hl2 link to hl1", by)
        self.assertIn("link -> ../\\xfftarget", by)
        if ROOT:
            self.assertEqual(by["floats"][:2], ["-rwsr-xr-x", "ann:staff"])
            self.assertEqual(by["loop"][:3], ["brw-rw----", "0:0", "7,300"])
        self.assertEqual([x.split("\t")[4] for x in self.run_("ls", "1", "a/deep").splitlines()], ["a/deep", "a/deep/er", "a/deep/er/x"])
        self.assertEqual(len(self.run_("ls", "1", "many").splitlines()), 121)
        self.assertEqual(self.run_("ls", "2"), "")
        self.run_("ls", "1", "man", status=1)
        self.run_("ls", "1", "../x", status=1)
        self.run_("ls", "3", status=2)

    def test_usage(self):
        self.run_("frobnicate", status=2)
        self.run_("extract", "1", self.dir, status=2)            # not empty
        self.store = self.dir
        self.run_("list", status=2)

    def test_verify(self):
        self.run_("verify")
        self.assertEqual(self.err, "")

    def test_hashes(self):
        rows = [x.split("\t") for x in self.run_("hashes").splitlines()]
        self.assertEqual(self.err, "")
        whole = lambda e: b"".join(bytes(q) if isinstance(q, int) else q for q in e["parts"])
        for number, entries in ("1", self.one), ("1234567", self.two):
            want = {e["path"]: h(whole(e) if e["kind"] == FILE else e["target"]).hex() for e in entries if e["kind"] in (FILE, SYMLINK)}
            want |= {e["path"]: want[e["target"]] for e in entries if e["kind"] == HARDLINK and e["target"] in want}
            self.assertEqual({x[2]: x[1] for x in rows if x[0] == number}, {reader.escape(p): x for p, x in want.items()})

    def test_extract(self):
        self.compare(self.one, self.extract("1"))
        dest = self.extract("1234567")
        self.compare(self.two, dest)
        s = os.stat(os.path.join(dest, "holes"))
        self.assertLess(s.st_blocks * 512, 200000)
        self.compare([], self.extract("2"))

    def test_extract_some(self):
        dest = self.extract("1", "a/deep/er", "hl2", "many/0003", "z")
        want = [e for e in self.one if e["path"] in (b"", b"a", b"a/deep", b"a/deep/er", b"a/deep/er/x", b"many", b"many/0003")]
        hl = dict(next(e for e in self.one if e["path"] == b"hl1"), path=b"hl2")
        z = dict(next(e for e in self.one if e["path"] == b"a/hl3"), path=b"z")
        self.compare(want + [hl, z], dest)
        self.extract("1", "nothing", status=1)

    def test_without_index(self):
        shutil.rmtree(os.path.join(self.store, "index"))
        self.compare(self.one, self.extract("1"))
        self.run_("verify")

    def test_damaged_index(self):
        for name in self.files("index"):
            with open(name, "r+b") as x:
                x.seek(-40, 2)
                x.write(b"\xee" * 40)
        self.compare(self.one, self.extract("1"))
        self.run_("verify", status=1)

    def test_tails_lost(self):
        for index in (True, False):
            if not index:
                shutil.rmtree(os.path.join(self.store, "index"))
            else:
                for name in self.files("packs"):
                    os.truncate(name, os.path.getsize(name) - 70)
            self.compare(self.one, self.extract("1"))
            self.compare(self.two, self.extract("1234567"))
            self.run_("verify", status=1)
            self.assertNotIn("snapshot", self.err)               # all content is there

    def test_lost_pack(self):
        for victim in list(self.files("packs")):
            os.rename(victim, self.dir + "/gone")
            self.run_("verify", status=1)
            self.assertIn("missing", self.err)                   # the index names it
            self.assertIn("wrong: snapshot", self.err)
            shutil.move(self.dir + "/gone", victim)
        self.run_("verify")

    def test_node_that_is_content_too(self):
        """The empty manifest is the byte 0; a file of that one byte is the same chunk, in a block of kind 0."""
        self.store += "2"
        w = Writer(self.store)
        w.snapshot(1, [d(b""), f(b"a", b"\0")])
        w.snapshot(2, [])
        self.run_("verify")
        self.assertEqual(self.run_("ls", "2"), "")

    def test_stray_names(self):
        for name in ("packs/tmp-1", "index/tmp-x.idx", "snapshots/tmp-000009"):
            self.w.put(name, b"junk")
        self.run_("verify")
        self.assertEqual(self.err, "")


class Flips(Base):
    def test_every_file(self):
        w = Writer(self.store, block_size=5000, pack_size=30000)
        w.snapshot(1, sample(many=10))
        w.snapshot(2, sample(3, many=20))
        r = random.Random(5)
        for name in list(self.files()):
            with open(name, "rb") as x:
                good = x.read()
            small = "config" in name or "snapshots" in name
            places = range(len(good)) if small else sorted({*range(0, 80), *range(len(good) - 70, len(good)), *r.choices(range(len(good)), k=40)})
            for at in places:
                bad = bytearray(good)
                bad[at] ^= 1 << r.randrange(8)
                with open(name, "wb") as x:
                    x.write(bad)
                with self.subTest(name=name[len(self.store):], at=at):
                    self.run_("verify", status=1)
            with open(name, "wb") as x:
                x.write(good)
        self.run_("verify")

    def test_format_of_the_future(self):
        Writer(self.store).snapshot(1, [])
        with open(os.path.join(self.store, "config"), "r+b") as x:
            text = x.read().rpartition(b"check ")[0].replace(b"format 1", b"format 2")
            x.seek(0)
            x.write(text + b"check " + h(text).hex().encode() + b"\n")
        for args in (["list"], ["verify"], ["ls", "1"]):
            self.run_(*args, status=2)

    def test_extract_goes_on(self):
        """One chunk is damaged: that file is named, all others are as they were."""
        entries = sample()
        Writer(self.store, codecs=(0,)).snapshot(1, entries)
        needle = next(e for e in entries if e["path"] == b"many/0001")["parts"][0]
        for name in self.files("packs"):
            with open(name, "rb") as x:
                raw = x.read()
            at = raw.find(needle)
            if at >= 0:
                with open(name, "r+b") as x:
                    x.seek(at)
                    x.write(bytes([raw[at] ^ 1]))
        dest = self.extract("1", status=1)
        self.assertIn("many/0001", self.err)
        self.assertEqual(self.err.count("wrong:"), 1, self.err)
        with open(os.path.join(dest, "many/0002"), "rb") as x:
            self.assertEqual(x.read(), next(e for e in entries if e["path"] == b"many/0002")["parts"][0])


class Refused(Base):
    """Stores whose hashes are all right but that say what the specification forbids."""

    def bad(self, text, entries=None, hooks=None, **k):
        shutil.rmtree(self.store, True)
        Writer(self.store, hooks=hooks).snapshot(1, entries if entries is not None else sample(many=30), **k)
        self.run_("verify", status=1)
        self.assertIn(text, self.err)

    def test_entries(self):
        root = d(b"")
        self.bad("not in order", [root, f(b"b"), f(b"a")], sort=False)
        self.bad("not in order", [root, f(b"a"), f(b"a")], sort=False)
        self.bad("not in order", [root, d(b"a"), f(b"a-"), f(b"a/b")], sort=False)
        self.bad("nodes overlap", [root, f(b"a"), f(b"c"), f(b"b"), f(b"d")], sort=False, fan=3)
        for name in (b"..", b"a/../b", b".", b"a//b", b"/a", b"a/", b"a\0b", b"x" * 256):
            self.bad("path", [root, f(name)], sort=False)
        self.bad("is not an entry", [root, f(b"a/b")])
        self.bad("is not an entry", [root, f(b"a"), f(b"a/b")])
        self.bad("is not an entry", [f(b"a/b")])
        self.bad("root is not a directory", [f(b"")])
        self.bad("leader", [root, dict(path=b"b", kind=HARDLINK, target=b"a")])
        self.bad("leader", [root, f(b"b"), dict(path=b"a", kind=HARDLINK, target=b"b")])
        self.bad("leader", [root, d(b"a"), dict(path=b"b", kind=HARDLINK, target=b"a", mode=0o755)])
        self.bad("those of its leader", [root, f(b"a"), dict(path=b"b", kind=HARDLINK, target=b"a", mode=0o600)])
        self.bad("mode", [root, f(b"a", mode=0o100644)])
        self.bad("flags", [root, f(b"a", flags=4)])
        self.bad("attributes", [root, f(b"a", xattrs=[(b"user.b", b""), (b"user.a", b"")])])
        self.bad("attributes", [root, f(b"a", xattrs=[(b"user.b", b""), (b"user.b", b"")])])
        self.bad("node of kind", [root, dict(path=b"a", kind=8)])
        self.bad("add up", [root, f(b"a", b"xy", size=3)])
        self.bad("add up", [root, f(b"a", b"xy", b"z", size=4, indirect=1)])
        self.bad("longer than the file", [root, f(b"a", b"xy", b"z", size=2, indirect=1)])
        self.bad("hard link to a directory", [root, d(b"a"), dict(path=b"a/b", kind=HARDLINK, target=b"a", mode=0o755)])
        self.bad("hard link to a directory", [root, dict(path=b"b", kind=HARDLINK, target=b"")])
        self.bad("attributes", [root, f(b"a", xattrs=[(b"", b"")])])
        self.bad("an empty hole", [root, f(b"a", b"xy", 0)])
        self.bad("without lists", [root, dict(path=b"a", kind=FILE, parts=(), indirect=1)])
        self.bad("the record says", files=1)
        self.bad("the record says", bytes=1)
        self.bad("the record says", others=1)

    def test_paths(self):
        """[6] [7] how paths are written, and their bounds."""
        three = [d(b"abc"), d(b"abd"), d(b"abe")]
        swap = lambda good, bad: {"entry": lambda raw: bad + raw[len(good):] if raw.startswith(good) else raw}
        for good, bad, text in [(b"\2\1d", b"\1\2bd", "shares less"), (b"\2\1d", b"\0\3abd", "shares less"), (b"\2\1d", b"\4\1d", "shares more"),
                                (b"\2\1d", b"\3\2/.", "bad name"), (b"\2\1d", b"\2\0", "not in order"), (b"\2\1d", b"\3\0", "not in order"),
                                (b"\2\1d", u(33 << 20) + b"\1d", "too long"), (b"\0\3abc", b"\1\2bc", "shares more")]:
            self.bad(text, three, hooks=swap(good, bad))
        self.bad("a path of", [d(b"/".join([b"n" * 255] * 10241))])
        entries = [f(b"a", b"x"), f(b"b", b"y"), dict(path=b"c", kind=HARDLINK, target=b"a"), dict(path=b"d", kind=HARDLINK, target=b"a")]
        shutil.rmtree(self.store, True)
        seen = []
        Writer(self.store, hooks={"entry": lambda raw: seen.append(raw) or raw}).snapshot(1, entries)
        self.run_("verify")
        self.assertEqual([raw[-2:] for raw in seen[2:]], [b"\1a", b"\1\0"])

    def test_a_deep_tree(self):
        """Its paths are written once a node."""
        paths = [b"d0" + b"/d" * k for k in range(3000)]
        w = Writer(self.store, codecs=(0,))
        w.snapshot(1, [d(p) for p in paths], fan=100)
        self.run_("verify")
        self.assertEqual(len(self.run_("ls", "1").splitlines()), 3000)
        packs = sum(os.path.getsize(p) for p in self.files("packs"))
        self.assertLess(packs, sum(map(len, paths)) / 10)

    def test_manifest(self):
        self.bad("entries, there are", hooks={"item": lambda raw: raw[:-1] + bytes([raw[-1] + 1])})
        self.bad("first path", hooks={"item": lambda raw: raw.replace(b"many/00", b"many/0/")})

    def test_packs(self):
        self.bad("reserved", hooks={"block_head": lambda x: x[:6] + b"\1" + x[7:]})
        self.bad("reserved", hooks={"block_head": lambda x: x[:20] + b"\1" + x[21:]})
        self.bad("codec 9", hooks={"block_head": lambda x: x[:4] + b"\x09" + x[5:]})
        self.bad("kind", hooks={"block_head": lambda x: x[:5] + b"\2" + x[6:]})
        self.bad("add up", hooks={"block_lengths": lambda x: bytes([x[0] ^ 1]) + x[1:]})
        self.bad("reserved", hooks={"toc": lambda x: x[:18] + b"\1" + x[19:]})
        self.bad("one after the other", hooks={"toc": lambda x: b"\x11" + x[1:]})
        self.bad("not as in the table", hooks={"toc": lambda x: x[:16] + bytes([x[16] ^ 1]) + x[17:]})
        self.bad("reserved", hooks={"foot": lambda x: x[:16] + b"\1" + x[17:]})
        self.bad("reserved", hooks={"pack_head": lambda x: x[:12] + b"\1" + x[13:]})
        self.bad("version", hooks={"pack_head": lambda x: x[:8] + b"\2" + x[9:]})

    def test_index(self):
        self.bad("not sorted", hooks={"index_rows": lambda rows: rows[::-1]})
        self.bad("where it is not", hooks={"index_rows": lambda rows: [rows[0][:32] + rows[1][32:]] + rows[1:]})
        self.bad("version", hooks={"index_head": lambda x: x[:8] + b"\2" + x[9:]})
        self.bad("reserved", hooks={"index_head": lambda x: x[:20] + b"\1" + x[21:]})
        self.bad("reserved", hooks={"index_head": lambda x: x[:33] + b"\1" + x[34:]})
        self.bad("number of a block", hooks={"index_rows": lambda rows: [rows[0][:34] + b"\1" + rows[0][35:]] + rows[1:]})

    def test_record(self):
        self.bad("after the record", hooks={"record": lambda x: x + b"\0"})
        self.bad("it is number", hooks={"record": lambda x: x[:12] + b"\2" + x[13:]})
        self.bad("version", hooks={"record": lambda x: x[:8] + b"\2" + x[9:]})
        self.bad("shortest", hooks={"record": lambda x: x[:12] + b"\xfb\1\0" + x[13:]})
        self.bad("kind", hooks={"record": lambda x: x[:13] + b"\3" + x[14:]})

    def test_parent(self):
        w = Writer(self.store)
        w.snapshot(1, [])
        w.parent = bytes(32)
        w.snapshot(2, [])
        self.run_("verify", status=1)
        self.assertIn("parent", self.err)

    def test_symlink_is_not_followed(self):
        outside = os.path.join(self.dir, "outside")
        os.mkdir(outside)
        link = dict(path=b"a", kind=SYMLINK, target=os.fsencode(outside))
        Writer(self.store).snapshot(1, [d(b""), link, f(b"a/evil", b"x"), d(b"a/sub"), f(b"b", b"good")])
        dest = self.extract("1", status=1)
        self.assertEqual(os.listdir(outside), [])
        self.assertEqual(sorted(os.listdir(dest)), ["a", "b"])


class Codecs(unittest.TestCase):
    def test_unshuffle(self):
        s = reader.Store.__new__(reader.Store)
        s.zstd = zstandard.ZstdDecompressor()
        for codec in range(6):
            for n in [*range(1, 40), 1000, 4097]:
                plain = os.urandom(n)
                stored = encode(codec, plain)
                s.pack_size, s.read = lambda p: 1 << 20, lambda p, at, size: stored
                self.assertEqual(s.decode("", (codec, 0, n, len(stored), (n,), 0)), plain)
                if codec:
                    for wrong in (stored + b"x", stored[:-1]):
                        s.read = lambda p, at, size: wrong
                        self.assertRaises(reader.Bad, s.decode, "", (codec, 0, n, len(wrong), (n,), 0))

    def test_noise(self):
        """Whatever the bytes, an entry is decoded or refused; nothing else happens."""
        class Sink:
            chunk = staticmethod(lambda data, kind=0: h(data))
        r, good = random.Random(9), [Fronts().item(*entry(Sink, e)) for e in sample()]
        for _ in range(20000):
            raw = bytearray(r.choice(good))
            for _ in range(r.randrange(1, 4)):
                raw[r.randrange(len(raw))] = r.choice((0, 1, 250, 251, 252, 253, 254, 255, r.randrange(256)))
            with contextlib.suppress(reader.Bad):
                reader.Bin(bytes(raw)).entry()

    def test_bin(self):
        for n in (0, 250, 251, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1):
            self.assertEqual(reader.Bin(u(n)).u(), n)
        for n in (0, -1, 1, -2, 2**63 - 1, -2**63):
            self.assertEqual(reader.Bin(i64(n)).i64(), n)
        self.assertEqual([i64(n) for n in (0, -1, 1, -2)], [b"\0", b"\1", b"\2", b"\3"])
        for raw in (b"\xfb\1\0", b"\xfc\1\0\0\0", b"\xfd" + bytes(8), b"\xfe", b"\xff", b"", b"\xfb\1"):
            self.assertRaises(reader.Bad, reader.Bin(raw).u)


if __name__ == "__main__":
    unittest.main()
