"""The shape of trees and tables (48 to 50)."""
import os
import subprocess
from pathlib import Path

from registry import group
from world import must


@group(48, title="an empty DIR, empty directories, a source with nothing")
def empty(t):
    t.cycle()
    for n in range(5):
        t.dir(f"e{n}/e/e")
    t.night()
    t.quiet()
    for n in range(5):
        os.rmdir(t.at(f"e{n}/e/e"))
    t.night()


@group(48, title="DIR .")
def whole_source(t):
    t.dirs = ["."]
    t.table()
    t.rsync = False
    (t.src / "a").write_bytes(b"a"), (t.src / "sub/deep").mkdir(parents=True), (t.src / "sub/deep/b").write_bytes(b"b")
    os.mkfifo(t.src / "fifo")
    t.cycle()
    (t.src / "sub/deep/b").unlink(), (t.src / "c").write_bytes(b"c")
    t.night()


def tables(t):
    """What lines of DIR must be refused, and why."""
    return {"repeated": ["DIR d", "DIR d"], "inside another": ["DIR d", "DIR d/sub"], "around another": ["DIR d/sub", "DIR d"], "absolute": ["DIR /d"], "above": ["DIR ../d"],
            "..": ["DIR d/../d"], "everything and one": ["DIR .", "DIR d"], "none": []}


@group(48, title="tables with DIRs that overlap, repeat, or leave the tree are refused before anything is touched")
def bad_dirs(t):
    t.dir("sub"), t.file("a", b"a"), t.own()
    for what, lines in tables(t).items():
        t.tab.write_text("\n".join(["TARGET t", f"SOURCE {t.src}", f"MIRROR {t.mir}", *lines]) + "\n")
        ran = t.run("-backup", "--init", "t")
        t.equal(f"DIR {what}: exit", 64, ran.code)
        t.need(not t.mir.exists(), f"DIR {what}: something was written: {ran}")
    for line in ("d/", "d//", "./d", "d/.", "d/./"):
        t.tab.write_text(f"TARGET t\nSOURCE {t.src}\nMIRROR {t.mir}\nDIR {line}\n")
        ran = t.run("-backup", "--init", "t")
        t.need(ran.code in (0, 64) and (ran.code == 0) == t.mir.exists(), f"DIR {line} is taken or refused: {ran}")
        if ran.code == 0:
            t.same(t.src, t.mir, "mirror")
            t.clear(t.mir)
    t.tab.write_text(f"TARGET t\nSOURCE {t.src}\nMIRROR {t.mir}\nDIR d\nDIR d/\n")
    t.equal("d and d/: exit", 64, t.run("-backup", "--init", "t").code)


@group(48, title="DIR is missing, a file, a symlink, a fifo: held, or kept as it is; never deleted on the mirror")
def odd_dirs(t):
    t.file("a", b"a")
    t.cycle()
    away = t.src / "away"
    os.rename(t.d, away)
    for kind in ("missing", "file", "symlink", "fifo", "empty"):
        {"missing": lambda: None, "file": lambda: t.d.write_bytes(b"a file"), "symlink": lambda: t.d.symlink_to("away"), "fifo": lambda: os.mkfifo(t.d), "empty": t.d.mkdir}[kind]()
        if kind != "missing":
            t.give(t.d)
        ran = t.run("-backup", "t", timeout=60)
        t.need(ran.code in (2, 3) and not ran.hung, f"DIR that is {kind} is held: {ran}")
        t.equal(f"the mirror while DIR is {kind}", b"a", open(t.on_mirror("a"), "rb").read())
        if kind == "empty":
            t.d.rmdir()
        elif kind != "missing":
            t.d.unlink()
    os.rename(away, t.d)
    t.night()


def refused(t, what, source, mirror, codes=(2, 64), dirs=("d",)):
    t.tab.write_text(f"TARGET t\nSOURCE {source}\nMIRROR {mirror}\n" + "".join(f"DIR {d}\n" for d in dirs))
    had = Path(mirror).exists() and set(os.listdir(mirror))
    ran = t.run("-backup", "--init", "t")
    t.need(ran.code in codes and not ran.hung, f"{what} is refused: {ran}")
    t.equal(f"{what}: what is in the mirror", had, Path(mirror).exists() and set(os.listdir(mirror)))


@group(49, title="SOURCE in MIRROR, MIRROR in a DIR of SOURCE, both the same, by names and by symlinks")
def nested(t):
    t.dir("sub"), t.file("a", b"a"), t.own()
    way = t.places[0] / "way"
    way.symlink_to(t.src)
    refused(t, "the same place", t.src, t.src)
    refused(t, "the same place with another spelling", t.src, f"{t.src}/../s")
    refused(t, "the same place through a symlink", t.src, way)
    refused(t, "MIRROR in a DIR", t.src, t.d / "sub")
    refused(t, "MIRROR in a DIR, through a symlink", t.src, way / "d/sub")
    refused(t, "MIRROR new in a DIR", t.src, t.d / "new")
    refused(t, "SOURCE in MIRROR", t.d, t.src, dirs=("sub",))
    t.tab.write_text(f"TARGET t\nSOURCE {t.src}\nMIRROR {t.mir}\nDIR d\nSTORE {t.d}/store\n")
    ran = t.run("-backup", "--init", "t")
    t.need(ran.code in (2, 64) and not (t.d / "store").exists(), f"STORE in a DIR is refused: {ran}")
    t.tab.write_text(f"TARGET t\nSOURCE {t.src}\nMIRROR {t.mir}\nDIR d\nSTORE {way}/d/store\n")
    ran = t.run("-backup", "--init", "t")
    t.need(ran.code in (2, 64) and not (t.d / "store").exists(), f"STORE in a DIR, through a symlink, is refused: {ran}")
    refused(t, "MIRROR in the whole SOURCE", t.src, t.src / "m", dirs=(".",))


@group(49, title="the same through a bind mount", only="root")
def nested_by_bind(t):
    t.dir("sub"), t.file("a", b"a")
    bound = t.places[0] / "bound"
    bound.mkdir()
    must("mount", "--bind", t.src, bound)
    try:
        refused(t, "the same place by a bind mount", t.src, bound)
        refused(t, "MIRROR in a DIR by a bind mount", t.src, bound / "d/sub")
    finally:
        subprocess.run(["umount", "-l", bound], check=False)


@group(49, title="a mirror that is given as SOURCE: the table looks swapped")
def swapped_table(t):
    t.file("a", b"a")
    t.cycle()
    other = t.places[0] / "other"
    t.tab.write_text(f"TARGET t\nSOURCE {t.mir}\nMIRROR {other}\nDIR d\n")
    t.equal("exit", 2, t.run("-backup", "--init", "t").code)
    t.need(not other.exists(), "something was written")
    t.tab.write_text(f"TARGET t\nSOURCE {t.mir}\nMIRROR {t.src}\nDIR d\n")
    t.equal("exit", 2, t.run("-backup", "t").code)
    t.need(not (t.src / ".backup").exists(), "something was written")
    t.table()
    t.quiet()


@group(50, title="three targets with mirrors on one partition, one after the other and at the same time")
def three_targets(t):
    names = ["one", "two", "three"]
    lines = []
    for name in names:
        (t.src / name / "d").mkdir(parents=True)
        for n in range(20):
            (t.src / name / f"d/{n}").write_bytes(b"shared %d" % n * 3000)
        (t.src / name / "d/own").write_bytes(name.encode())
        lines.append(f"TARGET {name}\nSOURCE {t.src}/{name}\nMIRROR {t.mir}-{name}\nDIR d\n")
    t.give(t.places[1]), t.own()
    t.tab.write_text("\n".join(lines))
    t.ended(t.run("-backup", "--init", "--all", "--jobs", "3"), 0)
    for turn in range(2):
        for name in names:
            t.same(t.src / name, f"{t.mir}-{name}", "mirror")
            t.ended(t.run("-check", name, "--data"), 0)
            (t.src / name / f"d/{turn}").write_bytes(b"changed")
            t.own()
        if turn == 0:
            t.ended(t.run("-backup", *names), 0)
    t.tab.write_text(f"TARGET one\nSOURCE {t.src}/one\nMIRROR {t.mir}-one\nDIR d\n\nTARGET two\nSOURCE {t.src}/two\nMIRROR {t.mir}-one/below\nDIR d\n")
    t.equal("mirrors that overlap: exit", 64, t.run("-backup", "--init", "two").code)


@group(48, title="EXCLUDE: by name anywhere, by path, names that are not UTF-8 or look like globs; what is left out is not on the mirror, and all else is")
def excluded(t):
    t.table("EXCLUDE *.tmp", "EXCLUDE cache", "EXCLUDE d/only/this", "EXCLUDE d/*/two", "EXCLUDE [[]x]")
    for name in ("a.tmp", "sub/b.tmp", ".tmp", "sub/cache/in", "cache/in", "only/this/in", "one/two/in", "one/deep/two", "[x]", "only/that", "tmp", "a.tmpx", b"\xff.tmp", b"\xff", "x", "new\nline.tmp"):
        t.dir(os.path.dirname(name)), t.file(name, b"x")
    t.own()
    t.backup("--init")
    left = {path.relative_to(t.m).as_posix() for path in t.m.rglob("*") if not path.is_dir()}
    t.equal("what is on the mirror", {"only/that", "tmp", "a.tmpx", "\udcff", "x", "one/deep/two"}, left)
    t.quiet()
    t.check()
    # What is left out from now on, and what no longer is.
    t.table("EXCLUDE only")
    t.backup()
    left = {path.relative_to(t.m).as_posix() for path in t.m.rglob("*") if not path.is_dir()}
    # What is left out by now is neither copied nor removed.
    t.need("only/that" in left and "only/this/in" not in left and "a.tmp" in left and len(left) == 15, f"EXCLUDE follows the table: {left}")
    t.quiet()
    t.check()
