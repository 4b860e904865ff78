#!/usr/bin/env python3
"""What it costs to have the KV cache and the attention over it elsewhere: the gaps between the tokens of one stream behind a
prompt of --depth tokens, of the same model in several arrangements, alternately.

`serve` is one process without attention nodes; the others hold everything but the newest leaves on attention nodes: two inside
`serve`, with the in-process transport and with UCX, or one in a process of its own beside scheduler and compute node. All use the
same cores. The tokens must be the same in all of them, or nothing is printed but that.
"""
import argparse
import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

from server import ROOT, Server, free_port, prompt_of, report, serve

KV = "2GiB"


def processes(program, model):
    port, control = free_port(), free_port()
    at = f"127.0.0.1:{control}"
    return Server(program, port, ["scheduler", model, "--port", port, "--control-port", control],
                  ["attention", "--scheduler", at, "--memory", KV],
                  ["compute", model, "--scheduler", at, "--kv-memory", KV]).wait_until_ready()


ARRANGEMENTS = {
    "serve": lambda program, model: serve(program, model, "--kv-memory", KV),
    "two_nodes": lambda program, model: serve(program, model, "--kv-memory", KV, "--attention-nodes", 2),
    "two_nodes_ucx": lambda program, model: serve(program, model, "--kv-memory", KV, "--attention-nodes", 2, "--transport", "ucx"),
    "processes": processes,
}


def stream(server, arguments):
    """The token ids, and the median gap between them."""
    times = []
    ids = server.stream({"prompt": prompt_of(arguments.depth, 1), "max_tokens": arguments.tokens},
                        lambda: times.append(time.monotonic()))[1]
    return ids, statistics.median(b - a for a, b in zip(times[4:], times[5:]))  # the first ones hand leaves over


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "release" / "longshore")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--depth", type=int, default=2048, help="tokens of the prompt (2048)")
    parser.add_argument("--tokens", type=int, default=64, help="that are written behind it (64)")
    parser.add_argument("--rounds", type=int, default=5, help="of all arrangements in turn (5)")
    parser.add_argument("--arrangements", nargs="+", default=list(ARRANGEMENTS), choices=ARRANGEMENTS, metavar="NAME",
                        help=f"the first one is what the others are compared with ({' '.join(ARRANGEMENTS)})")
    parser.add_argument("--json", type=Path, help="write the figures there, as docs/benchmarks.md describes")
    arguments = parser.parse_args()
    servers, gaps, expected, measurements = {}, {}, None, []
    with contextlib.ExitStack() as running:
        for name in arguments.arrangements:
            servers[name] = running.enter_context(ARRANGEMENTS[name](arguments.program, arguments.model))
        for round_ in range(arguments.rounds + 1):  # the first one computes the prompt, the others find it in the prefix cache
            for name, server in servers.items():
                ids, gap = stream(server, arguments)
                expected = expected or ids
                if ids != expected:
                    sys.exit(f"{name} wrote other tokens than {arguments.arrangements[0]}")
                if round_ > 0:
                    gaps.setdefault(name, []).append(gap)
    base = gaps[arguments.arrangements[0]]
    for name, of_rounds in gaps.items():
        ratios = [first / own for first, own in zip(base, of_rounds)]
        where = {"model": arguments.model, "depth": arguments.depth, "arrangement": name}
        measurements.append(report("gap_" + name, 1e3 * statistics.median(of_rounds), "ms", 1e3 * statistics.median(base), where,
                                   f"{statistics.median(ratios):.3f} of the rate of {arguments.arrangements[0]}; by round "
                                   + " ".join(f"{ratio:.2f}" for ratio in ratios)))
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements, indent=1) + "\n")


if __name__ == "__main__":
    main()
