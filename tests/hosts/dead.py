#!/usr/bin/env python3
"""What an operator at naio sees when a host is dead, and how long that takes: before a command, and in the middle of one.

    dead.py [--program FILE] [--work FOLDER] [SCENE...]

The dead host says nothing at all, as one without power behind a router. Prints the messages; ends with "dead: all as promised". Takes 10 minutes, most of
them waiting. Needs root, and Python with zstandard and blake3.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import world
from nights import DIRS, ROOT, TARGET, Nights, Wrong, need, plant

SCENES = ["mirror_dies", "source_dies", "operator_dies", "mirror_is_dead", "source_is_dead"]
GIVEN_UP = 75                                              # s after which no command waits for a dead host
CALL = 35                                                  # s for one that does not answer the first call


class Dead(Nights):
    def run(self):
        self.begin()
        self.backup(["-backup", "--init", TARGET])
        self.switch(self.night2, self.source)
        self.backup(["-backup", TARGET])
        for scene in self.scenes:
            getattr(self, scene)()
        print("dead: all as promised")

    def says(self, words, code, within, *texts):
        """Runs a command, shows what it prints, and looks at exit code, time and words."""
        before = time.monotonic()
        said = self.backup(words, code)
        took = time.monotonic() - before
        print("          " + said.strip().replace("\n", "\n          "), flush=True)
        need(took <= within, f"backup {' '.join(words)} took {took:.0f} s")
        for text in texts:
            need(text in said, f"backup {' '.join(words)} does not say: {text}")
        return said

    def kill(self, host):
        """No packet comes from it, and none of its neighbours says that it is gone."""
        address = world.HOSTS[host]
        for other in set(world.HOSTS) - {host}:
            world.must(*self.hosts.words(other, f"ip neigh replace {address} lladdr 02:00:00:00:00:01 dev eth0 nud permanent", "root"))
        self.hosts.unplug(host)

    def revive(self, host):
        self.hosts.plug(host)
        for other in set(world.HOSTS) - {host}:
            world.must(*self.hosts.words(other, f"ip neigh del {world.HOSTS[host]} dev eth0", "root"))
        need(any(self.hosts.on(self.at, f"ssh {host} true", timeout=30).returncode == 0 for _ in range(5)), f"{host} does not come back")

    def work(self, name):
        """A file that takes a while at the rate of --bwlimit."""
        file = self.tree(self.source) / "tests" / name
        file.write_bytes(random.Random(name).randbytes(120_000_000))
        os.chown(file, world.ID, world.ID)

    def begin_run(self):
        run = self.hosts.start_on(self.at, f"exec backup -backup {TARGET} --bwlimit 8M", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(8)                                      # two thirds of it are still to come
        need(run.poll() is None, "the run was over too early")
        return run

    def mirror_dies(self):
        self.dies_in_the_middle("mamane")

    def source_dies(self):
        self.dies_in_the_middle("uhane")

    def dies_in_the_middle(self, host):
        self.work(f"when {host} died")
        run = self.begin_run()
        self.kill(host)
        before = time.monotonic()
        said = run.communicate(timeout=200)[0]
        took = time.monotonic() - before
        print(f"          {host} dies in the middle: exit code {run.returncode} after {took:.0f} s\n          {said.strip()}", flush=True)
        need(run.returncode == 2 and took <= GIVEN_UP and len(said.splitlines()) == 1 and host in said, f"{run.returncode}, {took:.0f} s: {said}")
        for other in set(world.HOSTS) - {host}:
            need(not self.hosts.agents(other), f"an agent is left on {other}")
        self.revive(host)
        self.goes_on()

    def operator_dies(self):
        """The cable of naio: both agents are alone."""
        self.work("when naio died")
        run = self.begin_run()
        self.kill(self.at)
        before = time.monotonic()
        said = run.communicate(timeout=200)[0]
        need(run.returncode == 2 and time.monotonic() - before <= GIVEN_UP, f"{run.returncode}: {said}")
        left = [host for host in world.HOSTS if host != self.at]
        while time.monotonic() - before <= GIVEN_UP and any(self.hosts.agents(host) for host in left):
            time.sleep(0.5)
        print(f"          naio dies in the middle: no agent is left after {time.monotonic() - before:.0f} s\n          {said.strip()}", flush=True)
        need(not any(self.hosts.agents(host) for host in left), "an agent is left")
        self.hosts.plug(self.at)
        for host in left:
            world.must(*self.hosts.words(host, f"ip neigh del {world.HOSTS[self.at]} dev eth0", "root"))
        self.goes_on()

    def goes_on(self):
        """The next run is not locked out, and does not put again what is in the store."""
        said = self.says(["-backup", TARGET], 0, 30)
        self.mirrored()
        self.proved()
        return said

    def mirror_is_dead(self):
        self.kill("mamane")
        for words in [["-backup", TARGET], ["-check", TARGET], ["-snapshots", TARGET], ["-restore", TARGET], ["-swap", TARGET]]:
            said = self.says(words, 2, CALL, "mamane cannot be reached")
            need(len(said.splitlines()) == 1, "more than one line")
        self.revive("mamane")

    def source_is_dead(self):
        self.kill("uhane")
        said = self.says(["-backup", TARGET], 2, CALL, "uhane cannot be reached")
        need(len(said.splitlines()) == 1, "more than one line")
        self.says(["-check", TARGET, "--data"], 0, CALL + 5, "SOURCE was not compared", "all in order")
        spoilt = self.tree(self.mirror) / "detrend/flats/010"
        kept = spoilt.read_bytes()
        spoilt.write_bytes(b"spoilt")
        self.says(["-check", TARGET], 2, CALL + 5, "SOURCE was not compared", "wrong")
        spoilt.write_bytes(kept)
        world.must("cp", "-a", "--attributes-only", self.tree(self.source) / "detrend/flats/010", spoilt)
        self.says(["-snapshots", TARGET], 0, 5)
        self.says(["-restore", TARGET, "--to", "/local/data/out"], 0, CALL + 5)
        self.same(self.tree(self.source), self.hosts.disk(self.at) / "out")
        self.says(["-restore", TARGET, "--to", self.place(("mamane", "mamane/out"))], 0, CALL + 5)
        self.says(["-restore", TARGET], 2, CALL, "uhane cannot be reached")
        self.says(["-swap", TARGET], 0, CALL + 5, "uhane", "taken for lost", "SOURCE is now")
        self.source, self.mirror = self.mirror, self.source
        said = self.says(["-backup", "--init", TARGET], 2, CALL, "uhane cannot be reached")
        need(len(said.splitlines()) == 1, "more than one line")
        self.says(["-snapshots", TARGET], 0, CALL + 5)
        self.says(["-restore", TARGET, "--snapshot", "1", "--to", "/local/data/out 1"], 0, CALL + 5)
        self.same(self.night1, self.hosts.disk(self.at) / "out 1")
        self.revive("uhane")
        self.says(["-backup", "--init", TARGET], 0, 30)
        self.mirrored()
        self.proved()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/backup")
    parser.add_argument("--work", type=Path, default=ROOT / "target/hosts/dead")
    parser.add_argument("scenes", nargs="*", metavar="SCENE", default=SCENES, help=", ".join(SCENES))
    options = parser.parse_args()
    options.at, options.source, options.mirror, options.user, options.store = "naio", "uhane", "mamane", world.OPERATOR, False
    world.enter()
    work = options.work.resolve()
    with world.World(work, options.program) as hosts:
        night1, night2 = work / "night1", work / "night2"
        night1.mkdir()
        night2.mkdir()
        plant(night1, night2)
        try:
            dead = Dead(hosts, options, night1, night2, DIRS)
            dead.scenes = options.scenes
            dead.run()
        except (Wrong, world.Failed, subprocess.TimeoutExpired) as e:
            print(f"dead: FAILED: {e}", file=sys.stderr)
            return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
