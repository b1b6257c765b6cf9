"""Proves what benches/side-by-side.py makes of its measurements, and that the nights that it makes are the same in every run."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
import measure
import nights
from report import Report


def row(program, wall, number=1, heat=1, phase="first", store=None, **more):
    found = {"set": "linux", "round": number, "heat": heat, "phase": phase, "program": program, "wall": wall, "rss": 10.0, **more}
    return found | ({"store": store} if store else {})


class Reports(unittest.TestCase):
    def test_a_ratio_is_the_median_of_those_within_a_turn(self):
        rows = [row("backup", 1.0), row("rsync", 10.0), row("backup", 8.0, 2), row("rsync", 10.0, 2), row("backup", 30.0, 3), row("rsync", 100.0, 3)]
        self.assertAlmostEqual(Report(rows).ratio("linux", "first", "wall", "rsync"), 0.3)

    def test_those_that_met_in_no_turn_are_compared_by_their_medians(self):
        rows = [row("backup", 2.0), row("borgbackup", 8.0, heat=2)]
        self.assertAlmostEqual(Report(rows).ratio("linux", "first", "wall", "borgbackup"), 0.25)

    def test_the_smallest_store_counts_and_who_is_missing_is_named(self):
        rows = [row("backup", 1.0, store=90.0), row("restic", 1.0, store=200.0), row("bupstash", 1.0, store=100.0)]
        title, value = Report(rows).goal("linux", "first", "store", ["restic", "rustic", "bupstash"])
        self.assertAlmostEqual(value, 0.9)
        self.assertIn("bupstash is the smallest; rustic not measured", title)
        self.assertIn("| 0.95 | 0.90 | met |", Report(rows).goals())

    def test_a_goal_that_is_missed_says_so(self):
        rows = [row("backup", 3.0), row("rsync", 2.0)]
        self.assertIn("| 1 | 1.50 | MISSED |", Report(rows).goals())

    def test_a_run_that_failed_is_in_no_figure(self):
        rows = [row("backup", 1.0), row("rsync", 2.0), {"set": "linux", "round": 2, "heat": 1, "phase": "first", "program": "rsync", "failed": "exit code 1"}]
        self.assertIn("| first | 1.00 | 2.00 (0.50) |", Report(rows).table("linux", ["first", "touched"], ["backup", "rsync"], "wall"))


class Measures(unittest.TestCase):
    def test_a_run_is_measured_apart_from_who_measures(self):
        with tempfile.TemporaryDirectory() as folder:
            ballast = bytearray(60 << 20)
            log = Path(folder, "log")
            code, found = measure.measured(["sh", "-c", f"sleep 0.2; echo said; echo wrote > {folder}/file; exit 3"], log)
            del ballast
            self.assertEqual((code, log.read_text()), (3, "said\n"))
            self.assertTrue(0.2 <= found["wall"] < 20 and 0 < found["rss"] < 40, found)


class Nights(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = Path(folder.name, "data")
        for number in (1, 2):
            code = self.data / f"linux/night{number}"
            for n in range(400):
                file = code / f"{n % 7}/{n}.c"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"of night {number if n % 4 == 0 else 0}\n" * 3)
                os.utime(file, (1000 + (number if n % 4 == 0 else 0),) * 2)
        for file in nights.EXPOSURES:
            exposure = self.data / "fits/night1" / file
            exposure.parent.mkdir(parents=True, exist_ok=True)
            pixels = b"".join(bytes([row]) * nights.ROW for row in range(6)).ljust(nights.BLOCK * 9, b"\0")
            exposure.write_bytes(b"OBJECT  = 'GENERATED'".ljust(nights.BLOCK) + (b"XTENSION".ljust(nights.BLOCK) + pixels) * 4)
        subprocess.run(["cp", "-a", self.data / "fits/night1", self.data / "fits/night2"], check=True)
        for where, name, value in [(nights, "ROWS", 6), (nights, "EXTENSION", 10 * nights.BLOCK), (os, "sync", lambda: None)]:
            patched = mock.patch.object(where, name, value)
            patched.start()
            self.addCleanup(patched.stop)

    def snap(self, source):
        return {path: ((source.folder / path).read_bytes(), (source.folder / path).stat().st_mtime_ns) for path in nights.files(source.folder)}

    def test_five_nights_are_the_same_in_every_run_and_differ_from_each_other(self):
        runs = []
        for name in ("a", "b"):
            source = nights.Source(self.data.parent / name, "both", self.data)
            runs.append([source.night(number) or self.snap(source) for number in range(1, 6)])
        self.assertEqual(runs[0], runs[1])
        for before, after in zip(runs[0][1:], runs[0][2:]):
            code = [path for path in after if path.startswith("linux") and after[path] != before[path]]
            self.assertTrue(20 <= len(code) <= 90, len(code))
            self.assertEqual(len(after), len(before) + 1)

    def test_a_new_exposure_is_an_old_one_upside_down(self):
        source = nights.Source(self.data.parent / "a", "both", self.data)
        for number in (1, 2, 3):
            source.night(number)
        new = (source.folder / "fits/tests/mosaic/night3/717931o.fits").read_bytes()
        self.assertEqual(len(new), nights.BLOCK * 41)
        self.assertEqual([new[2 * nights.BLOCK + n * nights.ROW] for n in range(6)], [5, 4, 3, 2, 1, 0])

    def test_touched_files_have_other_times_and_the_same_content(self):
        source = nights.Source(self.data.parent / "a", "both", self.data)
        source.night(1)
        before = self.snap(source)
        source.touch()
        after = self.snap(source)
        for path, (content, mtime) in before.items():
            self.assertEqual(after[path], (content, mtime + 3600 * 10**9))


if __name__ == "__main__":
    unittest.main()
