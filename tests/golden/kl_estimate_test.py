#!/usr/bin/env python3
"""The estimate of kl_estimate.py against the exact sum, on made-up distributions."""
import sys
import unittest

try:
    import numpy as np

    import kl_estimate
except ImportError:
    print("numpy is missing: run tests/run, which makes an environment that has it")
    sys.exit(77)


def log_softmax(logits):
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


class KlEstimateTest(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(7)
        self.p_log = [log_softmax(rng.normal(0, 3, 5000)) for _ in range(200)]
        self.q = [p + rng.normal(0, 0.1, p.size) for p in self.p_log]
        self.stored = [kl_estimate.sample(p, rng) for p in self.p_log]

    def estimate(self, logits):
        return np.mean([kl_estimate.position_kl(ids, logs, q) for (ids, logs), q in zip(self.stored, logits)])

    def test_equal_logits_have_no_distance(self):
        self.assertLess(self.estimate(self.p_log), 1e-9)

    def test_a_constant_added_to_all_logits_changes_nothing(self):
        self.assertAlmostEqual(self.estimate(self.q), self.estimate([q + 40 for q in self.q]), places=12)

    def test_agrees_with_the_exact_sum(self):
        exact = np.mean([np.sum(np.exp(p) * (p - log_softmax(q))) for p, q in zip(self.p_log, self.q)])
        self.assertAlmostEqual(self.estimate(self.q) / exact, 1, delta=0.04)

    def test_the_first_id_is_the_most_probable(self):
        for p, (ids, _) in zip(self.p_log, self.stored):
            self.assertEqual(ids[0], p.argmax())


if __name__ == "__main__":
    unittest.main()
