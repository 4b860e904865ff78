#!/usr/bin/env python3
"""`cmake --install` into a prefix that is then moved: it works there, and names no place of this machine.

usage: install_test.py BUILD_FOLDER [unittest arguments]
"""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = None  # argument of this script


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, **options)


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        first, cls.prefix = Path(cls.folder.name) / "first", Path(cls.folder.name) / "moved" / "here"
        installed = run("cmake", "--install", BUILD, "--prefix", first, "--strip")
        if installed.returncode != 0:
            raise AssertionError(installed.stdout + installed.stderr)
        cls.prefix.parent.mkdir()
        first.rename(cls.prefix)
        cls.program = cls.prefix / "bin" / "longshore"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_program_runs(self):
        told = run(self.program, "--version")
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertRegex(told.stdout, r"\d+\.\d+\.\d+")
        self.assertEqual(run(self.program, "serve", "--help").returncode, 0)

    def test_a_missing_model_is_fetched_by_the_script_that_came_along(self):
        empty = os.environ | {"LONGSHORE_MODELS": self.folder.name}
        told = run(self.program, "model", "inspect", "no-such-model", env=empty)
        self.assertNotEqual(told.returncode, 0)
        script = self.prefix / "share" / "longshore" / "models" / "fetch"
        self.assertIn(f"fetch it with: {script} no-such-model", told.stderr)
        self.assertIn("smollm2-135m", run(script, "--list").stdout)

    def test_program_names_neither_the_build_nor_the_first_prefix(self):
        dynamic = run("readelf", "--dynamic", self.program).stdout
        self.assertIn("NEEDED", dynamic)
        self.assertNotRegex(dynamic, "RPATH|RUNPATH")
        content = self.program.read_bytes()
        self.assertNotIn(str(Path(self.folder.name) / "first").encode(), content)
        self.assertNotIn(str(BUILD).encode(), content)

    def test_documents_come_along(self):
        documents = self.prefix / "share" / "doc" / "longshore"
        self.assertTrue((documents / "README.md").is_file())
        for name in ("architecture.md", "determinism.md", "benchmarks.md"):
            self.assertTrue((documents / "docs" / name).is_file(), name)


if __name__ == "__main__":
    BUILD = Path(sys.argv.pop(1)).resolve()
    unittest.main()
