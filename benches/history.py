#!/usr/bin/env python3
"""A history of many nights over a real tree, and what it costs to ask it: where a file has gone, what changed in a night, what there was.

    history.py --data DIR --work DIR [--backup PROGRAM] [--nights N] [--seed N] [--samples N] [--rounds N] [--json FILE] [PHASE...]

    make    the source, its mirror and N nights (200); goes on where an earlier make ended
    find    -find of one path, of a glob in a folder, of a glob over all, of a name anywhere
    diff    -diff of neighbours, and of the first and the last night
    list    -list of a folder and of everything

DIR of --data has the two nights of fetch-data.sh. The first night is night 1 of `linux`. Each night after that about forty files and a folder of those that differ
between the two get the content of the other; five files and a folder are moved, or moved back; ten files and a folder are deleted, and what was deleted ten nights
ago is brought back; one file gets a line more. What is drawn comes from the seed, the same on every machine. WORK/nights.jsonl says what was done in each night,
and with --samples plain copies of so many nights lie beside, in WORK/samples/NUMBER, hard-linked with each other; for those who compare.

A measured command is run N times (5), the median is told. WORK takes 4 GB, and 2 GB more with samples.
"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from measure import measured
from nights import differ, files

FILES, MOVES, DELETIONS, AWAY = 40, 5, 10, 10


def stop(words):
    sys.exit(f"history: {words}")


class History:
    def __init__(self, options):
        self.options = options
        self.one, self.two = (options.data / f"linux/night{n}" for n in (1, 2))
        self.work = options.work
        self.source, self.mirror, self.tab = self.work / "source/linux", self.work / "mirror", self.work / "backup.tab"
        self.log = self.work / "nights.jsonl"

    def done(self):
        """What was done in the nights so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def backup(self, *words):
        command = [self.options.backup, "--tab", self.tab, *words]
        code, found = measured(command, self.work / "said")
        said = (self.work / "said").read_text(errors="replace")
        if code != 0:
            stop(f"{' '.join(map(str, words))}: exit {code}\n{said}")
        return said, found

    def begin(self):
        self.work.mkdir(parents=True, exist_ok=True)
        self.source.parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", self.one, self.source], check=True)
        self.tab.write_text(f"TARGET linux\n  SOURCE {self.source.parent}\n  MIRROR {self.mirror}\n  DIR linux\n")
        self.night({"night": 1}, "--init")

    def night(self, what, *words):
        said, found = self.backup("-backup", *words, "linux")
        with open(self.log, "a") as log:
            log.write(json.dumps(what) + "\n")
        print(f"night {what['night']}: {found['wall']:.1f} s: {said.strip()}", flush=True)
        samples = self.options.samples
        if samples and what["night"] % max(1, self.options.nights // samples) == 0:
            self.sample(what["night"])

    def sample(self, number):
        folder = self.work / "samples"
        folder.mkdir(exist_ok=True)
        before = sorted(folder.iterdir(), key=lambda path: int(path.name))[-1:]
        links = [f"--link-dest={path}" for path in before]
        subprocess.run(["rsync", "-aHAX", "--modify-window=-1", *links, f"{self.source.parent}/", folder / str(number)], check=True)


class Night:
    """One night: what is drawn is done at once. Every change makes a new file or renames one, so that hard-linked copies stay as they were."""

    def __init__(self, history, number, before):
        self.history, self.number, self.done = history, number, []
        self.dice = random.Random(history.options.seed * 100_003 + number)
        self.before = before

    def do(self, all_files, differing):
        source, dice = self.history.source, self.dice
        for path in dice.sample(differing, FILES):
            self.turn(path)
        folder = os.path.dirname(dice.choice(differing))
        for path in [path for path in differing if os.path.dirname(path) == folder]:
            self.turn(path)
        for path in dice.sample(all_files, MOVES):
            self.move(path, f"{path}.moved")
        folder = self.folder(all_files)
        self.move(folder, f"{folder}.moved")
        for path in [*dice.sample(all_files, DELETIONS), self.folder(all_files)]:
            self.delete(path)
        if self.number > AWAY and len(self.before) > self.number - AWAY - 1:
            for what in self.before[self.number - AWAY - 1].get("done", []):
                if what[0] == "delete":
                    self.restore(what[1])
        log = source / "Documentation/nights.log"
        text = log.read_text() if log.exists() else ""
        self.write(log, f"{text}night {self.number}\n".encode())
        self.done.append(["write", "Documentation/nights.log"])
        return self.done

    def folder(self, all_files):
        """A small folder of no folders that is there."""
        while True:
            folder = os.path.dirname(self.dice.choice(all_files))
            full = self.history.source / folder
            if folder and full.is_dir() and len(names := list(full.iterdir())) <= 40 and not any(path.is_dir() for path in names):
                return folder

    def write(self, path, content):
        aside = path.with_name(path.name + ".aside")
        aside.write_bytes(content)
        os.rename(aside, path)

    def turn(self, path):
        to = self.history.source / path
        if to.is_file():
            one, two = self.history.one / path, self.history.two / path
            aside = to.with_name(to.name + ".aside")
            shutil.copy2(one if not differ(two, to) else two, aside)
            os.rename(aside, to)
            self.done.append(["turn", path])

    def move(self, path, to):
        """There, or back."""
        here, there = self.history.source / path, self.history.source / to
        if there.exists() and not here.exists():
            path, to, here, there = to, path, there, here
        if here.exists() and not there.exists():
            os.rename(here, there)
            self.done.append(["move", path, to])

    def delete(self, path):
        full = self.history.source / path
        if full.is_dir():
            shutil.rmtree(full)
        elif full.exists():
            full.unlink()
        else:
            return
        self.done.append(["delete", path])

    def restore(self, path):
        """What was deleted comes back as it was in night 1."""
        old, new = self.history.one / path, self.history.source / path
        if new.exists() or not old.exists():
            return
        new.parent.mkdir(parents=True, exist_ok=True)
        if old.is_dir():
            shutil.copytree(old, new, symlinks=True)
        else:
            shutil.copy2(old, new)
        self.done.append(["restore", path])


def make(history):
    if not history.done():
        history.begin()
    all_files = sorted(files(history.one))
    differing = [path for path in sorted(files(history.two)) if differ(history.one / path, history.two / path) and (history.one / path).exists()]
    while len(before := history.done()) < history.options.nights:
        number = len(before) + 1
        done = Night(history, number, before).do(all_files, differing)
        history.night({"night": number, "done": done})


def measure(history, name, *words):
    rounds = [history.backup(*words) for _ in range(history.options.rounds)]
    median = {key: statistics.median(found[key] for _, found in rounds) for key in ("wall", "cpu", "rss")}
    lines = rounds[0][0].splitlines()
    print(f"{name:<28} {median['wall']:8.3f} s  {median['cpu']:8.3f} s CPU  {median['rss']:7.1f} MB  {len(lines):7} lines: {lines[-1]}", flush=True)
    history.measures[name] = {**median, "lines": len(lines)}


def moved(history):
    """A file that was moved in the middle of the history."""
    for night in history.done()[len(history.done()) // 2:]:
        for what in night.get("done", []):
            if what[0] == "move" and "." in os.path.basename(what[1]):
                return f"linux/{what[1]}"
    stop("no file was moved")


def find(history):
    measure(history, "find path", "-find", "linux", "linux/Makefile")
    measure(history, "find changing path", "-find", "linux", "linux/Documentation/nights.log")
    measure(history, "find moved path", "-find", "linux", moved(history))
    measure(history, "find glob in a folder", "-find", "linux", "linux/fs/**/*.c")
    measure(history, "find glob over all", "-find", "linux", "linux/**/Makefile")
    measure(history, "find name", "-find", "linux", "Kconfig")
    measure(history, "find everything", "-find", "linux", "linux/**")


def diff(history):
    last = len(history.done())
    for new in sorted({max(2, last // 2), last}):
        measure(history, f"diff {new - 1} {new}", "-diff", "linux", str(new - 1), str(new))
    measure(history, f"diff 1 {last}", "-diff", "linux", "1", str(last))


def listing(history):
    measure(history, "list a folder", "-list", "linux", "linux/fs")
    measure(history, "list the root", "-list", "linux", "linux")
    measure(history, "list everything", "-list", "linux", "--recursive")
    measure(history, "snapshots", "-snapshots", "linux")


PHASES = {"make": make, "find": find, "diff": diff, "list": listing}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--backup", type=Path, default=Path(__file__).parent.parent / "target/release/backup")
    for name, default in (("nights", 200), ("seed", 1), ("samples", 0), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    parser.add_argument("phases", nargs="*", metavar="PHASE", help=", ".join(PHASES))
    options = parser.parse_args()
    options.backup, options.work, options.data = (path.absolute() for path in (options.backup, options.work, options.data))
    if unknown := [phase for phase in options.phases if phase not in PHASES]:
        stop(f"no such phase: {', '.join(unknown)}; there are {', '.join(PHASES)}")
    history = History(options)
    history.measures = {}
    for phase in options.phases or PHASES:
        if phase != "make" and not history.done():
            stop("there are no nights yet: begin with make")
        PHASES[phase](history)
    if options.json:
        options.json.write_text(json.dumps({"nights": len(history.done()), "measures": history.measures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
