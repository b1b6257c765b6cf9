#!/usr/bin/env python3
"""The eyes of the campaign of histories: makes plain copies of trees and compares trees. One JSON object a line in, one answer a line out.

  {"op":"copy","tree":A,"to":B,"dirs":[D...],"exclude":[G...]}      copies each D of A to B, all that a tree can hold
  {"op":"same","a":A,"b":B,"dirs":[D...], ...}                      both hold the same (compare_trees.py); besides:
        "exclude":[G...]  what matches is looked at on neither side     "skip":[P...]  nor are these, and what is below them
        "holes":true      B takes no more room than A                   "more":true    B may have more names than A
  {"op":"clear","tree":A,"dirs":[D...],"exclude":[G...]}            removes what the globs name
  {"op":"verify","store":S}                                         tests/reader.py finds the store in order

An answer is {"ok":true}, or {"ok":false,"why":TEXT}; of "same", with "hard":[P...], the paths of what is more than the metadata of a directory
and the grouping of links. All strings are bytes, each byte a character. D "." is the whole tree but for .backup and
lost+found. What must stay true: nothing of the program is used here; and what a copy would not hold is an error, not left out.
"""
import contextlib
import io
import json
import os
import re
import shutil
import stat
import sys
import traceback
from types import SimpleNamespace

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import compare_trees
import reader

OURS = (b".backup", b"lost+found")
STEP = 1 << 20


def raw(text):
    return text.encode("latin-1")


# ------------------------------------------------------------------------------------------------------------ globs

def pattern(glob):
    """A glob of EXCLUDE as an expression over bytes: * does not cross a slash, a leading **/ is any number of directories."""
    begin, glob = (b"(?:.*/)?", glob[3:]) if glob.startswith(b"**/") else (b"", glob)
    return re.compile(begin + b"[^/]*".join(re.escape(part) for part in glob.split(b"*")), re.DOTALL)


class Excluded:
    """What is left out: a glob without a slash matches a name anywhere, one with a slash the whole path."""

    def __init__(self, globs):
        globs = [raw(glob) for glob in globs]
        self.names = [pattern(glob) for glob in globs if b"/" not in glob]
        self.paths = [pattern(glob) for glob in globs if b"/" in glob]

    def __bool__(self):
        return bool(self.names or self.paths)

    def has(self, path):
        name = path.rsplit(b"/", 1)[-1]
        return any(p.fullmatch(name) for p in self.names) or any(p.fullmatch(path) for p in self.paths)


# ------------------------------------------------------------------------------------------------------------ copies

def names_in(folder, path):
    return sorted(name for name in os.listdir(folder) if path or name not in OURS)


def joined(path, name):
    return path + b"/" + name if path else name


class Copier:
    def __init__(self, tree, to, excluded):
        self.tree, self.to, self.excluded, self.links = tree, to, excluded, {}

    def copy(self, path):
        if path and self.excluded.has(path):
            return
        here, there = os.path.join(self.tree, path) if path else self.tree, os.path.join(self.to, path) if path else self.to
        st = os.lstat(here)
        kind = stat.S_IFMT(st.st_mode)
        if kind != stat.S_IFDIR and st.st_nlink > 1:
            first = self.links.setdefault((st.st_dev, st.st_ino), there)
            if first != there:
                os.link(first, there, follow_symlinks=False)
                return
        if kind == stat.S_IFDIR:
            os.makedirs(there, exist_ok=True)
            for name in names_in(here, path):
                self.copy(joined(path, name))
        elif kind == stat.S_IFREG:
            copy_content(here, there, st.st_size)
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink(here), there)
        else:
            os.mknod(there, st.st_mode, st.st_rdev)
        copy_facts(here, there, st)


def copy_content(here, there, size):
    a = os.open(here, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    b = os.open(there, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.ftruncate(b, size)
        at = compare_trees.next_data(a, 0, size)
        while at < size:
            end = os.lseek(a, at, os.SEEK_HOLE)
            while at < end:
                part = os.pread(a, min(STEP, end - at), at)
                at += os.pwrite(b, part, at)
            at = compare_trees.next_data(a, at, size)
    finally:
        os.close(a)
        os.close(b)


def copy_facts(here, there, st):
    """Owner first, which clears bits of the mode and capabilities; then the mode, of which the access list is the finer version."""
    os.chown(there, st.st_uid, st.st_gid, follow_symlinks=False)
    is_link = stat.S_ISLNK(st.st_mode)
    if not is_link:
        os.chmod(there, stat.S_IMODE(st.st_mode))
    wanted = os.listxattr(here, follow_symlinks=False)
    for name in set(os.listxattr(there, follow_symlinks=False)) - set(wanted):
        os.removexattr(there, name, follow_symlinks=False)
    for name in wanted:
        os.setxattr(there, name, os.getxattr(here, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(there, ns=(st.st_mtime_ns, st.st_mtime_ns), follow_symlinks=False)


# ------------------------------------------------------------------------------------------------------ comparisons

class Comparison(compare_trees.Comparison):
    def __init__(self, options):
        super().__init__(options)
        self.lines, self.hard, self.is_soft = [], [], False

    def list(self, a, b, path, ignored):
        options = self.options
        if options.exclude or options.skip:
            names = {os.fsencode(name) for name in os.listdir(a) + os.listdir(b)}
            leave = {n for n in names if options.exclude.has(joined(path, n)) or joined(path, n) in options.skip}
            ignored = ignored | leave
        return super().list(a, b, path, ignored)

    def tell(self, path, text):
        if not (self.options.more and text == "only in B"):
            self.differences += 1
            self.lines.append(f"{compare_trees.shown(path)}: {text}")
            if not self.is_soft and not text.startswith("first hard link"):
                self.hard.append(path.decode("latin-1"))

    def facts(self, a, b, name, path, x, y):
        self.is_soft = stat.S_ISDIR(x.st_mode)
        super().facts(a, b, name, path, x, y)
        self.is_soft = False


def same(a, b, dirs, exclude, skip, holes, more):
    wanted, dirs = dirs, [d for d in dirs if d != b"." and d not in skip]
    for d in dirs:
        there = [os.path.lexists(os.path.join(tree, d)) for tree in (a, b)]
        if there[0] != there[1]:
            return [f"{compare_trees.shown(d)}: only in " + ("A" if there[0] else "B")], [d.decode("latin-1")]
    here = [d for d in dirs if os.path.lexists(os.path.join(a, d))]
    if not here and b"." not in wanted:
        return [], []
    options = SimpleNamespace(a=a, b=b, dir=[os.fsdecode(d) for d in here], ignore=[os.fsdecode(name) for name in OURS], no_owner=False,
                              no_xattr=False, no_dir_mtime=False, holes=holes, max=0, exclude=exclude, skip=skip, more=more)
    comparison = Comparison(options)
    try:
        comparison.run()
    finally:
        os.close(comparison.a.root)
        os.close(comparison.b.root)
    return comparison.lines, comparison.hard


# -------------------------------------------------------------------------------------------------------- questions

def clear(tree, path, excluded):
    here = os.path.join(tree, path) if path else tree
    if path and excluded.has(path):
        shutil.rmtree(here) if stat.S_ISDIR(os.lstat(here).st_mode) else os.unlink(here)
    elif os.path.lexists(here) and stat.S_ISDIR(os.lstat(here).st_mode):
        for name in names_in(here, path):
            clear(tree, joined(path, name), excluded)


def verify(store):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = reader.main([os.fsdecode(store), "verify"])
    return [] if code == 0 else [f"reader.py ends with {code}: {said.getvalue().strip()}"]


def answer(q):
    excluded = Excluded(q.get("exclude", []))
    dirs = [raw(d) for d in q.get("dirs", [])]
    if q["op"] == "copy":
        copier = Copier(raw(q["tree"]), raw(q["to"]), excluded)
        os.makedirs(copier.to, exist_ok=True)
        for d in dirs:
            if d == b".":
                for name in names_in(copier.tree, b""):
                    copier.copy(name)
            elif os.path.lexists(os.path.join(copier.tree, d)):
                os.makedirs(os.path.dirname(os.path.join(copier.to, d)), exist_ok=True)
                copier.copy(d)
        return [], []
    if q["op"] == "same":
        skip = {raw(path) for path in q.get("skip", [])}
        return same(raw(q["a"]), raw(q["b"]), dirs, excluded, skip, q.get("holes", False), q.get("more", False))
    if q["op"] == "clear":
        for d in dirs:
            clear(raw(q["tree"]), b"" if d == b"." else d, excluded)
        return [], []
    return verify(raw(q["store"])), []


def main():
    for line in sys.stdin:
        try:
            lines, hard = answer(json.loads(line))
            result = {"ok": not lines, "why": "; ".join(lines[:8]), "hard": hard}
        except Exception:
            result = {"ok": False, "why": "the judge failed: " + traceback.format_exc().replace("\n", " | ")}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
