"""Sources and stores that lie (12, 54)."""
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from registry import group


@contextmanager
def mounted(at):
    server = subprocess.Popen([sys.executable, Path(__file__).with_name("hostile_fs.py"), str(at)], stdout=subprocess.PIPE)
    try:
        if server.stdout.readline() != b"ready\n":
            raise RuntimeError("the file system that lies is not mounted")
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)
        server.kill()
        server.wait()


def lies(t, *dirs):
    t.dirs = list(dirs)
    t.table()
    t.clear(t.d)
    return mounted(t.src)


@group(12, title="a source that lists the same name twice")
def listed_twice(t):
    with lies(t, "d/twice"):
        for _ in range(2):
            ran = t.ended(t.run("-backup", "--init", "--json", "t", timeout=60), 0, 1)
            for name in ("a", "b", "sub/x"):
                path = t.on_mirror("twice/" + name)
                t.need(os.path.lexists(path) and open(path, "rb").read() == b"content\n", f"{name} is not on the mirror: {ran}")
            t.equal("names on the mirror", ["a", "b", "sub"], sorted(os.listdir(t.m / "twice")))
        t.check()


@group(12, title="a source that lists in no order, with a slash, without dots, names that cannot be looked up, other inode numbers")
def listed_wrong(t):
    with lies(t, "d/nodot", "d/unsorted", "d/slash", "d/gone", "d/moved"):
        for _ in range(2):
            ran = t.run("-backup", "--init", "--json", "t", timeout=60)
            t.need(not ran.hung and ran.code in (1, 3) and "panicked" not in ran.err, f"what cannot be listed is said: {ran}")
            t.need("d/slash" in ran.out + ran.err, f"slash is named: {ran}")
    t.clear(t.mir)
    with lies(t, "d/nodot", "d/unsorted", "d/gone", "d/moved"):
        for _ in range(2):
            ran = t.ended(t.run("-backup", "--init", "--json", "t", timeout=60), 0, 1)
            for name in ("nodot/only", "unsorted/A", "unsorted/z", "unsorted/m", "gone/here", "moved/here"):
                path = t.on_mirror(name)
                t.need(os.path.lexists(path) and open(path, "rb").read() == b"content\n", f"{name} is not on the mirror: {ran}")
            t.equal("what is in gone", ["here"], sorted(os.listdir(t.m / "gone")))
        t.check()


@group(12, title="a source that lists without an end", big=True)
def listed_for_ever(t):
    Path(f"{t.src}.endless").touch()
    with lies(t, "d/moved", "d/endless"):
        ran = t.run("-backup", "--init", "--json", "t", timeout=300, wrap=["prlimit", f"--as={4 << 30}"])
        t.need(not ran.hung, f"a listing without an end: {ran}")
        t.need(ran.code in (1, 2, 3) and "panicked" not in ran.err, f"a listing without an end: {ran}")


@group(54, title="a store of a newer version is refused and left alone")
def newer_store(t):
    t.file("a", b"a")
    t.cycle()
    for name in ("store/config", "role"):
        path = t.mir / ".backup" / name
        good = path.read_bytes()
        path.write_bytes(good.replace(b"format 1\n", b"format 2\n"))
        before = t.stamps(), path.read_bytes()
        t.file("a", b"newer " + name.encode())
        for words in (["-backup", "t"], ["-check", "t"], ["-restore", "t", "--to", str(t.places[0] / "to")], ["-backup", "--init", "t"]):
            ran = t.run(*words)
            t.equal(f"{name} of a newer version: exit of {words[:-1]}", 2, ran.code)
            t.need("newer" in ran.err or "version" in ran.err or "format" in ran.err, f"the reason is named: {ran}")
        t.equal(f"{name} and the tree are left alone", before, (t.stamps(), path.read_bytes()))
        path.write_bytes(good)
        t.night()
