// The cost model beside the machine: predicted and measured time of decode steps under five layouts.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "cli/loaded_model.h"
#include "cli/measurement.h"
#include "runtime/base/log.h"
#include "tests/bench/placement/layout_prediction.h"

namespace longshore::bench {
namespace {

struct Options {
  std::string model = "smollm2-135m";
  std::string transport = "inproc";
  std::uint32_t depth = 3000;
  std::uint32_t rounds = 7;
  std::uint32_t threads = 0;
  std::string json;
};

double middle(const std::vector<Round>& rounds, double Round::*value) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(round.*value);
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Result<void> run(const Options& options) {
  const Result<cli::LoadedModel> model = cli::load_model(options.model, options.threads, kernels::detect_isa());
  if (!model) return model.error();
  cli::ClusterOptions cluster_options;
  cluster_options.attention_nodes = kLayoutNodes;
  cluster_options.transport = options.transport == "ucx" ? cli::TransportKind::kUcx : cli::TransportKind::kInproc;
  cluster_options.max_sequences = 4;
  cluster_options.context_tokens = options.depth + LayoutPrediction::kStepsOfRound * (LayoutPrediction::kRoundsMax + 1);
  Metrics metrics;
  const SystemClock clock;
  auto cluster = cli::EmbeddedCluster::create(*model, cluster_options, metrics, clock);
  if (!cluster) return cluster.error();
  std::vector<cli::Measurement> figures;
  std::printf("%-30s %12s %13s %22s\n", "layout", "step ms", "predicted ms", "measured / predicted");
  for (const Layout& layout : five_layouts()) {
    auto prediction = LayoutPrediction::create(**cluster, layout, options.depth, cluster_options.chunk_tokens);
    if (!prediction) return prediction.error();
    std::vector<Round> rounds;
    for (std::uint32_t i = 0; i < options.rounds; ++i) {
      const Result<Round> round = (*prediction)->round();
      if (!round) return round.error();
      rounds.push_back(*round);
    }
    const double measured = 1e3 * middle(rounds, &Round::measured), predicted = 1e3 * middle(rounds, &Round::predicted);
    std::printf("%-30s %12.2f %13.2f %22.2f\n", layout.name.c_str(), measured, predicted, median_ratio(rounds));
    std::fflush(stdout);
    figures.push_back({"decode_step",
                       measured,
                       "ms",
                       std::nullopt,
                       {{"model", model->name}, {"layout", layout.name}, {"transport", options.transport}},
                       {{"depth", options.depth},
                        {"batch", 1},
                        {"threads", model->pool->threads()},
                        {"predicted_ms", predicted},
                        {"measured_over_predicted", median_ratio(rounds)}}});
  }
  return options.json.empty() ? Result<void>() : cli::write_json(options.json, figures);
}

}  // namespace
}  // namespace longshore::bench

int main(int argc, char** argv) {
  longshore::bench::Options options;
  CLI::App app("Predicted and measured time of decode steps under five layouts");
  app.add_option("MODEL", options.model, "Path of a GGUF file, or a NAME that deploy/models/fetch knows")->capture_default_str();
  app.add_option("--transport", options.transport)->check(CLI::IsMember({"inproc", "ucx"}))->capture_default_str();
  app.add_option("--depth", options.depth, "Tokens in the context")->capture_default_str();
  app.add_option("--rounds", options.rounds, "Rounds per layout; medians are printed")
      ->check(CLI::Range(1u, longshore::bench::LayoutPrediction::kRoundsMax))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "0: one for each CPU")->capture_default_str();
  app.add_option("--json", options.json, "File for the figures (docs/benchmarks.md)");
  CLI11_PARSE(app, argc, argv);
  longshore::log::start("placement_bench", "warn");
  const longshore::Result<void> done = longshore::bench::run(options);
  if (done) return 0;
  std::fprintf(stderr, "placement_bench: %s\n", done.error().message.c_str());
  return 1;
}
