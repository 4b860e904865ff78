// `longshore bench`: throughput of prefill and decode at given depths and batch sizes.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/embedded_cluster.h"
#include "cli/loaded_model.h"
#include "cli/measurement.h"
#include "runtime/base/random.h"

namespace longshore::cli {
namespace {

struct BenchFlags {
  ClusterFlags cluster;
  std::uint32_t prompt = 512;
  std::uint32_t generate = 64;
  std::vector<std::uint32_t> depths = {0};
  std::vector<std::uint32_t> batches = {1};
  std::string json;
};

// Drives sequences of random tokens through a compute node; times are those of the steps alone.
class Bench {
 public:
  Bench(compute::ComputeNode& node, std::uint32_t chunk) : node_(node), chunk_(chunk) {}

  void start(std::uint32_t batch, std::uint64_t tokens_expected, std::uint32_t prompt_tokens) {
    sequences_.clear();
    for (std::uint32_t s = 0; s < batch; ++s) {
      SequenceStart start;
      start.sequence = SequenceId{++last_id_};
      start.prompt_tokens = prompt_tokens;
      start.tokens_expected = tokens_expected;
      starts_.push_back(start);
      sequences_.push_back({start.sequence, 0});
    }
  }

  // Feeds `tokens` to every sequence, one sequence after the other; seconds.
  Result<double> prefill(std::uint32_t tokens) {
    double seconds = 0;
    for (Sequence& sequence : sequences_)
      for (std::uint32_t done = 0; done < tokens;) {
        const std::uint32_t run = std::min(chunk_, tokens - done);
        done += run;
        const Result<double> step = execute({entry(sequence, run, done == tokens)});
        if (!step) return step;
        seconds += *step;
      }
    return seconds;
  }

  // One token for every sequence, `tokens` times; seconds.
  Result<double> decode(std::uint32_t tokens) {
    double seconds = 0;
    for (std::uint32_t t = 0; t < tokens; ++t) {
      std::vector<StepEntry> entries;
      for (Sequence& sequence : sequences_) entries.push_back(entry(sequence, 1, true));
      const Result<double> step = execute(std::move(entries));
      if (!step) return step;
      seconds += *step;
    }
    return seconds;
  }

  Result<double> finish() {
    for (const Sequence& sequence : sequences_) releases_.push_back(sequence.id);
    return execute({});
  }

 private:
  struct Sequence {
    SequenceId id;
    std::uint32_t position;
  };

  StepEntry entry(Sequence& sequence, std::uint32_t tokens, bool sample) {
    StepEntry entry;
    entry.sequence = sequence.id;
    entry.position = sequence.position;
    for (std::uint32_t t = 0; t < tokens; ++t)
      entry.tokens.push_back(static_cast<TokenId>(random_.below(node_.config().vocabulary)));
    entry.sample = sample;
    sequence.position += tokens;
    return entry;
  }

  Result<double> execute(std::vector<StepEntry> entries) {
    StepBatch batch;
    batch.id = StepId{++last_step_};
    batch.starts = std::exchange(starts_, {});
    batch.releases = std::exchange(releases_, {});
    batch.entries = std::move(entries);
    const StepOutcome outcome = node_.execute(batch);
    for (const EntryOutcome& of_entry : outcome.entries)
      if (of_entry.error) return *of_entry.error;
    return outcome.timing.total;
  }

  compute::ComputeNode& node_;
  std::uint32_t chunk_;
  Random random_{1};
  std::uint64_t last_id_ = 0;
  std::uint64_t last_step_ = 0;
  std::vector<Sequence> sequences_;
  std::vector<SequenceStart> starts_;
  std::vector<SequenceId> releases_;
};

Result<void> bench(const BenchFlags& flags) {
  Result<ParsedClusterFlags> parsed = parse(flags.cluster);
  if (!parsed) return parsed.error();
  const std::uint32_t batch_max = *std::max_element(flags.batches.begin(), flags.batches.end());
  const std::uint32_t depth_max = *std::max_element(flags.depths.begin(), flags.depths.end());
  const std::uint32_t tokens_max = depth_max + flags.prompt + flags.generate;
  parsed->options.max_sequences = std::max(1u, batch_max);
  if (parsed->options.context_tokens == 0) parsed->options.context_tokens = tokens_max;
  const Result<LoadedModel> model = load_model(flags.cluster.model, flags.cluster.threads, parsed->isa);
  if (!model) return model.error();
  Metrics metrics;
  const SystemClock clock;
  Result<std::unique_ptr<EmbeddedCluster>> cluster = EmbeddedCluster::create(*model, parsed->options, metrics, clock);
  if (!cluster) return cluster.error();

  std::vector<Measurement> measurements;
  std::printf("%-10s %8s %8s %8s %10s\n", "test", "depth", "batch", "tokens", "tok/s");
  const auto report = [&](const char* name, std::uint32_t depth, std::uint32_t batch, std::uint32_t tokens, double seconds) {
    const double rate = tokens / seconds;
    std::printf("%-10s %8u %8u %8u %10.1f\n", name, depth, batch, tokens, rate);
    std::fflush(stdout);
    measurements.push_back({name, rate, "tok/s", std::nullopt, {{"model", model->name}, {"isa", std::string(kernels::to_string(parsed->isa))}},
                            {{"prompt", flags.prompt},
                             {"generate", flags.generate},
                             {"depth", depth},
                             {"batch", batch},
                             {"threads", model->pool->threads()},
                             {"attention_nodes", parsed->options.attention_nodes}}});
  };
  Bench runs((*cluster)->compute(), parsed->options.chunk_tokens);
  for (std::uint32_t depth : flags.depths)
    for (std::uint32_t batch : flags.batches) {
      runs.start(batch, depth + flags.prompt, depth + flags.prompt);
      if (depth > 0)
        if (Result<double> filled = runs.prefill(depth); !filled) return filled.error();
      const Result<double> prefilled = flags.prompt == 0 ? Result<double>(0.0) : runs.prefill(flags.prompt);
      if (!prefilled) return prefilled.error();
      if (flags.prompt > 0) report("prefill", depth, batch, flags.prompt * batch, *prefilled);
      if (Result<double> ended = runs.finish(); !ended) return ended.error();
      if (flags.generate == 0) continue;
      // Decode starts at the depth itself, in sequences of their own.
      const std::uint32_t filled = std::max(1u, depth);
      runs.start(batch, filled + flags.generate, filled);
      if (Result<double> done = runs.prefill(filled); !done) return done.error();
      const Result<double> decoded = runs.decode(flags.generate);
      if (!decoded) return decoded.error();
      report("decode", depth, batch, flags.generate * batch, *decoded);
      if (Result<double> ended = runs.finish(); !ended) return ended.error();
    }
  return flags.json.empty() ? Result<void>() : write_json(flags.json, measurements);
}

}  // namespace

Run add_bench(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("bench", "Measure prefill and decode throughput");
  auto flags = std::make_shared<BenchFlags>();
  add_cluster_flags(*subcommand, flags->cluster);
  subcommand->add_option("--prompt,-p", flags->prompt, "Tokens of the measured prefill; 0: none")->capture_default_str();
  subcommand->add_option("--generate,-n", flags->generate, "Tokens of the measured decode, each; 0: none")
      ->capture_default_str();
  subcommand->add_option("--depth,-d", flags->depths, "Tokens already in the context")->delimiter(',')->capture_default_str();
  subcommand->add_option("--batch,-b", flags->batches, "Sequences together")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  subcommand->add_option("--json", flags->json, "File for the figures (docs/benchmarks.md)");
  return [flags] {
    const Result<void> done = bench(*flags);
    return done ? 0 : fail(done.error());
  };
}

}  // namespace longshore::cli
