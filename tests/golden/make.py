#!/usr/bin/env python3
"""Makes the stored values that check.py compares with: run by hand when text.txt or a model changes.

  make.py [NAME ...]     NAME of deploy/models/fetch; all three when none is given

Writes for each model NAME.npz (token ids of text.txt made by llama.cpp; the reference's log-probabilities as
kl_estimate.py wants them) and its entry in expected.json (llama.cpp's own distance from the reference on the same
tokens). Needs numpy, gguf, xllamacpp, about 4 GiB of memory, and some minutes.
"""
import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np

import kl_estimate
from llama_cpp import LlamaCpp
from reference import Reference

HERE = Path(__file__).resolve().parent
MODELS = ("smollm2-135m", "gemma3-270m", "qwen2.5-coder-1.5b")
TOKENS = 640  # more than gemma3's window of 512, so that its edge is crossed


def models_directory():
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LONGSHORE_MODELS") or Path(cache) / "longshore" / "models")


def make(name):
    path = models_directory() / f"{name}.gguf"
    llama = LlamaCpp(path)
    tokens = llama.tokenize((HERE / "text.txt").read_text())[:TOKENS]
    reference = Reference(path).log_probabilities(tokens)
    rng = np.random.default_rng(135)
    stored = [kl_estimate.sample(row, rng) for row in reference]
    exact, estimate, agree = [], [], []
    for p_log, (ids, logs), logits in zip(reference, stored, llama.logits(tokens)):
        q_log = logits.astype(np.float64) - logits.max()
        q_log -= np.log(np.exp(q_log).sum())
        exact.append(np.sum(np.exp(p_log) * (p_log - q_log)))
        estimate.append(kl_estimate.position_kl(ids, logs, logits))
        agree.append(p_log.argmax() == logits.argmax())
    begin = kl_estimate.FIRST_POSITION
    np.savez_compressed(HERE / f"{name}.npz", tokens=tokens, ids=np.stack([ids for ids, _ in stored]),
                        log_probabilities=np.stack([logs for _, logs in stored]))
    return {
        "gguf_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "positions": len(tokens) - begin,
        "reference_nll": float(-np.mean([reference[i, tokens[i + 1]] for i in range(len(tokens) - 1)])),
        "llama_cpp": {"version": llama.version, "mean_kl": float(np.mean(estimate[begin:])),
                      "mean_kl_exact": float(np.mean(exact[begin:])), "top1": float(np.mean(agree[begin:])),
                      "first_kl": estimate[0]},
    }


def main():
    file = HERE / "expected.json"
    expected = json.loads(file.read_text()) if file.exists() else {}
    for name in sys.argv[1:] or MODELS:
        expected[name] = make(name)
        print(name, json.dumps(expected[name], indent=2), flush=True)
        file.write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
