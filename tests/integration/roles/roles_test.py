#!/usr/bin/env python3
"""The roles as separate processes: the tokens of one process, and what happens when nodes die, stall and come back.

usage: roles_test.py PROGRAM [unittest arguments]; without the model in the cache it is skipped (exit code 77).
"""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODEL = "smollm2-135m"
OTHER_MODEL = "gemma3-270m"
LEASE = 1.0
TOKENS = 60
START_SECONDS = 60
PROMPT = (ROOT / "deploy" / "quickstart-text.txt").read_text()
PROGRAM = None  # argument of this script


def model_file(name):
    cache = os.environ.get("LONGSHORE_MODELS") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longshore" / "models"
    return Path(cache) / f"{name}.gguf"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def exchange(port, method, path, body=None, timeout=60):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def wait_until(what, condition, seconds=START_SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def completion(max_tokens=TOKENS, stream=False):
    return {"prompt": PROMPT, "max_tokens": max_tokens, "temperature": 0, "return_token_ids": True, "stream": stream}


class Process:
    """One role; its output goes to a log that failures print."""

    def __init__(self, folder, name, *arguments):
        self.name, self.log, self.admin = name, Path(folder) / f"{name}-{time.monotonic_ns()}.log", free_port()
        with open(self.log, "w") as out:
            self.process = subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=out, stderr=subprocess.STDOUT)

    def text(self):
        return self.log.read_text(errors="replace")

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.text()}")
        return "\nready " in "\n" + self.text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """Its exit code after SIGTERM."""
        self.process.terminate()
        return self.process.wait(30)


class Cluster:
    def __init__(self, folder):
        self.folder, self.port, self.control, self.processes = folder, free_port(), free_port(), []

    def start(self, name, *arguments):
        process = Process(self.folder, name, *arguments)
        self.processes.append(process)
        return process

    def scheduler(self):
        return self.start("scheduler", "scheduler", MODEL, "--port", self.port, "--control-port", self.control,
                          "--lease", LEASE, "--drain-seconds", 5)

    def compute(self, model=MODEL):
        return self.start("compute", "compute", model, "--scheduler", f"127.0.0.1:{self.control}", "--name", "compute",
                          "--kv-memory", "256MiB")

    def attention(self, name):
        admin = free_port()
        process = self.start(name, "attention", "--scheduler", f"127.0.0.1:{self.control}", "--name", name, "--memory",
                             "256MiB", "--threads", 1, "--read-bandwidth", "10GB", "--admin-port", admin)
        process.admin = admin
        return process

    def members(self):
        return json.loads(exchange(self.control, "GET", "/members")[1])

    def wait_for(self, attention):
        """Until the current plan uses that many attention nodes, all that are in, and a token went through."""
        def is_so():
            try:
                told = self.members()
            except OSError:
                return False
            names = [member["node"] for member in told["members"] if member["role"] == "attention"]
            return len(names) == attention and sorted(names) == sorted(told["holders"])
        wait_until(f"a plan with {attention} attention nodes; {self.logs}", is_so)
        wait_until(f"a ready API; {self.logs}", lambda: exchange(self.port, "GET", "/readyz")[0] == 200)

    @property
    def logs(self):
        return self

    def __str__(self):
        return "\n".join(f"---- {process.name}\n{process.text()}" for process in self.processes)

    def end(self):
        for process in self.processes:
            if process.process.poll() is None:
                process.process.send_signal(signal.SIGCONT)
                process.kill()


def complete(port, max_tokens=TOKENS):
    status, body = exchange(port, "POST", "/v1/completions", completion(max_tokens))
    if status != 200:
        raise AssertionError(f"{status}: {body}")
    choice = json.loads(body)["choices"][0]
    return choice["token_ids"], choice["text"]


class Stream(threading.Thread):
    """A streamed completion; `first` is set with its first token."""

    def __init__(self, port, max_tokens=TOKENS):
        super().__init__(daemon=True)
        self.port, self.max_tokens = port, max_tokens
        self.first, self.ids, self.text, self.error, self.failure = threading.Event(), [], "", None, None
        self.start()

    def run(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection.request("POST", "/v1/completions", json.dumps(completion(self.max_tokens, True)),
                               {"Content-Type": "application/json"})
            reply = connection.getresponse()
            for line in reply:
                line = line.decode().strip()
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                event = json.loads(line[len("data: "):])
                if "error" in event:
                    self.error = event["error"]["message"]
                for choice in event.get("choices", []):
                    self.ids += choice.get("token_ids") or []
                    self.text += choice.get("text", "")
                    if self.ids:
                        self.first.set()
        except Exception as failure:  # shown by end()
            self.failure = failure
        self.first.set()

    def end(self):
        self.join(60)
        if self.is_alive() or self.failure:
            raise AssertionError(f"the stream did not end in order: {self.failure}")
        return self


def metric(process, name):
    total = 0.0
    for line in exchange(process.admin, "GET", "/metrics")[1].splitlines():
        if re.match(rf"{name}(\{{| )", line):
            total += float(line.rsplit(" ", 1)[1])
    return total


QUERIES = "longshore_attention_queries_total"


class RolesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        port = free_port()
        server = Process(cls.folder.name, "serve", "serve", MODEL, "--port", port)
        try:
            wait_until("serve is ready", server.is_ready)
            cls.reference = complete(port)
        finally:
            server.kill()
        cls.cluster = Cluster(cls.folder.name)
        # Nodes before their scheduler: any order must do.
        cls.a = cls.cluster.attention("attention-a")
        cls.compute = cls.cluster.compute()
        time.sleep(0.5)
        cls.scheduler = cls.cluster.scheduler()
        cls.b = cls.cluster.attention("attention-b")
        try:
            cls.cluster.wait_for(attention=2)
        except BaseException:
            cls.cluster.end()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.end()
        cls.folder.cleanup()

    def check_request(self):
        self.assertEqual(complete(self.cluster.port), self.reference, self.cluster)

    def test_1_tokens_are_those_of_one_process(self):
        self.assertEqual(len(self.reference[0]), TOKENS)
        self.check_request()
        for node in (self.a, self.b):
            self.assertGreater(metric(node, "longshore_kv_blocks_received_total"), 0, self.cluster)
            self.assertGreater(metric(node, QUERIES), 0, self.cluster)

    def test_2_an_attention_node_is_killed_and_another_comes(self):
        stream = Stream(self.cluster.port)
        stream.first.wait(60)
        self.assertEqual(stream.error, None)
        self.a.kill()
        stream.end()
        if stream.error is None:
            self.assertEqual((stream.ids, stream.text), self.reference, self.cluster)
        else:
            self.assertIn("attention node", stream.error)
        self.check_request()
        self.cluster.wait_for(attention=1)
        self.check_request()
        type(self).a = self.cluster.attention("attention-a")
        self.cluster.wait_for(attention=2)
        before = metric(self.a, QUERIES)
        self.check_request()
        self.assertGreater(metric(self.a, QUERIES), before, self.cluster)

    def test_3_a_node_that_stalls_beyond_its_lease_comes_back_as_another(self):
        node_of = {member["name"]: member["node"] for member in self.cluster.members()["members"]}["attention-b"]
        stream = Stream(self.cluster.port)
        stream.first.wait(60)
        self.b.process.send_signal(signal.SIGSTOP)
        try:
            self.cluster.wait_for(attention=1)
            self.check_request()
        finally:
            self.b.process.send_signal(signal.SIGCONT)
        stream.end()
        self.assertEqual((stream.error, stream.ids), (None, self.reference[0]), self.cluster)
        self.cluster.wait_for(attention=2)
        again = {member["name"]: member["node"] for member in self.cluster.members()["members"]}["attention-b"]
        self.assertNotEqual(node_of, again)
        before = metric(self.b, QUERIES)
        self.check_request()
        self.assertGreater(metric(self.b, QUERIES), before, self.cluster)

    def test_4_the_compute_node_is_killed_and_another_comes(self):
        stream = Stream(self.cluster.port)
        stream.first.wait(60)
        self.compute.kill()
        type(self).compute = self.cluster.compute()
        stream.end()
        if stream.error is None:
            self.assertEqual(stream.ids, self.reference[0], self.cluster)
        else:
            self.assertIn("compute node", stream.error)
        self.cluster.wait_for(attention=2)
        self.check_request()

    def test_5_a_node_with_another_model_is_refused_by_name(self):
        if not model_file(OTHER_MODEL).is_file():
            self.skipTest(f"{OTHER_MODEL} is not in the cache")
        stranger = self.cluster.compute(OTHER_MODEL)
        self.assertEqual(stranger.process.wait(START_SECONDS), 1, stranger.text())
        self.assertIn("has the model file with SHA-256", stranger.text())
        self.assertIn("the cluster serves", stranger.text())
        self.check_request()

    def test_6_each_role_ends_in_order_on_sigterm(self):
        self.assertEqual(self.b.terminate(), 0, self.b.text())
        self.cluster.wait_for(attention=1)  # it has left: no lease is waited for
        self.check_request()
        for process in (self.compute, self.a, self.scheduler):
            self.assertEqual(process.terminate(), 0, process.text())


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    if not model_file(MODEL).is_file():
        print(f"skipped: {MODEL} is not in the cache; fetch it with: deploy/models/fetch {MODEL}")
        sys.exit(77)
    unittest.main()
