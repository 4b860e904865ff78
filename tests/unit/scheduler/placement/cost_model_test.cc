#include "scheduler/placement/cost_model.h"

#include <gtest/gtest.h>

#include "tests/unit/scheduler/placement/clusters.h"

namespace longshore::placement {
namespace {

constexpr NodeId kA{1}, kB{2};

PlacementPlan plan_of(std::vector<std::vector<NodeId>> holders) { return {PlanGeneration{1}, std::move(holders)}; }

std::vector<std::vector<NodeId>> eight(const std::vector<NodeId>& pattern) {
  return std::vector<std::vector<NodeId>>(8, pattern);
}

Workload workload_of(std::uint64_t context_tokens, std::uint32_t sequences) {
  Workload workload;
  workload.context_tokens = context_tokens;
  workload.sequences = sequences;
  return workload;
}

TEST(CostModelTest, ReadsEverythingOnTheComputeNodeWithoutHolders) {
  const PlannerInput input = cluster_of({});
  const PlanCost cost = predict({}, input.model, input.workload, input.nodes);
  EXPECT_EQ(cost.nodes[0].bytes_read, 16 * kGiB);  // architecture section 11: 128 KiB per token at 128 Ki tokens
  EXPECT_DOUBLE_EQ(cost.attention_seconds, 16.0 * kGiB / 50e9);
  EXPECT_DOUBLE_EQ(cost.dense_seconds, 5.0 * kGiB / 50e9);
  EXPECT_EQ(cost.kv_leaves, 4u * 1024);
  EXPECT_TRUE(cost.fits);
}

TEST(CostModelTest, KeepsTheTailOnTheComputeNode) {
  const PlannerInput input = cluster_of({25});
  const PlanCost cost = predict(plan_of(eight({kA})), input.model, input.workload, input.nodes);
  EXPECT_EQ(cost.nodes[0].bytes_read, 2 * leaf_bytes(input.model));  // leaf 0 and the newest; the open one is empty
  EXPECT_EQ(cost.nodes[1].bytes_read, 1022 * leaf_bytes(input.model));
  EXPECT_DOUBLE_EQ(cost.nodes[1].share, 1);
  EXPECT_EQ(cost.nodes[1].tokens_lost, 1022u * 128);
}

TEST(CostModelTest, SendsQueriesAndOnePartialPerHeadOfAHeadShard) {
  const PlannerInput input = cluster_of({25});
  const PlanCost cost = predict(plan_of(eight({kA})), input.model, input.workload, input.nodes);
  EXPECT_EQ(cost.nodes[1].bytes_sent, 32u * 32 * 4 * (128 + 130));
  EXPECT_DOUBLE_EQ(cost.nodes[1].latency_seconds, 32 * 20e-6);
}

TEST(CostModelTest, CountsTheSubtreesOfAContextShard) {
  PlannerInput input = cluster_of({25, 25});
  input.workload.context_tokens = 128 * 10;  // T has 8 leaves, stripes of 4
  const PlanCost cost = predict(plan_of(eight({kA, kB})), input.model, input.workload, input.nodes);
  EXPECT_EQ(cost.nodes[1].bytes_sent, 32u * 32 * 4 * (128 + 130));  // one subtree of 4 leaves each
  EXPECT_EQ(cost.nodes[1].tokens_lost, 4u * 128);
  input.workload.context_tokens = 128 * 13;  // 11 leaves: 4 by A, 4 by B, the last 3 by A: a second subtree, sticking out
  const PlanCost longer = predict(plan_of(eight({kA, kB})), input.model, input.workload, input.nodes);
  EXPECT_EQ(longer.nodes[1].bytes_sent, 32u * 32 * 4 * (128 + 2 * 130));
  EXPECT_EQ(longer.nodes[1].tokens_lost, 7u * 128);
}

TEST(CostModelTest, KeepsWindowedLayersOnTheComputeNode) {
  PlannerInput input = cluster_of({25});
  for (std::size_t layer = 0; layer < 16; ++layer) input.model.layer_windows[layer] = 512;
  const PlanCost cost = predict(plan_of(eight({kA})), input.model, input.workload, input.nodes);
  EXPECT_EQ(cost.nodes[1].bytes_read, 1022ull * 128 * 512 * 8 * 16);
  EXPECT_EQ(cost.nodes[0].bytes_read, (16ull * 512 + 16ull * 256) * 512 * 8);
}

TEST(CostModelTest, ScalesWithTheSequences) {
  PlannerInput input = cluster_of({25});
  const PlanCost one = predict(plan_of(eight({kA})), input.model, input.workload, input.nodes);
  input.workload.sequences = 4;
  const PlanCost four = predict(plan_of(eight({kA})), input.model, input.workload, input.nodes);
  EXPECT_EQ(four.nodes[1].bytes_read, 4 * one.nodes[1].bytes_read);
  EXPECT_EQ(four.nodes[1].tokens_lost, 4 * one.nodes[1].tokens_lost);
  EXPECT_TRUE(four.fits);
  input.workload.sequences = 5;  // 80 GiB
  EXPECT_FALSE(predict(plan_of(eight({kA})), input.model, input.workload, input.nodes).fits);
}

TEST(CostModelTest, AddsUpNodesThatShareCores) {
  PlannerInput input = cluster_of({25, 25});
  const PlacementPlan plan = plan_of({{kA}, {kA}, {kA}, {kA}, {kB}, {kB}, {kB}, {kB}});
  const PlanCost apart = predict(plan, input.model, input.workload, input.nodes);
  for (NodeDescriptor& node : input.nodes) node.cores = "one box";
  const PlanCost together = predict(plan, input.model, input.workload, input.nodes);
  double sum = 0;
  for (const NodeCost& node : together.nodes) sum += node.step_seconds;
  EXPECT_DOUBLE_EQ(together.attention_seconds, sum);
  EXPECT_DOUBLE_EQ(apart.attention_seconds, apart.nodes[1].step_seconds);
}

TEST(CostModelTest, AddsUpOnlyWhoSharesTheSameCores) {
  PlannerInput input = cluster_of({25, 25});
  for (NodeDescriptor& node : input.nodes) node.cores = node.id == kB ? "box b" : "box a";
  const PlanCost cost = predict(plan_of(eight({kA, kB})), input.model, input.workload, input.nodes);
  EXPECT_DOUBLE_EQ(cost.attention_seconds, cost.nodes[0].step_seconds + cost.nodes[1].step_seconds);
  EXPECT_LT(cost.nodes[2].step_seconds, cost.attention_seconds);
}

TEST(CostModelTest, PrefersAMeasuredDenseTime) {
  PlannerInput input = cluster_of({});
  input.nodes[0].step_seconds = 0.25;
  input.nodes[0].row_seconds = 0.01;
  EXPECT_DOUBLE_EQ(predict({}, input.model, input.workload, input.nodes).dense_seconds, 0.25);
  input.workload.sequences = 4;
  EXPECT_DOUBLE_EQ(predict({}, input.model, input.workload, input.nodes).dense_seconds, 0.28);
}

TEST(CostModelTest, CountsAnsweringAQueryOncePerFullLayer) {
  PlannerInput input = cluster_of({25});
  input.nodes[1].query_seconds = 30e-6;
  const PlanCost cost = predict(plan_of(eight({kA})), input.model, input.workload, input.nodes);
  EXPECT_DOUBLE_EQ(cost.nodes[1].latency_seconds, 32 * (20e-6 + 30e-6));
}

TEST(CostModelTest, RefusesShapesThatCannotBe) {
  const auto refused = [](auto change) {
    ModelShape model = llama_8b();
    change(model);
    return validate(model).has_error();
  };
  EXPECT_TRUE(refused([](ModelShape& m) { m.layer_windows.clear(); }));
  EXPECT_TRUE(refused([](ModelShape& m) { m.query_heads = 12; }));
  EXPECT_TRUE(refused([](ModelShape& m) { m.kv_heads = 0; }));
  EXPECT_TRUE(refused([](ModelShape& m) { m.head_dim = 0; }));
  EXPECT_TRUE(refused([](ModelShape& m) { m.kv_bytes_per_token = 0; }));
  EXPECT_TRUE(validate(llama_8b()).has_value());
}

TEST(CostModelTest, RefusesWorkloadsThatCannotBe) {
  EXPECT_TRUE(validate(workload_of(0, 1)).has_error());
  EXPECT_TRUE(validate(workload_of(1ull << 40, 1)).has_error());
  EXPECT_TRUE(validate(workload_of(1, 0)).has_error());
}

}  // namespace
}  // namespace longshore::placement
