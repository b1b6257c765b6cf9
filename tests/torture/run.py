#!/usr/bin/env python3
"""The torture test: awkward files of every kind through nights, checks and restores, judged by who does not know the program.

    run.py [--program FILE] [--fs ext4,xfs,btrfs] [--mirror-fs KINDS] [--as root,user] [--quick] [--big] [--group N,NAME...] [--jobs N] [--work FOLDER]
           [--verbose] [--list]

Runs every group in every world: a source and a mirror on file systems of their own (loop devices), the program as root or as an ordinary user. Without
--mirror-fs the mirror is of the kind of the source, and of another kind in further worlds. --quick thins out what is swept, and keeps all groups. Prints a
line for each group with what was compared and what deviated; ends with `N assertions, N deviations`. Exit status: 0 when every deviation is one that
docs/fidelity.md documents and each of those did occur.
Needs root, Linux, and Python 3.11 with zstandard and blake3 (for reader.py).
"""
import argparse
import os
import re
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import registry
import world as worlds

ROOMS = ["names", "links", "specials", "metadata", "times", "content", "active", "shape", "runs", "hostile"]

# Where a mirror of another kind than the source matters: all that --quick runs in such a world.
CROSSED = ["times", "specials", "metadata"]

# What is done elsewhere, by campaigns of its own.
ELSEWHERE = {
    "all": "between hosts, over ssh: tests/hosts, tests/cuts, and tests/cli with BACKUP_TEST_HOSTS=both",
    "7": "a casefold directory as mirror: not done, as this kernel has none; names equal but for case are here",
    "10, 11": "ten thousand levels, a million files: --big",
    "34": "fscrypt: not done; without its key such a file is one that cannot be read (24)",
    "39": "a directory replaced by a symlink while it is walked, a million times: tests/swaps",
    "45": "the wall clock set back and forward: not done, as it is the clock of the whole machine; the code has no decision by clocks but KEEP and --at",
    "51": "prune and scrub beside a run: with their commands",
    "52": "killed at every call: tests/faults; power cuts: tests/powercut; the OOM killer is a kill",
    "54": "a store of version 1 that every later program must read: tests/golden",
    "59": "full disks, inodes, ENOSPC at every write: tests/cli/full.rs and tests/faults",
    "60": "is what every group ends with",
}


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default=str(ROOT / "target/release/backup"))
    p.add_argument("--fs", default="ext4,xfs,btrfs")
    p.add_argument("--mirror-fs", help="kinds of the mirror: each with each of --fs")
    p.add_argument("--as", dest="users", default="root,user")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--big", action="store_true", help="a million files, ten thousand levels")
    p.add_argument("--group", help="only these: numbers or names")
    p.add_argument("--jobs", type=int, default=3 * (os.cpu_count() or 2), help="worlds at the same time; they mostly wait for disks")
    p.add_argument("--work", default=str(ROOT / "target/torture"))
    p.add_argument("--failures", type=int, default=8, help="shown of one group")
    p.add_argument("--verbose", action="store_true", help="a line for each group as it ends")
    p.add_argument("--list", action="store_true")
    return p.parse_args()


def pairs(options):
    """Kinds of source and mirror."""
    kinds = options.fs.split(",")
    if options.mirror_fs:
        return [(source, mirror) for source in kinds for mirror in options.mirror_fs.split(",")]
    same = [(kind, kind) for kind in kinds]
    if len(kinds) < 3:
        return same
    if options.quick:
        return same + [("xfs", "ext4-128")]
    return same + [("xfs", "ext4"), ("btrfs", "xfs"), ("ext4", "btrfs"), ("xfs", "ext4-128")]


def chosen(options):
    only = options.group.split(",") if options.group else None
    return [g for g in registry.GROUPS if only is None or g.name in only or g.room in only or any(str(n) in only for n in g.numbers)]


def one_world(options, folder, source, mirror, user):
    """All groups in one world; what is told of each."""
    import deviations
    from trial import Trial
    told = []
    with worlds.World(folder, options.program, source, mirror, user, options.quick, options.big) as world:
        ledger = deviations.Ledger(world)
        for group in chosen(options):
            if group.runs_in(world) and (not options.quick or source == mirror or group.room in CROSSED):
                began = time.monotonic()
                trial = Trial(world, group, ledger).whole()
                if options.verbose:
                    print(f"{world.name}: {group.name}: {len(trial.failures)} deviations, {time.monotonic() - began:.1f} s", flush=True)
                told.append((group.name, dict(trial.counts), trial.failures, trial.explained, time.monotonic() - began))
        silent = [] if options.group else ledger.silent()
        return world.name, told, silent


def main():
    options = words()
    for room in ROOMS:
        __import__(room)
    if options.list:
        for group in registry.GROUPS:
            print(f"{','.join(map(str, group.numbers)):>8}  {group.name}: {group.title}")
        for number, where in ELSEWHERE.items():
            print(f"{number:>8}  not here: {where}")
        return 0
    worlds.enter()
    began = time.monotonic()
    work = Path(options.work)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    todo = [(source, mirror, user) for source, mirror in pairs(options) for user in options.users.split(",")]
    results = []
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = {pool.submit(one_world, options, work / f"w{n}", *kinds): kinds for n, kinds in enumerate(todo)}
        for done in as_completed(waiting):
            results.append(done.result())
            name, told, _ = results[-1]
            print(f"{name}: {sum(sum(t[1].values()) for t in told)} assertions, {sum(len(t[2]) for t in told)} deviations, {sum(t[4] for t in told):.0f} s",
                  flush=True)
    shutil.rmtree(work, ignore_errors=True)
    return report(options, results, time.monotonic() - began)


def report(options, results, seconds):
    import deviations
    total, failed, explained = Counter(), 0, 0
    for group in chosen(options):
        counts, spent = Counter(), 0.0
        lines = {}
        for world, told, _ in results:
            for name, count, failures, documented, took in told:
                if name == group.name:
                    counts.update(count)
                    spent += took
                    explained += documented
                    failed += len(failures)
                    for text in failures[:options.failures]:
                        lines.setdefault(re.sub(rf"{re.escape(options.work)}/w\d+/|\(\d+\) (?=panicked)", "", text), []).append(world)
                    if len(failures) > options.failures:
                        lines.setdefault(f"and {len(failures) - options.failures} more", []).append(world)
        total.update(counts)
        print(f"{','.join(map(str, group.numbers)):>6} {group.name}: {group.title}: {sum(counts.values())} assertions, {spent:.1f} s")
        for text, where in lines.items():
            print(f"    {text}\n        in {'; '.join(where)}")
    for world, _, silent in results:
        for row in silent:
            failed += 1
            print(f"    {world}: the documented deviation `{row}` does not occur any more: take it out of docs/fidelity.md")
    for row in sorted(deviations.undocumented()):
        failed += 1
        print(f"    docs/fidelity.md and tests/torture/deviations.py differ on the row `{row}`")
    print("paths compared by " + ", ".join(f"{name}: {n}" for name, n in sorted(total.items())))
    print(f"{explained} differences are as documented; {seconds:.0f} s")
    print(f"{sum(total.values())} assertions, {failed} deviations")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main())
