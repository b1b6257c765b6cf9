#!/usr/bin/env python3
"""Measure `backup` side by side with its peers, on the sets that fetch-data.sh makes, and print the tables of the README.

    side-by-side.py [--backup PROGRAM] [--without NAME,...] [--programs NAME,...] [--sets linux,fits,both,tiny] [--phases PHASE,...] [--rounds N]
                    [--together N] [--data DIR] [--work DIR] [--image ext4|xfs|btrfs] [--json FILE]

The peers are in peers.py: rsync (a tree only), and restic, bupstash, rustic, borgbackup, bup and conserve (a store only; ours is store and tree). One
that is not installed is named and left out. Debian has rsync, restic, borgbackup and bup; the others are `cargo install rustic-rs bupstash conserve`.

Each round begins with nothing and goes through the phases: the first backup of night 1; again with no change; the next night; a restore of all of that into
an empty folder; a check that reads all data; nights 3 to 5 (nights.py says what they are); a night in which all files have new times and the same content
("touched"); and one file of about 50 MB out of the oldest snapshot. In each phase the programs take turns, so that whatever else the machine does
meets them alike; who is first changes from round to round. To need no more than 12 GB, N peers at most (4) are there at the same time: a round is several heats, ours takes part in each.
The source is a working copy, in which only what really changed gets a new ctime, and it is in the page cache. With --image each heat has a new file system
(needs root); without it all is in --work, where each heat removes what the one before has made (image.py says what that costs on ext4).

Wall and CPU seconds and memory are those of all processes of a run: the memory is that of the largest one. "written" is what they wrote to files, as the
kernel counts it (ru_oublock). The store is what `du` says.

Outside the timing: a `sync` after each run, and a comparison by content (`rsync -aHAXnic --delete`) of the source with each tree that a run leaves behind. A
difference ends the benchmark if it is ours or rsync's; of others it is told below the tables, and so is an exit code other than 0.
"""
import argparse
import contextlib
import fcntl
import filecmp
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from image import mounted
from measure import measured
from nights import SETS, Source
from peers import PEERS, Ours
from report import Report, machine

PHASES = ["first", "no change", "next night", "restore", "check", "night 3", "night 4", "night 5", "touched", "one file"]
OF_SET = {"linux": PHASES[:-1], "fits": PHASES[:-1], "both": ["first", "next night", "one file"], "tiny": PHASES}
NIGHT = {"first": 1, "next night": 2, "night 3": 3, "night 4": 4, "night 5": 5}
FILE_SIZE = 50_000_000  # of the one file
IMAGE_SIZE = 40 << 30  # sparse


def stop(words):
    sys.exit(f"side-by-side: {words}")


def disk_usage(path):
    out = subprocess.run(["du", "--block-size=1", "-s", path], check=True, capture_output=True, text=True).stdout
    return int(out.split()[0]) / 1e6


def differences(source, tree):
    return subprocess.run(["rsync", "-aHAXnic", "--delete", "--exclude=/.backup", f"{source}/", f"{tree}/"],
                          check=True, capture_output=True, text=True, errors="replace").stdout.splitlines()




class Bench:
    def __init__(self, args, work, programs, about):
        self.args, self.work, self.programs, self.about = args, work, programs, about
        self.rows, self.notes = [], []

    def note(self, words):
        if words not in self.notes:
            self.notes.append(words)
            print(f"side-by-side: {words}", file=sys.stderr)

    def save(self):
        if self.args.json:
            part = self.args.json.with_suffix(".part")
            part.write_text(json.dumps({"machine": self.about, "notes": self.notes, "runs": self.rows}, indent=1) + "\n")
            part.replace(self.args.json)

    def empty(self, folder):
        """Makes a folder anew. On a file system that goes soon, what was in it stays, under another name: the next one shall not pay for its removal."""
        if self.args.image and folder.exists():
            folder.rename(folder.with_suffix(f".{len(self.rows)}.{time.time_ns()}"))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def phases(self, name):
        wanted = [phase for phase in OF_SET[name] if self.args.phases is None or phase in self.args.phases]
        needed = {"first"} | ({"next night"} if {"night 3", "night 4", "night 5"} & set(wanted) else set())
        needed |= {f"night {n}" for n in (3, 4) if f"night {n + 1}" in wanted or "night 5" in wanted}
        return [phase for phase in OF_SET[name] if phase in wanted or phase in needed]

    def heats(self):
        """Each with ours, if that takes part at all."""
        ours, peers = self.programs[:1], self.programs[1:]
        if ours and not isinstance(ours[0], Ours):
            ours, peers = [], self.programs
        size = self.args.together
        return [ours + peers[n:n + size] for n in range(0, max(len(peers), 1), size)]

    def run_set(self, name):
        source = Source(self.work / "src", name, self.args.data)
        for number in range(1, self.args.rounds + 1):
            for heat, programs in enumerate(self.heats(), 1):
                turned = programs[(number - 1) % len(programs):] + programs[:(number - 1) % len(programs)]
                with mounted(self.work, self.args.image, IMAGE_SIZE) if self.args.image else contextlib.nullcontext():
                    self.run_heat(name, source, {"set": name, "round": number, "heat": heat}, turned)
                    for program in programs:
                        program.remove()
                    shutil.rmtree(source.folder, ignore_errors=True)

    def run_heat(self, name, source, where, programs):
        failed, one = set(), None
        for phase in self.phases(name):
            if phase in NIGHT:
                source.night(NIGHT[phase])
            if phase == "touched":
                source.touch()
            if phase == "first":
                source.read()
                one = source.near(FILE_SIZE)
                shutil.copy2(source.folder / one, self.work / "one")
            for program in programs:
                if phase == "first":
                    program.prepare()
                if program not in failed and not self.run_one(where | {"phase": phase, "program": program.name}, program, phase, source, one):
                    failed.add(program)

    def run_one(self, row, program, phase, source, path):
        """One phase of one program; whether it may go on."""
        restores = phase in ("restore", "one file")
        if restores:
            self.empty(program.out)
        command = program.command(phase, path)
        if command is None:
            return True
        os.sync()
        code, measures = measured(command, self.work / "log")
        os.sync()
        if code != 0:
            words = f"{program.name}, {row['set']}, {phase}: exit code {code} of {' '.join(map(str, command))}: " \
                    + (self.work / "log").read_text(errors="replace")[-1000:]
            self.rows.append(row | {"failed": words})
            self.save()
            if program.exact:
                stop(words)
            self.note(words)
            return False
        if phase == "one file":
            self.prove_file(row, program)
        elif phase != "check":
            self.prove_tree(row, program, source, program.restored if restores else program.tree)
        if phase in NIGHT or phase == "touched":
            measures["store"] = disk_usage(program.store)
        if restores:
            self.empty(program.out)
        self.rows.append(row | measures)
        self.save()
        print(f"{row['set']} {row['round']}/{self.args.rounds} {phase}: {program.name} {measures['wall']:.2f} s, {measures['cpu']:.2f} s CPU, "
              f"{measures['rss']:.0f} MB", file=sys.stderr, flush=True)
        return True

    def prove_tree(self, row, program, source, tree):
        found = differences(source.folder, tree) if tree else []
        if found:
            words = f"{program.name}, {row['set']}, {row['phase']}: not what the source is: {len(found)} differences, as {'; '.join(found[:3])}"
            if program.exact:
                stop(words)
            self.note(words)

    def prove_file(self, row, program):
        found = [file for file in program.out.rglob("*") if file.is_file()]
        if len(found) != 1 or not filecmp.cmp(found[0], self.work / "one", shallow=False):
            words = f"{program.name}, {row['set']}, one file: not the file that was asked for: {found[:3]}"
            if program.exact:
                stop(words)
            self.note(words)


def open_work(work):
    """Take the work folder: a new or empty one, or one of ours that no other run uses. Returns the lock."""
    work.mkdir(parents=True, exist_ok=True)
    marker = work / ".side-by-side"
    if not marker.exists() and any(work.iterdir()):
        stop(f"{work} holds something else: give an empty folder")
    file_system = subprocess.run(["df", "--output=fstype", work], check=True, capture_output=True, text=True).stdout.split()[-1]
    if file_system in ("tmpfs", "ramfs"):
        stop(f"{work} is on {file_system}: --work must be on a real disk")
    lock = open(marker, "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stop(f"another run uses {work}")
    return lock


def choose(args, work):
    """The programs that take part; those that cannot are named."""
    names = ["backup", *(peer.name for peer in PEERS)]
    for name in [*(args.programs or []), *args.without]:
        if name not in names:
            stop(f"no program {name}; there are {', '.join(names)}")
    wanted = [name for name in args.programs or names if name not in args.without]
    programs, missing = [], []
    if "backup" in wanted:
        program = args.backup.resolve()
        if not shutil.which(program):
            stop(f"no program {program}")
        programs.append(Ours(work, program))
    for peer in PEERS:
        if peer.name in wanted:
            if shutil.which(peer.program):
                programs.append(peer(work))
            else:
                missing.append(peer.name)
    return programs, missing


def main():
    words = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backup", type=Path, default=Path("target/release/backup"), metavar="PROGRAM")
    parser.add_argument("--programs", type=words, metavar="NAME,...", help="only these")
    parser.add_argument("--without", type=words, default=[], metavar="NAME,...", help="all but these")
    parser.add_argument("--sets", type=words, default=["linux", "fits", "both"])
    parser.add_argument("--phases", type=words, metavar="PHASE,...", help="only these, and those that they need: " + ", ".join(PHASES))
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--together", type=int, default=4, metavar="N")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BACKUP_BENCH_DATA", "target/bench-data")), metavar="DIR")
    parser.add_argument("--work", type=Path, default=Path("target/bench-work"), metavar="DIR", help="on a real disk; 12 GB")
    parser.add_argument("--image", choices=["ext4", "xfs", "btrfs"], help="a new file system for each heat, in a file there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write every single number")
    args = parser.parse_args()
    args.data = args.data.resolve()
    for given, known in [(args.sets, SETS), (args.phases or [], PHASES)]:
        for name in given:
            if name not in known:
                stop(f"no {name}; there are {', '.join(known)}")
    for kind in {kind for name in args.sets for kind, _, _ in SETS[name]}:
        if not (args.data / kind / "night2").is_dir():
            stop(f"no {args.data / kind}/night2: run fetch-data.sh")
    work = args.work.resolve()
    lock = open_work(work)
    if args.image:
        work = work / "disk"
        work.mkdir(exist_ok=True)
    programs, missing = choose(args, work)
    bench = Bench(args, work, programs, machine(args.work.resolve(), args.image, [program.version() for program in programs]))
    if missing:
        bench.note(f"not installed, so not measured: {', '.join(missing)}")
    if not programs:
        stop("nothing to measure")
    names = [program.name for program in programs]
    for name in args.sets:
        bench.run_set(name)
        print(f"\n### {name}\n\n{Report(bench.rows).tables(name, bench.phases(name), names)}\n", flush=True)
    print(f"### Goals\n\n{Report(bench.rows).goals()}\n")
    print(f"Medians of {args.rounds} round{'s'[:args.rounds > 1]}; in brackets what ours is of that. {bench.about}\n")
    print("\n".join(f"- {note}" for note in bench.notes))
    for folder in args.work.resolve().iterdir():
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    lock.close()


if __name__ == "__main__":
    main()
