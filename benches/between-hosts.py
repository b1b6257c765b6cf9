#!/usr/bin/env python3
"""Measure `backup` between hosts beside rsync and restic: wall time, and bytes on the wire each way, over the same sshd, on a fast and on a slow line.

    between-hosts.py [--backup PROGRAM | --without-ours] [--data DIR] [--work DIR] [--sets linux,fits] [--lines fast,slow] [--only NAME,...] [--rounds N]
                     [--json FILE]

The hosts are those of tests/hosts/world.py: uhane has the source, mamane gets the copy. Each round begins with nothing and goes through three phases: the
first backup of night 1, again with no change, the next night; in each the programs take turns. The slow line has 50 ms and 100 Mbit/s each way
(benches/slow-link as ProxyCommand, so that the round trips of ssh count too).

    rsync push     at uhane:  rsync -az --delete /local/data/elixir/ mamane:...       a tree only, of one night
    rsync pull     at mamane: rsync -az --delete uhane:/local/data/elixir/ ...        the same
    restic         at uhane:  restic -r sftp:mamane:... backup                        a store only; `restic init` is not timed
    backup         at uhane:  backup -backup elixir                                   a tree, and a store of all nights
    backup third   at naio:   the same, which no other can

Bytes are those that the kernel counts on mamane's cable, to it and from it, headers included. After each phase of the first round each tree is compared
with the source by content. Needs root, and what tests/hosts/world.py needs, rsync and restic.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/hosts"))
import world

PHASES = ["first", "no change", "next night"]
SLOW = "Host *\n  ProxyCommand slow-link --delay 50 --rate 100 --connect %h %p\n"
SOURCE = "/local/data/elixir"


class Program:
    """One way to bring uhane's source to mamane."""

    def __init__(self, name, host, command, before="true", tree=None):
        self.name, self.host, self.command, self.before, self.tree = name, host, command, before, tree

    def line(self, phase):
        return self.command.replace("INIT", "--init" if phase == "first" else "")


def programs(ours, only):
    restic = "restic -q -p /root/password --cache-dir /local/data/cache -r sftp:mamane:/local/data/repo"
    out = [
        Program("rsync push", "uhane", f"rsync -az --delete {SOURCE}/ mamane:/local/data/push/", tree="push"),
        Program("rsync pull", "mamane", f"rsync -az --delete uhane:{SOURCE}/ /local/data/pull/", tree="pull"),
        Program("restic", "uhane", f"cd /local/data && {restic} backup elixir", before=f"echo benchmark > /root/password; {restic} init"),
    ]
    if ours:
        table = "TARGET elixir\\n SOURCE {}\\n MIRROR mamane:/local/data/{}\\n DIR .\\n"
        for name, host, source, tree in [("backup", "uhane", SOURCE, "two"), ("backup third", "naio", "uhane:" + SOURCE, "three")]:
            before = f"printf '{table.format(source, tree)}' > /root/backup.tab"
            out.append(Program(name, host, "backup -backup INIT elixir", before=before, tree=tree))
    return [program for program in out if only is None or program.name in only.split(",")]


class Bench:
    def __init__(self, hosts, args):
        self.hosts, self.args, self.rows = hosts, args, []
        self.source = hosts.disk("uhane") / "elixir"
        self.source.mkdir()

    def must(self, host, line):
        done = self.hosts.on(host, line, user="root")
        if done.returncode != 0:
            sys.exit(f"between-hosts: exit code {done.returncode} of {line} at {host}:\n{(done.stdout + done.stderr)[-2000:]}")

    def traffic(self):
        stats = json.loads(world.must("ip", "-json", "-stats", "link", "show", "mamane"))[0]["stats64"]
        return stats["tx"]["bytes"], stats["rx"]["bytes"]  # of the other end of the cable: to mamane, from it

    def switch(self, night):
        world.must("rsync", "-aHAX", "--modify-window=-1", "--delete", f"{night}/", f"{self.source}/")
        os.sync()

    def empty(self, program):
        for host in world.HOSTS:
            for name in [program.tree or "repo", "cache"]:
                shutil.rmtree(self.hosts.disk(host) / name, ignore_errors=True)
        self.must(program.host, program.before)

    def compare(self, program):
        if program.tree:
            tree = self.hosts.disk("mamane") / program.tree
            found = world.must("rsync", "-anic", "--delete", "--exclude=/.backup", f"{self.source}/", f"{tree}/")
            if found:
                sys.exit(f"between-hosts: WRONG RESULT of {program.name}:\n{found[:2000]}")

    def run(self, line, name, which):
        for host in world.HOSTS:
            config = self.hosts.home(host, "root") / ".ssh/config"
            config.write_text(SLOW if line == "slow" else "")
        nights = [self.args.data.resolve() / name / night for night in ("night1", "night2")]
        for number in range(1, self.args.rounds + 1):
            self.switch(nights[0])
            for phase in PHASES:
                if phase == "next night":
                    self.switch(nights[1])
                for program in which:
                    if phase == "first":
                        self.empty(program)
                    os.sync()
                    before, begun = self.traffic(), time.monotonic()
                    self.must(program.host, program.line(phase))
                    wall, after = time.monotonic() - begun, self.traffic()
                    there, back = (b - a for a, b in zip(before, after))
                    self.rows.append({"line": line, "set": name, "round": number, "phase": phase, "program": program.name,
                                      "wall": wall, "to": there / 1e6, "from": back / 1e6})
                    print(f"{line} {name} {number}/{self.args.rounds} {phase}: {program.name} {wall:.2f} s, {there / 1e6:.3f} MB to mamane, "
                          f"{back / 1e6:.3f} from it", file=sys.stderr, flush=True)
                    if self.args.json:
                        self.args.json.write_text(json.dumps(self.rows, indent=1) + "\n")
                    if number == 1:
                        self.compare(program)
        print(f"\n### {name}, {line} line\n\n{self.table(line, name, which)}\n", flush=True)

    def table(self, line, name, which):
        out = ["| phase | | " + " | ".join(p.name for p in which) + " |", "|---|---" + "|---:" * len(which) + "|"]
        for phase in PHASES:
            title = phase
            for measure, label, digits in [("wall", "wall, s", 2), ("to", "to mamane, MB", 2), ("from", "from mamane, MB", 2)]:
                cells = []
                for program in which:
                    found = [r[measure] for r in self.rows
                             if (r["line"], r["set"], r["phase"], r["program"]) == (line, name, phase, program.name)]
                    cells.append(f"{statistics.median(found):.{digits}f}")
                out.append("| " + " | ".join([title, label, *cells]) + " |")
                title = ""
        return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backup", type=Path, default=Path("target/release/backup"), metavar="PROGRAM")
    parser.add_argument("--without-ours", action="store_true")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BACKUP_BENCH_DATA", "target/bench-data")), metavar="DIR")
    parser.add_argument("--work", type=Path, default=Path("target/bench-hosts"), metavar="DIR", help="on a real disk; it is emptied; 12 GB")
    parser.add_argument("--sets", default="linux,fits")
    parser.add_argument("--lines", default="fast,slow")
    parser.add_argument("--only", metavar="NAME,...", help="of the programs above only these: backup,restic")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write every single number")
    args = parser.parse_args()
    for needed in ["rsync", "restic"]:
        if not shutil.which(needed):
            sys.exit(f"between-hosts: no program {needed}")
    for name in args.sets.split(","):
        if not (args.data / name / "night2").is_dir():
            sys.exit(f"between-hosts: no {args.data / name}/night2: run fetch-data.sh")
    world.enter()
    which = programs(not args.without_ours, args.only)
    with world.World(args.work, None if args.without_ours else args.backup) as hosts:
        for host in world.HOSTS:
            hosts.install(host, HERE / "slow-link", "slow-link")
        bench = Bench(hosts, args)
        for line in args.lines.split(","):
            for name in args.sets.split(","):
                bench.run(line, name, which)
    shutil.rmtree(args.work)


if __name__ == "__main__":
    main()
