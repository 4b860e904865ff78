#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "runtime/base/random.h"
#include "scheduler/placement/shares.h"
#include "tests/unit/scheduler/placement/clusters.h"

namespace longshore::placement {
namespace {

constexpr std::uint64_t kSeeds = 400;

PlannerInput random_cluster(Random& random, bool memory_is_short) {
  PlannerInput input = cluster_of({});
  input.model.kv_heads = std::array{1u, 2u, 3u, 4u, 8u}[random.below(5)];
  input.model.query_heads = input.model.kv_heads * static_cast<std::uint32_t>(1 + random.below(6));
  input.workload.context_tokens = 65'536 + random.below(200'000);
  const std::uint64_t nodes = 1 + random.below(9);
  const double spread = std::array{1.0, 3.0, 15.0}[random.below(3)];
  for (std::uint32_t id = 1; id <= nodes; ++id) {
    const std::uint64_t memory = memory_is_short ? kGiB / 4 + random.below(8 * kGiB) : 256 * kGiB;
    input.nodes.push_back(attention_node(id, 1e9 * (1 + random.uniform() * (spread - 1)) * 10, memory));
  }
  return input;
}

// The least time in which anyone could read the KV that is handed over, each node at its bandwidth.
double ideal_read_seconds(const PlannerInput& input) {
  double bandwidth = 0;
  for (const NodeDescriptor& node : input.nodes)
    if (node.role == NodeRole::kAttention) bandwidth += node.read_bytes_per_second;
  return static_cast<double>(leaves_handed_over(input.workload.context_tokens) * leaf_bytes(input.model)) *
         input.workload.sequences / bandwidth;
}

TEST(PlannerRandomTest, UnequalNodesFinishTogether) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Random random(seed);
    const PlannerInput input = random_cluster(random, false);
    const auto report = make_plan(input);
    ASSERT_TRUE(report.has_value());
    double slowest = 0;
    for (const NodeCost& node : report->chosen.cost.nodes)
      if (node.node != NodeId{0}) slowest = std::max(slowest, node.read_seconds);
    // Cuts are in 64ths of a head, and the last round of stripes may end anywhere.
    const double rounding = static_cast<double>(input.nodes.size() - 1) / (64 * input.model.kv_heads);
    EXPECT_LE(slowest, (1.12 + rounding) * ideal_read_seconds(input)) << "seed " << seed << "\n" << render(*report);
  }
}

TEST(PlannerRandomTest, KeepsToTheMemoryOfEachNodeWhereThereIsEnough) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Random random(seed);
    const PlannerInput input = random_cluster(random, true);
    double room = 0;
    for (const NodeDescriptor& node : input.nodes)
      if (node.role == NodeRole::kAttention) room += static_cast<double>(node.memory_bytes);
    const double needed =
        static_cast<double>(leaves_handed_over(input.workload.context_tokens) * leaf_bytes(input.model));
    const auto report = make_plan(input);
    ASSERT_TRUE(report.has_value());
    ASSERT_TRUE(validate(report->chosen.plan, input.model.kv_heads).has_value());
    if (room < 1.25 * needed) continue;  // cuts are in 64ths: what is nearly full need not come out
    for (const NodeCost& node : report->chosen.cost.nodes) {
      const auto descriptor = std::ranges::find(input.nodes, node.node, &NodeDescriptor::id);
      EXPECT_LE(node.bytes_held, descriptor->memory_bytes) << "seed " << seed << "\n" << render(*report);
    }
  }
}

TEST(PlannerRandomTest, PlansTheSameTwice) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    PlannerInput input = random_cluster(random, seed % 2 == 0);
    const auto first = make_plan(input);
    std::ranges::shuffle(input.nodes, random);
    const auto second = make_plan(input);
    ASSERT_TRUE(first.has_value() && second.has_value());
    EXPECT_EQ(first->chosen.plan.holders, second->chosen.plan.holders) << "seed " << seed;
  }
}

}  // namespace
}  // namespace longshore::placement
