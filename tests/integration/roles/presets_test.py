#!/usr/bin/env python3
"""Requests that choose their attention: the tokens of one process, over attention nodes that are there, lost, and shared."""
import json

import processes
from processes import PROMPT, ClusterTest, Stream, completion, exchange, wait_until

SELECTS = {"attention": {"preset": "block-mean", "budget": 640}}  # 4 of 18 units
READ = "longshore_attention_kv_read_bytes_total"
AGAIN = "longshore_recomputed_tokens_total"


class PresetsTest(ClusterTest):
    requests = [(PROMPT, 300, SELECTS), (PROMPT, 300), (PROMPT, 60, {"attention": {"preset": "window", "window": 200}})]

    def bytes_read(self):
        return sum(node.metric(READ) for node in self.nodes)

    def test_1_a_selection_reads_less_and_answers_as_one_process_does(self):
        self.assertNotEqual(self.answers[0], self.answers[1])
        read = []
        for which in (1, 0):  # the second finds the prompt of the first, which is the same under both
            before = self.bytes_read()
            self.check_request(which)
            read.append(self.bytes_read() - before)
        self.assertGreater(read[1], 0)
        self.assertLess(read[1], 0.5 * read[0])
        self.check_request(2)

    def test_2_a_choice_that_cannot_be_is_refused(self):
        for attention, said in (({"preset": "block-mean", "budget": 100}, "budget is 100; it must be in [448, "),
                                ({"preset": "block-mean", "window": 5}, "has no parameter"),
                                ({"preset": "nothing"}, "there is no preset")):
            status, body = exchange(self.cluster.port, "POST", "/v1/completions",
                                    completion(PROMPT, 5, {"attention": attention}))
            self.assertEqual((status, json.loads(body)["error"]["param"]), (400, "attention"), body)
            self.assertIn(said, body)

    def test_3_a_lost_node_changes_no_token(self):
        again = self.scheduler.metric(AGAIN)
        stream = Stream(self.cluster.port, *self.requests[0])
        stream.wait_for_first()
        wait_until("some of the output is there", lambda: len(stream.answer.ids) >= 20)
        self.assertTrue(stream.is_alive(), "killed too late")
        self.nodes.pop().kill()
        self.check_stream(stream)
        self.assertGreater(self.scheduler.metric(AGAIN), again + 1000)


if __name__ == "__main__":
    processes.main()
