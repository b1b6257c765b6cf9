#!/usr/bin/env python3
"""Tests of compare_trees.py: it must see every difference, or it proves nothing."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOL = Path(__file__).with_name("compare_trees.py")
ROOT = os.geteuid() == 0


class Trees(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.a, self.b = self.folder / "a", self.folder / "b"
        (self.a / "d/e").mkdir(parents=True)
        (self.a / "d/file").write_bytes(b"content\n")
        (self.a / "d/e/other").write_bytes(b"content\n")
        (self.a / "one").write_bytes(b"links")
        os.link(self.a / "one", self.a / "two")
        (self.a / "link").symlink_to("d/file")
        os.mkfifo(self.a / "pipe")
        with open(self.a / "sparse", "wb") as f:
            f.truncate(8 << 20)
            f.seek(4 << 20)
            f.write(b"x")
        os.setxattr(self.a / "d/file", "user.note", b"1")
        subprocess.run(["cp", "-a", self.a, self.b], check=True)

    def compare(self, *words):
        out = subprocess.run([sys.executable, TOOL, *words, self.a, self.b], capture_output=True, text=True)
        return out.returncode, out.stdout.splitlines()[:-1]

    def test_a_copy_is_the_same(self):
        self.assertEqual(self.compare("--holes"), (0, []))
        (self.b / ".backup").mkdir()
        (self.b / "lost+found").mkdir()
        self.assertEqual(self.compare(), (0, []))

    def test_every_difference_is_seen(self):
        keep = lambda path: os.stat(path).st_mtime_ns
        def changed(path, change):
            folder, path = self.b / os.path.dirname(path), self.b / path
            times = keep(folder), os.stat(path, follow_symlinks=False).st_mtime_ns
            change(path)
            if os.path.lexists(path):
                os.utime(path, ns=(times[1],) * 2, follow_symlinks=False)
            os.utime(folder, ns=(times[0],) * 2)
        def replaced(make):
            return lambda path: (path.unlink(), make(path))
        cases = {
            "content": ("d/file", lambda p: p.write_bytes(b"cOntent\n")),
            "size": ("d/file", lambda p: p.write_bytes(b"content")),
            "mode": ("d/e", lambda p: p.chmod(0o700)),
            "xattrs": ("d/file", lambda p: os.setxattr(p, "user.note", b"2")),
            "only in A": ("d/e/other", lambda p: p.unlink()),
            "only in B": ("d", lambda p: (p / "new").write_bytes(b"")),
            "target": ("link", replaced(lambda p: p.symlink_to("d/e"))),
            "file | symlink": ("d/file", replaced(lambda p: p.symlink_to("x"))),
            "first hard link": ("two", lambda p: (p.unlink(), p.write_bytes(b"links"), p.chmod(0o644))),
            "byte 4194304": ("sparse", lambda p: (p.write_bytes(b""), os.truncate(p, 8 << 20))),
        }
        if ROOT:
            cases["owner"] = ("d/e", lambda p: os.chown(p, 1234, 0))
        for what, (path, change) in cases.items():
            with self.subTest(what):
                shutil.rmtree(self.b)
                subprocess.run(["cp", "-a", self.a, self.b], check=True)
                changed(path, change)
                status, said = self.compare()
                self.assertEqual(status, 1)
                self.assertEqual(len(said), 1, said)
                self.assertIn(what, said[0])

    def test_times_count_to_the_nanosecond(self):
        mtime = os.stat(self.b / "d").st_mtime_ns
        os.utime(self.b / "d", ns=(mtime, mtime + 1))
        self.assertEqual(self.compare()[0], 1)
        self.assertEqual(self.compare("--no-dir-mtime"), (0, []))

    def test_holes_count_when_asked(self):
        mtime = os.stat(self.b / "sparse").st_mtime_ns
        with open(self.b / "sparse", "r+b") as f:
            f.write(bytes(4 << 20))
        os.utime(self.b / "sparse", ns=(mtime, mtime))
        self.assertEqual(self.compare(), (0, []))
        self.assertEqual(self.compare("--holes")[0], 1)

    def test_dirs_limit_what_is_compared(self):
        (self.b / "new").write_bytes(b"")
        self.assertEqual(self.compare("--dir", "d", "--dir", "one"), (0, []))
        (self.b / "d/e/new").write_bytes(b"")
        self.assertEqual(self.compare("--dir", "d/e")[0], 1)
        self.assertEqual(self.compare("--dir", "gone")[0], 1)

    def test_what_is_not_there_cannot_be_compared(self):
        shutil.rmtree(self.b)
        self.assertEqual(self.compare()[0], 2)


if __name__ == "__main__":
    unittest.main()
