#!/usr/bin/env python3
"""Make the two nights of the `fits` benchmark set. Called by fetch-data.sh; needs numpy.

    make-fits.py night1 UNPACKED NIGHT   arrange the real FITS below UNPACKED, and generated mosaics, as NIGHT
    make-fits.py night2 NIGHT            turn NIGHT, a copy of night 1, into the next night

UNPACKED holds one folder for each package, named as in PACKAGES. Seeds and file times are fixed: every run makes the same files.
"""
import concurrent.futures
import gzip
import os
import shutil
import sys
from pathlib import Path

import numpy as np

# Package -> (the part of its path to drop, where the rest goes).
PACKAGES = {
    "msfc-ccd": ("msfc_ccd/_data", "detrend/ccd"),
    "tycho2-07": ("usr/share/astrometry", "detrend/astrometry"),
    "tycho2-10-19": ("usr/share/astrometry", "detrend/astrometry"),
    "ixpeobssim": ("ixpeobssim", "detrend/response/ixpe"),
    "xrtpy": ("xrtpy", "detrend/response/xrt"),
    "dbsp-drp": ("dbsp_drp", "tests/dbsp"),
    "keckdrpframework": ("keckdrpframework/unit_tests/test_files", "tests/keck"),
    "mpdaf": ("mpdaf", "tests/mpdaf"),
    "eso-midas-testdata": ("usr/lib/eso-midas/22FEB/test", "tests/midas"),
}
SMALLEST = 200_000  # bytes; smaller files are left out, an observatory's are images

WIDTH, HEIGHT = 2112, 4644  # of a MegaCam chip
GAIN, READ_NOISE, BIAS, STARS = 1.6, 3.0, 1000, 3000
EPOCH = 1_064_880_000  # 2003-09-30: time of the first file, the next ones are a minute apart
SECOND_NIGHT = EPOCH + 86_400

# Path, kind of pixels, extensions, sky in electrons, seed. One extension is 19.6 MB as int16 and 39.2 MB as float32.
NIGHT1 = [
    ("tests/mosaic/2003-09-30/717881o.fits", "raw", 18, 400, 1),
    ("tests/mosaic/2003-09-30/717882o.fits", "raw", 18, 1800, 2),
    ("tests/mosaic/2003-09-30/717883o.fits", "raw", 12, 900, 3),
    ("tests/mosaic/reduced/717881p.fits", "reduced", 6, 400, 4),
    ("detrend/2003A/flat.r.fits", "flat", 3, 0, 5),
    ("detrend/2003A/bias.fits", "bias", 1, 0, 6),
]
NIGHT2 = [
    ("tests/mosaic/2003-10-01/717901o.fits", "raw", 6, 700, 11),
    ("tests/mosaic/2003-10-01/717902b.fits", "raw", 1, 0, 12),
    ("tests/mosaic/2003-10-01/717903f.fits", "raw", 1, 20000, 13),
]


def header(cards):
    """The bytes of a FITS header with these (keyword, value) cards."""
    def text(value):
        if isinstance(value, bool):
            return f"{'T' if value else 'F':>20}"
        return f"'{value:<8}'" if isinstance(value, str) else f"{value:>20}"
    lines = [f"{key:<8}= {text(value)}".ljust(80) for key, value in cards] + ["END".ljust(80)]
    return "".join(lines).encode().ljust(-(-len(lines) * 80 // 2880) * 2880)


def extension(name, pixels):
    """The bytes of an image extension; int16 pixels are already BZERO 32768."""
    raw = pixels.dtype == np.int16
    cards = [("XTENSION", "IMAGE"), ("BITPIX", 16 if raw else -32), ("NAXIS", 2), ("NAXIS1", pixels.shape[1]),
             ("NAXIS2", pixels.shape[0]), ("PCOUNT", 0), ("GCOUNT", 1), ("EXTNAME", name), ("GAIN", GAIN)]
    cards += [("BZERO", 32768), ("BSCALE", 1)] if raw else []
    data = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    return header(cards) + data.ljust(-(-len(data) // 2880) * 2880, b"\0")


def exposure(rng, sky, shape):
    """Electrons, with noise: a Poisson sky, and stars with a Gaussian profile and a power law of brightness."""
    image = rng.poisson(sky, shape).astype(np.float32)
    if sky:
        y, x = np.mgrid[-10:11, -10:11]
        rows, columns = rng.integers(10, shape[0] - 10, STARS), rng.integers(10, shape[1] - 10, STARS)
        for row, column, flux in zip(rows, columns, 300 * (1 + rng.pareto(0.9, STARS))):
            star = np.minimum(flux, 3e6) / 38.5 * np.exp(-(x * x + y * y) / 12.25)
            image[row - 10:row + 11, column - 10:column + 11] += rng.poisson(star)
    return image


def pixels(kind, rng, sky, shape=(HEIGHT, WIDTH)):
    noise = rng.standard_normal(shape, dtype=np.float32)
    if kind == "flat":
        return 1 + np.float32(0.003) * noise
    if kind == "bias":
        return np.float32(0.5) * noise
    electrons = exposure(rng, sky, shape) + np.float32(READ_NOISE) * noise
    if kind == "reduced":
        flat = 1 + np.float32(0.003) * rng.standard_normal(shape, dtype=np.float32)
        return np.rint(electrons / np.float32(GAIN)) / flat
    counts = np.clip(np.rint(electrons / GAIN + BIAS), 0, 65535)
    return (counts - 32768).astype(np.int16)


def generate(night, path, kind, extensions, sky, seed):
    rng = np.random.default_rng(seed)
    file = night / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "wb") as out:
        out.write(header([("SIMPLE", True), ("BITPIX", 16), ("NAXIS", 0), ("EXTEND", True), ("NEXTEND", extensions),
                          ("OBJECT", "GENERATED"), ("FILENAME", file.stem), ("OBSTYPE", kind.upper()), ("SEED", seed)]))
        for n in range(extensions):
            out.write(extension(f"ccd{n:02}", pixels(kind, rng, sky)))


def generate_all(night, exposures):
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for job in [pool.submit(generate, night, *e) for e in exposures]:
            job.result()


def arrange(unpacked, night):
    """Take the real FITS files, uncompressed, from the packages."""
    for package, (prefix, target) in PACKAGES.items():
        root = unpacked / package / prefix
        files = [f for f in sorted(root.rglob("*")) if f.name.lower().endswith((".fits", ".fit", ".mt", ".fit.gz"))]
        if not files:
            sys.exit(f"make-fits.py: no FITS files in {root}")
        for file in files:
            if file.stat().st_size < SMALLEST:
                continue
            to = night / target / file.relative_to(root)
            to.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".gz":
                with gzip.open(file) as packed, open(to.with_suffix(""), "wb") as out:
                    shutil.copyfileobj(packed, out, 1 << 20)
            else:
                shutil.copyfile(file, to)


def night1(unpacked, night):
    arrange(unpacked, night)
    generate_all(night, NIGHT1)
    for n, file in enumerate(sorted(f for f in night.rglob("*") if f.is_file())):
        os.utime(file, (EPOCH + 60 * n,) * 2)


def night2(night):
    generate_all(night, NIGHT2)  # three new exposures
    edited = night / "tests/mosaic/2003-09-30/717883o.fits"  # 235 MB; its object gets a name, in place
    with open(edited, "r+b") as file:
        first = file.read(2880)
        file.seek(first.index(b"GENERATED"))
        file.write(b"M31-FIELD")
    appended = night / "tests/midas/prim/thar5s.fit"  # gets an extension of 4 MB
    with open(appended, "ab") as file:
        file.write(extension("extra", pixels("raw", np.random.default_rng(14), 500, (1024, 2048))))
    (night / "detrend/2003A/flat.r.fits").rename(night / "detrend/2003A/flat.r.v2.fits")  # 118 MB
    (night / "tests/archive").mkdir()
    (night / "tests/dbsp").rename(night / "tests/archive/dbsp")
    for number in 569, 570, 571:
        (night / f"tests/keck/{number}_0001.fits").unlink()
    for n, file in enumerate([night / e[0] for e in NIGHT2] + [edited, appended]):
        os.utime(file, (SECOND_NIGHT + 60 * n,) * 2)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["night1", unpacked, night]:
            night1(Path(unpacked), Path(night))
        case ["night2", night]:
            night2(Path(night))
        case _:
            sys.exit(__doc__)
