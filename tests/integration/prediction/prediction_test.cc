// The cost model against the machine that runs the test: a real model, decoding under five layouts.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/loaded_model.h"
#include "runtime/base/check.h"
#include "tests/bench/placement/layout_prediction.h"

namespace longshore::bench {
namespace {

constexpr std::uint32_t kDepth = 2100;
constexpr double kErrorMax = 0.25;
// Neighbours on the same cores come and go between a prediction and the steps that it is about. The median of the rounds of an
// attempt decides; an attempt that fails is repeated, with new measurements, so many times.
constexpr int kRounds = 5, kAttempts = 4;
static_assert(kRounds * kAttempts <= static_cast<int>(LayoutPrediction::kRoundsMax));

constexpr std::uint32_t kChunk = 512;

cli::EmbeddedCluster& cluster() {
  static const cli::LoadedModel model = [] {
    Result<cli::LoadedModel> loaded = cli::load_model("smollm2-135m", 2, kernels::detect_isa());
    CHECK(loaded) << loaded.error().message << "; run deploy/models/fetch smollm2-135m";
    return std::move(*loaded);
  }();
  static const SystemClock clock;
  static Metrics metrics;
  static const std::unique_ptr<cli::EmbeddedCluster> made = [] {
    cli::ClusterOptions options;
    options.attention_nodes = kLayoutNodes;
    options.context_tokens = 4096;
    options.max_sequences = 4;
    options.chunk_tokens = kChunk;
    Result<std::unique_ptr<cli::EmbeddedCluster>> created = cli::EmbeddedCluster::create(model, options, metrics, clock);
    CHECK(created) << created.error().message;
    return std::move(*created);
  }();
  return *made;
}

class PredictionTest : public testing::TestWithParam<std::size_t> {};

TEST_P(PredictionTest, IsWithinAQuarterOfTheMeasuredStep) {
  const Layout& layout = five_layouts()[GetParam()];
  auto prediction = LayoutPrediction::create(cluster(), layout, kDepth, kChunk);
  ASSERT_TRUE(prediction) << prediction.error().message;
  double ratio = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::vector<Round> rounds;
    std::printf("%s:", layout.name.c_str());
    for (int i = 0; i < kRounds; ++i) {
      const Result<Round> round = (*prediction)->round();
      ASSERT_TRUE(round) << round.error().message;
      std::printf(" %.2f/%.2f", 1e3 * round->measured, 1e3 * round->predicted);
      rounds.push_back(*round);
    }
    ratio = median_ratio(rounds);
    std::printf(" ms measured/predicted, median of the ratios %.2f\n", ratio);
    if (std::abs(ratio - 1) <= kErrorMax) return;
  }
  FAIL() << layout.name << ": a step takes " << ratio << " times its prediction, after " << kAttempts << " attempts";
}

INSTANTIATE_TEST_SUITE_P(Layouts, PredictionTest, testing::Range<std::size_t>(0, 5));

}  // namespace
}  // namespace longshore::bench
