"""Proves the figures of benches/slow-link. What it says of the speed of a line has to hold on a busy machine: too slow is borne more than too fast."""
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

LINK = [sys.executable, str(Path(__file__).resolve().parent.parent / "benches/slow-link")]


class SlowLink(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Path(folder.name, "log")

    def run_it(self, words, data):
        env = {**os.environ, "SLOW_LINK_LOG": str(self.log)}
        begun = time.monotonic()
        done = subprocess.run([*LINK, *words], input=data, stdout=subprocess.PIPE, env=env, check=False)
        return done, time.monotonic() - begun

    def test_a_hundred_megabits_move_twelve_and_a_half_megabytes_in_a_second(self):
        data = random.Random(1).randbytes(12_500_000)
        done, seconds = self.run_it(["--rate", "100", "sh", "-c", "sha256sum"], data)
        self.assertEqual(done.stdout.split()[0].decode(), hashlib.sha256(data).hexdigest())
        self.assertGreater(seconds, 1.0)
        self.assertLess(seconds, 2.0)
        self.assertEqual(self.log.read_text(), f"12500000 {len(done.stdout)}\n")

    def test_the_delay_costs_no_throughput(self):
        data = random.Random(2).randbytes(12_500_000)
        done, seconds = self.run_it(["--rate", "100", "--delay", "50", "cat"], data)
        self.assertEqual(hashlib.sha256(done.stdout).hexdigest(), hashlib.sha256(data).hexdigest())
        self.assertGreater(seconds, 1.1)
        self.assertLess(seconds, 2.2)

    def test_fifty_milliseconds_each_way_are_a_round_trip_of_a_hundred(self):
        child = subprocess.Popen([*LINK, "--delay", "50", "--rate", "100", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        trips = []
        for n in range(8):
            begun = time.monotonic()
            child.stdin.write(b"%d" % n)
            self.assertEqual(child.stdout.read(10), b"%d" % n)
            trips.append(time.monotonic() - begun)
        child.stdin.close()
        child.stdout.close()
        self.assertEqual(child.wait(), 0)
        self.assertGreater(min(trips), 0.1)
        self.assertLess(min(trips), 0.13)

    def test_the_exit_code_is_that_of_the_command(self):
        done, _ = self.run_it(["sh", "-c", "exit 7"], b"")
        self.assertEqual(done.returncode, 7)

    def test_who_sends_too_much_has_to_wait(self):
        child = subprocess.Popen([*LINK, "--rate", "1", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0)
        os.set_blocking(child.stdin.fileno(), False)
        taken, end = 0, time.monotonic() + 1
        while time.monotonic() < end:
            taken += child.stdin.write(bytes(65536)) or 0
            time.sleep(0.01)
        child.kill()
        child.stdin.close()
        child.wait()
        self.assertLess(taken, 1_000_000)


if __name__ == "__main__":
    unittest.main()
