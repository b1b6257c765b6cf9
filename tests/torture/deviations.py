"""The documented deviations: what a mirror cannot hold, as docs/fidelity.md has it, row by row under the same names.

A difference that a judge found is explained by a row or is a failure; a row that applied and never occurred is a failure too.
"""
import os
import re
import stat
from pathlib import Path
from world import ID

FIDELITY = Path(__file__).resolve().parent.parent.parent / "docs" / "fidelity.md"
SECOND = 10**9
LINKS = {"ext4": 65_000, "ext4-128": 65_000, "btrfs": 65_535}
MAJOR_ON_XFS, MINOR_ON_XFS = 511, (1 << 18) - 1
# The first and last time, in seconds, that a file system can hold, and its step in nanoseconds.
TIMES = {
    "ext4": (-(1 << 31), (3 << 32) + (1 << 31) - 1, 1),
    "ext4-128": (-(1 << 31), (1 << 31) - 1, SECOND),
    "xfs": (-(1 << 31), 16299260424, 1),
    "btrfs": (-(1 << 63), (1 << 63) - 1, 1),
}


def clamped(ns, kind):
    """A time as a file system keeps it: the nearest it has."""
    first, last, step = TIMES[kind]
    seconds = ns // SECOND
    if seconds >= last or seconds <= first:
        return (last if seconds >= last else first) * SECOND          # the kernel drops the fraction of the first and of the last second
    return ns // step * step


class Row:
    """One row of the table. `may` says whether it can occur in a world at all, and so must; `explains` whether it is about a difference."""

    def __init__(self, name, may, explains):
        self.name, self.may, self.explains = name, may, explains


def is_device(difference):
    return difference.of is not None and stat.S_IFMT(difference.of.st_mode) in (stat.S_IFCHR, stat.S_IFBLK)


def is_on_tree(difference):
    return difference.where in ("mirror", "restored")


def owners(world, d):
    return not world.is_root and is_on_tree(d) and d.fact == "owner" and d.found == (ID, ID)


def devices(world, d):
    return not world.is_root and is_on_tree(d) and d.fact == "missing" and is_device(d)


def device_numbers(world, d):
    if world.mirror != "xfs" or d.where != "mirror" or d.fact != "missing" or not is_device(d):
        return False
    return os.major(d.of.st_rdev) > MAJOR_ON_XFS or os.minor(d.of.st_rdev) > MINOR_ON_XFS


def missing(world, d, kind, mirrors, beyond):
    """Something of a kind that the file system of the mirror has no room for."""
    return (d.where == "mirror" and d.fact == "missing" and d.of is not None and stat.S_IFMT(d.of.st_mode) == kind and world.mirror.startswith(mirrors)
            and d.of.st_size > beyond)


def long_targets(world, d):
    return missing(world, d, stat.S_IFLNK, "xfs", 1023)


def large_files(world, d):
    return missing(world, d, stat.S_IFREG, "ext4", (1 << 44) - 4096)


def large_xattrs(world, d):
    """All attributes that are on the mirror are right, and those that are not would not fit in with them."""
    room = {"ext4": 4096, "ext4-128": 4096, "btrfs": 16384}.get(world.mirror)
    if room is None or d.where != "mirror" or d.fact != "xattrs" or not isinstance(d.wanted, dict):
        return False
    lost = d.wanted.keys() - d.found.keys()
    right = all(d.wanted.get(key) == value for key, value in d.found.items())
    kept = 0 if world.mirror == "btrfs" else sum(len(key) + len(value) + 20 for key, value in d.found.items())
    return right and all(kept + len(d.wanted[key]) + len(key) + 200 > room for key in lost)


def other_namespaces(world, d):
    """Attributes that only btrfs knows."""
    if d.where != "mirror" or world.mirror == "btrfs" or d.fact != "xattrs" or not isinstance(d.wanted, dict):
        return False
    return {key: value for key, value in d.wanted.items() if not key.startswith("btrfs.")} == d.found


def many_links(world, d):
    return d.where == "mirror" and d.fact == "first hard link" and d.of is not None and d.of.st_nlink > LINKS.get(world.mirror, 1 << 32)


def closed_xattrs(world, d):
    """What only root may set is not on the tree; all else is."""
    if world.is_root or d.fact != "xattrs" or not isinstance(d.wanted, dict):
        return False
    lost = [key for key in d.wanted if d.wanted[key] != d.found.get(key)]
    hidden = ("trusted.",) if d.where == "store" else ("trusted.", "security.")
    return all(key.startswith(hidden) for key in lost) and not d.found.keys() - d.wanted.keys()


def times(world, d):
    kind = world.mirror if d.where == "mirror" else world.source
    return is_on_tree(d) and d.fact == "mtime" and d.wanted is not None and d.found == clamped(d.wanted, kind) and d.found != d.wanted


ROWS = [
    Row("owner", lambda w: not w.is_root, owners),
    Row("device", lambda w: not w.is_root, devices),
    Row("device-number", lambda w: w.is_root and w.mirror == "xfs" and w.source != "xfs", device_numbers),
    Row("target-length", lambda w: w.mirror == "xfs" and w.source != "xfs", long_targets),
    Row("file-size", lambda w: w.mirror.startswith("ext4") and not w.source.startswith("ext4") and not w.quick, large_files),
    Row("xattr-size", lambda w: w.mirror.startswith("ext4") and not w.source.startswith("ext4"), large_xattrs),
    Row("xattr-kind", lambda w: w.source == "btrfs" and w.mirror != "btrfs" and not w.quick, other_namespaces),
    Row("links", lambda w: w.source == "xfs" and w.mirror in LINKS and not w.quick, many_links),
    Row("xattr", lambda w: not w.is_root, closed_xattrs),
    Row("time", lambda w: TIMES[w.mirror][0] > TIMES[w.source][0] or TIMES[w.mirror][1] < TIMES[w.source][1], times),
]


class Ledger:
    """Which rows occurred in a world."""

    def __init__(self, world):
        self.world, self.seen = world, {}

    def explain(self, differences):
        """The differences that no row explains. Judges that give no values are believed where one that does was explained on the same path and fact."""
        left, explained = [], set()
        for d in sorted(differences, key=lambda d: d.judge == "rsync"):
            row = next((row for row in ROWS if row.explains(self.world, d)), None)
            if row:
                self.seen[row.name] = self.seen.get(row.name, 0) + 1
                explained |= {(d.where, d.path, d.fact), (d.where, d.path)}
            # Where another name of a file has another time, rsync would make the link anew.
            elif d.judge != "rsync" or not explained & {(d.where, d.path, d.fact), (d.where, d.path) if d.fact == "first hard link" else None}:
                left.append(d)
        return left

    def silent(self):
        """Rows that had to occur and did not."""
        return [row.name for row in ROWS if row.may(self.world) and row.name not in self.seen]


def undocumented():
    """Rows without a line in docs/fidelity.md, and lines without a row."""
    lines = {hit[1] for hit in re.finditer(r"^\| `([a-z-]+)` \|", FIDELITY.read_text(), re.M)}
    return lines ^ {row.name for row in ROWS}
