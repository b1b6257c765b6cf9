"""What side-by-side.py prints of its measurements, as Markdown: a table of medians for each measure, and the goals.

A ratio is the median of those within a turn, this program's figure divided by the peer's; where the two were in no turn together, or several peers are asked
for the smallest, it is that of the medians. A row of the measurements has set, round, heat, phase, program, and the measures.
"""
import os
import platform
import statistics
import subprocess

MEASURES = {"wall": ("wall, s", 2), "cpu": ("CPU, s", 2), "rss": ("peak RSS, MB", 0), "written": ("written, MB", 1), "store": ("store, MB", 1)}
OURS = "backup"
STORES = ["restic", "borgbackup", "rustic", "bupstash"]

# set, phase, measure, peers (the smallest counts; none: the figure itself), at most
GOALS = [
    ("linux", "first", "wall", ["rsync"], 1.0),
    ("fits", "first", "wall", ["rsync"], 1.0),
    ("fits", "first", "wall", ["restic"], 0.6),
    ("linux", "no change", "wall", ["rsync"], 0.25),
    ("linux", "no change", "wall", ["bupstash"], 1.0),
    ("linux", "next night", "wall", ["rsync"], 0.5),
    ("linux", "touched", "wall", ["rsync"], 0.5),
    ("linux", "restore", "wall", ["rsync"], 1.0),
    ("linux", "restore", "wall", ["restic"], 0.5),
    ("fits", "restore", "wall", ["rsync"], 1.0),
    ("fits", "restore", "wall", ["restic"], 0.5),
    ("both", "one file", "wall", [], 0.5),
    ("fits", "first", "store", STORES, 0.82),
    ("linux", "first", "store", STORES, 0.95),
    ("linux", "night 5", "store", STORES, 0.95),
    ("linux", "check", "wall", ["restic"], 0.5),
    ("fits", "check", "wall", ["restic"], 0.5),
    (None, None, "rss", [], 150.0),
]


class Report:
    def __init__(self, rows):
        self.rows = [row for row in rows if "failed" not in row]

    def turns(self, name, phase, measure):
        """(round, heat) -> program -> value"""
        out = {}
        for row in self.rows:
            if (row["set"], row["phase"]) == (name, phase) and measure in row:
                out.setdefault((row["round"], row["heat"]), {})[row["program"]] = row[measure]
        return out

    def median(self, name, phase, measure, program):
        found = [turn[program] for turn in self.turns(name, phase, measure).values() if program in turn]
        return statistics.median(found) if found else None

    def ratio(self, name, phase, measure, peer):
        found = [turn[OURS] / turn[peer] for turn in self.turns(name, phase, measure).values() if OURS in turn and turn.get(peer)]
        if found:
            return statistics.median(found)
        a, b = (self.median(name, phase, measure, program) for program in [OURS, peer])
        return a / b if a is not None and b else None

    def tables(self, name, phases, programs):
        return "\n\n".join(self.table(name, phases, programs, measure) for measure in MEASURES)

    def table(self, name, phases, programs, measure):
        label, digits = MEASURES[measure]
        lines = [f"| {name}: {label} | " + " | ".join(programs) + " |", "|---" + "|---:" * len(programs) + "|"]
        for phase in phases:
            if not self.turns(name, phase, measure):
                continue
            cells = []
            for program in programs:
                value = self.median(name, phase, measure, program)
                ratio = None if program == OURS or measure in ("rss", "written") else self.ratio(name, phase, measure, program)
                cell = "–" if value is None else f"{value:.{digits}f}"
                cells.append(cell if ratio is None else f"{cell} ({ratio:.2f})")
            lines.append(f"| {phase} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def goals(self):
        lines = ["| goal | at most | measured | |", "|---|---:|---:|---|"]
        for name, phase, measure, peers, most in GOALS:
            title, value = self.goal(name, phase, measure, peers)
            if value is not None:
                lines.append(f"| {title} | {most:g} | {value:.2f} | {'met' if value <= most else 'MISSED'} |")
        return "\n".join(lines)

    def goal(self, name, phase, measure, peers):
        label = MEASURES[measure][0]
        if name is None:
            found = [row[measure] for row in self.rows if row["program"] == OURS]
            return f"{label}, the largest of all runs", max(found, default=None)
        if not peers:
            return f"{name}, {phase}: {label}", self.median(name, phase, measure, OURS)
        known = {peer: self.median(name, phase, measure, peer) for peer in peers}
        known = {peer: value for peer, value in known.items() if value is not None}
        title = f"{name}, {phase}: {label.split(',')[0]} / that of {' or '.join(peers)}"
        if not known:
            return title, None
        best = min(known, key=known.get)
        missing = [peer for peer in peers if peer not in known]
        title += f" ({best} is the smallest" * (len(peers) > 1) + f"; {', '.join(missing)} not measured" * bool(missing) + ")" * (len(peers) > 1)
        return title, self.ratio(name, phase, measure, best)


def machine(work, image, versions):
    file_system = f"new file systems ({image})" if image else subprocess.run(["df", "--output=fstype", work], check=True, capture_output=True, text=True).stdout.split()[-1]
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GB, {file_system}, Linux {platform.release()}; " + "; ".join(versions)
