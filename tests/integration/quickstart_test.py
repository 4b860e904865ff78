#!/usr/bin/env python3
"""deploy/quickstart as a user runs it: the answer, the placement, a taken port, Ctrl-C."""
import re
import signal
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

QUICKSTART = Path(__file__).resolve().parents[2] / "deploy" / "quickstart"
SECONDS = 600


class QuickstartTest(unittest.TestCase):
    def test_answers_from_attention_nodes_and_stops_by_itself(self):
        ended = subprocess.run([QUICKSTART, "--once"], capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        self.assertIn("Biscuit", ended.stdout.split("Question", 1)[-1])
        prompt = int(re.search(r"(\d+) tokens read", ended.stdout)[1])
        self.assertGreater(prompt, 1400)
        rows = re.findall(r"^   (attention-\d+) +([\d,]+) +(\d+) +(\d+) +[\d.]+ MiB$", ended.stdout, re.MULTILINE)
        self.assertEqual(len(rows), 2, ended.stdout)
        for name, _, leaves, _ in rows:
            self.assertGreater(int(leaves), 0, f"{name} holds nothing")
        self.assertIn("/v1/chat/completions", ended.stdout)

    def test_takes_another_port_and_ends_in_order_on_interrupt(self):
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", 8080))
                taken.listen()
            except OSError:
                pass  # somebody else listens there: as good
            self.check_interrupt()

    def check_interrupt(self):
        with subprocess.Popen([QUICKSTART], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            limit = threading.Timer(SECONDS, process.kill)
            limit.start()
            seen = []
            for line in process.stdout:
                seen.append(line)
                if "Ctrl-C stops it" in line:
                    process.send_signal(signal.SIGINT)
            limit.cancel()
            text = "".join(seen)
            self.assertEqual(process.wait(), 0, text)
            self.assertIn("port 8080 is taken", text)
            self.assertIn("stopping the server", text)


if __name__ == "__main__":
    if not Path("build/release/build.ninja").exists():
        print("build/release is not configured: quickstart would build it; run tests/run with preset release")
        sys.exit(77)
    unittest.main()
