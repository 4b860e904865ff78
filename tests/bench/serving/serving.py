#!/usr/bin/env python3
"""What clients of `longshore serve` notice: the gaps between the tokens of running streams while long prompts come in, and the
time to the first token of the second turn of a chat.

Streams run alone first, then with a prompt of --prompt tokens every --every seconds. A gap is what a stream waits for its next
token; it is printed beside the median of the same phase, and the streams' rate beside the one that they had alone. The second
turn is printed beside a prompt as long as what it has to compute (its own tokens and at most a leaf of 128), on the same server.
"""
import argparse
import json
import statistics
import sys
import threading
import time
from pathlib import Path

from server import ROOT, prompt_of, report, serve

LEAF = 128


class Streams:
    """Streams that run until they are stopped; when each of their tokens came."""

    def __init__(self, server, count, tokens):
        self.times = [[] for _ in range(count)]
        for i in range(count):
            body = {"prompt": prompt_of(64, i), "max_tokens": tokens}
            threading.Thread(target=server.stream, args=(body, lambda i=i: self.times[i].append(time.monotonic())), daemon=True).start()
        while not all(self.times):
            time.sleep(0.05)

    def over(self, begin, end):
        """Gaps (seconds) between tokens of one stream, and tokens per second of all, in that time."""
        within = [[t for t in times if begin <= t <= end] for times in self.times]
        gaps = [b - a for times in within for a, b in zip(times, times[1:])]
        return gaps, sum(map(len, within)) / (end - begin)


def measure_streams(server, arguments):
    # Enough tokens that no stream ends first.
    streams = Streams(server, arguments.streams, arguments.stream_tokens)
    begin = time.monotonic() + 1  # past the joining
    time.sleep(1 + arguments.seconds)
    alone = streams.over(begin, time.monotonic())

    waits, prompts, begin = [], [], time.monotonic()
    while time.monotonic() - begin < arguments.seconds:
        body = {"prompt": prompt_of(arguments.prompt, 1000 + len(prompts)), "max_tokens": 1}
        prompts.append(threading.Thread(target=lambda body=body: waits.append(server.stream(body)[0])))
        prompts[-1].start()
        time.sleep(arguments.every)
    beside = streams.over(begin, time.monotonic())
    for prompt in prompts:
        prompt.join()
    if not all(times[-1] > begin + arguments.seconds for times in streams.times):
        sys.exit("serving.py: a stream ended before the measurement; give them more --stream-tokens")
    return alone, beside, waits


def measure(server, arguments):
    where = {"model": arguments.model, "prompt": arguments.prompt, "streams": arguments.streams, "every": arguments.every}
    (gaps_alone, rate_alone), (gaps, rate), waits = measure_streams(server, arguments)
    median_alone, median = 1e3 * statistics.median(gaps_alone), 1e3 * statistics.median(gaps)
    yield report("gap_alone_median", median_alone, "ms", None, where, f"longest {1e3 * max(gaps_alone) / median_alone:.2f} times that")
    yield report("gap_median", median, "ms", median_alone, where, "with prompts")
    yield report("gap_longest", 1e3 * max(gaps), "ms", median, where, f"{1e3 * max(gaps) / median:.2f} times the median")
    yield report("streams_rate", rate, "tok/s", rate_alone, where, f"{rate / rate_alone:.2f} of their rate alone")
    yield report("prompt_first_token", statistics.median(waits), "s", None, where, f"of {len(waits)} prompts, the median")


def measure_second_turn(server, arguments):
    where = {"model": arguments.model, "history": arguments.history, "turn": arguments.turn}
    firsts, shorts, cached = [], [], []
    for i in range(3):
        history = prompt_of(arguments.history, 5000 + i)
        answer = server.stream({"prompt": history, "max_tokens": 32})[1]
        turn = history + answer + prompt_of(arguments.turn, 6000 + i)
        first, _, usage = server.stream({"prompt": turn, "max_tokens": 4})
        firsts.append(first)
        cached.append(usage["prompt_tokens_details"]["cached_tokens"])
        shorts.append(server.stream({"prompt": prompt_of(LEAF + arguments.turn, 7000 + i), "max_tokens": 4})[0])
    first, short = statistics.median(firsts), statistics.median(shorts)
    yield report("second_turn_first_token", 1e3 * first, "ms", 1e3 * short, where,
                 f"{first / short:.2f} times a prompt of {LEAF + arguments.turn} tokens; {min(cached)} of "
                 f"{arguments.history + arguments.turn} tokens were cached")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "release" / "longshore")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--streams", type=int, default=8, help="that run together (8)")
    parser.add_argument("--stream-tokens", type=int, default=7000, help="of each stream at most (7000)")
    parser.add_argument("--prompt", type=int, default=2048, help="tokens of the prompts that come in between (2048)")
    parser.add_argument("--every", type=float, default=3, help="seconds between them (3)")
    parser.add_argument("--seconds", type=float, default=15, help="of each phase (15)")
    parser.add_argument("--history", type=int, default=4000, help="tokens of the first turn's prompt (4000)")
    parser.add_argument("--turn", type=int, default=30, help="tokens that the second turn adds (30)")
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="flags for longshore serve; the last option")
    parser.add_argument("--json", type=Path, help="write the figures there, as docs/benchmarks.md describes")
    arguments = parser.parse_args()
    with serve(arguments.program, arguments.model, "--max-sequences", 2 * arguments.streams, *arguments.serve) as server:
        measurements = [*measure_second_turn(server, arguments), *measure(server, arguments)]
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements, indent=1) + "\n")


if __name__ == "__main__":
    main()
