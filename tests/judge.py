#!/usr/bin/env python3
"""An independent judge of a mirror: one JSON object a line in, one JSON answer a line out, until the input ends.

  {"op":"remember","name":N,"tree":PATH,"dirs":[D...]}       takes a listing of a tree into memory under the name N
  {"op":"tree","tree":PATH,"dirs":[D...],"equals":N}         the tree is what was remembered, in everything
  {"op":"mixture","tree":PATH,"dirs":[D...],"of":[N...]}     each name there is wholly as in one of the listings, and what they agree on is there
  {"op":"snapshot","store":PATH,"sequence":K,"equals":N}     the snapshot, as the store gives it back, is what was remembered
  {"op":"kept","of":[N...],"trees":[PATH...],"stores":[PATH...]}   the content of every file that is not empty, and every link target, is still
                                                             on one of the trees or in a snapshot of one of the stores
  {"op":"free","store":PATH,"of":[TEXT...],"uid":N}          no chunk of the store holds one of the texts, no entry belongs to this user
  {"op":"verify","store":PATH}                               every pack, index and snapshot is whole; the answer lists the "snapshots"
  {"op":"forget","names":[N...]}                             gives the memory back

An answer is {"ok":true}, or {"ok":false,"why":TEXT}, with "error":true where the question could not be judged. Paths are strings with surrogates for
bytes that are not UTF-8. "." among the dirs is the whole tree but for .backup and lost+found. Stores are read by reader.py, which knows nothing but
format-spec.md; trees by os. What must stay true: nothing of the program is used here, and no input ends the process.
"""
import contextlib
import io
import json
import os
import stat
import sys
from collections import OrderedDict, namedtuple

from blake3 import blake3

import reader

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}
NODES = {reader.FILE: "file", reader.DIR: "directory", reader.SYMLINK: "symlink", reader.FIFO: "fifo",
         reader.SOCKET: "socket", reader.CHAR: "character device", reader.BLOCK: "block device"}
OURS = (b".backup", b"lost+found")
STORES, SHOWN, STEP = 8, 5, 1 << 20

# `first` is the first name of what has several. What has no meaning for a kind is the same everywhere: mode of symlinks, size of directories.
Fact = namedtuple("Fact", "kind mode uid gid mtime size content target device first xattrs")


class Cannot(Exception):
    """The question cannot be judged."""


def shown(path):
    return path.decode("utf-8", "backslashreplace").encode("unicode_escape").decode()


# ------------------------------------------------------------------------------------------------------------ trees

def content_of(path):
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        first = os.read(fd, STEP)
        whole, part = blake3(first), first
        while part:
            part = os.read(fd, STEP)
            whole.update(part)
        return whole.hexdigest()
    finally:
        os.close(fd)


def xattrs_of(path):
    names = os.listxattr(path, follow_symlinks=False)
    return tuple(sorted((os.fsencode(name), os.getxattr(path, name, follow_symlinks=False)) for name in names))


def fact_of(path, name, seen):
    """What is under one name. `seen` has the first names of inodes: names are met in the order of the manifest."""
    st = os.lstat(path)
    kind = KINDS[stat.S_IFMT(st.st_mode)]
    is_dir, is_link = kind == "directory", kind == "symlink"
    device = (os.major(st.st_rdev), os.minor(st.st_rdev)) if kind.endswith("device") else None
    several = not is_dir and st.st_nlink > 1
    first = seen.setdefault((st.st_dev, st.st_ino), name) if several else name
    return Fact(kind, 0 if is_link else stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns,
                st.st_size if kind == "file" else 0, content_of(path) if kind == "file" else None,
                os.readlink(path) if is_link else None, device, first, xattrs_of(path))


def names_of(tree, dirs):
    """All names at and below the dirs, in the order of paths: those of a directory after it."""
    root, found = os.fsencode(tree), []
    os.lstat(root)
    for d in map(os.fsencode, dirs):
        waiting = [b"" if d == b"." else d.strip(b"/")]
        while waiting:
            name = waiting.pop()
            path = os.path.join(root, name) if name else root
            if name:
                if not os.path.lexists(path):
                    continue
                found.append(name)
            if not os.path.islink(path) and os.path.isdir(path):
                below = os.listdir(path)
                waiting += [name + b"/" + n if name else n for n in below if name or n not in OURS]
    return root, sorted(set(found), key=reader.key)


def listing(tree, dirs):
    root, names = names_of(tree, dirs)
    seen = {}
    return {name: fact_of(os.path.join(root, name), name, seen) for name in names}


# ----------------------------------------------------------------------------------------------------------- stores

class Proved(reader.Store):
    """A store, verified whole. A pack is proved once, whichever store it is in: it is known by the hash of its bytes."""

    packs_proved = OrderedDict()

    def __init__(self, path):
        self.notes, self.wrongs, self.rows, self.listings = [], [], [], {}
        super().__init__(path)
        try:
            self.verify()
        except BaseException:
            self.close()
            raise
        for number in self.numbers():
            try:
                self.rows.append(self.record(number))
            except (reader.Bad, OSError):
                pass                                       # verify() has named it

    def say(self, kind, text):
        (self.wrongs if kind == "wrong" else self.notes).append(text)

    def verify_pack(self, pack):
        with open(os.path.join(self.path, "packs", pack[:2], pack + ".pack"), "rb") as f:
            bytes_of_it = f.read()
        name = blake3(bytes_of_it).hexdigest()
        known = self.packs_proved.get(name) if name == pack else None
        if known is None:
            before, wrongs = self.table, len(self.wrongs)
            self.table = {}
            out = super().verify_pack(pack)
            known, self.table = (out, self.table), before
            if name == pack and len(self.wrongs) == wrongs:
                self.packs_proved[name] = known
                if len(self.packs_proved) > 4096:
                    self.packs_proved.popitem(last=False)
        for i, places in known[1].items():
            self.table[i] = self.table.get(i, ()) + places
        return known[0]

    def close(self):
        for fd in self.files.values():
            os.close(fd)
        self.files.clear()

    def listing_of(self, number):
        """A snapshot as a listing, every byte of it read back and hashed."""
        if number in self.listings:
            return self.listings[number]
        try:
            record = self.record(number)
        except FileNotFoundError:
            raise reader.Bad(f"there is no snapshot {number}") from None
        before, out, inside = len(self.wrongs), {}, [bytes(d) for d in record.dirs]
        for e in self.checked(record):
            if e.path and (b"" in inside or any(e.path == d or e.path.startswith(d + b"/") for d in inside)):
                out[e.path] = self.fact(e, out)
        reader.need(len(self.wrongs) == before, *self.wrongs[before:before + 1])
        self.listings[number] = out
        return out

    def fact(self, e, earlier):
        if e.kind == reader.HARDLINK:
            reader.need(e.target in earlier, shown(e.path) + ": a hard link without leader")
            return earlier[e.target]
        content = None
        if e.kind == reader.FILE:
            whole = blake3()
            for i, length, _ in self.extents(e):
                whole.update(bytes(length) if i is None else self.chunk(i, length))
            content = whole.hexdigest()
        return Fact(NODES[e.kind], 0 if e.kind == reader.SYMLINK else e.mode, e.uid, e.gid, e.mtime,
                    e.size if e.kind == reader.FILE else 0, content, e.target if e.kind == reader.SYMLINK else None,
                    tuple(e.device) if e.device else None, e.path, tuple(e.xattrs))


def list_of(folder):
    return os.listdir(folder) if os.path.isdir(folder) else []


def fingerprint(path):
    """Of all bytes below a folder: while it is the same, a store need not be proved again."""
    whole, waiting = blake3(), [os.fsencode(path)]
    while waiting:
        at = waiting.pop()
        for item in sorted(os.scandir(at), key=lambda item: item.name):
            whole.update(item.path + b"\0")
            if item.is_dir(follow_symlinks=False):
                waiting.append(item.path)
            else:
                whole.update(content_of(item.path).encode())
    return whole.digest()


# -------------------------------------------------------------------------------------------------------- judgement

def unlike(wanted, found):
    """The first differences of two listings, as text; empty when there are none."""
    out = []
    for name in sorted(wanted.keys() | found.keys(), key=reader.key):
        a, b = wanted.get(name), found.get(name)
        if a == b:
            continue
        if a is None or b is None:
            out.append(f"{shown(name)}: {'missing' if b is None else 'too much'}")
        else:
            parts = (f"{field} {y!r} instead of {x!r}" for field, x, y in zip(Fact._fields, a, b) if x != y)
            out.append(f"{shown(name)}: " + ", ".join(parts))
        if len(out) == SHOWN:
            break
    return "; ".join(out)


def substance(fact):
    """What can't be half done: kind, and the bytes or the target."""
    return fact and (fact.kind, fact.size, fact.content, fact.target)


def treasures(listing):
    """What would be lost: contents and targets, each with a name for it."""
    out = {}
    for name, fact in listing.items():
        if fact.kind == "symlink" or fact.size:
            out.setdefault((fact.content, fact.target), name)
    return out


class Judge:
    def __init__(self):
        self.names, self.stores = {}, OrderedDict()

    def answer(self, line):
        try:
            question = json.loads(line)
            if not isinstance(question, dict):
                raise Cannot("not an object")
            op = question.get("op")
            if not isinstance(op, str) or not hasattr(self, "op_" + op):
                raise Cannot(f"no such op: {op!r}")
            why = getattr(self, "op_" + op)(question)
            if isinstance(why, dict):
                return why
            return {"ok": False, "why": why} if why else {"ok": True}
        except reader.Bad as e:
            return {"ok": False, "why": str(e)}
        except Exception as e:                             # whatever it was, the next question must be answered
            return {"ok": False, "error": True, "why": f"{type(e).__name__}: {e}"}
        finally:
            for store in self.stores.values():             # what is on a mirror must not be kept from being unmounted
                store.close()

    def known(self, name):
        if name not in self.names:
            raise Cannot(f"nothing is remembered as {name!r}")
        return self.names[name]

    def store(self, path):
        """The store, proved; None where none was made yet, which is one without config and without a record."""
        if not os.path.exists(os.path.join(path, "config")) and not list_of(os.path.join(path, "snapshots")):
            return None
        mark = fingerprint(path)
        store = self.stores.get((path, mark))
        if store is None:
            store = Proved(path)
            self.stores[path, mark] = store
            if len(self.stores) > STORES:
                self.stores.popitem(last=False)[1].close()
        return store

    def op_remember(self, q):
        self.names[q["name"]] = listing(q["tree"], q["dirs"])
        return {"ok": True, "count": len(self.names[q["name"]])}

    def op_forget(self, q):
        for name in q["names"]:
            self.names.pop(name, None)

    def op_tree(self, q):
        return unlike(self.known(q["equals"]), listing(q["tree"], q["dirs"]))

    def op_mixture(self, q):
        found, of = listing(q["tree"], q["dirs"]), [self.known(name) for name in q["of"]]
        for name, fact in found.items():
            if not any(substance(one.get(name)) == substance(fact) for one in of):
                return f"{shown(name)}: {fact.kind} of {fact.size} bytes, as in none of the listings"
        for name in set.intersection(*(set(one) for one in of)):
            agreed = {substance(one[name]) for one in of}
            if len(agreed) == 1 and substance(found.get(name)) not in agreed:
                return f"{shown(name)}: missing, and is in every listing"
        return ""

    def op_snapshot(self, q):
        store = self.store(q["store"])
        if store is None:
            return "there is no store"
        return unlike(self.known(q["equals"]), store.listing_of(q["sequence"]))

    def op_kept(self, q):
        wanted = {}
        for name in q["of"]:
            wanted = treasures(self.known(name)) | wanted
        for tree in q["trees"]:
            for treasure in treasures(listing(tree, ["."])):
                wanted.pop(treasure, None)
        for path in q["stores"]:
            if not wanted:
                break
            store = self.store(path)
            for row in store.rows if store else ():
                with contextlib.suppress(reader.Bad):      # what cannot be read keeps nothing
                    for treasure in treasures(store.listing_of(row.sequence)):
                        wanted.pop(treasure, None)
        lost = sorted(wanted.values(), key=reader.key)
        return "lost: " + ", ".join(map(shown, lost[:SHOWN])) if lost else ""

    def op_free(self, q):
        store = self.store(q["store"])
        if store is None:
            return "there is no store"
        if store.wrongs:
            return "; ".join(store.wrongs[:SHOWN])
        for pack in store.packs():                         # all that is in it, whether a snapshot needs it or not
            for row, *_ in store.contents(pack):
                plain = store.block(pack, row[0])
                for text in q["of"]:
                    if text.encode() in plain:
                        return f"pack {pack[:12]}: block at {row[0]}, of kind {row[5]}, holds {text}"
        for number in store.numbers():
            for e in store.entries(store.record(number)):
                if e.uid == q["uid"]:
                    return f"snapshot {number}: {shown(e.path)} is of user {e.uid}"

    def op_verify(self, q):
        store = self.store(q["store"])
        if store is None:
            return {"ok": True, "snapshots": [], "notes": ["there is no store"]}
        if store.wrongs:
            return "; ".join(store.wrongs[:SHOWN])
        rows = [{"sequence": r.sequence, "kind": r.kind, "problems": r.problems} for r in store.rows]
        return {"ok": True, "snapshots": rows, "notes": store.notes[:SHOWN]}


def main():
    judge = Judge()
    for line in sys.stdin.buffer:
        with contextlib.redirect_stderr(io.StringIO()):
            answer = judge.answer(line)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
