#!/usr/bin/env python3
"""The program on the retrieval model: what attention sees decides, exactly, what is answered.

usage: retrieval_model_test.py LONGSHORE [unittest arguments]
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = None  # argument of this script

try:
    import gguf  # noqa: F401
    import numpy as np
except ImportError:
    print("numpy or gguf is missing: run tests/run, which makes an environment that has them")
    sys.exit(77)

sys.path.insert(0, str(ROOT / "tests" / "golden"))
import prompts
import retrieval_model
from reference import Reference
from retrieval_model import Options

DEPTHS = (0.1, 0.5, 0.9)
# The row that asks for the first value at 2,048 tokens sees positions from 1,024 on, and each next row from one later: a
# needle at 0.5, whose values are at 1,021 to 1,026, is lost by three positions.
WINDOW = ("--preset", "window:sinks=4,window=1024")


class RetrievalModelTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.model = self.folder / "model.gguf"

    def run_program(self, command, *flags, text=None):
        # The models are new in each test: none of their converted weights are worth keeping.
        return subprocess.run([PROGRAM, command, self.model, *map(str, flags)], input=text, capture_output=True, text=True,
                              timeout=300, env=os.environ | {"LONGSHORE_WEIGHTS": ""})

    def run_logits(self, prompt, *flags, out="logits.f32"):
        """What `longshore logits` ends with; it writes to `out`."""
        ids = self.folder / "tokens.txt"
        ids.write_text(" ".join(map(str, prompt.sequence)))
        return self.run_program("logits", "--tokens", ids, "--out", self.folder / out, *flags)

    def logits(self, prompt, *flags, out="logits.f32"):
        """Logits [N, V], mapped, behind each token of the prompt and its continuation."""
        ended = self.run_logits(prompt, *flags, out=out)
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        return np.memmap(self.folder / out, dtype="<f4", mode="r").reshape(len(prompt.sequence), -1)

    def correct(self, options, prompt, *flags):
        """Values answered of each needle."""
        logits = self.logits(prompt, *flags)
        correct = prompt.correct(logits)
        print(f"{options.architecture} group {options.group}, {prompt.prompt_tokens} tokens {' '.join(flags) or 'full'}: "
              f"{correct.tolist()} of {prompts.VALUES}, least lead {prompt.margin(logits):.2f}", flush=True)
        return correct.tolist()

    def check_same_bits(self, prompt, *flags, selects=False):
        """Attention nodes that hold all leaves but the first and the open one give the bits of one process."""
        one = self.logits(prompt, "--prompt", prompt.prompt_tokens, *flags, out="one.f32")
        for shard in ("heads", "context"):
            ended = self.run_logits(prompt, "--attention-nodes", 2, "--shard", shard, "--prompt", prompt.prompt_tokens, *flags,
                                    out="nodes.f32")
            self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
            nodes = re.findall(r"holds \d+ leaves, (\d+) blocks, and answered (\d+) queries", ended.stdout)
            self.assertEqual(len(nodes), 2, ended.stdout)
            leaves = prompt.prompt_tokens // 128 - 1
            blocks_held = sum(int(blocks) for blocks, _ in nodes)
            self.assertEqual(blocks_held, retrieval_model.LAYERS * retrieval_model.KV_HEADS * leaves)
            rows = len(prompt.sequence) - prompt.prompt_tokens  # of the output
            # Who has all leaves of a head chooses for it; else it is asked for scores first, then for what was chosen.
            asked = retrieval_model.LAYERS * rows * (2 if selects and shard == "context" else 1)
            self.assertTrue(all(int(answered) == asked for blocks, answered in nodes if int(blocks) > 0), ended.stdout)
            many = np.memmap(self.folder / "nodes.f32", dtype="<f4", mode="r")
            self.assertTrue(np.array_equal(one.ravel().view(np.uint32), many.view(np.uint32)), f"shard {shard}")

    def check_depths(self, options, seed):
        retrieval_model.write(self.model, options)
        for depth in DEPTHS:
            with self.subTest(tokens=options.tokens, depth=depth):
                prompt = prompts.make(options.tokens, [depth], options.vocabulary, seed)
                self.assertEqual(self.correct(options, prompt), [6])
                windowed = self.correct(options, prompt, *WINDOW)
                self.assertEqual(windowed, [6]) if depth == 0.9 else self.assertLessEqual(windowed[0], 1)
        # All depths at once: each key answers with its own values, and so it does with attention nodes.
        prompt = prompts.make(options.tokens, DEPTHS, options.vocabulary, seed + 1)
        self.assertEqual(self.correct(options, prompt), [6, 6, 6])
        self.check_same_bits(prompt)

    def test_2048_tokens(self):
        self.check_depths(Options(tokens=2048), seed=11)

    def test_8192_tokens(self):
        self.check_depths(Options(tokens=8192), seed=13)

    def test_2048_tokens_with_three_query_heads_to_a_kv_head(self):
        self.check_depths(Options(tokens=2048, group=3), seed=17)

    def test_8192_tokens_with_three_query_heads_to_a_kv_head(self):
        options = Options(tokens=8192, group=3)
        retrieval_model.write(self.model, options)
        prompt = prompts.make(options.tokens, DEPTHS, options.vocabulary, 19)
        self.assertEqual(self.correct(options, prompt), [6, 6, 6])
        windowed = self.correct(options, prompt, *WINDOW)
        self.assertLessEqual(max(windowed[:2]), 1)
        self.assertEqual(windowed[2], 6)
        self.check_same_bits(prompt)

    def test_means_of_blocks_lose_a_needle_and_a_budget_for_everything_does_not(self):
        # Every row that asks is one of the output, which alone choose what they read. A needle of seven tokens is too little
        # of the mean of 32 keys: what is chosen is right by chance, or because most of the prompt is chosen.
        for options, budget, found in ((Options(tokens=2048), 2048, [6, 6, 6]), (Options(tokens=2048, group=3), 2048, [6, 6, 6]),
                                       (Options(tokens=8192), 1024, None)):
            retrieval_model.write(self.model, options)
            prompt = prompts.make(options.tokens, DEPTHS, options.vocabulary, 53)
            preset = ("--preset", f"block-mean:budget={budget}")
            correct = self.correct(options, prompt, *preset, "--prompt", str(prompt.prompt_tokens - 1))
            self.assertEqual(correct, found) if found else self.assertLess(sum(correct), 12)
        self.check_same_bits(prompt, *preset, selects=True)

    def test_an_offset_of_keys_and_rope_by_halves_change_nothing(self):
        options = Options(tokens=2048, architecture="qwen2", key_offset=100)
        retrieval_model.write(self.model, options)
        prompt = prompts.make(options.tokens, DEPTHS, options.vocabulary, 23)
        self.assertEqual(self.correct(options, prompt), [6, 6, 6])
        self.assertLessEqual(max(self.correct(options, prompt, *WINDOW)[:2]), 1)

    def test_keys_and_values_in_eight_bits_are_enough(self):
        options = Options(tokens=2048)
        retrieval_model.write(self.model, options)
        prompt = prompts.make(options.tokens, DEPTHS, options.vocabulary, 29)
        self.assertEqual(self.correct(options, prompt, "--kv-type", "q8_0"), [6, 6, 6])

    def test_what_is_sought_may_differ_from_what_is_there_but_not_too_far(self):
        for sigma, right in ((1, [6, 6, 6]), (3, [0, 0, 0])):
            options = Options(tokens=2048, sigma=sigma)
            retrieval_model.write(self.model, options)
            self.assertEqual(self.correct(options, prompts.make(options.tokens, DEPTHS, options.vocabulary, 31)), right)

    def test_each_kv_head_of_the_second_layer_answers_for_its_class(self):
        options = Options(tokens=2048)
        prompt = prompts.make(options.tokens, DEPTHS, options.vocabulary, 37)
        asked = retrieval_model.token_class(prompt.sequence[prompt.rows])
        for lost in range(retrieval_model.KV_HEADS):
            weights = retrieval_model.tensors(options)
            head = slice(lost * retrieval_model.HEAD_DIM, (lost + 1) * retrieval_model.HEAD_DIM)
            weights["blk.1.attn_v.weight"][head] = 0
            retrieval_model.write(self.model, options, weights)
            right = self.logits(prompt)[prompt.rows].argmax(axis=-1) == prompt.values
            self.assertTrue(np.array_equal(right, asked != lost), f"without head {lost}: {right} where {asked} are asked")

    def test_logits_are_those_of_float64(self):
        # With KV in f32 the distance measured is 0.00045 (largest difference of any log-probability in any row).
        for options in (Options(tokens=2048), Options(tokens=2048, architecture="qwen2", group=3, key_offset=100)):
            retrieval_model.write(self.model, options)
            prompt = prompts.make(options.tokens, DEPTHS, options.vocabulary, 41)
            found = self.logits(prompt, "--kv-type", "f32").astype(np.float64)
            found -= found.max(axis=1, keepdims=True)
            found -= np.log(np.exp(found).sum(axis=1, keepdims=True))
            expected = Reference(self.model).log_probabilities(prompt.sequence)
            self.assertLess(np.abs(found - expected).max(), 0.002)

    def test_a_text_is_continued_over_attention_nodes(self):
        options = Options(tokens=2048)
        retrieval_model.write(self.model, options)
        prompt = prompts.make(options.tokens, [0.1], options.vocabulary, 43)
        text = retrieval_model.text(prompt.sequence[:prompt.prompt_tokens])
        ended = self.run_program("complete", "-", "--temperature", 0, "--max-tokens", prompts.VALUES, "--attention-nodes", 2,
                                 text=text)
        self.assertEqual((ended.returncode, ended.stdout), (0, retrieval_model.text(prompt.values[0]) + "\n"), ended.stderr)
        self.assertIn(f"{prompt.prompt_tokens} prompt tokens", ended.stderr)  # a word is one token

    def test_the_instrument_tells_a_window_from_full_attention(self):
        retrieval_model.write(self.model, Options(tokens=2048 + 64))
        ended = self.run_program("eval", "--preset", "full", "--preset", "window", "--task", "induction", "--context", 2048,
                                 "--samples", 22)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn("full: safe at this budget: induction", ended.stdout)
        self.assertIn("window: not safe: induction", ended.stdout)

    def test_what_cannot_be_is_refused(self):
        for wrong in ({"tokens": 64}, {"vocabulary": 4096}, {"architecture": "gemma3"}, {"group": 0}, {"sigma": -1}):
            self.assertRaisesRegex(ValueError, next(iter(wrong)), Options, **wrong)
        self.assertRaisesRegex(ValueError, "raise rope_base", Options, tokens=32768)
        self.assertRaisesRegex(ValueError, "overlap", prompts.make, 2048, [0.5, 0.502], 2048, 1)
        self.assertRaisesRegex(ValueError, "depths are", prompts.make, 2048, [1.5], 2048, 1)
        retrieval_model.write(self.model, Options(tokens=2048))
        prompt = prompts.make(2048, [0.1], 2048, 47)
        ended = self.run_logits(prompt, "--prompt", 4096)
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("--prompt is 4096", ended.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit(__doc__)
    PROGRAM = Path(sys.argv.pop(1)).resolve()
    unittest.main()
