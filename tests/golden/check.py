#!/usr/bin/env python3
"""Compares the program's teacher-forced logits with the stored float64 reference.

  check.py LONGSHORE NAME [NAME ...]     LONGSHORE is the program, NAME a model of deploy/models/fetch

For each model it runs `LONGSHORE logits MODEL --tokens FILE --out FILE` on the stored token ids and asserts that the mean
KL divergence from the reference is at most 1.5 times llama.cpp's own on the same tokens, and top-1 agreement at least
llama.cpp's minus 1.5 points. Exit codes: 0 within the limits, 1 not, 77 a model is not there (CTest: skipped).
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
KL_FACTOR = 1.5
TOP1_MARGIN = 0.015
SKIPPED = 77

try:
    import numpy as np

    import kl_estimate
except ImportError:
    print("numpy is missing: run tests/run, which makes an environment that has it")
    sys.exit(SKIPPED)


def model_path(name):
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LONGSHORE_MODELS") or Path(cache) / "longshore" / "models") / f"{name}.gguf"


def program_logits(program, model, tokens, directory):
    """f32 logits [T, V], mapped, that the program wrote for `tokens`."""
    ids, out = directory / "tokens.txt", directory / "logits.f32"
    ids.write_text("\n".join(str(token) for token in tokens) + "\n")
    ended = subprocess.run([program, "logits", model, "--tokens", ids, "--out", out], capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{program} logits {model} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    rows = np.memmap(out, dtype="<f4", mode="r")
    if rows.size % len(tokens) != 0:
        sys.exit(f"{program} wrote {rows.size} numbers, which are no rows for {len(tokens)} tokens")
    return rows.reshape(len(tokens), -1)


def measure(program, model, stored):
    """(KL in nats of each position [T], whether its most probable token agrees [T], seconds) of the program."""
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.monotonic()
        logits = program_logits(program, model, stored["tokens"], Path(scratch))
        seconds = time.monotonic() - begin
        kl, agree = np.empty(len(logits)), np.empty(len(logits), dtype=bool)
        for i, (ids, p_log) in enumerate(zip(stored["ids"], stored["log_probabilities"])):
            if not np.isfinite(logits[i]).all():
                sys.exit(f"the logits at position {i} are not finite")
            kl[i] = kl_estimate.position_kl(ids, p_log, logits[i])
            agree[i] = logits[i].argmax() == ids[0]  # ids are sorted by probability
        return kl, agree, seconds


def check(program, name, expected):
    """Prints one row of the table; returns whether the model is within its limits."""
    llama = expected["llama_cpp"]
    with np.load(HERE / f"{name}.npz") as stored:
        kl, agree, seconds = measure(program, model_path(name), dict(stored))
    first, kl = kl[0], kl[kl_estimate.FIRST_POSITION:]
    mean, error, top1 = kl.mean(), kl.std() / np.sqrt(len(kl)), agree[kl_estimate.FIRST_POSITION:].mean()
    kl_max, top1_min = KL_FACTOR * llama["mean_kl"], llama["top1"] - TOP1_MARGIN
    good = mean <= kl_max and top1 >= top1_min
    print(f"{name:20} KL {mean:.5f} +- {error:.5f} (at most {kl_max:.5f}; llama.cpp {llama['mean_kl']:.5f})   "
          f"top-1 {100 * top1:.2f} % (at least {100 * top1_min:.2f}; llama.cpp {100 * llama['top1']:.2f})   "
          f"{len(kl)} positions, {seconds:.1f} s; the first one KL {first:.3f} (llama.cpp {llama['first_kl']:.3f})   "
          f"{'good' if good else 'OUTSIDE'}", flush=True)
    return good


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    if not os.access(program, os.X_OK):
        sys.exit(f"{program} is not there: build it with cmake --build --preset release --target longshore")
    expected = json.loads((HERE / "expected.json").read_text())
    absent = [name for name in names if not model_path(name).exists()]
    if absent:
        print("not there: " + ", ".join(absent) + "; fetch with deploy/models/fetch NAME")
        sys.exit(SKIPPED)
    sys.exit(0 if all([check(program, name, expected[name]) for name in names]) else 1)


if __name__ == "__main__":
    main()
