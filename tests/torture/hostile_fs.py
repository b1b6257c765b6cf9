#!/usr/bin/env python3
"""A file system that lies in its listings, by FUSE and the standard library alone: hostile_fs.py MOUNTPOINT; mounted when it has printed "ready".

Its root has the folder `d` with a good file and, as one folder each: `twice` (the same name three times), `nodot` (no "." and ".."), `unsorted`, `slash`
(a name with "/"), `gone` (names that cannot be looked up), `moved` (the inode number of the listing is another than that of the file), `endless`.
A file `MOUNTPOINT.endless` beside the mount point turns the last one on. Ends when it is unmounted.
"""
import ctypes
import errno
import os
import stat
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 1, 2, 3, 14, 15, 17, 18, 25, 26, 27, 28, 29, 36, 42
ATTRIBUTES = struct.Struct("<6Q10I")
CONTENT = b"content\n"

# Folders: what they list. A path is a tuple of names; its inode number is its place in `known`.
LISTS = {
    (): [b".", b"..", b"d"],
    (b"d",): [b".", b"..", b"good", b"twice", b"nodot", b"unsorted", b"slash", b"gone", b"moved", b"endless"],
    (b"d", b"twice"): [b".", b"..", b"a", b"a", b"b", b"a", b"sub", b"sub"],
    (b"d", b"twice", b"sub"): [b".", b"..", b"x", b"x"],
    (b"d", b"nodot"): [b"only"],
    (b"d", b"unsorted"): [b"z", b"..", b"m", b"a", b".", b"q", b"A"],
    (b"d", b"slash"): [b".", b"..", b"../escape", b"a/b", b"good"],
    (b"d", b"gone"): [b".", b"..", b"gone1", b"here", b"gone2"],
    (b"d", b"moved"): [b".", b"..", b"here"],
    (b"d", b"endless"): [b".", b".."],
}


class FileSystem:
    def __init__(self, at):
        self.at, self.known, self.numbers = at, {1: ()}, {(): 1}

    def number(self, path):
        if path not in self.numbers:
            self.numbers[path] = len(self.known) + 1
            self.known[self.numbers[path]] = path
        return self.numbers[path]

    def attributes(self, path):
        is_dir = path in LISTS
        mode, size = (stat.S_IFDIR | 0o755, 0) if is_dir else (stat.S_IFREG | 0o644, len(CONTENT))
        return ATTRIBUTES.pack(self.number(path), size, 1, 10**9, 10**9, 10**9, 0, 0, 0, mode, 2 if is_dir else 1, os.getuid(), os.getgid(), 0, 4096, 0)

    def listing(self, path, offset, room):
        out, names = b"", LISTS[path]
        endless = path[-1:] == (b"endless",) and os.path.exists(self.at + ".endless")
        while True:
            if offset < len(names):
                name = names[offset]
            elif endless:
                name = b"%020d" % offset
            else:
                return out
            entry = struct.pack("<QQII", 2 + offset, offset + 1, len(name), 0) + name
            entry += bytes(-len(entry) % 8)
            if len(out) + len(entry) > room:
                return out
            out, offset = out + entry, offset + 1

    def answer(self, code, node, body):
        """The answer to one request: bytes, or a number of an error; None where none is wanted."""
        path = self.known.get(node)
        if code == INIT:
            return struct.pack("<IIIIHHIIHHI7I", 7, 31, 1 << 16, 0, 12, 10, 1 << 16, 1, 16, 0, 0, *[0] * 7)
        if code in (FORGET, BATCH_FORGET, INTERRUPT):
            return None
        if code == STATFS:
            return struct.pack("<5Q10I", 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 4096, 255, 4096, *[0] * 7)
        if path is None:
            return errno.ESTALE
        if code == LOOKUP:
            below = (*path, body.rstrip(b"\0"))
            if below not in LISTS and (below[-1].startswith((b"gone", b"0")) or path not in LISTS or below[-1] not in LISTS[path]):
                return errno.ENOENT
            return struct.pack("<4QII", self.number(below), 0, 0, 0, 0, 0) + self.attributes(below)
        if code == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self.attributes(path)
        if code in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, 0, 0)
        if code in (READ, READDIR):
            _, offset, size = struct.unpack_from("<QQI", body)
            return CONTENT[offset:offset + size] if code == READ else self.listing(path, offset, size)
        return b"" if code in (RELEASE, RELEASEDIR, FLUSH) else errno.ENOSYS

    def serve(self):
        fd = os.open("/dev/fuse", os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if libc.mount(b"hostile", self.at.encode(), b"fuse", 0, options) != 0:
            raise OSError(ctypes.get_errno(), "mount")
        print("ready", flush=True)
        while True:
            try:
                request = os.read(fd, 1 << 20)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                continue
            _, code, unique, node = struct.unpack_from("<IIQQ", request)
            answer = self.answer(code, node, request[40:])
            if answer is None:
                continue
            body, error = (b"", -answer) if isinstance(answer, int) else (answer, 0)
            try:
                os.write(fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
            except OSError:
                pass                                       # whoever asked has gone


if __name__ == "__main__":
    FileSystem(os.path.abspath(sys.argv[1])).serve()
