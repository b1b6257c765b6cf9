#!/usr/bin/env python3
"""Does a night cost more a file, or more memory, when there are many more files? `backup` and rsync on generated trees of many small ones.

    many-files.py [--backup PROGRAM] [--counts 80000,1000000,5000000] [--image xfs|ext4] [--rounds N] [--work DIR] [--json FILE]

For each count a tree is made: files of 0 to 2 KiB of text that no two have alike, a thousand in a folder, a hundred folders in a folder; the same in every
run. Then the first night of `backup` (store and tree), and N times (3) in turn a night with no change and `rsync -aHAXn --delete`, which looks at the same
two trees and writes nothing; it must find no difference. A `sync` after each run is not timed.

With --image each count gets a file system of its own, in a file on a loop device (needs root), with blocks of 1 KiB and inodes enough: 5,000,000 files need
25 GB of disk. Without it all is in --work, where they need 45 GB and 10,000,000 inodes.
"""
import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from image import mounted, must
from measure import measured

PER_FOLDER, FOLDERS, LONGEST = 1000, 100, 2048
ON_DISK = 5_000  # bytes that a file takes on an image, on both sides and in the store
A_FILE = 10_000  # bytes of an image for each: the estimate of a first night reckons with clusters of 4 KiB. The image is sparse
NOISE = random.Random(1).choices(b"abcdefghijklmnopqrstuvwxyz 0123456789\n", k=1 << 20)


def stop(words):
    sys.exit(f"many-files: {words}")


def fill(job):
    """One folder of a thousand files."""
    root, number, count = job
    folder = root / f"{number // FOLDERS:04}/{number % FOLDERS:02}"
    folder.mkdir(parents=True, exist_ok=True)
    drawn, noise = random.Random(number), bytes(NOISE)
    for n in range(count):
        size, at = drawn.randrange(LONGEST + 1), drawn.randrange(len(noise) - LONGEST)
        text = (b"%d\n" % (number * PER_FOLDER + n) + noise[at:at + size])[:size]
        file = os.open(folder / f"{n:03}.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(file, text)
        os.close(file)


def generate(root, count):
    jobs = [(root, number, min(PER_FOLDER, count - number * PER_FOLDER)) for number in range(-(-count // PER_FOLDER))]
    with multiprocessing.Pool() as pool:
        for _ in pool.imap_unordered(fill, jobs):
            pass
    os.sync()


@contextlib.contextmanager
def place(work, image, count):
    """A folder for one count: in an image made for it, or in the work folder."""
    if image and shutil.disk_usage(work).free < count * ON_DISK:
        stop(f"{count} files need {count * ON_DISK / 1e9:.0f} GB free on {work}")
    folder = work / "many"
    folder.mkdir()
    if image is None:
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
        return
    options = {"xfs": ["-b", "size=1024", "-i", "maxpct=50"], "ext4": ["-b", "1024", "-N", str(count * 2 + count // 100 + 10_000)]}
    try:
        with mounted(folder, image, max(count * A_FILE, 2 << 30), options[image]) as file:
            yield folder
            usage = must("du", "--block-size=1M", "-s", file).split()[0]
            print(f"{count} files: the image takes {usage} MiB", file=sys.stderr)
    finally:
        folder.rmdir()


class Run:
    def __init__(self, folder, program, count):
        self.folder, self.count, self.rows = folder, count, []
        source, mirror, table = (folder / name for name in ["src", "mirror", "backup.tab"])
        source.mkdir()
        mirror.mkdir()
        table.write_text(f"TARGET many\n  SOURCE {source}\n  MIRROR {mirror}\n  DIR .\n")
        self.source, self.mirror = source, mirror
        self.ours = [program, "--tab", table, "-backup"]
        self.rsync = ["rsync", "-aHAXni", "--delete", "--exclude=/.backup", f"{source}/", f"{mirror}/"]

    def measure(self, name, command):
        log = self.folder / "log"
        os.sync()
        code, found = measured(command, log)
        words = log.read_text(errors="replace")[-1000:]
        if code != 0 or (name == "rsync" and words):
            stop(f"{self.count} files, {name}: exit code {code}\n{words}")
        print(f"{self.count} files: {name} {found['wall']:.2f} s, {found['cpu']:.2f} s CPU, {found['rss']:.0f} MB", file=sys.stderr, flush=True)
        self.rows.append({"files": self.count, "run": name, **found})

    def all(self, rounds):
        generate(self.source, self.count)
        self.measure("first", [*self.ours, "--init", "many"])
        for _ in range(rounds):
            self.measure("no change", [*self.ours, "many"])
            self.measure("rsync", self.rsync)
        return self.rows


def table(rows):
    heads = ["files", "first, s", "no change, s", "µs a file", "of that at the fewest", "CPU, µs a file", "of that at the fewest", "rsync no change, s",
             "ours / rsync", "peak RSS first, no change, MB"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---:|" * len(heads)]
    counts = sorted({row["files"] for row in rows})

    def median(count, run, measure):
        return statistics.median(row[measure] for row in rows if (row["files"], row["run"]) == (count, run))

    def largest(count, run):
        return max(row["rss"] for row in rows if (row["files"], row["run"]) == (count, run))

    for count in counts:
        cells = [f"{count:,}", f"{median(count, 'first', 'wall'):.1f}", f"{median(count, 'no change', 'wall'):.2f}"]
        for measure in ["wall", "cpu"]:
            each, least = (median(n, "no change", measure) / n for n in [count, counts[0]])
            cells += [f"{each * 1e6:.1f}", f"{each / least:.2f}"]
        ours, rsync = ([row["wall"] for row in rows if (row["files"], row["run"]) == (count, run)] for run in ["no change", "rsync"])
        cells += [f"{statistics.median(rsync):.2f}", f"{statistics.median(a / b for a, b in zip(ours, rsync)):.2f}"]
        cells.append(f"{largest(count, 'first'):.0f}, {largest(count, 'no change'):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backup", type=Path, default=Path("target/release/backup"), metavar="PROGRAM")
    parser.add_argument("--counts", default="80000,1000000,5000000", metavar="N,...")
    parser.add_argument("--image", choices=["xfs", "ext4"])
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--work", type=Path, default=Path("target/bench-many"), metavar="DIR", help="on a real disk")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write every single number")
    args = parser.parse_args()
    program = args.backup.resolve()
    for needed in ["rsync", str(program), *([f"mkfs.{args.image}", "losetup"] if args.image else [])]:
        if not shutil.which(needed):
            stop(f"no program {needed}")
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()):
        stop(f"{work} holds something: give an empty folder")
    rows = []
    for count in map(int, args.counts.split(",")):
        with place(work, args.image, count) as folder:
            rows += Run(folder, program, count).all(args.rounds)
        if args.json:
            args.json.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"\n{table(rows)}\n\nMedians of {args.rounds}; the memory is the most of any run. On {args.image or 'the file system of the work folder'}.")


if __name__ == "__main__":
    main()
