#!/usr/bin/env python3
"""`longshore eval` on a real model."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

MODEL = "smollm2-135m"
CONTEXT = 768  # tokens
# What has not happened by then never will; no claim about speed.
HANG_SECONDS = 240 * int(os.environ.get("LONGSHORE_TEST_PATIENCE", "1"))
SKIPPED = 77
PROGRAM = None  # set by main


def model_file():
    cache = os.environ.get("LONGSHORE_MODELS") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longshore" / "models"
    return Path(cache) / f"{MODEL}.gguf"


def command(*arguments):
    context = [] if "--context" in arguments else ["--context", str(CONTEXT)]
    return [PROGRAM, "--log-level", "warn", "eval", MODEL, *context, *map(str, arguments)]


def evaluate(*arguments):
    """(exit code, table, stderr)"""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=HANG_SECONDS)
    return done.returncode, done.stdout, done.stderr


class EvalTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def figures(self, name="figures.json"):
        """Value by (preset, task, name), and the outcomes by preset."""
        values, outcomes = {}, {}
        for figure in json.loads((self.folder / name).read_text()):
            self.assertEqual(set(figure), {"name", "value", "unit", "limit", "parameters"})
            parameters = figure["parameters"]
            if figure["name"] == "eval_safe":
                outcomes[parameters["preset"]] = parameters["outcome"]
            elif "depth" not in parameters:
                values[parameters["preset"], parameters["task"], figure["name"]] = figure["value"]
        return values, outcomes

    def test_the_dense_run_is_itself_and_a_tiny_window_is_not(self):
        tiny = "window:sinks=4,window=32"
        code, table, stderr = evaluate("--preset", "full", "--preset", tiny, "--samples", 1, "--json",
                                       self.folder / "figures.json", "--report", self.folder / "report.html")
        self.assertEqual(code, 0, stderr)
        values, outcomes = self.figures()
        self.assertEqual(values["full", "text", "eval_kl"], 0)
        self.assertEqual(values["full", "text", "eval_top1"], 1)
        self.assertEqual(values["full", "text", "eval_positions_read"], 1)
        self.assertGreater(values[tiny, "text", "eval_kl"], 0.05)
        self.assertLess(values[tiny, "text", "eval_positions_read"], 0.1)
        self.assertEqual(outcomes, {"full": "safe", tiny: "not safe"})
        self.assertIn("full: safe at this budget: text: ", table)
        self.assertIn(f"{tiny}: not safe: text: ", table)
        self.assertEqual((self.folder / "report.html").read_text().count("<svg"), 1)

    def test_says_what_is_wrong_with_its_flags(self):
        for flags, said in ((["--preset", "nope"], 'there is no preset "nope" here'),
                            (["--preset", "full", "--preset", "full"], "--preset names full twice"),
                            (["--preset", "full", "--task", "sums"], "--task is 'sums'; it may be text,"),
                            (["--preset", "full", "--text", "/nowhere"], "--text: cannot read /nowhere"),
                            (["--preset", "full", "--task", "kv", "--chat-template", "nobody"], "--chat-template"),
                            (["--preset", "full", "--text", "/dev/null"], "--text holds 0 tokens; one window has 768")):
            code, table, stderr = evaluate(*flags)
            self.assertEqual((code, table), (2, ""), stderr)
            self.assertIn(said, stderr)

    def test_a_window_forgets_what_lies_before_it(self):
        window = "window:sinks=4,window=256"
        code, table, stderr = evaluate("--preset", window, "--task", "needle", "--samples", 20, "--context", 512,
                                       "--json", self.folder / "figures.json")
        self.assertEqual(code, 0, stderr)
        at_depth = {}
        for figure in json.loads((self.folder / "figures.json").read_text()):
            if figure["name"] == "eval_accuracy_at_depth":
                at_depth[figure["parameters"]["depth"]] = (figure["value"], figure["limit"])
        self.assertEqual(len(at_depth), 11)
        # The question takes some 50 tokens: 0 to 30 % lie outside of 256, 90 and 100 % within.
        for depth in (0, 0.1, 0.2, 0.3):
            self.assertEqual(at_depth[depth], (0, 1), table)
        for depth in (0.9, 1):
            self.assertEqual(at_depth[depth], (1, 1), table)
        self.assertIn(f"{window}: not safe: ", table)

    def test_goes_on_after_a_kill_with_the_same_table(self):
        flags = ["--preset", "full", "--preset", "window:sinks=4,window=256", "--task", "text,kv", "--samples", 2,
                 "--context", 512]
        code, whole, stderr = evaluate(*flags, "--json", self.folder / "whole.json")
        self.assertEqual(code, 0, stderr)
        journal = self.folder / "journal.jsonl"
        process = subprocess.Popen(command(*flags, "--resume", journal), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        end = time.monotonic() + HANG_SECONDS
        while (not journal.exists() or journal.read_text().count("\n") < 3) and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait(HANG_SECONDS)
        # One that is cut off within a line, as by a machine that stops.
        with open(journal, "a") as file:
            file.write('{"task":"kv","ind')
        # Neither threads nor chunks nor nodes change a bit, so they may be others now.
        code, resumed, stderr = evaluate(*flags, "--resume", journal, "--chunk-tokens", 100, "--attention-nodes", 2,
                                         "--json", self.folder / "resumed.json")
        self.assertEqual(code, 0, stderr)
        self.assertRegex(stderr, r"[2-4] of 4 samples were finished before")
        self.assertEqual(resumed, whole)
        self.assertEqual((self.folder / "resumed.json").read_text(), (self.folder / "whole.json").read_text())
        # And of another run nothing is taken.
        for other, field in ((["--seed", 2], "seed"), (["--kv-type", "f32"], "kv_type")):
            code, _, stderr = evaluate(*flags, "--resume", journal, *other)
            self.assertEqual(code, 2)
            self.assertIn(f"is of another run: its {field} is ", stderr)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    if not model_file().exists():
        print(f"skipped: {model_file()} is not there: deploy/models/fetch {MODEL}")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
