#!/usr/bin/env python3
"""The converted weights that one start leaves for the next."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import processes
from processes import MODEL


class WeightsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def complete(self, weights):
        """The text, and what the program said beside it."""
        done = subprocess.run([processes.PROGRAM, "complete", MODEL, "--temperature", "0", "--max-tokens", "12",
                               "The keeper of the lighthouse"], capture_output=True, text=True, timeout=processes.HANG_SECONDS,
                              env={**os.environ, "LONGSHORE_WEIGHTS": weights})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, done.stderr

    def test_the_next_start_reads_them_and_says_the_same(self):
        expected, _ = self.complete("")
        self.assertEqual(list(Path(self.folder.name).iterdir()), [])
        self.assertEqual(self.complete(self.folder.name)[0], expected)
        (kept,) = Path(self.folder.name).iterdir()
        written = kept.stat()
        again, said = self.complete(self.folder.name)
        self.assertEqual(again, expected)
        self.assertNotIn("anew", said)
        self.assertEqual((kept.stat().st_ino, kept.stat().st_mtime_ns), (written.st_ino, written.st_mtime_ns))

        # A byte in the middle is a weight's.
        with open(kept, "r+b") as file:
            file.seek(written.st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        again, said = self.complete(self.folder.name)
        self.assertEqual(again, expected)
        self.assertIn("the weight cache is damaged", said)
        self.assertIn("converted anew", said)
        again, said = self.complete(self.folder.name)  # and was mended
        self.assertEqual(again, expected)
        self.assertNotIn("anew", said)

    def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(self):
        expected, _ = self.complete("")
        text, said = self.complete("/proc/nobody/writes/here")
        self.assertEqual(text, expected)
        self.assertIn("not kept for the next start", said)


if __name__ == "__main__":
    processes.main()
