#!/usr/bin/env python3
"""The roles as separate processes: the tokens of one process, and what happens when nodes die, stall and come back."""
import signal
import time

import processes
from processes import OTHER_MODEL, PROMPT, ClusterTest, Stream, exchange, wait_until

QUERIES = "longshore_attention_queries_total"
PROBES = "longshore_attention_probes_total"
LAYERS = 30  # of the model
HELD = "longshore_kv_blocks_used"
RUN_AGAIN = "longshore_recomputed_tokens_total"


class NodesTest(ClusterTest):
    requests = [(PROMPT, 150), (PROMPT[:2500] + " And so it began:", 150), (PROMPT, 20)]

    @classmethod
    def start_cluster(cls):
        # Nodes before their scheduler: any order must do.
        cls.a = cls.cluster.attention("attention-a")
        cls.compute = cls.cluster.compute()
        time.sleep(0.5)
        cls.scheduler = cls.cluster.scheduler()
        cls.b = cls.cluster.attention("attention-b")
        cls.cluster.wait_for(attention=2)

    def check_it_is_asked(self, node):
        before = node.metric(QUERIES)
        self.check_request(2)
        self.assertGreater(node.metric(QUERIES), before, self.cluster)

    def test_1_tokens_are_those_of_one_process(self):
        self.assertEqual([len(answer.ids) for answer in self.answers], [150, 150, 20])
        self.assertEqual(len(self.answers[0].alternatives[0]), 5)
        self.check_request(2)
        for node in (self.a, self.b):
            self.assertGreater(node.metric("longshore_kv_blocks_received_total"), 0, self.cluster)
            self.assertGreater(node.metric(QUERIES), 0, self.cluster)

    def test_1_ready_means_that_every_attention_node_answered_in_every_layer(self):
        before = [node.metric(PROBES) for node in (self.a, self.b)]

        def asked():
            self.assertEqual(exchange(self.cluster.port, "GET", "/readyz")[0], 200)
            return all(node.metric(PROBES) - was == LAYERS for node, was in zip((self.a, self.b), before))
        wait_until("the nodes are asked when the last probe is too old", asked)

    def test_2_an_attention_node_is_killed_and_another_comes(self):
        streams = [Stream(self.cluster.port, *self.requests[which]) for which in (0, 1)]
        for stream in streams:
            stream.wait_for_first()
        # Until leaves of both are only elsewhere: then every step asks, once a layer and holder.
        asked = self.a.metric(QUERIES)
        wait_until("attention-a is asked", lambda: self.a.metric(QUERIES) >= asked + 60)
        held, run_again = self.a.metric(HELD), self.scheduler.metric(RUN_AGAIN)
        self.assertGreater(held, 0)
        self.assertTrue(all(stream.is_alive() for stream in streams), "killed too late")
        self.a.kill()
        # Noticed, and everything begun anew. The lease decides, whatever the transport sees before.
        wait_until("rows are run again", lambda: self.scheduler.metric(RUN_AGAIN) >= run_again + 1000)
        for which, stream in enumerate(streams):
            self.check_stream(stream, which)
        self.cluster.wait_for(attention=1)
        type(self).a = self.cluster.attention("attention-a")
        self.cluster.wait_for(attention=2)
        self.check_it_is_asked(self.a)

    def test_3_a_node_that_stalls_beyond_its_lease_comes_back_as_another(self):
        node = self.cluster.node_of("attention-b")
        stream = Stream(self.cluster.port, *self.requests[0])
        stream.wait_for_first()
        self.b.process.send_signal(signal.SIGSTOP)
        try:
            self.cluster.wait_for(attention=1)
        finally:
            self.b.process.send_signal(signal.SIGCONT)
        self.check_stream(stream)
        self.cluster.wait_for(attention=2)
        self.assertNotEqual(self.cluster.node_of("attention-b"), node)
        self.check_it_is_asked(self.b)

    def test_4_the_only_compute_node_is_killed_and_another_comes(self):
        stream = Stream(self.cluster.port, *self.requests[1])
        stream.wait_for_first()
        self.compute.kill()
        type(self).compute = self.cluster.compute()
        self.check_stream(stream, 1)
        self.cluster.wait_for(attention=2)
        self.check_request(2)

    def test_5_a_node_with_another_model_is_refused_by_name(self):
        if not processes.model_file(OTHER_MODEL).is_file():
            self.skipTest(f"{OTHER_MODEL} is not in the cache")
        stranger = self.cluster.compute("stranger", OTHER_MODEL)
        self.assertEqual(stranger.process.wait(60), 1, stranger.text())
        self.assertIn("node stranger has the model file with SHA-256", stranger.text())
        self.assertIn("give it that file", stranger.text())

    def test_6_each_role_ends_in_order_on_sigterm(self):
        self.assertEqual(self.b.terminate(), 0, self.b.text())
        self.cluster.wait_for(attention=1)  # it has left: no lease is waited for
        for process in (self.compute, self.a, self.scheduler):
            self.assertEqual(process.terminate(), 0, process.text())


if __name__ == "__main__":
    processes.main()
