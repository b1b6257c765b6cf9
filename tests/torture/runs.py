"""The run itself: together, interrupted, with limits and odd surroundings (51 to 58)."""
import os
import random
import resource
import signal
import subprocess
import threading
import time

from registry import group
from world import MIB, ID


def furnish(t, files=60, size=20_000, night=0):
    r = random.Random(night)
    for n in range(files):
        if n % 20 == 0:
            t.dir(f"{n // 20:02}")
        t.file(f"{n // 20:02}/{n}", b"night %d " % night + r.randbytes(size))
    os.symlink(f"night {night}", t.at(f"link{night}"))
    t.own()


@group(51, title="two runs of one target, and every command beside a run: one gets the lock, all end")
def together(t):
    furnish(t)
    t.backup("--init")
    for night in range(1, 2 if t.quick else 6):
        furnish(t, night=night)
        words = [["-backup", "t"], ["-backup", "t"], ["-check", "t"], ["-restore", "t", "--to", str(t.places[0] / f"r{night}")], ["-snapshots", "t"]]
        running = [(t.world.start(line, t.tab), line) for line in words]
        codes = []
        for process, line in running:
            ran = t.world.finish(process, line, 60)
            allowed = {"-backup": (0, 4), "-check": (0, 2, 4), "-restore": (0, 4), "-snapshots": (0, 4)}[line[0]]
            t.need(not ran.hung and ran.code in allowed and "panicked" not in ran.err, f"beside others: {ran}")
            codes.append(ran.code)
        t.need(0 in codes, f"nobody had the lock: {codes}")
        t.backup()
        t.same(t.src, t.mir, "mirror")
    t.night()


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGKILL, signal.SIGXFSZ, signal.SIGQUIT]


@group(52, title="signals in the middle of a night: the next is good")
def signals(t):
    r = random.Random(t.world.seed)
    furnish(t)
    t.backup("--init")
    night = 0
    for number in SIGNALS:
        for _ in range(1 if t.quick else 8):
            night += 1
            furnish(t, night=night)
            process = t.world.start(["-backup", "t"], t.tab)
            time.sleep(r.random() * 0.15)
            process.send_signal(number)
            ran = t.world.finish(process, ["-backup"], 60)
            t.need(not ran.hung and (ran.code in (0, 1, 2) or ran.code < 0 or ran.code >= 128), f"{number.name}: {ran}")
            t.backup()
            t.same(t.src, t.mir, "mirror")
    t.night()
    t.quiet()
    t.check()


@group(52, title="stopped and continued")
def stopped(t):
    furnish(t)
    t.backup("--init")
    furnish(t, night=1)
    process = t.world.start(["-backup", "t"], t.tab)
    for _ in range(8):
        time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.03)
        process.send_signal(signal.SIGCONT)
    t.ended(t.world.finish(process, ["-backup"], 60), 0)
    t.night()


def limited(t, what, amount, words=("-backup", "t"), **options):
    """A run with a limit on it."""
    def limit():
        resource.setrlimit(what, (amount, amount))
    return t.run(*words, preexec_fn=limit, timeout=60, **options)


@group(52, title="limits on open files, the length of files, memory, stack, processes: an end with a message, the next night is good")
def limits(t):
    furnish(t, files=30)
    t.file("large", random.Random(1).randbytes(MIB if t.quick else 6 * MIB))
    for level in range(40):
        t.dir("deep/" + "/".join(["x"] * level)), t.file("deep/" + "/".join(["x"] * level) + "/f", b"deep")
    t.own()
    t.backup("--init")
    night = 0
    cases = [(resource.RLIMIT_NOFILE, n) for n in ((32, 16, 10) if t.quick else (64, 40, 32, 24, 16, 12, 10, 8, 6, 4))]
    cases += [(resource.RLIMIT_FSIZE, n) for n in ((0, 100_000) if t.quick else (0, 1000, 100_000, 5_000_000))]
    cases += [(resource.RLIMIT_AS, n * MIB) for n in ((64,) if t.quick else (64, 128, 300))]
    cases += [(resource.RLIMIT_STACK, 256 << 10), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_MEMLOCK, 0)]
    for what, amount in cases:
        night += 1
        furnish(t, files=30, night=night)
        t.file("large", random.Random(night).randbytes(MIB if t.quick else 6 * MIB))
        t.own()
        ran = limited(t, what, amount)
        name = next(key for key in dir(resource) if key.startswith("RLIMIT_") and getattr(resource, key) == what)
        t.need(not ran.hung, f"{name} {amount}: {ran}")
        t.need("panicked" not in ran.err, f"{name} {amount}: {ran}")
        # Memory that cannot be had ends a process of Rust by SIGABRT, and a file that may not grow by SIGXFSZ: the store bears that.
        # A folder that cannot be opened is one that cannot be read: on the mirror that holds the run.
        t.need(ran.code in (0, 1, 2, 3) or ran.code < 0, f"{name} {amount}: {ran}")
        if what == resource.RLIMIT_NOFILE and amount >= 32:
            t.equal(f"{name} {amount} is enough: exit", 0, ran.code)
        t.backup()
        t.same(t.src, t.mir, "mirror")
    t.night()
    t.quiet()
    t.check()


@group(53, title="standard input, output and error closed at the start, full, or a closed pipe")
def closed(t):
    furnish(t)
    t.backup("--init")
    night = 0
    redirections = ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-", ">&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"]
    for redirection in redirections:
        night += 1
        furnish(t, night=night)
        ran = t.run("-backup", "t", wrap=["sh", "-c", f'exec "$@" {redirection}', "sh"], timeout=60)
        t.need(not ran.hung and ran.code in (0, 1, 2) and "panicked" not in ran.err, f"with {redirection}: {ran}")
        t.backup()
        t.same(t.src, t.mir, "mirror")
    for _ in range(2):
        night += 1
        furnish(t, night=night)
        read, write = os.pipe()
        os.close(read)
        ran = t.run("-backup", "t", stdout=write, stderr=write, timeout=60)
        os.close(write)
        t.need(not ran.hung, f"with a closed pipe: {ran}")
        t.backup()
    t.night()
    t.check()


@group(55, title="umask 0 and 0777, no HOME, no PATH, odd locales, the working directory deleted")
def surroundings(t):
    furnish(t)
    for n, mode in enumerate((0, 0o600, 0o777, 0o4755)):
        t.file(f"mode{n}", b"m"), t.give(t.at(f"mode{n}")), os.chmod(t.at(f"mode{n}"), mode | 0o400)
    t.cycle()
    plain = t.world.environment()
    cases = {"umask 0": {"umask": 0}, "umask 777": {"umask": 0o777}, "umask 277": {"umask": 0o277}, "no HOME": {"env": {k: v for k, v in plain.items() if k != "HOME"}},
             "nothing": {"env": {}}, "empty PATH": {"env": {**plain, "PATH": ""}}, "HOME that is none": {"env": {**plain, "HOME": "/nowhere"}}}
    for locale in ("C", "POSIX", "tr_TR.UTF-8", "xx_YY.ISO-8859-1", "\udcff", "de_DE@euro"):
        cases[f"LC_ALL={locale!r}"] = {"env": {**plain, "LC_ALL": locale, "LANG": locale}}
    cases["odd TZ"] = {"env": {**plain, "TZ": ":/nowhere/at all"}}
    cases["TERM and columns"] = {"env": {**plain, "TERM": "", "COLUMNS": "0", "NO_COLOR": "1"}}
    night = 0
    for name, options in cases.items():
        night += 1
        furnish(t, night=night)
        t.dir(f"new{night}"), t.file(f"new{night}/in", b"in"), t.own()
        ran = t.run("-backup", "t", timeout=60, **options)
        if not t.need(ran.code == 0, f"{name}: {ran}"):
            continue
        t.same(t.src, t.mir, "mirror")
        place = t.places[0] / "surrounded"
        t.ended(t.run("-restore", "t", "--to", place, **options), 0)
        t.same(t.src, place, "restored", rsync=False)
        t.clear(place)
        t.ended(t.run("-check", "t", **options), 0)
    # A first run, too.
    for name in ("umask 0", "umask 777", "nothing"):
        t.clear(t.mir)
        t.ended(t.run("-backup", "--init", "t", **cases[name]), 0)
        t.same(t.src, t.mir, "mirror")
        for folder in (".backup", ".backup/stage", ".backup/store"):
            t.equal(f"{name}: who else may write to {folder}", 0, os.stat(t.mir / folder).st_mode & 0o022)
    gone = t.places[0] / "gone"
    gone.mkdir(), t.give(gone)
    furnish(t, night=99)
    ran = t.run("-backup", "t", wrap=["sh", "-c", f'cd {gone} && rmdir {gone} && exec "$@"', "sh"])
    t.need(ran.code == 0, f"the working directory is gone: {ran}")
    t.kept, t.listings = {}, {}                                # of a store that was thrown away
    t.night()


@group(56, title="readers of the mirror see files wholly old or wholly new while nights are published")
def readers(t):
    files, size = (60, 20_000) if t.quick else (10_000, 4_000)
    for n in range(files):
        t.file(f"{n}", b"\0" * size)
    t.own()
    t.backup("--init")
    stop, torn, reads, missing = threading.Event(), [], [0], []

    def read(start):
        n = start
        while not stop.is_set():
            n = (n + 7) % files
            try:
                with open(t.on_mirror(f"{n}"), "rb") as file:
                    content = file.read()
            except OSError as error:
                missing.append(f"{n}: {error}")
                continue
            reads[0] += 1
            if len(content) != size or content != content[:1] * size:
                torn.append(n)
    threads = [threading.Thread(target=read, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    try:
        for night in range(1, 4 if t.quick else 6):
            for n in range(files):
                t.file(f"{n}", bytes([night]) * size)
            t.own()
            t.backup()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    t.counts["checks"] += reads[0]                              # each read is one: the whole file was compared
    t.equal("files that were torn", [], torn[:5])
    t.equal("files that were missing for a moment", [], missing[:5])
    t.need(reads[0] > files, f"only {reads[0]} reads")
    t.night()


@group(57, title="somebody writes to the mirror: held, rescued into the store, and put back when approved")
def written_mirror(t):
    for n in range(10):
        t.file(f"f{n}", b"%d" % n)
    t.dir("sub"), t.file("sub/a", b"a")
    t.cycle()
    t.file("f0", b"new on the source")
    open(t.on_mirror("f1"), "wb").write(b"by someone else")
    open(t.on_mirror("added"), "wb").write(b"added by someone else")
    os.unlink(t.on_mirror("f2")), os.mkfifo(t.on_mirror("fifo")), os.symlink("x", t.on_mirror("sub/link")), os.chmod(t.on_mirror("f3"), 0o600)
    for path in ("f1", "added", "fifo", "sub/link"):
        if not t.is_root:
            os.chown(t.on_mirror(path), ID, ID, follow_symlinks=False)
    copy = t.places[0] / "was-there"
    subprocess.run(["cp", "-a", t.mir, copy], check=True)
    t.own()
    t.ended(t.run("-backup", "t"), 3)
    t.same(copy, t.mir, "mirror")
    rows = [row for row in t.ended(t.run("-snapshots", "--json", "t"), 0).rows if row.get("kind") == "rescue"]
    t.need(len(rows) == 1, f"one rescue: {rows}")
    for row in rows:
        t.same(copy, t.restored(row["sequence"]), "restored", rsync=False)
    t.ended(t.run("-approve", "t"), 0)
    t.same(t.src, t.mir, "mirror")
    t.night()
    t.quiet()
    t.check()


@group(58, title="the mirror is read-only, or not mounted: refused, nothing is written beside it, and the night after is good")
def mirror_gone(t):
    disk = t.world.disk(t.world.mirror)
    try:
        t.mir, t.m = disk.at / "m", disk.at / "m/d"
        t.give(disk.at), t.table(), furnish(t)
        t.backup("--init")
        furnish(t, night=1)
        disk.remount("ro")
        t.ended(t.run("-backup", "t"), 2)
        disk.remount("rw")
        t.backup()
        t.same(t.src, t.mir, "mirror")
        furnish(t, night=2)
        subprocess.run(["umount", disk.at], check=True)
        t.ended(t.run("-backup", "t"), 2)
        t.equal("what was written where the mirror is not mounted", [], os.listdir(disk.at))
        subprocess.run(["mount", "-o", "loop", disk.image, disk.at], check=True)
        t.backup()
        t.same(t.src, t.mir, "mirror")
    finally:
        disk.close()
