#!/usr/bin/env python3
"""Do two trees hold the same? Judges what `backup` made without asking `backup`; needs nothing but Python 3.9 and Linux.

    compare_trees.py A B [--dir D]... [--ignore NAME]... [--no-owner] [--no-xattr] [--no-dir-mtime] [--holes] [--max N]

Everything below A and B is compared, or below each D of both: kind, mode, owner, mtime to the nanosecond, bytes, link targets, device
numbers, extended attributes (ACLs with them), and which names are hard links of each other. A and B themselves are not, and neither is what
lies directly in them under the name .backup, lost+found or NAME. With --holes a file of B may not take more room than it does in A, but for
64 KiB and 5 %. Prints a line for each difference, at most N (50). Exit status: 0 the same, 1 different, 2 could not compare.
"""
import argparse
import os
import resource
import stat
import sys

STEP = 1 << 20
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}


def shown(raw):
    """Bytes as one line that can be printed anywhere."""
    return raw.decode("utf-8", "backslashreplace").encode("unicode_escape").decode()


def next_data(fd, at, size):
    """Where data begins at or after `at`; `size` when only a hole is left."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError:  # ENXIO
        return size


def first_difference(a, b, size):
    """Offset at which two open files of this size differ, or None. What is a hole in both is not read."""
    at = 0
    while at < size:
        at = min(next_data(a, at, size), next_data(b, at, size))
        if at >= size:
            break
        x, y = os.pread(a, STEP, at), os.pread(b, STEP, at)
        if x != y:
            return at + next((n for n, pair in enumerate(zip(x, y)) if pair[0] != pair[1]), min(len(x), len(y)))
        if not x:
            return at  # both became shorter while we looked
        at += len(x)
    return None


class Side:
    """One of the trees."""

    def __init__(self, root):
        self.root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self.seen = {}  # inode -> the first of its names

    def names(self, fd):
        return {os.fsencode(name) for name in os.listdir(fd)}

    def leader(self, st, path):
        """The first name of what has several; names are met in the same order on both sides."""
        return self.seen.setdefault((st.st_dev, st.st_ino), path) if st.st_nlink > 1 else path

    @staticmethod
    def open(fd, name, flags=0):
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | flags, dir_fd=fd)

    @staticmethod
    def xattrs(fd, name):
        at = b"/proc/self/fd/%d/" % fd + name
        try:
            return {key: os.getxattr(at, key, follow_symlinks=False) for key in os.listxattr(at, follow_symlinks=False)}
        except OSError as error:
            return {"": os.fsencode(str(error.errno))}


class Comparison:
    def __init__(self, options):
        self.options, self.paths, self.differences = options, 0, 0
        self.a, self.b = Side(options.a), Side(options.b)

    def tell(self, path, text):
        self.differences += 1
        if self.differences <= self.options.max:
            print(f"{shown(path)}: {text}")

    def differ(self, path, what, mine, yours):
        self.tell(path, f"{what}: {mine} | {yours}")

    def run(self):
        starts = [os.fsencode(d).strip(b"/") for d in self.options.dir]
        if not starts:
            self.below(os.dup(self.a.root), os.dup(self.b.root), b"", {os.fsencode(n) for n in self.options.ignore})
        for start in starts:
            if start == b".":
                raise OSError("leave out --dir to compare everything")
            parents = []
            for side in (self.a, self.b):
                folder = os.path.dirname(start) or b"."
                parents.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=side.root))
            self.visit(*parents, os.path.basename(start), start)
            for fd in parents:
                os.close(fd)

    def visit(self, a, b, name, path):
        """One name on both sides, and all that is below it."""
        pair = self.one(a, b, name, path)
        if pair:
            self.below(*pair, path, set())

    def below(self, a, b, path, ignored):
        """Depth first, names sorted; only the directories on the way are open, and no depth is too deep."""
        levels = [(a, b, path, self.list(a, b, path, ignored))]
        while levels:
            a, b, path, names = levels[-1]
            if not names:
                os.close(a)
                os.close(b)
                levels.pop()
                continue
            name = names.pop()
            child = path + b"/" + name if path else name
            pair = self.one(a, b, name, child)
            if pair:
                levels.append((*pair, child, self.list(*pair, child, set())))

    def list(self, a, b, path, ignored):
        """The names that both have, the last one first."""
        try:
            mine, yours = self.a.names(a) - ignored, self.b.names(b) - ignored
        except OSError as error:
            self.tell(path, f"cannot be listed: {error.strerror}")
            return []
        for name in sorted(mine ^ yours):
            self.tell(path + b"/" + name if path else name, "only in A" if name in mine else "only in B")
        return sorted(mine & yours, reverse=True)

    def one(self, a, b, name, path):
        """Compares one name; gives two open descriptors if it is a directory on both sides."""
        self.paths += 1
        try:
            x, y = (os.stat(name, dir_fd=fd, follow_symlinks=False) for fd in (a, b))
            kinds = [KINDS[stat.S_IFMT(st.st_mode)] for st in (x, y)]
            if kinds[0] != kinds[1]:
                self.tell(path, f"{kinds[0]} | {kinds[1]}")
                return None
            self.facts(a, b, name, path, x, y)
            if kinds[0] == "directory":
                first = Side.open(a, name, os.O_DIRECTORY)
                try:
                    return first, Side.open(b, name, os.O_DIRECTORY)
                except OSError:
                    os.close(first)
                    raise
            if kinds[0] == "file" and x.st_size == y.st_size:
                self.content(a, b, name, path, x.st_size)
        except OSError as error:
            self.tell(path, f"cannot be compared: {error.strerror}")
        return None

    def facts(self, a, b, name, path, x, y):
        options, kind = self.options, stat.S_IFMT(x.st_mode)
        pairs = []
        if kind != stat.S_IFLNK:
            pairs.append(("mode", oct(stat.S_IMODE(x.st_mode)), oct(stat.S_IMODE(y.st_mode))))
        if not options.no_owner:
            pairs.append(("owner", (x.st_uid, x.st_gid), (y.st_uid, y.st_gid)))
        if kind != stat.S_IFDIR:
            pairs.append(("first hard link", shown(self.a.leader(x, path)), shown(self.b.leader(y, path))))
        if kind != stat.S_IFDIR or not options.no_dir_mtime:
            pairs.append(("mtime", x.st_mtime_ns, y.st_mtime_ns))
        if kind == stat.S_IFREG:
            pairs.append(("size", x.st_size, y.st_size))
        if kind == stat.S_IFLNK:
            pairs.append(("target", *(shown(os.readlink(name, dir_fd=fd)) for fd in (a, b))))
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            pairs.append(("device", *((os.major(st.st_rdev), os.minor(st.st_rdev)) for st in (x, y))))
        if not options.no_xattr:
            pairs.append(("xattrs", Side.xattrs(a, name), Side.xattrs(b, name)))
        for what, mine, yours in pairs:
            if mine != yours:
                self.differ(path, what, mine, yours)
        room = [st.st_blocks * 512 for st in (x, y)]
        if options.holes and kind == stat.S_IFREG and room[1] > room[0] + room[0] // 20 + (64 << 10):
            self.tell(path, f"bytes on disk: {room[0]} | {room[1]}")

    def content(self, a, b, name, path, size):
        first = Side.open(a, name)
        try:
            second = Side.open(b, name)
            try:
                at = first_difference(first, second, size)
            finally:
                os.close(second)
        finally:
            os.close(first)
        if at is not None:
            self.tell(path, f"content differs from byte {at} on")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--dir", action="append", default=[], metavar="D")
    parser.add_argument("--ignore", action="append", default=[".backup", "lost+found"], metavar="NAME")
    parser.add_argument("--no-owner", action="store_true")
    parser.add_argument("--no-xattr", action="store_true")
    parser.add_argument("--no-dir-mtime", action="store_true")
    parser.add_argument("--holes", action="store_true")
    parser.add_argument("--max", type=int, default=50, metavar="N")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        comparison = Comparison(options)
        comparison.run()
    except OSError as error:
        print(f"compare_trees: {error}", file=sys.stderr)
        return 2
    print(f"{comparison.paths} paths compared, {comparison.differences} differences")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main())
