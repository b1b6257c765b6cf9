"""The programs that side-by-side.py measures: one small class each, which says with what words each job is done.

All work below one folder: `src` is the source, `out` where things are restored to, the rest belongs to the programs. A command is a list of words, or
None for what a program cannot do. Every command leaves its work as durable as ours leaves it: programs that do not sync themselves (found with strace)
get a `sync -f` of what they wrote. Each is used as its manual says, with its own compression, but for borg: zstd, because lz4 would be no match in size.
What a program can do without encryption is done without. Caches are kept from night to night, and begin empty with the first backup.
"""
import json
import shutil
import subprocess
import sys


def synced(folder, *command):
    """The command, and then all of the file system that the folder is on goes to disk."""
    return ["sh", "-c", 'folder=$0; "$@" && exec sync -f "$folder"', folder, *command]


def to_file(file, *command):
    return ["sh", "-c", 'file=$0; "$@" > "$file" && exec sync -f "$file"', file, *command]


def run(*command):
    """What a command prints that is not timed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"peers: exit code {done.returncode} of {' '.join(map(str, command))}: {done.stderr[-1000:]}")
    return done.stdout


class Program:
    name = program = None  # `program` is what must be installed
    tree = None            # a folder that holds what the source does after each backup
    exact = False          # what it leaves must be just what the source is

    def __init__(self, work):
        self.work, self.source, self.out = work, work / "src", work / "out"
        self.store, self.cache = work / f"{self.name}.store", work / f"{self.name}.cache"
        self.restored = self.out
        self.nights = 0

    def version(self):
        return run(self.program, "--version").splitlines()[0].strip()

    def prepare(self):
        """Begin from nothing; not timed."""
        self.remove()
        for folder in [self.store, self.cache]:
            folder.mkdir()
        self.nights = 0

    def remove(self):
        for folder in [self.store, self.cache]:
            shutil.rmtree(folder, ignore_errors=True)

    def command(self, phase, path):
        """How to do a phase; `path` is the one file, below the source."""
        match phase:
            case "restore":
                return self.restore()
            case "check":
                return self.check()
            case "one file":
                return self.one_file(path)
        self.nights += 1
        return self.backup()

    def check(self):
        return None

    def one_file(self, _path):
        """Get a file as it was in the oldest snapshot."""
        return None


class Ours(Program):
    name, exact = "backup", True

    def __init__(self, work, program):
        super().__init__(work)
        self.program = program
        self.tree = work / "backup.mirror"
        self.store = self.tree / ".backup/store"
        self.table = work / "backup.tab"
        self.ours = [program, "--tab", self.table]

    def prepare(self):
        self.remove()
        self.tree.mkdir()
        self.table.write_text(f"TARGET bench\n  SOURCE {self.source}\n  MIRROR {self.tree}\n  DIR .\n")
        self.nights = 0

    def remove(self):
        shutil.rmtree(self.tree, ignore_errors=True)

    def backup(self):
        return [*self.ours, "-backup", *(["--init"] if self.nights == 1 else []), "bench"]

    def restore(self):
        return [*self.ours, "-restore", "bench", "--to", self.out]

    def check(self):
        return [*self.ours, "-check", "bench", "--data"]

    def one_file(self, path):
        return [*self.ours, "-restore", "bench", path, "--snapshot", "1", "--to", self.out]


class Rsync(Program):
    """A tree only, of one night."""
    name = program = "rsync"
    exact = True

    def __init__(self, work):
        super().__init__(work)
        self.tree = self.store

    def copy(self, a, b):
        return synced(b, "rsync", "-aHAX", "--delete", f"{a}/", f"{b}/")

    def backup(self):
        return self.copy(self.source, self.tree)

    def restore(self):
        return self.copy(self.tree, self.out)


class Restic(Program):
    """Encrypted always; syncs what it stores."""
    name = program = "restic"

    def __init__(self, work):
        super().__init__(work)
        self.password = work / "password"
        self.restic = ["restic", "--quiet", "--repo", self.store, "--password-file", self.password, "--cache-dir", self.cache]
        self.restored = self.out / "src"  # named src, not ".": so the folder itself is restored too

    def version(self):
        return run("restic", "version").strip()

    def prepare(self):
        super().prepare()
        self.password.write_text("benchmark\n")
        run(*self.restic, "init")

    def backup(self):
        return ["env", "-C", self.work, *self.restic, "backup", "src"]

    def restore(self):
        return synced(self.out, *self.restic, "restore", "latest", "--target", self.out)

    def check(self):
        return [*self.restic, "check", "--read-data"]

    def one_file(self, path):
        oldest = min(json.loads(run(*self.restic, "snapshots", "--json")), key=lambda s: s["time"])["id"]
        return to_file(self.out / "file", *self.restic, "dump", oldest, f"src/{path}")


class Borg(Program):
    """Syncs what it stores."""
    name, program = "borgbackup", "borg"

    def __init__(self, work):
        super().__init__(work)
        self.borg = ["env", "-C", work, f"BORG_BASE_DIR={self.cache}", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes", "borg"]
        self.restored = self.out / "src"

    def prepare(self):
        super().prepare()
        run(*self.borg, "init", "--encryption", "none", self.store)

    def backup(self):
        return [*self.borg, "create", "--compression", "zstd", f"{self.store}::{self.nights}", "src"]

    def extract(self, *what):
        return synced(self.out, "env", "-C", self.out, *self.borg[3:], "extract", *what)

    def restore(self):
        return self.extract(f"{self.store}::{self.nights}")

    def check(self):
        return [*self.borg, "check", "--verify-data", self.store]

    def one_file(self, path):
        return self.extract(f"{self.store}::1", f"src/{path}")


class Bup(Program):
    """Syncs what it stores."""
    name = program = "bup"

    def __init__(self, work):
        super().__init__(work)
        self.bup = ["env", "-C", work, f"BUP_DIR={self.store}", "bup"]

    def version(self):
        return "bup " + super().version()

    def prepare(self):
        super().prepare()
        run(*self.bup, "init")

    def backup(self):
        return ["sh", "-c", '"$@" index src && exec "$@" save --quiet --strip --name bench src', "bup", *self.bup]

    def restore(self):
        return synced(self.out, *self.bup, "restore", "--quiet", "--outdir", self.out, "/bench/latest/.")

    def check(self):
        return [*self.bup, "fsck"]

    def one_file(self, path):
        oldest = min(name for name in run(*self.bup, "ls", "bench").split() if name != "latest")
        return synced(self.out, *self.bup, "restore", "--quiet", "--outdir", self.out, f"/bench/{oldest}/{path}")


class Rustic(Program):
    """Encrypted always; syncs what it stores."""
    name = program = "rustic"

    def __init__(self, work):
        super().__init__(work)
        self.rustic = ["env", "-C", work, f"HOME={work}", "rustic", "--no-progress", "--log-level", "error", "--repository", self.store,
                       "--password", "benchmark", "--cache-dir", self.cache]
        self.restored = self.out / "src"

    def prepare(self):
        super().prepare()
        run(*self.rustic, "init")

    def backup(self):
        return [*self.rustic, "backup", "--as-path", "/src", "src"]

    def restore(self):
        return synced(self.out, *self.rustic, "restore", "latest", self.out)

    def check(self):
        return [*self.rustic, "check", "--read-data"]

    def one_file(self, path):
        return to_file(self.out / "file", *self.rustic, "dump", f"latest~{self.nights - 1}:/src/{path}")


class Bupstash(Program):
    """Encrypted always; syncs what it stores; has no check."""
    name = program = "bupstash"

    def __init__(self, work):
        super().__init__(work)
        self.key = work / "bupstash.key"
        self.bupstash = ["env", "-C", work, f"BUPSTASH_REPOSITORY={self.store}", f"BUPSTASH_KEY={self.key}",
                         f"BUPSTASH_QUERY_CACHE={self.cache / 'query'}", f"BUPSTASH_SEND_LOG={self.cache / 'send'}", "bupstash"]

    def prepare(self):
        self.remove()
        self.nights = 0
        self.cache.mkdir()
        self.key.unlink(missing_ok=True)
        run(*self.bupstash, "init")
        run(*self.bupstash, "new-key", "--output", self.key)

    def backup(self):
        return [*self.bupstash, "put", "--quiet", "--xattrs", f"night={self.nights}", "src"]

    def restore(self):
        return synced(self.out, *self.bupstash, "restore", "--quiet", "--ownership", "--xattrs", "--into", self.out, f"night={self.nights}")

    def one_file(self, path):
        return to_file(self.out / "file", *self.bupstash, "get", "--quiet", "--pick", path, "night=1")


class Conserve(Program):
    """Never syncs. A file alone it restores only at the top of a tree: it does not make the folders above."""
    name = program = "conserve"

    def prepare(self):
        super().prepare()
        run("conserve", "init", self.store)

    def backup(self):
        return synced(self.store, "conserve", "backup", "--no-progress", "--no-stats", self.store, self.source)

    def restore(self):
        return synced(self.out, "conserve", "restore", "--no-progress", "--no-stats", self.store, self.out)

    def check(self):
        return ["conserve", "validate", "--no-progress", self.store]


PEERS = [Rsync, Restic, Bupstash, Rustic, Borg, Bup, Conserve]
