#!/usr/bin/env python3
"""What it costs to browse a history by -mount.

    mount.py --tab FILE --target NAME [--backup PROGRAM] [--rounds N] [--snapshot N] [--json FILE]

Times, in seconds: until it is mounted; `ls` of a folder and `ls -l`, when nothing is known yet; `find` and `find -ls` of a whole snapshot, and of its
neighbour; all files of a snapshot read by tar. Then the memory of the program (peak RSS, MB). Each round mounts anew; the median is told. Needs FUSE; writes
nothing but to a folder of its own for the mount.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path


def timed(words, **more):
    began = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, **more)
    return time.monotonic() - began


def largest_folder(snapshot):
    """A folder with many names, not far down."""
    found = [(len(files), folder) for folder, _, files in os.walk(snapshot)]
    return max(found)[1]


def one_round(options, folder):
    took = {}
    began = time.monotonic()
    words = [options.backup, "--tab", options.tab, "-mount", options.target, folder]
    program = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        program.stdout.readline()
        took["mounted"] = time.monotonic() - began
        names = sorted(name for name in os.listdir(folder) if name[:6].isdigit() and name.count("-") == 3)
        at = names.index(next(name for name in names if int(name.split("-")[0]) == options.snapshot)) if options.snapshot else -1
        here, beside = (str(folder / names[n]) for n in (at, at - 1))
        took["ls"] = timed(["ls", "-U", here])
        took["ls -l"] = timed(["ls", "-lR", here + "/" + sorted(os.listdir(here))[0]] if options.deep else ["ls", "-l", here])
        took["find"] = timed(["find", here])
        took["find -ls"] = timed(["find", here, "-ls"])
        took["find -ls of the neighbour"] = timed(["find", beside, "-ls"])
        took["tar"] = timed(["sh", "-c", 'tar -cf - -C "$1" . | cat', "sh", here])
        took["ls of a large folder"] = timed(["ls", "-l", largest_folder(beside)])
        status = Path(f"/proc/{program.pid}/status").read_text()
        took["MB"] = int(status.split("VmHWM:")[1].split()[0]) / 1024
    finally:
        program.send_signal(signal.SIGINT)
        program.wait()
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tab", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--backup", default="target/release/backup")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--snapshot", type=int)
    parser.add_argument("--deep", action="store_true", help="ls -l of all below the first folder")
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mounted-") as folder:
        rounds = [one_round(options, Path(folder)) for _ in range(options.rounds)]
    medians = {name: statistics.median(took[name] for took in rounds) for name in rounds[0]}
    for name, value in medians.items():
        print(f"{name:28} {value:8.3f}")
    if options.json:
        Path(options.json).write_text(json.dumps(medians) + "\n")


if __name__ == "__main__":
    main()
