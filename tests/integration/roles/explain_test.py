#!/usr/bin/env python3
"""`longshore explain` of running clusters: what it says is what is measured, in force and held."""
import http.client
import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import processes
from processes import HANG_SECONDS, MODEL, PROMPT, Process, exchange, wait_until

LEASE = 3.0


def explain(folder, *arguments):
    """(text, figures by node) of `longshore explain`."""
    path = Path(folder) / "explain.json"
    done = subprocess.run([processes.PROGRAM, "explain", *arguments, "--json", path], capture_output=True, text=True, timeout=HANG_SECONDS)
    if done.returncode != 0:
        raise AssertionError(f"explain {arguments} ended with {done.returncode}: {done.stderr}")
    figures = json.loads(path.read_text())
    for figure in figures:
        assert set(figure) == {"name", "value", "unit", "limit", "parameters"}, figure
    return done.stdout, {figure["parameters"]["node"]: figure for figure in figures}


def metric(text, name, **labels):
    """Sum over the samples of a metric with these labels."""
    found = [float(value) for sample, value in re.findall(rf"^{name}{{(.*)}} (\S+)$", text, re.MULTILINE)
             if all(f'{label}="{wanted}"' in sample for label, wanted in labels.items())]
    assert found, f"no {name} {labels} in\n{text}"
    return sum(found)


class ExplainTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def start(self, name, *arguments):
        """The process and its ready line."""
        process = Process(self.folder.name, name, *arguments)
        self.addCleanup(process.kill)
        wait_until(f"{name} is ready", process.is_ready)
        return process, re.search(r"^ready .*$", process.text(), re.MULTILINE).group()

    def serve(self, *arguments):
        """Port of a `serve`."""
        _, line = self.start("serve", "serve", MODEL, "--port", 0, "--max-sequences", 2, "--context", 4096, *arguments)
        return int(re.search(r"http://127.0.0.1:(\d+)", line).group(1))

    def held(self, port):
        """Bytes that each attention node holds while a long prompt is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)
        self.addCleanup(connection.close)
        body = {"prompt": PROMPT + PROMPT, "max_tokens": 400, "temperature": 0, "ignore_eos": True, "stream": True}
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        self.assertEqual(reply.status, 200)
        for _ in range(20):  # pieces: the prompt is done, and the holders have had time to take it
            reply.readline()
        nodes = json.loads(exchange(port, "GET", "/placement")[1])["nodes"]
        return [node["bytes"] for node in nodes]

    def test_a_node_of_a_third_of_the_bandwidth_gets_a_third_by_context(self):
        port = self.serve("--attention-nodes", 2, "--shard", "context", "--read-bandwidth", "12GB,4GB")
        text, figures = explain(self.folder.name, "--server", f"127.0.0.1:{port}")
        fast, slow = figures["attention-0"]["parameters"], figures["attention-1"]["parameters"]
        self.assertAlmostEqual(fast["share"], 0.75, delta=0.04)
        self.assertAlmostEqual(fast["bytes_held"] / slow["bytes_held"], 3, delta=0.5)
        self.assertIn("shares follow read bandwidth: attention-0 reads 12 GB/s, attention-1 reads 4 GB/s", text)
        # Unequal nodes finish together: that is what the shares are for.
        read = [figure["parameters"]["bytes_read"] / bandwidth for figure, bandwidth in
                ((figures["attention-0"], 12e9), (figures["attention-1"], 4e9))]
        self.assertAlmostEqual(read[0] / read[1], 1, delta=0.2)
        # And so it lies. A prompt of some 24 leaves is cut at whole leaves.
        held = self.held(port)
        self.assertGreater(held[1], 0)
        self.assertAlmostEqual(held[0] / sum(held), 0.75, delta=0.1)

    def test_by_heads_shares_follow_bandwidth_as_far_as_whole_heads_allow(self):
        port = self.serve("--attention-nodes", 2, "--shard", "heads", "--read-bandwidth", "12GB,6GB")
        text, figures = explain(self.folder.name, "--server", f"127.0.0.1:{port}")
        self.assertAlmostEqual(figures["attention-0"]["parameters"]["share"], 2 / 3, delta=0.01)
        self.assertIn("attention-1 reads 6 GB/s", text)
        held = self.held(port)
        self.assertEqual(held[0], 2 * held[1])

    def test_says_why_a_node_is_idle(self):
        port = self.serve("--attention-nodes", 5)
        text, figures = explain(self.folder.name, "--server", f"127.0.0.1:{port}")
        idle = re.findall(r"^idle: (\S+): it shares its cores with nodes in use.* ([\d.]+) ms .* instead of ([\d.]+)$", text,
                          re.MULTILINE)
        self.assertEqual(len(idle), 2, text)  # 3 KV heads
        for name, other, chosen in idle:
            self.assertGreater(float(other), float(chosen), text)
            self.assertEqual(figures[name]["parameters"]["share"], 0)
        placement = json.loads(exchange(port, "GET", "/placement")[1])
        self.assertEqual([node["name"] for node in placement["nodes"] if "idle" in node], [name for name, _, _ in idle])

    def test_explains_processes_with_measured_nodes_and_links(self):
        _, line = self.start("scheduler", "scheduler", MODEL, "--port", 0, "--control-port", 0, "--lease", LEASE,
                             "--context", 4096, "--shard", "context")
        port = int(re.search(r"http://127.0.0.1:(\d+)", line).group(1))
        control = re.search(r"control=(\S+)", line).group(1)
        early = subprocess.run([processes.PROGRAM, "explain", "--scheduler", control], capture_output=True, text=True, timeout=HANG_SECONDS)
        self.assertNotEqual(early.returncode, 0)
        self.assertIn("no plan is in force yet", early.stderr)

        _, line = self.start("fast", "attention", "--scheduler", control, "--name", "fast", "--memory", "200MiB", "--threads", 1)
        measured = float(re.search(r"read_bytes_per_second=(\S+)", line).group(1))
        self.start("slow", "attention", "--scheduler", control, "--name", "slow", "--memory", "200MiB", "--threads", 1,
                   "--read-bandwidth", f"{round(measured / 2e6)}MB")
        compute, _ = self.start("compute", "compute", MODEL, "--scheduler", control, "--name", "compute", "--threads", 1,
                                "--kv-memory", "200MiB")

        def explained():
            if exchange(port, "GET", "/readyz")[0] != 200:
                return None
            text, figures = explain(self.folder.name, "--scheduler", control)
            reply = json.loads(exchange(int(control.split(":")[1]), "GET", "/explain")[1])
            is_measured = all(node["link_latency_seconds"] > 0 for node in reply["nodes"] if node["role"] == "attention")
            return (text, figures, reply) if {"fast", "slow"} <= set(figures) and is_measured else None

        text, figures, reply = wait_until("a plan of both nodes with measured links", explained)
        # 30 leaves in stripes of up to 8: the last round may end with either node.
        self.assertAlmostEqual(figures["fast"]["parameters"]["share"], 2 / 3, delta=0.1)
        self.assertRegex(text, r"shares follow read bandwidth: .*fast reads .*slow reads|slow reads .*fast reads")
        nodes = {node["name"]: node for node in reply["nodes"]}
        self.assertGreater(nodes["compute"]["step_seconds"], 0)
        self.assertEqual(len({node["cores"] for node in nodes.values()}), 1, "all run on the cores of this machine")
        for name in ("fast", "slow"):
            self.assertGreater(nodes[name]["link_bytes_per_second"], 0)
            self.assertRegex(compute.text(), rf"link to {name}: \S+, round trip [\d.]+ us, [\d.]+ GB/s")

        status, _ = exchange(port, "POST", "/v1/completions", {"prompt": PROMPT, "max_tokens": 5, "temperature": 0})
        self.assertEqual(status, 200)
        for direction in ("sent", "received"):
            self.assertGreater(metric(exchange(port, "GET", "/metrics")[1], "longshore_link_bytes_total", node="scheduler",
                                      peer="compute", direction=direction), 0)


if __name__ == "__main__":
    processes.main()
