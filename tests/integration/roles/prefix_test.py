#!/usr/bin/env python3
"""The prefix cache: what a second turn takes over, who shares it, and that no token knows of it."""
import json
import unittest

import processes
from processes import PROMPT, ClusterTest, complete, completion, exchange, wait_until

QUESTION = " Somebody asked: what was the name of the keeper's dog, and why? The answer was"
HITS = "longshore_prefix_cache_hits_total"


def ask(port, prompt, max_tokens, **fields):
    """The answer and how many tokens of the prompt were taken over."""
    status, body = exchange(port, "POST", "/v1/completions", {**completion(prompt, max_tokens), **fields})
    if status != 200:
        raise AssertionError(f"{status}: {body}")
    reply = json.loads(body)
    return (processes.Answer().add(reply["choices"][0]), reply["usage"]["prompt_tokens_details"]["cached_tokens"],
            reply["usage"]["prompt_tokens"])


class PrefixTest(ClusterTest):
    # Answered by a process of its own, each after the other; the second begins as the first did.
    requests = [(PROMPT, 60), (PROMPT + QUESTION, 20)]
    serve_flags = ["--no-prefix-cache"]

    def check(self, which, least, most, **fields):
        answer, cached, prompt_tokens = ask(self.cluster.port, *self.requests[which], **fields)
        self.assertEqual(answer, self.answers[which], self.cluster)
        self.assertTrue(least <= cached <= most, f"{cached} of {prompt_tokens} tokens were taken over\n{self.cluster}")

    def test_1_the_first_request_finds_nothing(self):
        self.check(0, 0, 0)

    def test_2_a_second_turn_computes_what_is_new_and_less_than_a_leaf(self):
        before = self.scheduler.metric(HITS)
        _, _, tokens = ask(self.cluster.port, self.requests[0][0], 1)
        self.assertGreater(tokens, 1000)
        self.check(1, tokens - 128, tokens)
        self.assertGreater(self.scheduler.metric(HITS), before + tokens - 128)

    def test_3_the_same_prompt_leaves_its_last_token_to_compute(self):
        _, cached, tokens = ask(self.cluster.port, self.requests[0][0], 1)
        self.assertEqual(cached, (tokens - 1) // 128 * 128)

    def test_4_nothing_is_shared_between_tenants(self):
        self.check(0, 0, 0, cache_salt="one")
        self.check(0, 1000, 2000, cache_salt="one")
        self.check(0, 0, 0, cache_salt="another")

    def test_5_echo_with_logprobs_computes_every_row(self):
        _, cached, _ = ask(self.cluster.port, self.requests[0][0], 1, echo=True, logprobs=1)
        self.assertEqual(cached, 0)

    def test_6_choices_of_one_request_compute_its_prompt_once(self):
        before = self.scheduler.metric(HITS)
        status, body = exchange(self.cluster.port, "POST", "/v1/completions",
                                {**completion(*self.requests[0]), "n": 3, "cache_salt": "choices"})
        self.assertEqual(status, 200, body)
        choices = json.loads(body)["choices"]
        self.assertEqual(len(choices), 3)
        for choice in choices:
            self.assertEqual(processes.Answer().add(choice), self.answers[0], self.cluster)
        self.assertGreater(self.scheduler.metric(HITS), before + 2 * 1000)

    def test_7_what_a_killed_node_held_is_computed_again(self):
        self.check(0, 1000, 2000)
        self.nodes[0].kill()
        for _ in range(3):
            self.check(0, 0, 2000)  # a hit on what is lost is run again from nothing
        wait_until("the plan goes on without it", lambda: len(self.cluster.members()["holders"]) == 1)
        self.check(1, 0, 2000)
        self.check(1, 1000, 2000)


if __name__ == "__main__":
    processes.main()
