"""What side-by-side.py and many-files.py back up: a working copy of the sets of fetch-data.sh that goes from night to night.

Nights 1 and 2 are real (make-fits.py says how much of `fits` is). Nights 3, 4 and 5 are made from them, in every run and on every machine the same:

    source code   of the files that differ between nights 1 and 2, each night half have the content of night 1 again and half that of night 2, drawn anew;
                  and one file of a hundred gets a new line in its middle. In `linux` that is about 1,400 files a night; really it was 1,317.
    FITS          one new exposure a night, 78 MB: four extensions of an exposure of night 1 with the rows of each from last to first, so that its pixels
                  are as they were but no chunk is; and the object in the header of one old exposure gets another name, in place.

What is drawn is drawn by hashes of path and night. Nothing is moved or renamed in these nights. Only what changed gets a new ctime.
"""
import hashlib
import os
import shutil
import subprocess

# name -> (folder of the data without the night, where it is below the source)
SETS = {
    "linux": [("linux", "{night}", ".")],
    "fits": [("fits", "{night}", ".")],
    "both": [("linux", "{night}", "linux"), ("fits", "{night}", "fits")],
    "tiny": [("linux", "{night}/fs", "fs"), ("linux", "{night}/mm", "mm"), ("fits", "{night}/tests/keck", "keck")],  # to try the mechanics
}
EXPOSURES = [f"tests/mosaic/2003-09-30/{n}o.fits" for n in (717881, 717882, 717883)]
BLOCK, ROW, ROWS, EXTENSIONS = 2880, 2 * 2112, 4644, 4  # of make-fits.py
EXTENSION = BLOCK + -(-ROW * ROWS // BLOCK) * BLOCK
DAY, EPOCH = 86_400, 1_064_880_000


class Source:
    def __init__(self, folder, name, data):
        self.folder = folder
        self.parts = [(kind, data / kind / what, folder / where) for kind, what, where in SETS[name]]

    def night(self, number):
        """Turn the working copy into this night; 3, 4 and 5 from the one before."""
        for kind, what, to in self.parts:
            if number <= 2:
                to.mkdir(parents=True, exist_ok=True)
                subprocess.run(["rsync", "-aHAX", "--modify-window=-1", "--delete", f"{at(what, number)}/", f"{to}/"], check=True)
            elif kind == "linux":
                self.revise(what, to, number)
            elif (at(what, 1) / EXPOSURES[0]).exists():
                expose(to, number)
        os.sync()

    def revise(self, what, to, number):
        one, two = at(what, 1), at(what, 2)
        when = (EPOCH + number * DAY,) * 2
        for path in sorted(files(two)):
            drawn = draw(path, number)
            if differ(one / path, two / path):
                replace((one if drawn % 2 else two) / path, to / path)
            elif drawn % 100 == 0:
                lines = (to / path).read_bytes().splitlines(keepends=True)
                lines.insert(len(lines) // 2, b"/* night %d */\n" % number)
                (to / path).write_bytes(b"".join(lines))
                os.utime(to / path, when)

    def touch(self):
        """All files get another mtime, an hour later."""
        for path in files(self.folder):
            seen = (self.folder / path).stat()
            os.utime(self.folder / path, ns=(seen.st_atime_ns, seen.st_mtime_ns + 3600 * 10**9))
        os.sync()

    def near(self, size):
        """The file of about this size."""
        return min(sorted(files(self.folder)), key=lambda path: abs((self.folder / path).stat().st_size - size))

    def read(self):
        """So that it is in the page cache."""
        for path in files(self.folder):
            with open(self.folder / path, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def at(what, number):
    return type(what)(str(what).format(night=f"night{number}"))


def replace(a, b):
    """Make file b what a is, unless it is."""
    if differ(a, b):
        shutil.copy2(a, b)
        os.chown(b, a.stat().st_uid, a.stat().st_gid)


def files(folder):
    """The regular files below a folder, as paths relative to it."""
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            if os.path.isfile(full) and not os.path.islink(full):
                yield os.path.relpath(full, folder)


def draw(path, number):
    return int.from_bytes(hashlib.sha256(f"{number} {path}".encode()).digest()[:4], "big")


def differ(a, b):
    """Between nights 1 and 2; what has the same content has the same times too."""
    if not a.is_file() or a.is_symlink():
        return False
    a, b = a.stat(), b.stat()
    return (a.st_size, a.st_mtime_ns) != (b.st_size, b.st_mtime_ns)


def expose(to, number):
    new = to / f"tests/mosaic/night{number}/7179{number}1o.fits"
    new.parent.mkdir()
    with open(to / EXPOSURES[number - 3], "rb") as old, open(new, "wb") as out:
        out.write(old.read(BLOCK))
        for _ in range(EXTENSIONS):
            extension = old.read(EXTENSION)
            pixels = extension[BLOCK:BLOCK + ROW * ROWS]
            rows = [pixels[n:n + ROW] for n in range(0, len(pixels), ROW)]
            out.write(extension[:BLOCK] + b"".join(reversed(rows)) + extension[BLOCK + ROW * ROWS:])
    named = to / EXPOSURES[number - 4]  # another one
    with open(named, "r+b") as file:
        card = file.read(BLOCK).index(b"OBJECT  = ")
        file.seek(card)
        file.write(b"OBJECT  = 'FIELD-%02d '" % number)
    for file in [new, named]:
        os.utime(file, (EPOCH + number * DAY,) * 2)
