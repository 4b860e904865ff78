#!/usr/bin/env python3
"""longshore bench beside llama.cpp on the same files, alternately, in the same minutes.

usage: peers.py [--program build/release/longshore] [--models NAME ...] [--depth 0,4096] [--rounds 3] [--json FILE]

llama.cpp is what the xllamacpp wheel of tests/golden has (its build's instruction sets are printed): f16 KV, a batch of 512
tokens, then single tokens, through its C interface. Both use all CPUs that the process may use, one after the other. What
is compared are medians over the rounds and, because neighbours move the whole machine, their ratio.
"""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROMPT, GENERATE = 512, 32
MODELS = ["smollm2-135m", "gemma3-270m", "qwen2.5-coder-1.5b"]


def model_file(name):
    cache = os.environ.get("LONGSHORE_MODELS") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longshore" / "models"
    return Path(cache) / f"{name}.gguf"


def run_longshore(program, model, depth, isa):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([program, "bench", model, "--prompt", str(PROMPT), "--generate", str(GENERATE), "--depth", str(depth),
                        "--isa", isa, "--json", out.name], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return {one["name"]: one["value"] for one in json.load(out) if one["name"] in ("prefill", "decode")}


def run_llama(model, depth):
    """In a process of its own, so that nothing of it stays behind."""
    told = subprocess.run([sys.executable, __file__, "--llama", str(model), "--depth", str(depth)], check=True,
                          capture_output=True, text=True)
    return json.loads(told.stdout.splitlines()[-1])


class Peer:
    """llama.cpp with one sequence, fed with arbitrary tokens."""

    def __init__(self, path, context):
        sys.path.insert(0, str(ROOT / "tests" / "golden"))
        from llama_cpp import LlamaCpp

        self.model, self.position = LlamaCpp(path, context), 0

    def feed(self, count):
        """Seconds for `count` tokens, with the logits behind the last one."""
        library = self.model._lib
        batch = library.llama_batch_init(ctypes.c_int32(count), ctypes.c_int32(0), ctypes.c_int32(1))
        batch.n_tokens = count
        for i in range(count):
            batch.token[i], batch.pos[i] = (7919 * (self.position + i) + 13) % self.model.vocab_size, self.position + i
            batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, 0, int(i == count - 1)
        start = time.perf_counter()
        status = library.llama_decode(self.model._context, batch)
        seconds = time.perf_counter() - start
        if status != 0:
            raise RuntimeError(f"llama_decode answered {status}")
        library.llama_batch_free(batch)
        self.position += count
        return seconds

    def fill(self, depth):
        while self.position < depth:
            self.feed(min(PROMPT, depth - self.position))


def measure_llama(path, depth):
    peer = Peer(path, depth + PROMPT + GENERATE)
    peer.fill(max(1, depth))  # warm, too
    decode = sum(peer.feed(1) for _ in range(GENERATE))
    if depth == 0:
        peer = Peer(path, PROMPT)
    prefill = peer.feed(PROMPT)
    return {"prefill": PROMPT / prefill, "decode": GENERATE / decode}


def build_of_llama():
    import xllamacpp

    library = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    library.llama_print_system_info.restype = ctypes.c_char_p
    library.llama_backend_init()
    return f"xllamacpp {xllamacpp.__version__}, {library.llama_print_system_info().decode().strip(' |')}"


def compare(arguments):
    print(f"llama.cpp: {build_of_llama()}")
    print(f"{'model':20} {'depth':>6} {'test':8} {'longshore':>10} {'avx2':>10} {'llama.cpp':>10} {'ratio':>6} {'avx2':>6}"
          f"   spread of longshore / llama.cpp")
    measurements = []
    for model in arguments.models:
        for depth in arguments.depths:
            rounds = {"longshore": [], "avx2": [], "llama": []}
            for _ in range(arguments.rounds):
                rounds["longshore"].append(run_longshore(arguments.program, model, depth, "auto"))
                rounds["llama"].append(run_llama(model_file(model), depth))
                rounds["avx2"].append(run_longshore(arguments.program, model, depth, "avx2"))
            for test in ("prefill", "decode"):
                values = {who: sorted(one[test] for one in runs) for who, runs in rounds.items()}
                ours, avx2, theirs = (statistics.median(values[who]) for who in ("longshore", "avx2", "llama"))
                spread = " / ".join(f"{values[who][0]:.1f}-{values[who][-1]:.1f}" for who in ("longshore", "llama"))
                print(f"{model:20} {depth:6} {test:8} {ours:10.1f} {avx2:10.1f} {theirs:10.1f} {ours / theirs:6.2f}"
                      f" {avx2 / theirs:6.2f}   {spread}", flush=True)
                measurements += [
                    {"name": test, "value": value, "unit": "tok/s", "limit": theirs,
                     "parameters": {"model": model, "prompt": PROMPT, "generate": GENERATE, "depth": depth, "batch": 1,
                                    "isa": isa, "peer": "llama.cpp"}}
                    for value, isa in ((ours, "auto"), (avx2, "avx2"))]
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(measurements, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build" / "release" / "longshore")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--depth", dest="depths", default="0,4096", help="tokens already in the context, with commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write the figures there, as docs/benchmarks.md describes")
    parser.add_argument("--llama", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.depths = [int(depth) for depth in arguments.depths.split(",")]
    if arguments.llama:
        print(json.dumps(measure_llama(arguments.llama, arguments.depths[0])))
        return
    compare(arguments)


if __name__ == "__main__":
    main()
