"""Longshore as processes of its own, and streamed completions from it: what the measurements of this folder share."""
import http.client
import json
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
STARTS_WITHIN = 300  # seconds; a model that was never loaded is converted first


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One or more processes of `program`, each started when the one before says that it is ready; `port` answers requests."""

    def __init__(self, program, port, *commands):
        self.port, self.processes = port, []
        for command in commands:
            self.processes.append(subprocess.Popen([str(program), *map(str, command)], stdout=subprocess.PIPE,
                                                   stderr=subprocess.DEVNULL, text=True))
            too_late = threading.Timer(STARTS_WITHIN, self.processes[-1].kill)
            too_late.start()
            if not any(line.startswith("ready") for line in self.processes[-1].stdout):
                self.__exit__()
                sys.exit(f"{program} {' '.join(map(str, command))} ended before it was ready; run it to see why")
            too_late.cancel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()

    def wait_until_ready(self):
        """Until /readyz says so: a scheduler is up before its nodes are."""
        end = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < end:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return self
            time.sleep(0.1)
        self.__exit__()
        sys.exit(f"/readyz did not answer 200 within {STARTS_WITHIN} s")

    def stream(self, body, on_token=lambda: None):
        """Sends the completion; seconds until the first token, its token ids, and usage. on_token is called at each."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        began, first, ids, usage = time.monotonic(), None, [], None
        connection.request("POST", "/v1/completions", json.dumps({
            "temperature": 0, "ignore_eos": True, "stream": True, "return_token_ids": True,
            "stream_options": {"include_usage": True}, **body}), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        if reply.status != 200:
            sys.exit(f"the server answered {reply.status}: {reply.read().decode()}")
        for line in reply:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[len(b"data: "):])
            if "error" in event:
                sys.exit(f"the server answered {event['error']}")
            usage = event.get("usage") or usage
            for choice in event.get("choices", []):
                if choice.get("token_ids"):
                    first = first or time.monotonic() - began
                    ids += choice["token_ids"]
                    on_token()
        connection.close()
        return first, ids, usage


def serve(program, model, *flags):
    port = free_port()
    return Server(program, port, ["serve", model, "--port", port, *flags])


def prompt_of(tokens, seed):
    """Token ids that no other prompt begins with: a cached prefix would spare their computation."""
    draw = random.Random(seed)
    return [draw.randrange(1000, 20000) for _ in range(tokens)]


def report(name, value, unit, limit, parameters, text):
    """Prints one figure; returns it as docs/benchmarks.md describes."""
    print(f"{name:28} {value:9.2f} {unit:6} {text}", flush=True)
    return {"name": name, "value": value, "unit": unit, "limit": limit, "parameters": parameters}
