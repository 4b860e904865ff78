#!/usr/bin/env python3
"""Flags of the roles: from the command line, a variable or a file, where to listen, and on which NUMA node."""
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import processes
from processes import HANG_SECONDS, MODEL, Cluster, exchange, free_port, wait_until


def numbers(text):
    """{0, 1, 2, 8} of "0-2,8"."""
    ranges = [part.split("-") for part in text.strip().split(",")]
    return {number for part in ranges for number in range(int(part[0]), int(part[-1]) + 1)}


class FlagsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.cluster = Cluster(self.folder)
        self.addCleanup(self.cluster.end)

    def config(self, text):
        path = self.folder / "longshore.toml"
        path.write_text(text)
        return path

    def refused(self, *arguments):
        """What a command says that ends with exit code 2."""
        ended = subprocess.run([processes.PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=HANG_SECONDS)
        self.assertEqual(ended.returncode, 2, ended.stderr)
        return ended.stderr

    def start_attention(self, *arguments, environment=None):
        scheduler = self.cluster.start("scheduler", "scheduler", MODEL, "--port", 0, "--control-port", self.cluster.control)
        node = self.cluster.start("node", "attention", "--scheduler", f"127.0.0.1:{self.cluster.control}", *arguments,
                                  environment=environment)
        for process in (scheduler, node):
            wait_until(f"{process.name} is ready", process.is_ready)
        return scheduler, node, self.cluster.members()["members"][0]

    def test_a_flag_wins_over_a_variable_and_that_over_the_file(self):
        config = self.config('[attention]\nmemory = "11MiB"\nread-bandwidth = "11GB"\nname = "of-the-file"\nthreads = 1\n'
                             f'[scheduler]\nMODEL = "{MODEL}"\nport = 1\n')
        _, _, told = self.start_attention("--config", config, "--memory", "33MiB", environment={
            "LONGSHORE_MEMORY": "22MiB", "LONGSHORE_READ_BANDWIDTH": "22GB"})
        self.assertEqual(told["name"], "of-the-file")                      # file alone
        self.assertAlmostEqual(told["read_bytes_per_second"] / 22e9, 1, 6)  # variable over file
        self.assertTrue(30 << 20 < told["memory_bytes"] <= 33 << 20, told)  # flag over both
        self.assertEqual(told["threads"], 1)

    def test_what_a_file_cannot_say_is_an_error_that_names_it(self):
        for text, wrong in (("[attention]\nmemry = '1GiB'\n", "[attention] memry: there is no such flag"),
                            ("[compute]\nmemory = '1GiB'\n", "[compute] memory: there is no such flag"),
                            ("[atention]\nmemory = '1GiB'\n", "[atention]: there is no such command"),
                            ("memory = '1GiB'\n", "memory: there is no such flag"),
                            ("[attention]\nmemory = ['1GiB']\n", "[attention] memory: it must be a text, a number"),
                            ("[attention]\nmemory = \n", "line 2")):
            config = self.config(text)
            said = self.refused("attention", "--config", config)
            self.assertIn(str(config), said)
            self.assertIn(wrong, said)
        self.assertIn("--memory is 'lots'", self.refused("attention", "--config", self.config("[attention]\nmemory='lots'")))

    def test_a_scheduler_is_ready_at_its_admin_port_when_someone_computes(self):
        admin = free_port()
        scheduler, _, _ = self.start_attention()
        self.assertEqual(scheduler.terminate(), 0)
        scheduler = self.cluster.start("scheduler", "scheduler", MODEL, "--port", 0, "--control-port",
                                       self.cluster.control, "--admin-port", admin)
        wait_until("the scheduler is ready", scheduler.is_ready)
        self.assertEqual(exchange(admin, "GET", "/livez")[0], 200)
        self.assertIn("longshore_steps_total", exchange(admin, "GET", "/metrics")[1])
        self.assertIn("version", json.loads(exchange(admin, "GET", "/version")[1]))
        status, text = exchange(admin, "GET", "/readyz")
        self.assertEqual(status, 503)
        self.assertIn("no compute node is registered", text)
        compute = self.cluster.compute()
        wait_until(f"a compute node: {self.cluster}", lambda: exchange(admin, "GET", "/readyz")[0] == 200)
        for path in ("/livez", "/readyz", "/metrics", "/version"):
            self.assertEqual(exchange(compute.admin, "GET", path)[0], 200, path)

    def test_addresses(self):
        port = free_port()
        _, node, told = self.start_attention("--listen", "0.0.0.0", "--advertise", "127.0.0.1", "--admin-port", port)
        self.assertEqual(told["admin"], f"127.0.0.1:{port}")
        self.assertIn(f"admin=127.0.0.1:{port}", node.text())
        # Local addresses of TCP sockets, in hexadecimal, and state 0A: listening (proc_pid_net(5)).
        self.assertRegex(Path("/proc/net/tcp").read_text(), rf"\b00000000:{port:04X} \S+ 0A\b")

    def test_addresses_that_are_not_ours_are_refused(self):
        self.assertIn("--listen is 203.0.113.9, which no network device of this machine has; it has 127.0.0.1",
                      self.refused("attention", "--listen", "203.0.113.9"))
        self.assertIn("--advertise is 'me'; write an IP address", self.refused("attention", "--advertise", "me"))

    def test_numa(self):
        if not Path("/sys/devices/system/node/node0").is_dir():
            self.skipTest("this kernel knows no NUMA nodes")
        _, node, _ = self.start_attention("--numa", 0)
        process = Path("/proc") / str(node.process.pid)
        self.assertRegex((process / "numa_maps").read_text(), re.compile(r"^[0-9a-f]+ bind:0 ", re.MULTILINE))
        cpus = numbers(Path("/sys/devices/system/node/node0/cpulist").read_text())
        for thread in (process / "task").iterdir():
            self.assertLessEqual(os.sched_getaffinity(int(thread.name)), cpus)
        said = self.refused("attention", "--numa", 1000)
        self.assertIn("--numa is 1000; the NUMA nodes with CPUs of this machine are 0", said)


if __name__ == "__main__":
    processes.main()
