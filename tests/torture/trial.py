"""One group in one world: a source, its mirror, nights, and what the judges say of them.

A group builds below `t.d` (DIR d of the source) and calls `t.cycle()`; then it changes things and calls `t.night()`; `t.history()` at the end restores every
night and compares it with the plain copy that was kept of it. An assertion is counted where it is made: one for each path that a judge compares (kind,
metadata, content and links together), and one for each `need`, `equal` and exit code.
"""
import os
import subprocess
from collections import Counter
from pathlib import Path

import judges
from world import ID, must


class Stop(Exception):
    """After this, the rest of a group would say the same once more."""


class Trial:
    def __init__(self, world, group, ledger):
        self.world, self.group, self.ledger = world, group, ledger
        self.counts, self.failures, self.explained = Counter(), [], 0
        self.places = [disk.at / group.name for disk in world.disks]
        self.src, self.mir = self.places[0] / "s", self.places[1] / "m"
        self.tab, self.dirs = self.places[0] / "backup.tab", ["d"]
        self.d, self.m = self.src / "d", self.mir / "d"
        # What a judge cannot do with this group: rsync and the reader follow paths by name, and read holes.
        self.rsync = self.checksum = self.store = self.keeps = True
        self.kept, self.listings, self.last, self.timeout = {}, {}, None, 120
        self.d.mkdir(parents=True)
        self.places[1].mkdir()
        self.table()
        for place in [*self.places, self.src, self.d]:
            self.give(place)

    is_root = property(lambda self: self.world.is_root)
    quick = property(lambda self: self.world.quick)

    def table(self, *lines):
        """The table, with further lines for its target."""
        dirs = "".join(f"        DIR {d}\n" for d in self.dirs)
        self.tab.write_text(f"TARGET t\n        SOURCE {self.src}\n        MIRROR {self.mir}\n{dirs}        HOLD 100%\n" + "".join(f"        {line}\n" for line in lines))
        self.tab.chmod(0o644)

    # ------------------------------------------------------------------------------------------------------- building

    def at(self, *names):
        """A path below DIR, of text or bytes."""
        return b"/".join([os.fsencode(self.d), *(os.fsencode(name) for name in names)])

    def on_mirror(self, *names):
        return b"/".join([os.fsencode(self.m), *(os.fsencode(name) for name in names)])

    def file(self, name, content=b"x"):
        with open(self.at(name), "wb") as file:
            file.write(content)
        return self.at(name)

    def dir(self, name):
        os.makedirs(self.at(name), exist_ok=True)
        return self.at(name)

    def give(self, path):
        if not self.is_root:
            os.chown(path, ID, ID, follow_symlinks=False)

    def own(self):
        """In a user's world all that root has made is the user's."""
        if not self.is_root:
            # In unrest a file may be gone before it is reached.
            subprocess.run(["chown", "-f", "--from=0:0", "-hR", f"{ID}:{ID}", str(self.src)], capture_output=True, check=False)

    # ----------------------------------------------------------------------------------------------------- assertions

    def fail(self, text):
        self.failures.append(text)

    def need(self, holds, text):
        self.counts["checks"] += 1
        if not holds:
            self.fail(text)
        return holds

    def equal(self, what, wanted, found):
        return self.need(wanted == found, f"{what}: {found!r} instead of {wanted!r}")

    def ended(self, ran, *codes):
        """The exit code is one of these, and the run did end."""
        if not self.need(not ran.hung and ran.code in codes, f"expected exit {' or '.join(map(str, codes))}: {ran}"):
            raise Stop
        return ran

    def judged(self, name, paths, differences, a):
        self.counts[name] += paths
        for n, d in enumerate(differences):
            try:
                differences[n] = d._replace(of=os.lstat(os.fsencode(a) + b"/" + d.path))
            except OSError:
                pass
        return differences

    def settle(self, differences):
        """Differences are explained by a row of the documented deviations, or fail."""
        left = self.ledger.explain(differences)
        self.explained += len(differences) - len(left)
        for d in left:
            self.fail(judges.shown(d))

    def same(self, a, b, where, rsync=None, holes=True):
        """Two trees, by compare_trees and by rsync."""
        found = self.judged("compare_trees", *judges.trees(a, b, self.dirs, where, holes), a)
        if self.rsync if rsync is None else rsync:
            found += self.judged("rsync", *judges.rsync(a, b, self.dirs, where, self.checksum), a)
        self.settle(found)

    # ---------------------------------------------------------------------------------------------------------- nights

    def run(self, *words, **options):
        return self.world.run(words, self.tab, **{"timeout": self.timeout, **options})

    def backup(self, *words, codes=(0,), **options):
        return self.ended(self.run("-backup", "--json", *words, "t", **options), *codes)

    def night(self, *words, codes=(0,), judged=True, **options):
        """A night, after which the mirror is as the source, and so is the snapshot; a copy of the source is kept to compare with."""
        self.own()
        ran = self.backup(*words, codes=codes, **options)
        self.last = ran.summary.get("sequence")
        if judged:
            self.same(self.src, self.mir, "mirror")
            self.keep()
        return ran

    def keep(self):
        if self.store:
            self.listings[self.last] = judges.listing(self.src, self.dirs)
        if self.keeps:
            copy = self.places[0] / f"kept{self.last}"
            copy.mkdir()
            must("cp", "-a", *(["--parents"] if self.dirs != ["."] else []), "--", *self.dirs, copy, cwd=self.src)
            self.kept[self.last] = copy
        else:                                                   # too long for cp: the night is restored while the source is as it was
            self.same(self.src, self.restored(self.last), "restored", rsync=False)
            self.clear(self.places[0] / "restored")

    def stamps(self):
        """Inode and time of change of everything on the mirror: what was not touched has them as before."""
        return must("find", self.mir, "-path", self.mir / ".backup", "-prune", "-o", "-printf", r"%i %C@ %P\0")

    def quiet(self, codes=(0,)):
        """A night without a change does nothing: by its summary, and by the mirror."""
        before = self.stamps()
        ran = self.backup(codes=codes)
        for key in ("written", "removed", "touched", "new_bytes", "failed"):
            self.equal(f"a quiet night: {key}", 0, ran.summary.get(key))
        self.need(before == self.stamps(), "a quiet night touched the mirror")
        return ran

    def check(self, codes=(0,)):
        for words in (["-check"], ["-check", "--data"]):
            self.ended(self.run(*words, "--json", "t"), *codes)

    def restored(self, sequence=None):
        """A place with a snapshot restored to it."""
        place = self.places[0] / "restored"
        self.clear(place)
        choose = [] if sequence is None else ["--snapshot", sequence]
        self.ended(self.run("-restore", "--json", "t", *choose, "--to", place), 0)
        return place

    def cycle(self, init=True):
        """First night, a night without a change, checks, a restore: all of it judged."""
        self.night(*(["--init"] if init else []))
        self.quiet()
        self.check()
        self.same(self.src, self.restored(), "restored", rsync=False)
        self.clear(self.places[0] / "restored")

    def history(self):
        """Every night that was judged is restored, and read from the store by who does not know the program."""
        for sequence, copy in self.kept.items():
            # cp makes holes of zeros, so that the copy may take less room than the source did.
            self.same(copy, self.restored(sequence), "restored", rsync=False, holes=False)
        if self.listings:
            with judges.Store(self.mir / ".backup" / "store") as store:
                self.equal("the store is whole", [], store.wrongs)
                for sequence, listing in self.listings.items():
                    paths, found = store.equals(sequence, listing)
                    self.settle(self.judged("reader", paths, found, self.kept.get(sequence, self.src)))

    # -------------------------------------------------------------------------------------------------------- the whole

    def clear(self, path):
        if os.path.lexists(path):
            subprocess.run(["rm", "-rf", "--", str(path)], capture_output=True, check=False)
            if os.path.lexists(path):
                subprocess.run(["chattr", "-R", "-f", "-ia", str(path)], capture_output=True, check=False)
                must("rm", "-rf", "--", path)

    def whole(self):
        try:
            self.group.function(self)
            if self.kept or self.listings:
                self.history()
        except Stop:
            pass
        except Exception as error:  # a group that breaks fails, and the others go on
            import traceback
            at = traceback.extract_tb(error.__traceback__)
            where = next((f for f in reversed(at) if Path(f.filename).name not in ("world.py", "trial.py", "judges.py")), at[-1])
            self.fail(f"{type(error).__name__}: {str(error)[:500]} ({Path(where.filename).name}:{where.lineno})")
        finally:
            for place in self.places:
                self.clear(place)
        return self
