"""Are the judges of the torture test judges? Each difference is found by the one and by the other, and no documented deviation explains what it should not."""
import os
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent / "torture"))
import deviations
import judges

NS = 10**9


def furnish(root):
    d = root / "d"
    (d / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (d / name).write_bytes(b"content " * 100)
    (d / "link").symlink_to("a")
    os.mkfifo(d / "fifo")
    os.link(d / "a", d / "a2")
    os.setxattr(d / "a", "user.x", b"1")
    for path in ("a", "b", "sub/c", "link", "fifo", "sub", "."):
        os.utime(d / path, ns=(0, 10**18), follow_symlinks=False)


def rename_to(path, odd):
    path.rename(path.with_name(odd))


def keep_time(deed):
    def done(d):
        deed(d)
        for path in (d, d / "sub", *d.iterdir()):
            if path.exists() and not path.is_symlink():
                os.utime(path, ns=(0, 10**18))
    return done


def rewrite(d):
    (d / "b").write_bytes(b"CONTENT " * 100)


def part(d):
    (d / "a2").unlink()
    (d / "a2").write_bytes((d / "a").read_bytes())
    os.setxattr(d / "a2", "user.x", b"1")


DEEDS = {
    "missing": lambda d: (d / "sub/c").unlink(), "extra": lambda d: (d / "sub/new").write_bytes(b""), "mode": lambda d: (d / "a").chmod(0o600),
    "content": rewrite, "first hard link": part, "xattrs": lambda d: os.setxattr(d / "a", "user.x", b"2"), "owner": lambda d: os.chown(d / "fifo", 5, 5),
}


class Judges(unittest.TestCase):
    def both(self, deed):
        with tempfile.TemporaryDirectory() as folder:
            one, two = Path(folder) / "one", Path(folder) / "two"
            for root in (one, two):
                furnish(root)
            deed(two / "d")
            return [judge(one, two, ["d"], "mirror") for judge in (judges.trees, judges.rsync)]

    def test_equal_trees_have_no_differences_and_all_paths_are_counted(self):
        for paths, found in self.both(lambda d: None):
            self.assertEqual((paths, found), (8, []))

    @unittest.skipUnless(os.geteuid() == 0, "gives files away")
    def test_each_difference_is_found_by_both(self):
        for fact, deed in DEEDS.items():
            for _, found in self.both(keep_time(deed)):
                self.assertIn(fact, {d.fact for d in found}, fact)

    def test_a_nanosecond_is_a_difference(self):
        for _, found in self.both(lambda d: os.utime(d / "b", ns=(0, 10**18 + 1))):
            self.assertEqual([(d.path, d.fact) for d in found], [(b"d/b", "mtime")])

    def test_names_come_back_from_rsync_as_they_are(self):
        odd = os.fsdecode(b"n\n\\#134\xff\\")
        for _, found in self.both(keep_time(lambda d: rename_to(d / "b", odd))):
            self.assertIn(b"d/" + os.fsencode(odd), {d.path for d in found if d.fact == "extra"})

    def test_a_judge_that_cannot_judge_raises(self):
        with self.assertRaises(RuntimeError):
            judges.rsync("/nowhere", "/nowhere", ["d"], "mirror")
        with self.assertRaises(OSError):
            judges.trees("/nowhere", "/nowhere", ["d"], "mirror")


def world(mirror, user="root", source="xfs"):
    return SimpleNamespace(source=source, mirror=mirror, user=user, is_root=user == "root", quick=True)


def difference(fact, wanted, found, judge="compare_trees", where="mirror"):
    return judges.Difference(judge, where, b"d/a", fact, wanted, found)


class Deviations(unittest.TestCase):
    def left(self, where, *differences):
        return len(deviations.Ledger(where).explain(list(differences)))

    def test_a_time_is_explained_only_as_the_nearest_that_can_be_held(self):
        late, last = (1 << 40) * NS, ((3 << 32) + (1 << 31) - 1) * NS
        self.assertEqual(self.left(world("ext4"), difference("mtime", late, last)), 0)
        self.assertEqual(self.left(world("ext4"), difference("mtime", late, last - 1)), 1)
        self.assertEqual(self.left(world("ext4"), difference("mtime", 5, 6)), 1)
        self.assertEqual(self.left(world("ext4-128"), difference("mtime", -1, -NS)), 0)
        self.assertEqual(self.left(world("ext4-128"), difference("mtime", NS + 7, 2 * NS)), 1)
        self.assertEqual(self.left(world("btrfs"), difference("mtime", late, last)), 1)

    def test_an_owner_is_explained_only_to_a_user_and_only_as_that_user(self):
        ours = (deviations.ID, deviations.ID)
        self.assertEqual(self.left(world("ext4", "user"), difference("owner", (0, 0), ours)), 0)
        self.assertEqual(self.left(world("ext4", "user"), difference("owner", (0, 0), (1, 1))), 1)
        self.assertEqual(self.left(world("ext4", "user"), difference("owner", (0, 0), ours, where="store")), 1)
        self.assertEqual(self.left(world("ext4"), difference("owner", (0, 0), ours)), 1)

    def test_attributes_that_a_user_may_set_are_not_explained(self):
        for name, count in {"trusted.a": 0, "security.capability": 0, "user.a": 1, "system.posix_acl_access": 1}.items():
            self.assertEqual(self.left(world("ext4", "user"), difference("xattrs", {name: b"1"}, {})), count, name)
            self.assertEqual(self.left(world("ext4"), difference("xattrs", {name: b"1"}, {})), 1, name)
        self.assertEqual(self.left(world("ext4"), difference("xattrs", {"user.a": b"1" * 5000, "user.b": b"2"}, {"user.b": b"2"})), 0)
        self.assertEqual(self.left(world("xfs"), difference("xattrs", {"user.a": b"1" * 5000}, {})), 1)

    def test_rsync_is_believed_where_the_other_judge_was_explained(self):
        seen, named = difference("mtime", NS + 7, NS), difference("mtime", None, None, judge="rsync")
        self.assertEqual(self.left(world("ext4-128"), named, seen), 0)
        self.assertEqual(self.left(world("ext4-128"), named), 1)
        linked = difference("first hard link", None, None, judge="rsync")
        self.assertEqual(self.left(world("ext4-128"), linked, seen), 0)
        self.assertEqual(self.left(world("ext4-128"), linked), 1)

    def test_the_table_and_the_code_have_the_same_rows(self):
        self.assertEqual(deviations.undocumented(), set())


if __name__ == "__main__":
    unittest.main()
