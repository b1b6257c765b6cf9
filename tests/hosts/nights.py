#!/usr/bin/env python3
"""The observatory's own example, night after night: uhane's disk, mamane's mirror, and commands given at naio.

    nights.py [--program FILE] [--trees NIGHT1 NIGHT2 [--dirs D,D]] [--at naio] [--source uhane] [--mirror mamane] [--user ptolemy|root]
              [--sshd root|ptolemy] [--store] [--work FOLDER]

First night, no change, a night, checks, files brought back, failing over and back; after each, the ends are compared by compare_trees.py, the exit code is
that of the README, and the store is read by reader.py. Without --trees a small tree is made. --at, --source and --mirror give any of the roles to any host:
`--source naio --mirror naio` has no remote end. --store has the store on another place of the mirror's host. Prints a line for each step; ends with "nights: all as promised". Needs root, and Python with zstandard
and blake3.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import world

ROOT = HERE.parent.parent
SOURCE, MIRROR = "elixir", "mamane/elixir.mirror"          # below /local/data
TARGET, DIRS = "elixir", ["detrend", "tests"]


class Wrong(Exception):
    """A promise was broken."""


def need(holds, text):
    if not holds:
        raise Wrong(text)


def plant(night1, night2):
    """Two small nights with everything that a tree may have."""
    numbers = random.Random(7)
    for folder in [night1 / "detrend/flats", night1 / "tests/deep/er", night1 / "beside"]:
        folder.mkdir(parents=True)
    (night1 / "beside/not ours").write_text("left alone")
    for n in range(60):
        (night1 / f"detrend/flats/{n:03}").write_bytes(numbers.randbytes(numbers.choice([0, 1, 900, 30_000, 400_000])))
    (night1 / "tests/big").write_bytes(numbers.randbytes(12_000_000))
    (night1 / "tests/deep/er/name\twith\nall\x1b[2J in it").write_text("odd")
    (night1 / os.fsdecode(b"tests/not \xff utf-8")).write_text("odd too")
    (night1 / "tests/text").write_text("a line\n" * 5000)
    os.link(night1 / "tests/text", night1 / "detrend/a second name")
    (night1 / "tests/link").symlink_to("nowhere/at all")
    os.mkfifo(night1 / "tests/fifo")
    with open(night1 / "tests/sparse", "wb") as file:
        file.truncate(30_000_000)
    os.setxattr(night1 / "tests/text", "user.note", b"kept")
    (night1 / "detrend/flats/001").chmod(0o600)
    subprocess.run(["cp", "-a", f"{night1}/.", night2], check=True)
    for n in range(0, 60, 7):
        (night2 / f"detrend/flats/{n:03}").write_bytes(numbers.randbytes(50_000))
    (night2 / "detrend/flats/005").unlink()
    shutil.rmtree(night2 / "tests/deep")
    (night2 / "tests/new").mkdir()
    (night2 / "tests/big").rename(night2 / "tests/new/big, moved")
    (night2 / "tests/new/file").write_text("new")
    with open(night2 / "tests/sparse", "r+b") as file:
        file.seek(20_000_000)
        file.write(b"written")


class Nights:
    def __init__(self, hosts, options, night1, night2, dirs):
        self.hosts, self.at, self.user, self.night1, self.night2, self.dirs = hosts, options.at, options.user, night1, night2, dirs
        self.source, self.mirror = (options.source, SOURCE), (options.mirror, MIRROR)
        self.apart = "mamane/a store" if options.store else None      # until a swap
        self.began = time.monotonic()

    # ------------------------------------------------------------------------------------------------------------- words

    def place(self, end):
        host, path = end
        return f"/local/data/{path}" if host == self.at else f"{host}:/local/data/{path}"

    def tree(self, end):
        return self.hosts.disk(end[0]) / end[1]

    def table(self):
        return self.hosts.home(self.at, self.user) / "backup.tab"

    def backup(self, words, code=0):
        """Runs a command at the operator's host; what it printed."""
        before = time.monotonic()
        done = self.hosts.on(self.at, ["backup", *words], user=self.user)
        print(f"{time.monotonic() - self.began:7.1f} s  backup {' '.join(words)}: {time.monotonic() - before:.2f} s", flush=True)
        said = done.stdout + done.stderr
        need(done.returncode == code, f"backup {' '.join(words)}: exit code {done.returncode}, not {code}:\n{said[-3000:]}")
        return said

    def switch(self, night, end):
        """People work: the tree becomes that night."""
        words = ["rsync", "-aHAX", "--modify-window=-1", "--delete", "--exclude=/.backup", f"{night}/", f"{self.tree(end)}/"]
        if self.user != "root":
            words.insert(1, f"--chown={world.ID}:{world.ID}")
        world.must(*words)

    # ------------------------------------------------------------------------------------------------------------ judges

    def same(self, a, b):
        words = [word for name in self.dirs if name != "." for word in ("--dir", name)]
        if self.user != "root" and not {a, b} <= {self.tree(self.source), self.tree(self.mirror)}:
            words.append("--no-owner")                     # the nights that were given belong to others
        done = subprocess.run([sys.executable, ROOT / "tests/compare_trees.py", a, b, *words], capture_output=True, text=True, check=False)
        need(done.returncode == 0, f"{a} and {b} differ:\n{done.stdout[:2000]}{done.stderr[:500]}")

    def mirrored(self):
        self.same(self.tree(self.source), self.tree(self.mirror))

    def proved(self):
        """The store, by the independent reader; how many snapshots it has."""
        store = self.store()
        words = [sys.executable, ROOT / "tests/reader.py", store]
        done = subprocess.run([*words, "verify"], capture_output=True, text=True, check=False)
        need(done.returncode == 0, f"reader.py: {done.stderr[-2000:]}")
        return len(world.must(*words, "list").splitlines())

    def store(self):
        disk, usual = self.hosts.disk(self.mirror[0]), self.tree(self.mirror) / ".backup/store"
        if self.apart:
            return disk / self.apart
        # The link that a swap made leads on from the root of its host.
        return disk / os.path.relpath(usual.readlink(), "/local/data") if usual.is_symlink() else usual

    def packs(self):
        return sorted(str(path) for path in self.store().rglob("*") if path.is_file() and "snapshots" not in str(path))

    def quiet(self):
        """Nothing of ours runs on any host."""
        end = time.monotonic() + 5
        left = True
        while left and time.monotonic() < end:
            left = {host: self.hosts.agents(host) for host in world.HOSTS if self.hosts.agents(host)}
            time.sleep(0.05)
        need(not left, f"agents are left: {left}")

    # ------------------------------------------------------------------------------------------------------------- steps

    def run(self):
        self.begin()
        self.two_nights()
        self.bring_back()
        self.fail_over()
        self.fail_back()
        self.quiet()
        print("nights: all as promised")

    def begin(self):
        lines = [f"# /data/{TARGET}", f"TARGET  {TARGET}", f"        SOURCE  {self.place(self.source)}", f"        MIRROR  {self.place(self.mirror)}",
                 *(f"        DIR     {name}" for name in self.dirs), *([f"        STORE   /local/data/{self.apart}"] if self.apart else [])]
        self.table().write_text("\n".join(lines) + "\n")
        if self.user != "root":
            os.chown(self.table(), world.ID, world.ID)
        self.tree(self.source).mkdir()
        (self.hosts.disk(self.mirror[0]) / "mamane").mkdir()
        os.chown(self.hosts.disk(self.mirror[0]) / "mamane", *([world.ID] * 2 if self.user != "root" else [0, 0]))
        self.switch(self.night1, self.source)

    def two_nights(self):
        self.backup(["-status", TARGET])
        self.backup(["-backup", "--init", TARGET])
        self.mirrored()
        before = self.packs()
        self.backup(["-backup", TARGET])
        need(self.packs() == before, "a night without a change wrote to the store")
        self.mirrored()
        self.switch(self.night2, self.source)
        self.backup(["-backup", TARGET, "--dry-run"])
        need(self.packs() == before, "a dry run wrote to the store")
        self.backup(["-backup", TARGET])
        self.mirrored()
        self.backup(["-snapshots", TARGET])
        self.backup(["-check", TARGET])
        self.backup(["-check", TARGET, "--data"])
        self.quiet()

    def bring_back(self):
        gone = self.one_file(self.night1, lambda path: not os.path.lexists(self.night2 / path))
        if gone:
            self.backup(["-restore", TARGET, gone, "--snapshot", "1"])
            need((self.tree(self.source) / gone).read_bytes() == (self.night1 / gone).read_bytes(), f"{gone} is not what it was")
            (self.tree(self.source) / gone).unlink()
            self.switch(self.night2, self.source)
        self.backup(["-restore", TARGET, "--snapshot", "1", "--to", self.place((self.source[0], "out 1"))])
        self.same(self.night1, self.hosts.disk(self.source[0]) / "out 1")
        self.backup(["-restore", TARGET, "--to", self.place((self.mirror[0], "mamane/out 2"))])
        self.same(self.night2, self.hosts.disk(self.mirror[0]) / "mamane/out 2")
        self.backup(["-restore", TARGET, "--to", "/local/data/out-3"])
        self.same(self.night2, self.hosts.disk(self.at) / "out-3")
        for folder in [self.hosts.disk(self.source[0]) / "out 1", self.hosts.disk(self.mirror[0]) / "mamane/out 2", self.hosts.disk(self.at) / "out-3"]:
            shutil.rmtree(folder)
        lost = self.one_file(self.night2, lambda path: True)
        (self.tree(self.source) / lost).unlink()
        self.backup(["-restore", TARGET])                  # a disk that came back without a file
        self.same(self.night2, self.tree(self.source))
        self.backup(["-restore", TARGET, "--snapshot", "1", "--delete"])
        self.same(self.night1, self.tree(self.source))
        self.backup(["-backup", TARGET])
        self.mirrored()
        self.proved()

    def one_file(self, night, wanted):
        """A small file of a night, as a path."""
        for name in self.dirs:
            for folder, _, files in sorted(os.walk(night / name)):
                for file in sorted(files):
                    path = Path(folder, file)
                    if path.is_file() and not path.is_symlink() and path.stat().st_size > 100 and path.stat().st_nlink == 1 and wanted(path.relative_to(night)):
                        return str(path.relative_to(night))
        return None

    def swap(self):
        self.backup(["-swap", TARGET])
        self.source, self.mirror, self.apart = self.mirror, self.source, None
        text = self.table().read_text()
        wanted = [f"SOURCE  {self.place(self.source)}\n", f"MIRROR  {self.place(self.mirror)}\n"]
        need(all(line in text for line in wanted), f"the table after the swap:\n{text}")

    def fail_over(self):
        nights = self.proved()
        self.swap()
        self.backup(["-backup", TARGET], code=2)           # the old disk is no mirror yet
        self.switch(self.night2, self.source)              # people go on, on what was the mirror
        self.backup(["-backup", "--init", TARGET])         # and the old disk is back
        self.mirrored()
        need(self.proved() > nights, "the history did not come along")
        self.backup(["-check", TARGET, "--data"])
        self.backup(["-restore", TARGET, "--snapshot", "1", "--to", self.place((self.mirror[0], "out-4"))])
        self.same(self.night1, self.hosts.disk(self.mirror[0]) / "out-4")
        shutil.rmtree(self.hosts.disk(self.mirror[0]) / "out-4")

    def fail_back(self):
        nights = self.proved()
        self.swap()
        self.switch(self.night1, self.source)
        self.backup(["-backup", "--init", TARGET])
        self.mirrored()
        need(self.proved() > nights, "the history did not come back")
        self.switch(self.night2, self.source)
        self.backup(["-backup", TARGET])
        self.mirrored()
        self.backup(["-check", TARGET, "--data"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/backup")
    parser.add_argument("--trees", type=Path, nargs=2)
    parser.add_argument("--dirs")
    parser.add_argument("--at", default="naio", choices=world.HOSTS)
    parser.add_argument("--source", default="uhane", choices=world.HOSTS)
    parser.add_argument("--mirror", default="mamane", choices=world.HOSTS)
    parser.add_argument("--user", default=world.OPERATOR, choices=world.HOMES)
    parser.add_argument("--sshd", default="root", choices=world.HOMES)
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--work", type=Path, default=ROOT / "target/hosts")
    options = parser.parse_args()
    world.enter()
    work = options.work.resolve() / f"nights-{options.at}-{options.source}-{options.mirror}"
    with world.World(work, options.program, sshd=options.sshd) as hosts:
        night1, night2 = options.trees or (work / "night1", work / "night2")
        dirs = options.dirs.split(",") if options.dirs else DIRS
        if not options.trees:
            night1.mkdir()
            night2.mkdir()
            plant(night1, night2)
        try:
            Nights(hosts, options, night1.resolve(), night2.resolve(), dirs).run()
        except (Wrong, world.Failed) as e:
            print(f"nights: FAILED: {e}", file=sys.stderr)
            return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
