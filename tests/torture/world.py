"""A world: two file systems on loop devices, who runs the program, and how it is run.

    with World(folder, program, source="xfs", mirror="ext4", user="root") as world:
        world.run(["-backup", "t"], tab=..., timeout=60)

What must stay true: all of it is in a mount namespace of this process (`enter`), so that mounts and loop devices end with it however it is killed; no run
of the program is waited for without an end.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

INSIDE = "BACKUP_TORTURE_INSIDE"
ID = 4242
MIB = 1 << 20
SETPRIV = shutil.which("setpriv") or "/usr/bin/setpriv"                        # by its path: PATH may be empty for whom it starts
MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"],
    "ext4-128": ["mkfs.ext4", "-q", "-F", "-m", "0", "-I", "128"],           # whole seconds, 1901 to 2038
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}


def enter():
    """Begins this program again as process 1 of namespaces of its own."""
    if os.environ.get(INSIDE) is None:
        if os.geteuid() != 0:
            sys.exit("torture: needs root, to mount file systems")
        inside = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, *sys.argv]
        try:
            sys.exit(subprocess.run(inside, env={**os.environ, INSIDE: "1"}, check=False).returncode)
        except KeyboardInterrupt:
            sys.exit(130)


def must(*words, **options):
    """What a command printed that had to succeed."""
    done = subprocess.run([str(word) if isinstance(word, Path) else word for word in words], capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode} of {words}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class Disk:
    """A file system of its own, mounted until it is closed."""

    def __init__(self, kind, at, size=3000 * MIB, image=None, options="defaults"):
        self.at, self.image = Path(at), Path(image or f"{at}.img")
        with open(self.image, "wb") as file:
            file.truncate(size)
        must(*MKFS[kind], self.image)
        self.at.mkdir(parents=True, exist_ok=True)
        must("mount", "-o", f"loop,{options}", self.image, self.at)

    def remount(self, options):
        must("mount", "-o", f"remount,{options}", self.at)

    def close(self):
        subprocess.run(["umount", "-l", str(self.at)], capture_output=True, check=False)
        self.image.unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Ran:
    """What a run of the program said."""

    def __init__(self, words, code, out, err, hung=False):
        self.words, self.code, self.hung = words, code, hung
        self.out, self.err = (text.decode("utf-8", "backslashreplace") for text in (out, err))
        self.rows = []
        for line in self.out.splitlines():
            try:
                self.rows.append(json.loads(line))
            except ValueError:
                pass

    @property
    def summary(self):
        found = [row for row in self.rows if isinstance(row, dict) and row.get("type") == "summary"]
        return found[-1] if found else {}

    def __str__(self):
        rows = [row for row in self.rows if isinstance(row, dict)]
        said = [f"{row.get('path')}: {row.get('message')}" for row in rows if row.get("type") == "problem"][:3]
        said += [str(reason)[:200] for row in rows for reason in row.get("reasons", [])]
        said += [self.err.strip()[-500:]] if self.err.strip() else [] if rows else [self.out.strip()[-300:]]
        return f"{' '.join(map(str, self.words[:4]))}: {'hung' if self.hung else f'exit {self.code}'}: {'; '.join(said)}"


class World:
    def __init__(self, folder, program, source, mirror, user, quick=False, big=False, seed=1):
        self.folder, self.source, self.mirror, self.user = Path(folder), source, mirror, user
        self.quick, self.big, self.seed = quick, big, seed
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self.program = self.folder / "backup"
        shutil.copy(program, self.program)
        self.program.chmod(0o755)
        self.disks = [Disk(source, self.folder / "source"), Disk(mirror, self.folder / "mirror")]
        self.extra = 0

    name = property(lambda self: f"{self.source}>{self.mirror}, {self.user}")
    is_root = property(lambda self: self.user == "root")

    def disk(self, kind, size=400 * MIB, options="defaults"):
        """One more file system, for a group."""
        self.extra += 1
        return Disk(kind, self.folder / f"extra{self.extra}", size, options=options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for disk in self.disks:
            disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, words, tab):
        as_user = [] if self.is_root else [SETPRIV, "--reuid", str(ID), "--regid", str(ID), "--clear-groups", "--"]
        return [*as_user, str(self.program), "--tab", str(tab), *map(str, words)]

    def environment(self):
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def start(self, words, tab, wrap=(), **options):
        """Starts the program, in a group of its own."""
        command = [*map(str, wrap), *self.command(words, tab)]
        options = {"env": self.environment(), "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                   "start_new_session": True, "cwd": self.folder, **options}
        return subprocess.Popen(command, **options)

    def finish(self, process, words, timeout=120):
        try:
            out, err = process.communicate(timeout=timeout)
            return Ran(words, process.returncode, out or b"", err or b"")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            return Ran(words, process.returncode, out or b"", err or b"", hung=True)

    def run(self, words, tab, timeout=120, **options):
        return self.finish(self.start(words, tab, **options), words, timeout)
