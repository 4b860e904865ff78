"""The roles as processes on loopback, requests to them, and what their metrics say."""
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
LEASE = 3.0  # seconds; other work may keep a node from its processor for one
# What has not happened by then never will; no claim about speed.
HANG_SECONDS = 240 * int(os.environ.get("LONGSHORE_TEST_PATIENCE", "1"))
PROMPT = (ROOT / "deploy" / "quickstart-text.txt").read_text()  # some 1,400 tokens: 10 full leaves
PROGRAM = None  # set by main()


def model_file(name):
    cache = os.environ.get("LONGSHORE_MODELS") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longshore" / "models"
    return Path(cache) / f"{name}.gguf"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def exchange(port, method, path, body=None, timeout=HANG_SECONDS):
    """Status and text of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def wait_until(what, condition, seconds=HANG_SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def completion(prompt, max_tokens, fields=None, stream=False):
    # Six probabilities behind each token: if they are equal bit for bit, so were the logits.
    return {"prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True, "logprobs": 5,
            "return_token_ids": True, "stream": stream, **(fields or {})}


class Answer:
    """What a request got, in one piece or event by event."""

    def __init__(self):
        self.ids, self.text, self.logprobs, self.alternatives = [], "", [], []

    def add(self, choice):
        self.ids += choice.get("token_ids") or []
        self.text += choice.get("text", "")
        if logprobs := choice.get("logprobs"):
            self.logprobs += logprobs["token_logprobs"]
            self.alternatives += logprobs["top_logprobs"]
        return self

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __repr__(self):
        return f"{len(self.ids)} tokens {self.ids} {self.logprobs}"


def complete(port, prompt, max_tokens, fields=None):
    status, body = exchange(port, "POST", "/v1/completions", completion(prompt, max_tokens, fields))
    if status != 200:
        raise AssertionError(f"{status}: {body}")
    return Answer().add(json.loads(body)["choices"][0])


class Stream(threading.Thread):
    """A streamed completion; `first` is set with its first token or its end."""

    def __init__(self, port, prompt, max_tokens, fields=None):
        super().__init__(daemon=True)
        self.port, self.body = port, completion(prompt, max_tokens, fields, stream=True)
        self.first, self.answer, self.error, self.failure = threading.Event(), Answer(), None, None
        self.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_SECONDS)
        try:
            connection.request("POST", "/v1/completions", json.dumps(self.body), {"Content-Type": "application/json"})
            for line in connection.getresponse():
                line = line.decode().strip()
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                event = json.loads(line[len("data: "):])
                if "error" in event:
                    self.error = event["error"]["message"]
                for choice in event.get("choices", []):
                    self.answer.add(choice)
                    if self.answer.ids:
                        self.first.set()
        except Exception as failure:  # shown by end()
            self.failure = failure
        finally:
            connection.close()
        self.first.set()

    def wait_for_first(self):
        if not self.first.wait(HANG_SECONDS) or not self.answer.ids:
            raise AssertionError(f"the stream did not begin: {self.error or self.failure}")

    def end(self):
        self.join(HANG_SECONDS)
        if self.is_alive() or self.failure or self.error:
            raise AssertionError(f"the stream did not end in order: {self.failure or self.error}")
        return self.answer


class Process:
    """One role; its output goes to a log that failures print."""

    def __init__(self, folder, name, *arguments, environment=None):
        self.name, self.log, self.admin = name, Path(folder) / f"{name}-{time.monotonic_ns()}.log", None
        with open(self.log, "w") as out:
            self.process = subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=out, stderr=subprocess.STDOUT,
                                            env={**os.environ, **(environment or {})})

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
        return self.process.wait(HANG_SECONDS)

    def metric(self, name):
        """The sum over all labels."""
        total = 0.0
        for line in exchange(self.admin, "GET", "/metrics")[1].splitlines():
            if re.match(rf"{name}(\{{| )", line):
                total += float(line.rsplit(" ", 1)[1])
        return total


class Cluster:
    def __init__(self, folder):
        self.folder, self.port, self.control, self.processes = folder, free_port(), free_port(), []

    def start(self, name, *arguments, environment=None):
        process = Process(self.folder, name, *arguments, environment=environment)
        self.processes.append(process)
        return process

    def scheduler(self, *arguments):
        process = self.start("scheduler", "scheduler", MODEL, "--port", self.port, "--control-port", self.control,
                             "--lease", LEASE, "--drain-seconds", HANG_SECONDS, *arguments)
        process.admin = self.port
        return process

    def node(self, role, name, *arguments):
        admin = free_port()
        process = self.start(name, role, *arguments, "--scheduler", f"127.0.0.1:{self.control}", "--name", name,
                             "--threads", 1, "--read-bandwidth", "10GB", "--admin-port", admin)
        process.admin = admin
        return process

    def compute(self, name="compute", model=MODEL):
        return self.node("compute", name, model, "--kv-memory", "256MiB")

    def attention(self, name):
        return self.node("attention", name, "--memory", "256MiB")

    def members(self):
        return json.loads(exchange(self.control, "GET", "/members")[1])

    def node_of(self, name):
        return {member["name"]: member["node"] for member in self.members()["members"]}.get(name)

    def wait_for(self, attention, compute=1):
        """Until so many nodes are in, the current plan uses all of them, and a token went through."""
        def is_so():
            try:
                told = self.members()
            except OSError:
                return False
            names = {role: [member["node"] for member in told["members"] if member["role"] == role]
                     for role in ("attention", "compute")}
            return (len(names["attention"]) == attention and sorted(names["attention"]) == sorted(told["holders"])
                    and len(names["compute"]) == compute and sorted(names["compute"]) == sorted(told["replicas"]))
        try:
            wait_until(f"a plan with {attention} attention nodes", is_so)
            wait_until("a ready API", lambda: exchange(self.port, "GET", "/readyz")[0] == 200)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self}") from None

    def __str__(self):
        return "\n".join(f"---- {process.name}\n{process.text()}" for process in self.processes)

    def end(self):
        for process in self.processes:
            if process.process.poll() is None:
                process.process.send_signal(signal.SIGCONT)
                process.kill()


class ClusterTest(unittest.TestCase):
    """Cases on one cluster, in the order of their names, and the answers of one process to `requests`."""
    requests = []  # (prompt, max_tokens), perhaps with further fields
    serve_flags = []  # of the one process

    @classmethod
    def start_cluster(cls):
        """One compute node and two attention nodes, where a test says nothing else."""
        cls.scheduler = cls.cluster.scheduler()
        cls.compute = cls.cluster.compute()
        cls.nodes = [cls.cluster.attention("attention-a"), cls.cluster.attention("attention-b")]
        cls.cluster.wait_for(attention=2)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        port = free_port()
        server = Process(cls.folder.name, "serve", "serve", MODEL, "--port", port, *cls.serve_flags)
        try:
            wait_until("serve is ready", server.is_ready)
            cls.answers = [complete(port, *request) for request in cls.requests]
        finally:
            server.kill()
        cls.cluster = Cluster(cls.folder.name)
        try:
            cls.start_cluster()
        except BaseException:
            cls.cluster.end()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.end()
        cls.folder.cleanup()

    def check_request(self, which=0):
        answer = complete(self.cluster.port, *self.requests[which])
        self.assertEqual(answer, self.answers[which], self.cluster)

    def check_stream(self, stream, which=0):
        try:
            answer = stream.end()
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.cluster}") from None
        self.assertEqual(answer, self.answers[which], self.cluster)


def main():
    """usage: SCRIPT PROGRAM [unittest arguments]; without the model in the cache it is skipped (exit code 77)."""
    global PROGRAM
    PROGRAM = sys.argv.pop(1)
    if not model_file(MODEL).is_file():
        print(f"skipped: {MODEL} is not in the cache; fetch it with: deploy/models/fetch {MODEL}")
        sys.exit(77)
    unittest.main(module="__main__")
