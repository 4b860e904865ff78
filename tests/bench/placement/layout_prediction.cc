#include "tests/bench/placement/layout_prediction.h"

#include <algorithm>
#include <utility>

namespace longshore::bench {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::shared_ptr<const PlacementPlan> plan_of(const Layout& layout, std::uint32_t kv_heads, PlanGeneration generation) {
  PlacementPlan plan;
  plan.generation = generation;
  if (!layout.patterns.empty()) plan.holders.resize(kv_heads);
  for (std::size_t head = 0; head < plan.holders.size(); ++head)
    for (const std::uint32_t node : layout.patterns[head % layout.patterns.size()])
      plan.holders[head].push_back(NodeId{node});
  return std::make_shared<const PlacementPlan>(std::move(plan));
}

}  // namespace

const std::vector<Layout>& five_layouts() {
  static const std::vector<Layout> layouts{{"compute node only", {}},
                                           {"1 node", {{1}}},
                                           {"2 nodes by head", {{1}, {2}, {1}}},
                                           {"2 nodes by context", {{1, 2}}},
                                           {"3 nodes by head and context", {{1}, {2, 3}, {3, 2}}}};
  return layouts;
}

Result<std::unique_ptr<LayoutPrediction>> LayoutPrediction::create(cli::EmbeddedCluster& cluster, const Layout& layout,
                                                                   std::uint32_t depth, std::uint32_t chunk) {
  std::unique_ptr<LayoutPrediction> made(new LayoutPrediction(cluster, chunk));
  compute::ComputeNode& node = cluster.compute();
  const PlanGeneration next{node.plan().generation.value + 1};
  if (Result<void> set = node.set_plan(plan_of(layout, node.config().kv_heads, next)); !set) return set.error();
  made->driver_.start(1, depth + kStepsOfRound * kRoundsMax, depth);
  if (Result<std::vector<double>> filled = made->driver_.prefill(depth); !filled) return filled.error();
  made->tokens_ = depth;
  if (Result<void> settled = made->driver_.await_holders(); !settled) return settled.error();
  // The first steps let go of local copies that the holders have now.
  if (Result<std::vector<double>> warm = made->driver_.decode(2); !warm) return warm.error();
  made->tokens_ += 2;
  return made;
}

LayoutPrediction::~LayoutPrediction() { static_cast<void>(driver_.finish()); }

Result<double> LayoutPrediction::predict() {
  if (Result<void> measured = cluster_.measure_again(); !measured) return measured.error();
  return cluster_.predict(tokens_, 1).step_seconds;
}

Result<Round> LayoutPrediction::round() {
  const Result<double> before = predict();
  if (!before) return before.error();
  const Result<std::vector<double>> steps = driver_.decode(kStepsOfRound);
  if (!steps) return steps.error();
  tokens_ += kStepsOfRound;
  if (Result<void> settled = driver_.await_holders(); !settled) return settled.error();
  const Result<double> after = predict();
  if (!after) return after.error();
  return Round{(*before + *after) / 2, median(*steps)};
}

double median_ratio(const std::vector<Round>& rounds) {
  std::vector<double> ratios;
  for (const Round& round : rounds) ratios.push_back(round.measured / round.predicted);
  return median(std::move(ratios));
}

}  // namespace longshore::bench
