#!/usr/bin/env python3
"""The scheduler killed and restarted under its nodes, drained, and what it refuses."""
import json

import processes
from processes import HANG_SECONDS, PROMPT, ClusterTest, Stream, completion, exchange, wait_until


class SchedulerTest(ClusterTest):
    requests = [(PROMPT[:3000], 120)]

    @classmethod
    def start_cluster(cls):
        cls.scheduler = cls.cluster.scheduler()
        cls.attention = cls.cluster.attention("attention-a")
        cls.compute = cls.cluster.compute()
        cls.cluster.wait_for(attention=1)

    def register(self, **changes):
        """Status and message for a node that says of itself what attention-a does, but for the changes."""
        model = json.loads(exchange(self.cluster.control, "GET", "/model")[1])
        body = {"role": "attention", "name": "stranger", "address": "ucx:none", "admin": "127.0.0.1:1", "memory_bytes": 1 << 30,
                "read_bytes_per_second": 1e9, "query_seconds": 1e-5, "step_seconds": 0, "row_seconds": 0, "cores": "a box",
                "threads": 1, "model": model["sha256"], "numerics_version": None,
                "wire_version": None, "generation_seen": 0, **changes}
        status, text = exchange(self.cluster.control, "POST", "/register", body)
        return status, json.loads(text).get("error", {})

    def test_1_another_wire_or_numerics_version_is_refused_by_name(self):
        numerics = int(json.loads(exchange(self.compute.admin, "GET", "/version")[1])["numerics"])
        status, error = self.register(wire_version=999, numerics_version=numerics)
        self.assertEqual(status, 412)
        self.assertRegex(error["message"], "node stranger speaks wire version 999; the cluster speaks [0-9]+: install the "
                                           "same release everywhere")
        wire = int(error["message"].split("the cluster speaks ")[1].split(":")[0])
        status, error = self.register(wire_version=wire, numerics_version=999)
        self.assertEqual(status, 412)
        self.assertIn(f"node stranger computes with numerics version 999; the cluster with {numerics}: install the same "
                      "release everywhere", error["message"])
        status, error = self.register(wire_version=wire, numerics_version=numerics, name="no\nname")
        self.assertEqual((status, error["param"]), (400, "name"))
        self.assertEqual(self.cluster.node_of("stranger"), None)

    def test_2_a_killed_schedulers_nodes_come_to_its_successor(self):
        stream = Stream(self.cluster.port, *self.requests[0])
        stream.wait_for_first()
        self.scheduler.kill()
        stream.join(60)
        self.assertFalse(stream.is_alive())  # its connection broke: nobody hangs
        # One that keeps nothing itself: what is held in the end would be of the killed one.
        type(self).scheduler = self.cluster.scheduler("--no-prefix-cache")
        self.cluster.wait_for(attention=1)
        self.check_request()
        for node in (self.compute, self.attention):
            self.assertIsNone(node.process.poll(), node.text())
        held = "longshore_kv_blocks_used"
        wait_until("what the killed one's sequence held is free", lambda: self.attention.metric(held) == 0)
        wait_until("at the compute node, too", lambda: self.compute.metric(held) == 0)

    def test_3_nodes_follow_a_successor_with_other_options(self):
        self.assertEqual(self.scheduler.terminate(), 0, self.scheduler.text())
        type(self).scheduler = self.cluster.scheduler("--kv-type", "f32", "--chunk-tokens", 64)
        self.cluster.wait_for(attention=1)
        status, text = exchange(self.cluster.port, "POST", "/v1/completions", completion(*self.requests[0]))
        self.assertEqual(status, 200, text)
        for node in (self.compute, self.attention):
            self.assertIsNone(node.process.poll(), node.text())

    def test_4_sigterm_lets_a_stream_end_and_refuses_new_requests(self):
        stream = Stream(self.cluster.port, PROMPT[:1000], 300)
        stream.wait_for_first()
        self.scheduler.process.terminate()
        def refused():
            return exchange(self.cluster.port, "POST", "/v1/completions", completion("Hello", 1))[0] == 503
        wait_until("new requests are refused", refused)
        self.assertTrue(stream.is_alive())
        self.assertEqual(len(stream.end().ids), 300, self.cluster)
        self.assertEqual(self.scheduler.process.wait(HANG_SECONDS), 0, self.scheduler.text())


if __name__ == "__main__":
    processes.main()
