"""The judges, none of which knows the program: compare_trees.py, rsync, and reader.py with judge.py for what is in the store.

Each gives how many paths it compared, and the differences it found. What must stay true: a judge that fails to judge raises; it never passes.
"""
import os
import re
import resource
import subprocess
import sys
from argparse import Namespace
from collections import namedtuple
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
import compare_trees
import judge

# `where` is mirror, restored or store; `fact` is what differs; `wanted` and `found` are its values where the judge gives them. `of` is the lstat of SOURCE.
Difference = namedtuple("Difference", "judge where path fact wanted found of", defaults=[None, None, None])


def shown(difference):
    given = [value for value in (difference.wanted, difference.found) if value is not None]
    values = ": " * bool(given) + " | ".join(repr(value)[:90] for value in given)
    path = compare_trees.shown(difference.path)
    path = path if len(path) < 300 else f"{path[:100]}...{path[-100:]} ({len(path)} bytes)"
    return f"{difference.where}: {path}: {difference.fact}{values} ({difference.judge})"


class Collected(compare_trees.Comparison):
    """compare_trees, with its differences as values instead of lines."""

    def __init__(self, a, b, dirs, where, holes, ignore=()):
        names = [".backup", "lost+found", *ignore]
        super().__init__(Namespace(a=a, b=b, dir=dirs, ignore=names, no_owner=False, no_xattr=False, no_dir_mtime=False, holes=holes, max=1 << 60))
        self.where, self.found = where, []

    def tell(self, path, text):
        fact, _, values = text.partition(":")
        if text.startswith("only in"):
            fact = "missing" if text.endswith("A") else "extra"
        elif " | " in text and not values:
            fact, values = "kind", text
        elif text.startswith(("content", "cannot")):
            fact, values = text.split()[0], text
        self.found.append(Difference("compare_trees", self.where, path, fact, values.strip() or None))

    def differ(self, path, what, mine, yours):
        if what == "xattrs":
            mine, yours = ({key: value for key, value in one.items() if key not in RAW_ACL} for one in (mine, yours))
            if mine == yours:
                return
        self.found.append(Difference("compare_trees", self.where, path, what, mine, yours))

    def close(self):
        for side in (self.a, self.b):
            os.close(side.root)


def trees(a, b, dirs, where, holes=True, ignore=()):
    # Two descriptors a level; the program has the limit that it always has.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    comparison = Collected(a, b, [] if dirs == ["."] else dirs, where, holes, ignore)
    try:
        comparison.run()
    finally:
        comparison.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return comparison.paths, comparison.found


# For root, xfs lists each ACL once more under these names.
RAW_ACL = ("trusted.SGI_ACL_FILE", "trusted.SGI_ACL_DEFAULT")
LETTERS = {"c": "content", "s": "content", "t": "mtime", "T": "mtime", "p": "mode", "o": "owner", "g": "owner", "a": "xattrs", "x": "xattrs"}


def rsync(a, b, dirs, where, checksum=True):
    """What `rsync -aHAXnic --delete` would do; each path that it looks at is one comparison."""
    found, paths = [], 0
    for d in dirs:
        words = ["rsync", "-aHAXni8" + ("c" if checksum else ""), "--delete", "--modify-window=-1", "--stats", "--out-format=%i|%n",
                 "--exclude=/.backup", "--exclude=/lost+found", "--filter=-x system.*", "--filter=-x trusted.SGI_ACL_*", f"{a}/{d}/", f"{b}/{d}/"]
        done = subprocess.run(words, capture_output=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
        if done.returncode != 0:
            raise RuntimeError(f"rsync cannot judge: {done.stderr.decode(errors='replace')[:500]}")
        for line in done.stdout.split(b"\n"):
            kind, bar, name = line.partition(b"|")
            if line.startswith(b"Number of files: "):
                paths += int(re.match(rb"Number of files: ([\d,]+)", line)[1].replace(b",", b""))
            elif bar:
                found += itemised(kind.decode(), name, d, where)
    return paths, found


def itemised(kind, name, d, where):
    name = re.sub(rb"\\#(\d{3})", lambda hit: bytes([int(hit[1], 8)]), name).rstrip(b"/")
    path = d.encode() if name == b"." else d.encode() + b"/" + name
    if kind.startswith("*deleting"):
        facts = ["extra"]
    elif "+++" in kind:
        facts = ["missing"]
    else:
        facts = [LETTERS[letter] for letter in kind[2:] if letter in LETTERS]
        if kind[0] == "h":
            facts.append("first hard link")
        if kind[0] == "c" and "L" in kind[:2]:
            facts.append("target")
        if not facts:
            facts = [f"itemised as {kind}"]
    return [Difference("rsync", where, path, fact) for fact in dict.fromkeys(facts)]


class Store:
    """A store as reader.py reads it: every pack, index and snapshot proved."""

    def __init__(self, path):
        self.proved = judge.Proved(str(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proved.close()

    @property
    def wrongs(self):
        return self.proved.wrongs

    def equals(self, number, listing):
        """A snapshot against a listing that was taken of the source."""
        found, stored = [], self.proved.listing_of(number)
        for path in sorted(listing.keys() | stored.keys()):
            wanted, have = listing.get(path), stored.get(path)
            if wanted is None or have is None:
                found.append(Difference("reader", "store", path, "extra" if wanted is None else "missing", wanted and wanted.kind, have and have.kind))
                continue
            for field, x, y in zip(judge.Fact._fields, wanted, have):
                if x != y:
                    fact = {"uid": "owner", "gid": "owner", "first": "first hard link"}.get(field, field)
                    if field == "xattrs":
                        x, y = ({os.fsdecode(key): value for key, value in one if os.fsdecode(key) not in RAW_ACL} for one in (x, y))
                        if x == y:
                            continue
                    found.append(Difference("reader", "store", path, fact, x, y))
        return len(listing), found


def listing(tree, dirs):
    return judge.listing(str(tree), dirs)
