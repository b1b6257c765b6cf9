#!/usr/bin/env python3
"""Count the instructions of the inner loops (benches/instructions.rs) with valgrind: a figure that does not depend on what else the machine does.

    instructions.py [--jobs NAME,...] [--json FILE] [--against FILE] [--keep DIR]

Each job is run under callgrind once and twice; the difference is what it takes, of all threads, without getting ready. To compare two commits: with --json on
the one, with --against that file on the other. What was counted on different machines, or by different versions of valgrind or Rust, is not comparable:
libraries choose their code by processor, and valgrind shows one without AVX-512. --keep leaves the profile of each job for callgrind_annotate.

Calls of the kernel, waiting for memory or a disk, and what two cores do at the same time do not show in these figures.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# One worker, so that none looks for work that another has.
ENVIRONMENT = os.environ | {"RAYON_NUM_THREADS": "1"}


def build():
    """The path of the program."""
    done = subprocess.run(["cargo", "bench", "--locked", "--bench", "instructions", "--no-run", "--message-format", "json"],
                          check=True, stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("target", {}).get("name") == "instructions" and message.get("executable"):
            return message["executable"]
    sys.exit("instructions: cargo built no program")


def counted(program, name, times, folder):
    profile = folder / f"callgrind.{name}.{times}"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", program, name, str(times)]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"instructions: exit code {done.returncode} of {' '.join(command)}\n{done.stderr[-2000:]}")
    return int(found[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", metavar="NAME,...", help="only these")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the counts")
    parser.add_argument("--against", type=Path, metavar="FILE", help="counts to compare with")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to leave the profiles")
    args = parser.parse_args()
    program = build()
    listed = [line.split() for line in subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()]
    units = {name: (int(count), what) for name, count, what in listed}
    names = args.jobs.split(",") if args.jobs else list(units)
    if unknown := [name for name in names if name not in units]:
        sys.exit(f"instructions: no job {', '.join(unknown)}; there are {', '.join(units)}")
    old = json.loads(args.against.read_text()) if args.against else {}
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor() as pool:
        folder = args.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        runs = {name: [pool.submit(counted, program, name, times, folder) for times in (1, 2)] for name in names}
        found = {name: twice.result() - once.result() for name, (once, twice) in runs.items()}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    print("| job | instructions | of each |" + " before | ratio |" * bool(old))
    print("|---|---:|---:|" + "---:|---:|" * bool(old))
    for name, value in found.items():
        count, what = units[name]
        before = f" {old[name]:,} | {value / old[name]:.4f} |" if name in old else " – | – |" * bool(old)
        print(f"| {name} | {value:,} | {value / count:,.2f} per {what} |{before}")


if __name__ == "__main__":
    main()
