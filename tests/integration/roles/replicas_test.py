#!/usr/bin/env python3
"""Two compute nodes that share attention nodes: each sequence belongs to one, and goes on at the other if that one dies."""
import re
import subprocess

import processes
from processes import PROMPT, ClusterTest, Stream, exchange, wait_until

STEPS = "longshore_steps_total"
KV_BLOCKS = "longshore_kv_blocks_used"


class ReplicasTest(ClusterTest):
    # The first lasts longer than the second takes to begin, on a busy machine, too. The second is below two leaves: a prefix of
    # it spares less than a running sequence counts, so that it goes to the idle node.
    requests = [(PROMPT[:3000], 400), (PROMPT[:400], 200)]

    @classmethod
    def start_cluster(cls):
        cls.scheduler = cls.cluster.scheduler()
        cls.attention = cls.cluster.attention("attention-a")
        cls.nodes = [cls.cluster.compute("compute-a"), cls.cluster.compute("compute-b")]
        cls.cluster.wait_for(attention=1, compute=2)

    def start_one_on_each(self):
        """Streams of both requests, and the node of each."""
        streams, owners = [], []
        for which in (0, 1):
            before = [node.metric(STEPS) for node in self.nodes]
            streams.append(Stream(self.cluster.port, *self.requests[which]))
            streams[-1].wait_for_first()
            # A node counts a step when its outcome is on the way: with a cached prefix the first token may be here before.
            owners.append(wait_until("a step is counted", lambda: next(
                (node for node, steps in zip(self.nodes, before) if node.metric(STEPS) > steps and node not in owners), None)))
        return streams, owners

    def test_1_each_sequence_has_a_node_and_a_killed_ones_go_on_at_the_other(self):
        streams, owners = self.start_one_on_each()
        self.assertGreater(self.attention.metric(KV_BLOCKS), 0)
        again = self.scheduler.metric("longshore_recomputed_sequences_total")
        tokens_again = self.scheduler.metric("longshore_recomputed_tokens_total")
        self.assertTrue(all(stream.is_alive() for stream in streams), "killed too late")
        owners[0].kill()
        wait_until("rows are run again",
                   lambda: self.scheduler.metric("longshore_recomputed_tokens_total") >= tokens_again + 500)
        for which, stream in enumerate(streams):
            self.check_stream(stream, which)
        # That of the other node was not touched.
        self.assertEqual(self.scheduler.metric("longshore_recomputed_sequences_total"), again + 1, self.cluster)
        self.cluster.wait_for(attention=1, compute=1)
        type(self).nodes = [owners[1]]

    def test_2_a_restarted_one_is_used_again(self):
        type(self).nodes = self.nodes + [self.cluster.compute("compute-c")]
        self.cluster.wait_for(attention=1, compute=2)
        streams, owners = self.start_one_on_each()
        self.assertEqual(len(set(owners)), 2)
        for which, stream in enumerate(streams):
            self.check_stream(stream, which)

    def test_3_metrics_of_every_role_are_well_formed(self):
        for process in (self.scheduler, self.attention, *self.nodes):
            text = exchange(process.admin, "GET", "/metrics")[1]
            try:
                checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
            except FileNotFoundError:
                self.skipTest("promtool is not installed")
            self.assertEqual((checked.returncode, checked.stderr), (0, ""), process.name)
        for node in self.nodes:
            text = exchange(node.admin, "GET", "/metrics")[1]
            for line in (r'longshore_link_bytes_total\{direction="sent",node="[^"]*",peer="attention-a"}',
                         r'longshore_link_bytes_total\{direction="received",node="[^"]*",peer="scheduler"}',
                         r'longshore_step_phase_seconds_count\{phase="wait"}',
                         r'longshore_step_phase_seconds_count\{phase="merge"}',
                         r'longshore_step_phase_seconds_count\{phase="compute"}', 'longshore_kv_blocks_capacity'):
                told = re.search(rf"^{line}.* (\S+)$", text, re.MULTILINE)
                self.assertGreater(float(told[1]) if told else 0, 0, line)
        self.assertGreater(self.attention.metric("longshore_link_bytes_total"), 0)
        self.assertRegex(exchange(self.scheduler.admin, "GET", "/metrics")[1],
                         r'longshore_link_bytes_total\{direction="sent",node="scheduler",peer="compute-')


if __name__ == "__main__":
    processes.main()
