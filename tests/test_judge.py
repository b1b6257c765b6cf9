#!/usr/bin/env python3
"""Tests of judge.py: each of its operations can say no. The stores are made by the writer of test_reader.py, from format-spec.md alone."""
import json, os, shutil, subprocess, sys, tempfile, unittest
from pathlib import Path

import judge
import reader
from test_reader import Writer

ROOT = os.geteuid() == 0
KINDS = {name: number for number, name in judge.NODES.items()}


def entry(name, fact, tree):
    """What the writer of test_reader.py wants, of one name on a tree."""
    out = dict(path=name, mode=fact.mode, uid=fact.uid, gid=fact.gid, mtime=fact.mtime, xattrs=fact.xattrs, kind=KINDS[fact.kind])
    if fact.first != name:
        out |= dict(kind=reader.HARDLINK, target=fact.first)
    elif fact.kind == "symlink":
        out |= dict(target=fact.target)
    elif fact.size:
        out |= dict(parts=[(tree / os.fsdecode(name)).read_bytes()])
    return out


class Judged(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.judge = judge.Judge()
        self.tree = self.make("tree")

    def make(self, name):
        root = self.folder / name
        (root / "d/e").mkdir(parents=True)
        (root / "d/file").write_bytes(b"content\n")
        (root / "d/e/other").write_bytes(b"other\n" * 1000)
        (root / "d/e-").write_bytes(b"sorted after e/other")
        (root / "d/one").write_bytes(b"links")
        os.link(root / "d/one", root / "d/two")
        os.symlink("file", root / "d/link")
        os.mkfifo(root / "d/pipe")
        (root / "d/empty").touch()
        (root / ".backup").mkdir()
        (root / "beside").write_bytes(b"not in a dir")
        for at, dirs, files in os.walk(root, topdown=False):
            for item in dirs + files:
                os.utime(os.path.join(at, item), ns=(10**18 + 1, 10**18 + 1), follow_symlinks=False)
        return root

    def ask(self, op, **more):
        answer = self.judge.answer(json.dumps({"op": op, **{k: str(v) if isinstance(v, Path) else v for k, v in more.items()}}))
        self.assertNotIn("error", answer)
        return answer

    def yes(self, op, **more):
        answer = self.ask(op, **more)
        self.assertTrue(answer["ok"], answer)
        return answer

    def no(self, text, op, **more):
        answer = self.ask(op, **more)
        self.assertFalse(answer["ok"])
        self.assertRegex(answer["why"], text)

    def remember(self, name, tree=None):
        return self.yes("remember", name=name, tree=tree or self.tree, dirs=["d"])


class OfTrees(Judged):
    def test_each_difference_of_a_tree_is_seen(self):
        self.assertEqual(self.remember("n")["count"], 10)
        tree = {"tree": self.tree, "dirs": ["d"], "equals": "n"}
        self.yes("tree", **tree)
        d = self.tree / "d"

        def after(text, change):
            shutil.rmtree(self.tree)
            self.make("tree")
            change()
            self.no(text, "tree", **tree)

        after("^d/file: .*content ", lambda: (d / "file").write_bytes(b"cOntent\n"))
        after("^d/file: .*size 7 ", lambda: (d / "file").write_bytes(b"content"))
        after("d/file: missing", lambda: (d / "file").unlink())
        after("d/new: too much", lambda: (d / "new").touch())
        after("^d/file: .*mode ", lambda: (d / "file").chmod(0o601))
        after("^d/file: .*mtime ", lambda: os.utime(d / "file", ns=(1, 1)))
        after("^d: mtime ", lambda: os.utime(d, ns=(1, 1)))
        after("d/link: .*target ", lambda: ((d / "link").unlink(), os.symlink("filE", d / "link")))
        after("d/pipe: kind ", lambda: ((d / "pipe").unlink(), (d / "pipe").touch()))
        after("d/two: .*mtime ", lambda: ((d / "two").unlink(), (d / "two").write_bytes(b"links")))
        after("d/two: first ", lambda: ((d / "two").unlink(), (d / "two").write_bytes(b"links"), os.utime(d / "two", ns=(10**18 + 1,) * 2)))
        after("^d/file: xattrs ", lambda: os.setxattr(d / "file", "user.note", b"1"))
        after("d: missing", lambda: shutil.rmtree(d))
        if ROOT:
            after("^d/file: .*uid ", lambda: os.chown(d / "file", 1, -1))
            after("^d/file: .*gid ", lambda: os.chown(d / "file", -1, 1))

    def test_all_of_a_tree_is_all_but_what_is_ours(self):
        self.yes("remember", name="all", tree=self.tree, dirs=["."])
        self.assertIn(b"beside", self.judge.names["all"])
        self.assertNotIn(b".backup", self.judge.names["all"])
        (self.tree / "beside").unlink()
        self.no("beside: missing", "tree", tree=self.tree, dirs=["."], equals="all")

    def test_a_mixture_has_whole_files_of_either_night_and_all_that_both_have(self):
        self.remember("old")
        new = self.make("new")
        (new / "d/file").write_bytes(b"newer\n")
        (new / "d/e/other").unlink()
        (new / "d/added").write_bytes(b"added")
        self.remember("new", new)
        mixture = {"tree": self.tree, "dirs": ["d"], "of": ["old", "new"]}
        self.yes("mixture", **mixture)
        self.yes("mixture", **(mixture | {"tree": new}))
        (self.tree / "d/file").write_bytes(b"newer\n")
        (self.tree / "d/added").write_bytes(b"added")
        self.yes("mixture", **mixture)
        (self.tree / "d/added").write_bytes(b"add")
        self.no("d/added: file of 3 bytes", "mixture", **mixture)
        (self.tree / "d/added").unlink()
        (self.tree / "d/file").write_bytes(b"newent\n\n")
        self.no("d/file: file of 8 bytes", "mixture", **mixture)
        (self.tree / "d/file").unlink()
        self.yes("mixture", **mixture)
        (self.tree / "d/one").unlink()
        self.no("d/one: missing", "mixture", **mixture)
        (self.tree / "d/one").write_bytes(b"links")
        (self.tree / "d/foreign").write_bytes(b"foreign")
        self.no("d/foreign", "mixture", **mixture)

    def test_what_is_on_no_tree_is_lost(self):
        self.remember("n")
        other = self.make("other")
        kept = {"of": ["n"], "trees": [str(self.tree), str(other)], "stores": [str(self.folder / "no store")]}
        self.yes("kept", **kept)
        shutil.rmtree(self.tree / "d")
        self.yes("kept", **kept)
        (other / "d/empty").unlink()
        (other / "d/file").rename(other / "elsewhere")
        self.yes("kept", **kept)
        (other / "elsewhere").rename(other / ".backup/stage")
        self.no("lost: d/file", "kept", **kept)
        (other / "d/link").unlink()
        self.no("lost: d/file, d/link", "kept", **kept)


class OfStores(Judged):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "store"
        self.writer = Writer(str(self.path))
        self.last = 0
        self.remember("n")
        self.snapshot(self.tree)

    def snapshot(self, tree):
        """Puts a listing of a tree into the store, as an honest program would."""
        self.last += 1
        self.writer.snapshot(self.last, [entry(name, fact, tree) for name, fact in judge.listing(tree, ["d"]).items()])

    def test_a_snapshot_is_what_the_tree_was(self):
        self.yes("snapshot", store=self.path, sequence=1, equals="n")
        self.no("there is no snapshot 2", "snapshot", store=self.path, sequence=2, equals="n")
        (self.tree / "d/file").write_bytes(b"cOntent\n")
        os.utime(self.tree / "d/file", ns=(10**18 + 1,) * 2)
        self.remember("changed")
        self.no("^d/file: content ", "snapshot", store=self.path, sequence=1, equals="changed")
        self.snapshot(self.tree)
        self.yes("snapshot", store=self.path, sequence=2, equals="changed")
        self.yes("snapshot", store=self.path, sequence=1, equals="n")
        self.assertEqual([row["sequence"] for row in self.yes("verify", store=self.path)["snapshots"]], [1, 2])

    def test_what_is_in_a_store_is_kept(self):
        shutil.rmtree(self.tree / "d")
        self.no("lost: d/e/other", "kept", of=["n"], trees=[str(self.tree)], stores=[])
        self.yes("kept", of=["n"], trees=[str(self.tree)], stores=[str(self.path)])

    def test_marks_and_owners_in_a_store_are_found(self):
        nobody = 12345
        self.yes("free", store=self.path, of=["tent-of-no-file"], uid=nobody)
        self.no("holds othe", "free", store=self.path, of=["tent-of-no-file", "othe"], uid=nobody)
        self.no("of kind 1, holds pip", "free", store=self.path, of=["pip"], uid=nobody)
        self.no("snapshot 1: d.* is of user", "free", store=self.path, of=[], uid=os.stat(self.tree / "d").st_uid)
        self.no("no store", "free", store=self.folder / "nowhere", of=[], uid=nobody)

    def test_no_damage_of_a_store_is_overlooked(self):
        files = [p for p in self.path.rglob("*") if p.is_file()]
        self.assertGreaterEqual(len(files), 4)
        self.yes("verify", store=self.path)
        for path in files:
            whole = path.read_bytes()
            for damaged in (whole[:-1], whole[:20] + bytes([whole[20] ^ 1]) + whole[21:], whole + b"\0"):
                path.write_bytes(damaged)
                self.no(".", "verify", store=self.path)
                path.write_bytes(whole)
        self.yes("verify", store=self.path)
        pack = next(p for p in files if p.suffix == ".pack")
        pack.unlink()
        self.no("is missing", "verify", store=self.path)
        self.no("is in no pack", "snapshot", store=self.path, sequence=1, equals="n")
        shutil.rmtree(self.tree / "d")
        self.no("lost:", "kept", of=["n"], trees=[str(self.tree)], stores=[str(self.path)])


class OfLines(unittest.TestCase):
    def test_no_line_ends_it(self):
        lines = ["", "nonsense", "[]", "{}", '{"op":5}', '{"op":"tree"}', '{"op":"verify","store":"/dev/null/x"}', '{"op":"remember","name":"x"}',
                 '{"op":"remember","name":"x","tree":"/nowhere \\udcff","dirs":["."]}', '{"op":"forget","names":[]}']
        out = subprocess.run([sys.executable, judge.__file__], input="\n".join(lines).encode(), capture_output=True, check=True)
        answers = [json.loads(line) for line in out.stdout.splitlines()]
        self.assertEqual([a["ok"] for a in answers], [False] * 6 + [True, False, False, True], out)
        self.assertTrue(all(a.get("error") for a in answers[:6]))


if __name__ == "__main__":
    unittest.main()
