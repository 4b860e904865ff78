// `longshore bench`: throughput of prefill and decode at given depths and batch sizes.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/embedded_cluster.h"
#include "cli/loaded_model.h"
#include "cli/measurement.h"
#include "cli/step_driver.h"

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

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

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
  std::printf("%-10s %8s %8s %8s %10s %10s %13s %10s\n", "test", "depth", "batch", "tokens", "tok/s", "step ms",
              "predicted ms", "of it");
  const auto report = [&](const char* name, std::uint32_t depth, std::uint32_t batch, std::uint32_t tokens, double seconds) {
    const double rate = tokens / seconds;
    std::printf("%-10s %8u %8u %8u %10.1f", name, depth, batch, tokens, rate);
    measurements.push_back({name, rate, "tok/s", std::nullopt, {{"model", model->name}, {"isa", std::string(kernels::to_string(parsed->isa))}},
                            {{"prompt", flags.prompt},
                             {"generate", flags.generate},
                             {"depth", depth},
                             {"batch", batch},
                             {"threads", model->pool->threads()},
                             {"attention_nodes", parsed->options.attention_nodes}}});
  };
  StepDriver runs((*cluster)->compute(), parsed->options.chunk_tokens);
  for (std::uint32_t depth : flags.depths)
    for (std::uint32_t batch : flags.batches) {
      runs.start(batch, depth + flags.prompt, depth + flags.prompt);
      if (depth > 0)
        if (Result<double> filled = runs.prefill(depth); !filled) return filled.error();
      const Result<double> prefilled = flags.prompt == 0 ? Result<double>(0.0) : runs.prefill(flags.prompt);
      if (!prefilled) return prefilled.error();
      if (flags.prompt > 0) {
        report("prefill", depth, batch, flags.prompt * batch, *prefilled);
        std::printf("\n");
        std::fflush(stdout);
      }
      if (Result<double> ended = runs.finish(); !ended) return ended.error();
      if (flags.generate == 0) continue;
      // Decode starts at the depth itself, in sequences of their own.
      const std::uint32_t filled = std::max(1u, depth);
      runs.start(batch, filled + flags.generate, filled);
      if (Result<double> done = runs.prefill(filled); !done) return done.error();
      if (Result<void> settled = runs.await_holders(); !settled) return settled.error();
      const Result<std::vector<double>> decoded = runs.decode(flags.generate);
      if (!decoded) return decoded.error();
      report("decode", depth, batch, flags.generate * batch, std::accumulate(decoded->begin(), decoded->end(), 0.0));
      const double step = median(*decoded), predicted = (*cluster)->predict(filled + flags.generate, batch).step_seconds;
      std::printf(" %10.2f %13.2f %10.2f\n", 1e3 * step, 1e3 * predicted, step / predicted);
      std::fflush(stdout);
      measurements.push_back(measurements.back());
      measurements.back().name = "decode_step";
      measurements.back().value = 1e3 * step;
      measurements.back().unit = "ms";
      measurements.back().parameters.emplace_back("predicted_ms", 1e3 * predicted);
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
