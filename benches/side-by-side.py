#!/usr/bin/env python3
"""Measure `backup` side by side with rsync and restic, on the sets that fetch-data.sh makes.

    side-by-side.py [--backup PROGRAM | --without-ours] [--data DIR] [--work DIR] [--sets linux,fits] [--rounds N] [--json FILE]

Each round begins with nothing and goes through four phases: the first backup of night 1, again with no change, the next night, and
a restore of that into an empty folder. In each phase the programs take turns, so that whatever else the machine does meets them
alike, and ratios are the median of those within a turn. Everything is in the page cache (the source is read once before). The source
is a working copy of night 1 that rsync turns into night 2, so only what really changed gets a new ctime.

    backup   store and mirror tree; the store is what `du` says of MIRROR/.backup/store
    rsync    a tree only: `rsync -aHAX --delete`, then `sync -f` of it, so that it is as durable as the others' work
    restic   a store only; `restic init` is not timed; `sync -f` after a restore

Outside the timing: a `sync` after each run, and a comparison by content (`rsync -aHAXnic --delete`) of the source with each tree that a
run leaves behind. A difference, or an exit code other than 0, ends the benchmark. CPU and memory are those of all processes of a run
(os.wait4): the memory is that of the largest one, and never less than the 18 MB or so of this script, which starts it.
"""
import argparse
import fcntl
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

PHASES = ["first", "no change", "next night", "restore"]
MEASURES = {"wall": ("wall, s", 2), "cpu": ("CPU, s", 2), "rss": ("peak RSS, MB", 0), "store": ("store, MB", 0)}


class Rsync:
    name = "rsync"

    def __init__(self, work):
        self.source, self.tree, self.out = work / "src", work / "tree", work / "out"
        self.store, self.restored = self.tree, self.out

    def prepare(self):
        empty(self.tree)

    def command(self, phase):
        a, b = (self.tree, self.out) if phase == "restore" else (self.source, self.tree)
        return ["sh", "-c", 'rsync -aHAX --delete "$0/" "$1/" && exec sync -f "$1"', a, b]


class Restic:
    name = "restic"
    tree = None

    def __init__(self, work):
        self.out, self.store = work / "out", work / "repo"
        self.work, self.restored = work, work / "out/src"  # named src, not ".": so the folder itself is restored too
        self.password = work / "password"
        self.password.write_text("benchmark\n")
        self.restic = ["restic", "--quiet", "--repo", self.store, "--password-file", self.password, "--cache-dir", work / "cache"]

    def prepare(self):
        empty(self.store)
        subprocess.run([*self.restic, "init"], check=True, stdout=subprocess.DEVNULL)

    def command(self, phase):
        if phase == "restore":
            return ["sh", "-c", 'out=$0; "$@" && exec sync -f "$out"', self.out, *self.restic, "restore", "latest", "--target", self.out]
        return ["env", "-C", self.work, *self.restic, "backup", "src"]


class Ours:
    name = "backup"

    def __init__(self, work, program):
        self.source, self.tree, self.out = work / "src", work / "mirror", work / "out"
        self.store, self.restored = self.tree / ".backup/store", self.out
        table = work / "backup.tab"
        table.write_text(f"TARGET bench\n  SOURCE {self.source}\n  MIRROR {self.tree}\n  DIR .\n")
        self.backup = [program, "--tab", table]

    def prepare(self):
        empty(self.tree)

    def command(self, phase):
        if phase == "restore":
            return [*self.backup, "-restore", "bench", "--to", self.out]
        return [*self.backup, "-backup", *(["--init"] if phase == "first" else []), "bench"]


def empty(folder):
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()


def timed(command, log):
    """Run a command to its end; wall and CPU seconds, and peak memory in MB."""
    with open(log, "wb") as out:
        start = time.perf_counter()
        child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        tail = log.read_text(errors="replace")[-2000:]
        sys.exit(f"side-by-side: exit code {child.returncode} of {' '.join(map(str, command))}\n{tail}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * 1024 / 1e6}


def disk_usage(path):
    out = subprocess.run(["du", "--block-size=1", "-s", path], check=True, capture_output=True, text=True).stdout
    return int(out.split()[0]) / 1e6


def switch(source, night):
    subprocess.run(["rsync", "-aHAX", "--delete", f"{night}/", f"{source}/"], check=True)
    os.sync()


def compare(source, tree, who):
    """End the benchmark unless the tree holds just what the source does."""
    found = subprocess.run(["rsync", "-aHAXnic", "--delete", "--exclude=/.backup", f"{source}/", f"{tree}/"],
                           check=True, capture_output=True, text=True, errors="replace").stdout
    if found:
        sys.exit(f"side-by-side: WRONG RESULT: {who}: {tree} is not {source}:\n{found[:2000]}")


def run_round(programs, night1, night2, work):
    """All phases once; yields (phase, program name, measures)."""
    source, out = work / "src", work / "out"
    switch(source, night1)
    for phase in PHASES:
        if phase == "next night":
            switch(source, night2)
        for program in programs:
            if phase == "first":
                program.prepare()
            if phase == "restore":
                empty(out)
            os.sync()
            measures = timed(program.command(phase), work / "log")
            os.sync()
            tree = program.restored if phase == "restore" else program.tree
            if tree:
                compare(source, tree, f"{program.name}, {phase}")
            if phase != "restore":
                measures["store"] = disk_usage(program.store)
            yield phase, program.name, measures


def read_all(folder):
    for path, _, files in os.walk(folder):
        for name in files:
            if not os.path.islink(os.path.join(path, name)):
                with open(os.path.join(path, name), "rb", buffering=0) as file:
                    while file.read(1 << 20):
                        pass


def table(rows, names):
    """A Markdown table of medians, and of ratios within a turn."""
    peers = [n for n in names if n != "backup"] if "backup" in names else []
    heads = ["phase", "", *names, *(f"backup/{p}" for p in peers)]
    lines = [" | ".join(["", *heads, ""]).strip(), "|---|---" + "|---:" * (len(heads) - 2) + "|"]
    for phase in PHASES:
        title = phase
        for measure, (label, digits) in MEASURES.items():
            turns = {}  # round -> program -> value
            for row in rows:
                if row["phase"] == phase and measure in row:
                    turns.setdefault(row["round"], {})[row["program"]] = row[measure]
            if turns:
                cells = [f"{statistics.median(t[n] for t in turns.values()):.{digits}f}" for n in names]
                cells += [f"{statistics.median(t['backup'] / t[p] for t in turns.values()):.2f}" for p in peers]
                lines.append("| " + " | ".join([title, label, *cells]) + " |")
                title = ""
    return "\n".join(lines)


def first_line(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0].strip()


def machine(work, file_system, versions):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GB, {file_system}, Linux {platform.release()}; "
            + "; ".join(versions))


def open_work(work):
    """Take the work folder: a new or empty one, or one of ours that no other run uses. Returns its file system and the lock."""
    work.mkdir(parents=True, exist_ok=True)
    marker = work / ".side-by-side"
    if not marker.exists() and any(work.iterdir()):
        sys.exit(f"side-by-side: {work} holds something else: give an empty folder")
    file_system = subprocess.run(["df", "--output=fstype", work], check=True, capture_output=True, text=True).stdout.split()[-1]
    if file_system in ("tmpfs", "ramfs"):
        sys.exit(f"side-by-side: {work} is on {file_system}: --work must be on a real disk")
    lock = open(marker, "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"side-by-side: another run uses {work}")
    return file_system, lock


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backup", type=Path, default=Path("target/release/backup"), metavar="PROGRAM")
    parser.add_argument("--without-ours", action="store_true", help="rsync and restic only")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BACKUP_BENCH_DATA", "target/bench-data")), metavar="DIR")
    parser.add_argument("--work", type=Path, default=Path("target/bench-work"), metavar="DIR", help="on a real disk; 12 GB")
    parser.add_argument("--sets", default="linux,fits")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write every single number")
    args = parser.parse_args()

    sets = args.sets.split(",")
    for needed in ["rsync", "restic"] + ([] if args.without_ours else [str(args.backup.resolve())]):
        if not shutil.which(needed):
            sys.exit(f"side-by-side: no program {needed}")
    for name in sets:
        if not (args.data / name / "night2").is_dir():
            sys.exit(f"side-by-side: no {args.data / name}/night2: run fetch-data.sh")
    work = args.work.resolve()
    file_system, lock = open_work(work)

    programs = [Rsync(work), Restic(work)]
    versions = [first_line("rsync", "--version"), first_line("restic", "version")]
    if not args.without_ours:
        program = args.backup.resolve()
        programs.insert(0, Ours(work, program))
        versions.insert(0, first_line(program, "--version"))
    names = [p.name for p in programs]
    about = machine(work, file_system, versions)

    rows = []
    for name in sets:
        night1, night2 = args.data.resolve() / name / "night1", args.data.resolve() / name / "night2"
        switch(work / "src", night1)
        read_all(work / "src")
        for number in range(1, args.rounds + 1):
            for phase, program, measures in run_round(programs, night1, night2, work):
                rows.append({"set": name, "round": number, "phase": phase, "program": program, **measures})
                print(f"{name} {number}/{args.rounds} {phase}: {program} {measures['wall']:.2f} s", file=sys.stderr)
                if args.json:
                    args.json.write_text(json.dumps({"machine": about, "runs": rows}, indent=1) + "\n")
        print(f"\n### {name}\n\n{table([r for r in rows if r['set'] == name], names)}\n", flush=True)
    print(f"Medians of {args.rounds} round{'s'[:args.rounds > 1]}. {about}")
    for folder in ["src", "mirror", "tree", "repo", "cache", "out"]:
        shutil.rmtree(work / folder, ignore_errors=True)
    lock.close()


if __name__ == "__main__":
    main()
