#!/usr/bin/env python3
"""An independent reader of a backup store, written from format-spec.md alone (numbers in brackets are its chapters).

  reader.py STORE list                      one line a snapshot: number, kind, time, files, bytes, new bytes, note
  reader.py STORE ls N [PATH]               mode, owner, size, mtime, path
  reader.py STORE extract N DEST [PATH...]  into an empty or new directory
  reader.py STORE hashes                    of every file and link of every snapshot: number, BLAKE3 of its bytes or target, path
  reader.py STORE verify                    everything read, hashed and compared

Exit status: 0 good, 1 something is wrong (each thing named on stderr as "wrong:"), 2 usage or nothing readable.
"note:" lines on stderr do not change the status: nothing was lost by them.
Needs Python 3.11, Linux with /proc, and the packages zstandard and blake3.
"""
import argparse, array, itertools, mmap, os, re, stat, struct, sys
from collections import OrderedDict
from datetime import datetime, timedelta
from types import SimpleNamespace

import zstandard
from blake3 import blake3

MIB = 1 << 20
MAX_CONTENT, MAX_NODE, MAX_BLOCK = 4 * MIB, 8 * MIB, 8 * MIB             # [3] [7] [3]
MAX_ENTRY, MAX_PACK, MAX_LEVELS = 21 * MIB // 4, 1 << 30, 16                # [6] [4] [7]
MAX_PATH, MAX_PATHS = 5 * MIB // 2, 32 * MIB                             # [6] [7]
U32, U64 = (1 << 32) - 1, (1 << 64) - 1
FILE, DIR, SYMLINK, FIFO, SOCKET, CHAR, BLOCK, HARDLINK = range(8)       # [6] variants of node
LETTER, TYPE = "-dlpscbh", {FIFO: stat.S_IFIFO, SOCKET: stat.S_IFSOCK, CHAR: stat.S_IFCHR, BLOCK: stat.S_IFBLK}
CACHED_BLOCKS, OPEN_PACKS = 16, 64
HIGH = 1 if sys.byteorder == "little" else 0                              # which byte of a number in an array is the high one


class Bad(Exception):
    """The store does not say what the specification wants."""


class Unreadable(Exception):
    """Nothing can be done: exit status 2."""


def hash_of(data):
    return blake3(data).digest()


SIGNED = [(y - 128 + 32768) % 65536 - 32768 for y in range(65536)]       # [3] what the two bytes of a difference stand for


def unpredict(data, odd, shift):                                         # [3]
    half = (len(data) - odd) // 4
    pairs, rest = bytearray(4 * half), data[4 * half:]
    pairs[HIGH::2], pairs[1 - HIGH::2] = data[:2 * half], data[2 * half:4 * half]
    numbers = array.array("H", bytes(pairs))
    for run in slice(half), slice(half, None):
        differences = [SIGNED[y] for y in numbers[run]]
        sums = itertools.accumulate(differences, initial=0)
        numbers[run] = array.array("H", [y + (s >> shift) & 65535 for y, s in zip(differences, sums)])
    if HIGH:
        numbers.byteswap()
    return rest[:odd] + numbers.tobytes() + rest[odd:]


def need(condition, *text):
    if not condition:
        raise Bad(" ".join(map(str, text)))


def escape(raw):
    """Bytes as one printable line: valid printable UTF-8 as it is, every other byte as \\xNN, a backslash doubled."""
    text = raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "".join(f"\\x{b:02x}" for b in c.encode()) for c in text)


def show_time(ns):
    seconds, nanos = divmod(ns, 10**9)
    try:
        return (datetime(1970, 1, 1) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S") + f".{nanos:09d}Z"
    except OverflowError:
        return f"@{seconds}.{nanos:09d}"


# ------------------------------------------------------------------------------------------------ [2] bin, [6] entries

class Bin:
    """Decodes `bin` [2] from bytes; refuses integers that are not the shortest form."""

    def __init__(self, data, at=0):
        self.b, self.p = data, at
        self.path, self.leader = b"", b""                 # [6] the paths before
        self.paths = 0                                    # [7] length of all of them so far

    def u(self, limit=U64):
        p = self.p
        try:
            v = self.b[p]
        except IndexError:
            raise Bad("ends within a value") from None
        if v < 251:
            self.p = p + 1
            return v
        need(v <= 253, "integer with the marker", v)
        w = 2 << (v - 251)
        raw = self.take(w + 1)
        n = int.from_bytes(raw[1:], "little")
        need(n >= (251, 1 << 16, 1 << 32)[v - 251], "integer not in its shortest form")
        need(n <= limit, "integer too large")
        return n

    def take(self, n):
        p = self.p
        raw = self.b[p:p + n]
        need(len(raw) == n, "ends within a value")
        self.p = p + n
        return raw

    def i64(self):
        n = self.u()
        return (n >> 1) ^ -(n & 1)

    def bytes(self):
        return self.take(self.u())

    def items(self, one):
        return [one() for _ in range(self.u())]           # no item is of zero bytes, so a false count ends at the end

    def time(self):
        """Nanoseconds since 1970."""
        seconds, nanos = self.i64(), self.u(U32)
        need(nanos < 10**9, "nanoseconds", nanos)
        return seconds * 10**9 + nanos

    def extent(self):                                     # [6] -> (id or None for a hole, length)
        kind = self.u(U32)
        if kind == 0:
            i, n = self.take(32), self.u(U32)
            need(0 < n <= MAX_CONTENT, "extent of", n, "bytes")
            return i, n
        need(kind == 1, "extent of kind", kind)
        n = self.u()
        need(n, "an empty hole")
        return None, n

    def listed(self):                                     # [6] one item of `lists`
        i, n = self.take(32), self.u(U32)
        need(0 < n <= MAX_NODE, "list of extents of", n, "bytes")
        return i, n

    def named(self):
        return self.u(U32), self.bytes()

    def joined(self, before):                             # [6] a path, from what it shares with the one before it
        shared, rest = self.u(), self.bytes()
        self.paths += shared + len(rest)
        need(self.paths <= MAX_PATHS, "the paths of a node are too long")
        need(shared <= len(before), "a path that shares more than there is")
        need(not rest or shared == len(before) or before[shared] != rest[0], "a path that shares less than it can")
        return check_path(before[:shared] + rest), shared

    def entry(self):
        start, e = self.p, Entry()
        e.path, left_out = self.joined(self.path)
        self.path = e.path
        e.mode, e.uid, e.gid, e.mtime = self.u(U32), self.u(U32), self.u(U32), self.time()
        need(e.mode <= 0o7777, "mode", oct(e.mode))
        e.xattrs, last = [], b""
        for _ in range(self.u()):
            name = self.bytes()
            need(name > last and b"\0" not in name, "extended attributes not in order, or a bad name")
            e.xattrs.append((name, self.bytes()))
            last = name
        e.inode, e.ctime, e.flags = self.u(), self.time(), self.u(U32)
        need(e.flags <= 3, "flags", e.flags)
        e.kind = k = self.u(U32)
        if k == FILE:
            e.size, how = self.u(), self.u(U32)
            if how == 0:
                e.extents = self.items(self.extent)
                need(sum(n for _, n in e.extents) == e.size, "extents do not add up to the size:", escape(e.path))
            else:
                need(how == 1, "content of kind", how)
                e.lists = self.items(self.listed)
                need(e.lists and e.size, "an indirect content without lists")
        elif k == SYMLINK:
            e.target = self.bytes()
            need(e.target and b"\0" not in e.target, "bad target of a symlink")
        elif k in (CHAR, BLOCK):
            e.device = self.u(U32), self.u(U32)
        elif k == HARDLINK:
            e.target, shared = self.joined(self.leader)
            self.leader, left_out = e.target, left_out + shared
            need(key(e.target) < key(e.path), "hard link before its leader:", escape(e.path))
            need(e.target and not e.path.startswith(e.target + b"/"), "hard link to a directory:", escape(e.path))
        else:
            need(k in (DIR, FIFO, SOCKET), "node of kind", k)
        need(e.path or k == DIR, "the root is not a directory")
        need(self.p - start + left_out <= MAX_ENTRY, "entry too long")
        return e


class Entry:
    __slots__ = "path mode uid gid mtime xattrs inode ctime flags kind size extents lists target device".split()

    def __init__(self):
        self.size, self.extents, self.lists, self.target, self.device = 0, None, None, b"", None

    def same(self):
        """What a hard link repeats of its leader [6]."""
        return hash((self.mode, self.uid, self.gid, self.mtime, tuple(self.xattrs)))


def key(path):
    """Order of paths [6]: '/' lower than every other byte; no path has a NUL, so it can stand for it."""
    return path.replace(b"/", b"\0")


def check_path(path):
    need(len(path) <= MAX_PATH, "a path of", len(path), "bytes")
    if path:
        need(b"\0" not in path, "NUL in a path")
        for name in path.split(b"/"):
            need(0 < len(name) < 256 and name != b"." and name != b"..", "bad name in the path", escape(path))
    return path


# ---------------------------------------------------------------------------------------------------- [5] index

HEAD_I, ROW_C, ROW_B, ROW_K = struct.Struct("<8sIIIIQ24s8s"), struct.Struct("<32sQB7s"), struct.Struct("<QIIII"), struct.Struct("<32sIII")


class Index:
    def __init__(self, path):
        with open(path, "rb") as f:
            need(os.fstat(f.fileno()).st_size >= 64, "too short")
            self.m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        magic, version, c, b, zero, self.n, zeros, check = HEAD_I.unpack_from(self.m)
        need(magic == b"BKUPINDX", "not an index")
        need(version == 1, "format version", version)
        need(check == hash_of(self.m[:56])[:8], "check of the header")
        need(zero == 0 and not any(zeros), "reserved bytes are not zero")
        self.blocks_at = 64 + 48 * c
        self.chunks_at = self.blocks_at + 24 * b
        need(self.chunks_at + 44 * self.n == len(self.m), "length does not agree with the header")
        need(hash_of(self.m).hex() + ".idx" == os.path.basename(path), "the name is not the hash of the file")
        self.containers = []
        for name, length, kind, zeros in ROW_C.iter_unpack(self.m[64:self.blocks_at]):
            need(not any(zeros), "reserved bytes are not zero")
            self.containers.append((name.hex() if kind == 0 else None, length))    # None: a kind we do not know
        self.b = b

    def block(self, i):
        need(i < self.b, "number of a block")
        row = ROW_B.unpack_from(self.m, self.blocks_at + 24 * i)
        need(row[1] < len(self.containers), "number of a container")
        return row

    def find(self, i):
        """Place of a chunk: (pack, offset of block, offset in the block, length), or None."""
        m, low, high = self.m, 0, self.n
        while low < high:
            middle = (low + high) // 2
            at = self.chunks_at + 44 * middle
            if m[at:at + 32] < i:
                low = middle + 1
            else:
                high = middle
        at = self.chunks_at + 44 * low
        if low == self.n or m[at:at + 32] != i:
            return None
        _, number, offset, length = ROW_K.unpack_from(m, at)
        row = self.block(number)
        pack = self.containers[row[1]][0]
        return pack and (pack, row[0], offset, length)


# ------------------------------------------------------------------------------------------------ the store, [4] packs

HEAD_B, ROW_T, ROW_TC, FOOT = struct.Struct("<4sBBHIIII8s"), struct.Struct("<IIIIBB6s"), struct.Struct("<32sI"), struct.Struct("<QIIQ32s8s")


class Store:
    def __init__(self, path):
        self.path, self.status, self.said = path, 0, set()
        self.cache, self.files, self.broken = OrderedDict(), OrderedDict(), {}
        self.zstd = zstandard.ZstdDecompressor()
        self.indexes, self.table = None, None        # table: id -> places, from the packs themselves
        if not os.path.isdir(os.path.join(path, "snapshots")) and not os.path.exists(os.path.join(path, "config")):
            raise Unreadable(f"{path}: not a store")
        try:
            self.check_config()
        except (Bad, OSError, ValueError) as e:
            self.wrong(f"config: {e}")               # nothing in it is needed to read: go on

    def say(self, kind, text):
        if text not in self.said:
            self.said.add(text)
            print(f"{kind}: {text}", file=sys.stderr)

    def wrong(self, text):
        self.status = 1
        self.say("wrong", text)

    def note(self, text):
        self.say("note", text)

    def check_config(self):                          # [9]
        with open(os.path.join(self.path, "config"), "rb") as f:
            raw = f.read(65536)
        m = re.match(rb"backup store\nformat ([0-9]+)\n", raw)
        need(m, "not a config of a store")
        body, _, check = raw.rpartition(b"check ")
        need(check == hash_of(body).hex().encode() + b"\n", "check of the config")
        if m[1] != b"1":
            raise Unreadable(f"format {m[1].decode()} is not known")
        need(re.fullmatch(rb"store [0-9a-f]{32}\nchunker [^\n]+\n", body[m.end():]), "lines of the config")

    def names(self, folder, pattern):
        """Names in a folder that match; `tmp-` names are ignored [1], others noted."""
        try:
            found = sorted(os.listdir(os.path.join(self.path, folder)))
        except FileNotFoundError:
            return []
        for name in found:
            if re.fullmatch(pattern, name):
                yield name
            elif not name.startswith("tmp-"):
                self.note(f"{folder}/{escape(os.fsencode(name))}: not a name of the format")

    def packs(self):
        for folder in self.names("packs", "[0-9a-f]{2}"):
            for name in self.names(f"packs/{folder}", folder + r"[0-9a-f]{62}\.pack"):
                yield name[:64]

    def load_indexes(self):
        self.indexes = []
        for name in self.names("index", r"[0-9a-f]{64}\.idx"):
            try:
                self.indexes.append(Index(os.path.join(self.path, "index", name)))
            except (Bad, OSError, ValueError) as e:
                self.note(f"index {name[:12]}: {e}: not used")

    # -- bytes of packs; pread, not mmap, so that a bad sector is an error and not a signal

    def open_pack(self, pack):
        fd = self.files.get(pack)
        if fd is None:
            fd = os.open(os.path.join(self.path, "packs", pack[:2], pack + ".pack"), os.O_RDONLY | os.O_CLOEXEC)
            self.files[pack] = fd
            if len(self.files) > OPEN_PACKS:
                os.close(self.files.popitem(last=False)[1])
        return fd

    def read(self, pack, at, size):
        data = os.pread(self.open_pack(pack), size, at)
        need(len(data) == size, "the pack ends early")
        return data

    def pack_size(self, pack):
        return os.fstat(self.open_pack(pack)).st_size

    def check_header(self, pack):
        head = self.read(pack, 0, 16)
        need(head[:8] == b"BKUPPACK", "not a pack")
        need(head[8:12] == b"\1\0\0\0", "format version", int.from_bytes(head[8:12], "little"))
        need(head[12:] == bytes(4), "reserved bytes are not zero")

    def block_head(self, pack, at):
        """[4] Header and length table of a block: (codec, kind, plain, stored, lengths, offset of the stored bytes)."""
        head = self.read(pack, at, 32)
        magic, codec, kind, zero, n, plain, stored, zeros, check = HEAD_B.unpack(head)
        need(magic == b"BLK1", "no block here")
        need(0 < n <= plain <= MAX_BLOCK, "a block of", n, "chunks and", plain, "bytes")
        lengths = self.read(pack, at + 32, 4 * n)
        need(hash_of(head[:24] + lengths)[:8] == check, "check of the block header")
        need(zero == 0 and zeros == 0, "reserved bytes are not zero")
        need(codec <= 5, "codec", codec)
        need(kind <= 1, "kind of block", kind)
        lengths = struct.unpack(f"<{n}I", lengths)
        need(sum(lengths) == plain, "the lengths of the chunks do not add up")
        need(0 < min(lengths) and max(lengths) <= (MAX_NODE if kind else MAX_CONTENT), "length of a chunk")
        return codec, kind, plain, stored, lengths, at + 32 + 4 * n

    def decode(self, pack, head):                    # [3]
        codec, _, plain, stored, _, at = head
        need(stored <= self.pack_size(pack), "the pack ends early")
        data = self.read(pack, at, stored)
        if codec == 5:
            need(data and data[-1] < 16, "the model of a block")
            data, model = data[:-1], data[-1]
        if codec:
            try:
                size = zstandard.get_frame_parameters(data).content_size
                need(size in (plain, zstandard.CONTENTSIZE_UNKNOWN), "plain length")
                data = self.zstd.decompress(data, max_output_size=plain, allow_extra_data=False)
            except zstandard.ZstdError as e:
                raise Bad(f"zstd: {e}") from None
        need(len(data) == plain, "plain length")
        if codec < 2:
            return data
        if codec == 5:
            return unpredict(data, min(model & 1, plain), model >> 1)
        w = 1 << (codec - 1)
        m = plain // w
        out = bytearray(plain)
        for k in range(w):
            out[k:m * w:w] = data[k * m:(k + 1) * m]
        out[m * w:] = data[m * w:]
        return bytes(out)

    def block(self, pack, at):
        """Plain bytes of a block, through a small cache; a broken one is not tried twice."""
        where = pack, at
        data = self.cache.get(where)
        if data is not None:
            self.cache.move_to_end(where)
            return data
        if where in self.broken:
            raise Bad(self.broken[where])
        try:
            data = self.decode(pack, self.block_head(pack, at))
        except (Bad, OSError) as e:
            self.broken[where] = text = f"pack {pack[:12]}: block at {at}: {e}"
            raise Bad(text) from None
        self.cache[where] = data
        if len(self.cache) > CACHED_BLOCKS:
            self.cache.popitem(last=False)
        return data

    def contents(self, pack):
        """[4] Table of contents of a pack, checked: list of (row of the block, ids, lengths)."""
        size = self.pack_size(pack)
        need(size <= MAX_PACK, "larger than 1 GiB")
        need(size >= 80, "too short")
        start, b, n, zero, check, magic = FOOT.unpack(self.read(pack, size - 64, 64))
        need(magic == b"PACKTAIL", "no footer")
        need(zero == 0, "reserved bytes are not zero")
        need(start + 24 * b + 36 * n + 64 == size, "the table of contents is not where the footer says")
        toc = self.read(pack, start, size - 64 - start)
        need(hash_of(toc) == check, "check of the table of contents")
        at, chunk, out = 16, 24 * b, []
        for row in ROW_T.iter_unpack(toc[:24 * b]):
            offset, count, plain, stored, codec, kind, zeros = row
            need(not any(zeros), "reserved bytes are not zero")
            need(offset == at, "blocks are not one after the other")
            need(count and codec <= 5 and kind <= 1 and plain <= MAX_BLOCK, "row of a block")
            rows = list(ROW_TC.iter_unpack(toc[chunk:chunk + 36 * count]))
            need(len(rows) == count and sum(length for _, length in rows) == plain, "the lengths of the chunks do not add up")
            out.append((row[:6], [r[0] for r in rows], [r[1] for r in rows]))
            at, chunk = at + 32 + 4 * count + stored, chunk + 36 * count
        need(at == start and chunk == len(toc), "the blocks do not fill the pack")
        return out

    def salvage(self, pack):
        """[4] Without a table of contents: the blocks from the front; the ids are the hashes of what they hold."""
        at, size = 16, self.pack_size(pack)
        while at < size:
            try:
                head = self.block_head(pack, at)
            except (Bad, OSError) as e:
                return self.note(f"pack {pack[:12]}: from {at} of {size} bytes on: {e}")
            try:
                data, offset = memoryview(self.decode(pack, head)), 0
                for length in head[4]:
                    yield hash_of(data[offset:offset + length]), (pack, at, offset, length)
                    offset += length
            except (Bad, OSError) as e:
                self.note(f"pack {pack[:12]}: block at {at}: {e}")
            at = head[5] + head[3]

    def add(self, i, place):
        self.table[i] = self.table.get(i, ()) + (place,)

    def scan(self):
        """The places of all chunks from the packs themselves, once."""
        if self.table is not None:
            return
        self.table = {}
        for pack in self.packs():
            try:
                for row, ids, lengths in self.contents(pack):
                    offset = 0
                    for i, length in zip(ids, lengths):
                        self.add(i, (pack, row[0], offset, length))
                        offset += length
            except (Bad, OSError) as e:
                self.note(f"pack {pack[:12]}: {e}: reading its blocks")
                try:
                    for i, place in self.salvage(pack):
                        self.add(i, place)
                except (Bad, OSError) as e:
                    self.note(f"pack {pack[:12]}: {e}")

    def places(self, i):
        if self.indexes is None:
            self.load_indexes()
        for index in self.indexes:
            try:
                place = index.find(i)
            except Bad as e:
                self.note(f"an index: {e}")
                continue
            if place:
                yield place
        self.scan()
        yield from self.table.get(i, ())

    def chunk(self, i, length):
        """The plain bytes of a chunk, hashed; any place that gives them will do [5]."""
        for pack, at, offset, size in self.places(i):
            try:
                need(size == length, f"chunk {i.hex()[:12]}: {size} bytes, {length} wanted")
                data = memoryview(self.block(pack, at))[offset:offset + length]
                need(hash_of(data) == i, f"pack {pack[:12]}: block at {at}: chunk {i.hex()[:12]} is not what its id says")
                return data
            except (Bad, OSError) as e:
                self.note(str(e))
        raise Bad(f"chunk {i.hex()} is in no pack that can be read")

    # -------------------------------------------------------------------------------- [8] records, [7] manifest

    def numbers(self):
        return sorted(int(n) for n in self.names("snapshots", "[0-9]{6}|[1-9][0-9]{6,}"))

    def record(self, number):
        with open(os.path.join(self.path, "snapshots", f"{number:06d}"), "rb") as f:
            raw = f.read()
        need(len(raw) > 44 and raw[:8] == b"BKUPSNAP", "not a record")
        need(raw[8:12] == b"\1\0\0\0", "format version", int.from_bytes(raw[8:12], "little"))
        need(hash_of(raw[:-32]) == raw[-32:], "check of the record")
        b, r = Bin(raw[:-32], 12), SimpleNamespace(check=raw[-32:])
        r.sequence, kind, r.time = b.u(), b.u(U32), b.time()
        need(kind <= 2, "kind", kind)
        need(r.sequence == number, "the record says it is number", r.sequence)
        r.kind = ("backup", "rescue", "held")[kind]
        option = b.take(1)[0]
        need(option <= 1, "option", option)
        r.parent = b.take(32) if option else None
        r.target, r.source, r.dirs = b.bytes(), b.bytes(), [check_path(d) for d in b.items(b.bytes)]
        r.root, r.root_length = b.take(32), b.u(U32)
        need(0 < r.root_length <= MAX_NODE, "length of the root", r.root_length)
        r.files, r.directories, r.others, r.bytes, r.new_bytes, r.problems = (b.u() for _ in range(6))
        r.users, r.groups, r.note = dict(b.items(b.named)), dict(b.items(b.named)), b.bytes()
        need(b.p == len(b.b), "bytes after the record")
        return r

    def entries(self, r, ranges=None):
        """The entries in order; with ranges [(low, high)) of keys, only those within. A bad node is named and passed by."""
        walk = SimpleNamespace(last=None, name=f"snapshot {r.sequence}", ranges=ranges)
        try:
            yield from self.node(walk, r.root, r.root_length, None, None, True)
        except Bad as e:
            self.wrong(f"{walk.name}: manifest: {e}")

    def node(self, walk, i, length, level, first, root=False):
        """[7] One node and all below it; the value of the generator is the number of entries below."""
        data = bytes(self.chunk(i, length))
        need(data[0] < MAX_LEVELS if level is None else data[0] == level, "a node of level", data[0])
        level, b, end, items = data[0], Bin(data, 1), len(data), []
        need(end > 1 or (root and level == 0), "a node without items")
        while b.p < end:
            if level == 0:
                e = b.entry()
                items.append((key(e.path), e))
            else:
                path = b.path = b.joined(b.path)[0]
                item = b.take(32), b.u(U32), b.u()
                need(0 < item[1] <= MAX_NODE and item[2], "item of a node")
                items.append((key(path), item))
        need(first is None or items[0][0] == first, "the first path of a node is not the one its parent gives")
        last = walk.last
        for k, _ in items:
            need(last is None or k > last, "not in order:", escape(k.replace(b"\0", b"/")))
            last = k
        if level == 0:
            walk.last = last
            for k, e in items:
                if walk.ranges is None or any(low <= k < high for low, high in walk.ranges):
                    yield e
            return len(items)
        total = 0
        for n, (k, (child, size, count)) in enumerate(items):
            total += count
            after = items[n + 1][0] if n + 1 < len(items) else None
            if walk.ranges is not None and not any((after is None or low < after) and high > k for low, high in walk.ranges):
                continue
            try:
                found = yield from self.node(walk, child, size, level - 1, k)
                need(found == count, "item says", count, "entries, there are", found)
                need(after is None or walk.last < after, "nodes overlap")
            except Bad as e:
                self.wrong(f"{walk.name}: below {escape(k.replace(bytes(1), b'/')) or '(root)'}: {e}")
        return total

    def checked(self, r):
        """All entries, with what holds between entries [6]: parents are directories that came before, leaders exist."""
        # The root is everybody's ancestor, also where it is no entry.
        parents, others, name = [b""], {}, f"snapshot {r.sequence}"
        for e in self.entries(r):
            if e.path:
                parent = e.path.rpartition(b"/")[0]
                while parents and parents[-1] != parent and not (parents[-1] == b"" or parent.startswith(parents[-1] + b"/")):
                    parents.pop()
                if not parents or parents[-1] != parent:
                    self.wrong(f"{name}: {escape(e.path)}: the directory it is in is not an entry, or is no directory")
            if e.kind == DIR:
                parents.append(e.path)
            elif e.kind == HARDLINK:
                leader = others.get(e.target)
                if leader is None:
                    self.wrong(f"{name}: {escape(e.path)}: its leader {escape(e.target)} is not an earlier entry that can be linked to")
                elif leader != e.same():
                    self.wrong(f"{name}: {escape(e.path)}: mode, owner, time or attributes are not those of its leader")
            else:
                others[e.path] = e.same()
            yield e

    def extents(self, e):
        """[6] (id or None, length, offset) of a file; the sum is checked."""
        at = 0
        for i, length in self.raw_extents(e):
            need(at + length <= e.size, "the extents are longer than the file")
            yield i, length, at
            at += length
        need(at == e.size, "the extents do not add up to the size")

    def raw_extents(self, e):
        if e.lists is None:
            yield from e.extents
            return
        for i, length in e.lists:
            b = Bin(bytes(self.chunk(i, length)))
            need(b.b, "a list without extents")
            while b.p < len(b.b):
                yield b.extent()

    # --------------------------------------------------------------------------------------------- verify

    def verify(self):
        self.table = {}
        rows = {pack: self.verify_pack(pack) for pack in self.packs()}    # pack -> {offset of block: its index row}
        covered = set()
        for name in self.names("index", r"[0-9a-f]{64}\.idx"):
            try:
                covered |= self.verify_index(Index(os.path.join(self.path, "index", name)), rows)
            except (Bad, OSError, ValueError) as e:
                self.wrong(f"index {name[:12]}: {e}")
        for pack in rows.keys() - covered:
            self.note(f"pack {pack[:12]}: in no index [11]")
        self.indexes, before, last = [], None, 0     # what follows reads by the verified table
        for number in self.numbers():
            try:
                r = self.record(number)
            except (Bad, OSError) as e:
                self.wrong(f"snapshot {number}: {e}")
                before = False
                continue
            # Of one that was dropped nothing is known but that it was.
            if number != last + 1 and number > 1:
                before = False
            last = number
            if before is not False and r.parent != before:
                self.wrong(f"snapshot {number}: its parent is not the record before it")
            before = r.check
            self.verify_snapshot(r)

    def verify_pack(self, pack):
        name, out = f"pack {pack[:12]}", {}
        try:
            whole, at, size = blake3(), 0, self.pack_size(pack)
            while at < size:
                whole.update(part := self.read(pack, at, min(8 * MIB, size - at)))
                at += len(part)
            if whole.hexdigest() != pack:
                self.wrong(f"{name}: the name is not the hash of the file")
            try:
                self.check_header(pack)
            except Bad as e:
                self.wrong(f"{name}: {e}")
            try:
                toc = self.contents(pack)
            except Bad as e:
                self.wrong(f"{name}: {e}")
                for i, place in self.salvage(pack):
                    self.add(i, place)
                return None
            for (at, n, plain, stored, codec, kind), ids, lengths in toc:
                out[at] = stored, plain, n
                try:
                    head = self.block_head(pack, at)
                    need(head[:4] == (codec, kind, plain, stored) and list(head[4]) == lengths, "not as in the table of contents")
                    data, offset = memoryview(self.decode(pack, head)), 0
                    for i, length in zip(ids, lengths):
                        if hash_of(data[offset:offset + length]) == i:
                            self.add(i, (pack, at, offset, length))
                        else:
                            self.wrong(f"{name}: block at {at}: chunk {i.hex()[:12]} is not what its id says")
                        offset += length
                except Bad as e:
                    self.wrong(f"{name}: block at {at}: {e}")
        except OSError as e:
            self.wrong(f"{name}: {e}")
        return out

    def verify_index(self, x, rows):
        for pack, length in x.containers:
            if pack and pack not in rows:
                self.wrong(f"an index names the pack {pack[:12]}, which is missing")
            elif pack and length != self.pack_size(pack):
                self.wrong(f"an index gives the pack {pack[:12]} another length")
        blocks = []
        for i in range(x.b):
            at, c, stored, plain, n = x.block(i)
            pack = x.containers[c][0]
            if pack and rows.get(pack) and rows[pack].get(at) != (stored, plain, n):
                self.wrong(f"an index gives the block at {at} of the pack {pack[:12]} not as it is")
            blocks.append((pack if pack in rows else None, at, plain))
        last = b""
        for i, number, offset, length in ROW_K.iter_unpack(x.m[x.chunks_at:]):
            need(i >= last, "not sorted")
            last = i
            need(number < x.b, "number of a block")
            pack, at, plain = blocks[number]
            need(length and offset + length <= plain, "a chunk beyond its block")
            if pack and (pack, at, offset, length) not in self.table.get(i, ()):
                self.wrong(f"an index places the chunk {i.hex()[:12]} in {pack[:12]}, where it is not")
        return {pack for pack, _ in x.containers if pack}

    def verify_snapshot(self, r):
        name, files, directories, others, total = f"snapshot {r.sequence}", 0, 0, 0, 0
        for e in self.checked(r):
            if e.kind == FILE:
                files, total = files + 1, total + e.size
                try:
                    for i, length, _ in self.extents(e):
                        if i is not None and not any(p[3] == length for p in self.table.get(i, ())):
                            self.wrong(f"{name}: {escape(e.path)}: chunk {i.hex()[:12]} of {length} bytes is in no pack that can be read")
                except Bad as x:
                    self.wrong(f"{name}: {escape(e.path)}: {x}")
            elif e.kind == DIR:
                directories += 1
            else:
                others += 1
        for what, is_, said in (("files", files, r.files), ("directories", directories, r.directories),
                                ("others", others, r.others), ("bytes", total, r.bytes)):
            if is_ != said:
                self.wrong(f"{name}: {what}: the record says {said}, the entries {is_}")


# ------------------------------------------------------------------------------------------------------ extract

class Extract:
    """Writes entries below DEST. Paths are walked name by name from DEST's descriptor with O_NOFOLLOW."""

    def __init__(self, store, r, dest):
        os.makedirs(dest, 0o700, exist_ok=True)
        self.root = os.open(dest, os.O_RDONLY | os.O_DIRECTORY)
        if os.listdir(self.root):
            raise Unreadable(f"{dest}: not empty")
        os.umask(0)
        self.store, self.r, self.is_root = store, r, os.geteuid() == 0
        self.at, self.fd = b"", os.dup(self.root)      # the directory that is open
        self.linked, self.directories = {}, []         # leader -> where it was written; entries for the end

    def go(self, path):
        """Descriptor of the directory `path`; makes what is missing (its entry may be lost)."""
        if path == self.at:
            return self.fd
        if self.at and path.startswith(self.at + b"/"):
            fd, rest = self.fd, path[len(self.at) + 1:]
        else:
            os.close(self.fd)
            fd, rest = os.dup(self.root), path
        self.at, self.fd = b"", fd                     # true again below; an error leaves the root open
        try:
            for name in rest.split(b"/") if rest else ():
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                try:
                    below = os.open(name, flags, dir_fd=fd)
                except FileNotFoundError:
                    os.mkdir(name, 0o700, dir_fd=fd)
                    below = os.open(name, flags, dir_fd=fd)
                os.close(fd)
                self.fd = fd = below
        except OSError:
            os.close(fd)
            self.fd = os.dup(self.root)
            raise
        self.at = path
        return fd

    def add(self, e):
        """One entry; what goes wrong with it is named, and the others go on."""
        try:
            parent, _, name = e.path.rpartition(b"/")
            if e.kind == DIR:
                self.go(e.path)
                self.directories.append(e)
            elif e.kind == HARDLINK and (there := self.linked.get(e.target, e.target)) is not None:
                self.link(e, self.go(parent), name, there)
            else:
                self.write(e, self.go(parent), name)
        except (Bad, OSError, OverflowError, ValueError) as x:
            self.store.wrong(f"{escape(e.path)}: {x}")

    def link(self, e, fd, name, there):
        folder, _, old = there.rpartition(b"/")
        here = os.dup(fd)                              # go() closes the one it has
        try:
            try:
                os.link(old, name, src_dir_fd=self.go(folder), dst_dir_fd=here, follow_symlinks=False)
                return
            except FileNotFoundError:
                pass
            # The leader was not asked for: its content goes here, and its other names are linked to this one.
            k = key(e.target)
            leader = next(self.store.entries(self.r, [(k, k + b"\0")]), None)
            need(leader and leader.kind not in (DIR, HARDLINK), "no leader", escape(e.target))
            self.write(leader, here, name)
            self.linked[e.target] = e.path
        finally:
            os.close(here)

    def write(self, e, folder, name):
        if e.kind == FILE:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
            try:
                try:
                    self.content(e, fd)
                except Bad as x:
                    self.store.wrong(f"{escape(e.path)}: {x}")
                os.ftruncate(fd, e.size)
                self.attributes(e, fd)
            finally:
                os.close(fd)
            return
        if e.kind == SYMLINK:
            os.symlink(e.target, name, dir_fd=folder)
            if self.is_root:
                os.chown(name, e.uid, e.gid, dir_fd=folder, follow_symlinks=False)
            self.xattrs(e, b"/proc/self/fd/%d/" % folder + name, follow_symlinks=False)
        else:
            try:
                os.mknod(name, TYPE[e.kind] | 0o600, os.makedev(*e.device) if e.device else 0, dir_fd=folder)
            except PermissionError as x:
                return self.store.note(f"{escape(e.path)}: not made: {x.strerror}")
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
            try:
                self.attributes(e, b"/proc/self/fd/%d" % fd)
            finally:
                os.close(fd)
        os.utime(name, ns=(e.mtime, e.mtime), dir_fd=folder, follow_symlinks=False)

    def content(self, e, fd):
        for i, length, at in self.store.extents(e):
            if i is None:
                continue                               # a hole: left unwritten
            try:
                data = self.store.chunk(i, length)
            except Bad as x:
                self.store.wrong(f"{escape(e.path)}: bytes {at} to {at + length - 1} are lost: {x}")
                continue
            while data:
                n = os.pwrite(fd, data, at)
                data, at = data[n:], at + n

    def attributes(self, e, where):
        """Owner first (it clears set-id bits and capabilities), mode after the attributes (they may need write), time last."""
        mode = e.mode
        if self.is_root:
            os.chown(where, e.uid, e.gid)
        elif e.uid != os.geteuid():
            mode &= 0o1777                             # set-id bits only for the owner they were meant for
        self.xattrs(e, where)
        os.chmod(where, mode)
        os.utime(where, ns=(e.mtime, e.mtime))

    def xattrs(self, e, where, **how):
        for name, value in e.xattrs:
            try:
                os.setxattr(where, name, value, **how)
            except OSError as x:
                self.store.note(f"{escape(e.path)}: attribute {escape(name)}: {x.strerror}")

    def finish(self):
        for e in reversed(self.directories):           # what is in a directory before the directory
            try:
                self.attributes(e, self.go(e.path))
            except (OSError, OverflowError) as x:
                self.store.wrong(f"{escape(e.path) or '(root)'}: {x}")


# --------------------------------------------------------------------------------------------------------- commands

def ranges_of(paths, parents):
    """Ranges of keys for paths and all below them (and the directories above them); None for everything."""
    out = []
    for path in paths:
        if not path:
            return None
        k = key(path)
        out.append((k, k + b"\1"))                     # k itself, and k NUL ...
        while parents and k:
            k = k.rpartition(b"\0")[0]
            out.append((k, k + b"\0"))                 # k alone
    return out


def owner(r, e):
    return escape(r.users.get(e.uid) or b"%d" % e.uid) + ":" + escape(r.groups.get(e.gid) or b"%d" % e.gid)


def hash_content(store, e):
    """BLAKE3 of all bytes of a file, its holes as zeros."""
    whole = blake3()
    for i, length, _ in store.extents(e):
        if i is not None:
            whole.update(store.chunk(i, length))
        for at in range(0, length if i is None else 0, MIB):
            whole.update(bytes(min(MIB, length - at)))
    return whole.hexdigest()


def hashes(store):
    """One line a file or link of every snapshot; a hard link has the hash of its leader."""
    known = {}                                           # what nights have in common is read once
    for number in store.numbers():
        leaders = {}
        try:
            for e in store.checked(store.record(number)):
                try:
                    if e.kind == HARDLINK:
                        found = leaders.get(e.target)
                    elif e.kind == FILE:
                        k = e.size, tuple(e.extents or ()), tuple(e.lists or ())
                        if k not in known:
                            known[k] = hash_content(store, e)
                        found = known[k]
                    else:
                        found = hash_of(e.target).hex() if e.kind == SYMLINK else None
                except Bad as x:
                    store.wrong(f"snapshot {number}: {escape(e.path)}: {x}")
                    continue
                if found:
                    leaders[e.path] = found
                    print(number, found, escape(e.path), sep="\t")
        except (Bad, OSError) as x:
            store.wrong(f"snapshot {number}: {x}")


def run(a):
    store = Store(a.store)
    if a.command in ("hashes", "verify"):
        hashes(store) if a.command == "hashes" else store.verify()
        return store.status
    if a.command == "list":
        for number in store.numbers():
            try:
                r = store.record(number)
                print(r.sequence, r.kind, show_time(r.time), r.files, r.bytes, r.new_bytes, escape(r.note), sep="\t")
            except (Bad, OSError) as e:
                store.wrong(f"snapshot {number}: {e}")
        return store.status
    try:
        r = store.record(a.number)
    except FileNotFoundError:
        raise Unreadable(f"no snapshot {a.number}") from None
    paths = a.paths if a.command == "extract" else [a.path]
    paths = [check_path(os.fsencode(p).rstrip(b"/")) for p in paths]
    missing = set(paths) - {b""}
    found = store.checked(r) if not missing else None
    if a.command == "ls":
        for e in found or store.entries(r, ranges_of(paths, False)):
            missing.discard(e.path)
            tail = {SYMLINK: " -> ", HARDLINK: " link to "}.get(e.kind, "")
            mode = stat.filemode(e.mode | stat.S_IFREG)[1:]
            print(LETTER[e.kind] + mode, owner(r, e), f"{e.device[0]},{e.device[1]}" if e.device else e.size,
                  show_time(e.mtime), (escape(e.path) or ".") + (tail and tail + escape(e.target)), sep="\t")
    else:
        out = Extract(store, r, a.dest)
        for e in found or store.entries(r, ranges_of(paths, True)):
            missing.discard(e.path)
            out.add(e)
        out.finish()
    for path in missing:
        store.wrong(f"{escape(path)}: not in snapshot {r.sequence}")
    return store.status


def main(argv=None):
    p = argparse.ArgumentParser(description="Reads a backup store.")
    p.add_argument("store")
    s = p.add_subparsers(dest="command", required=True)
    s.add_parser("list")
    q = s.add_parser("ls")
    q.add_argument("number", type=int)
    q.add_argument("path", nargs="?", default="")
    q = s.add_parser("extract")
    q.add_argument("number", type=int)
    q.add_argument("dest")
    q.add_argument("paths", nargs="*", metavar="path")
    s.add_parser("hashes")
    s.add_parser("verify")
    a = p.parse_args(argv)
    try:
        return run(a)
    except Bad as e:
        print(f"wrong: {e}", file=sys.stderr)
        return 1
    except (Unreadable, OSError) as e:
        if isinstance(e, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        print(f"reader: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main())
