#include "scheduler/placement/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/scheduler/placement/clusters.h"

namespace longshore::placement {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;

PlanReport plan(const PlannerInput& input) {
  auto report = make_plan(input);
  EXPECT_TRUE(report.has_value()) << report.error().to_string();
  EXPECT_TRUE(validate(report->chosen.plan, input.model.kv_heads).has_value());
  return *report;
}

TEST(PlannerTest, LeavesAllOnTheComputeNodeWithoutAttentionNodes) {
  const PlanReport report = plan(cluster_of({}));
  EXPECT_FALSE(report.chosen.plan.has_holders());
  EXPECT_FALSE(report.next_best.has_value());
}

TEST(PlannerTest, GivesEverythingToTheOnlyNode) {
  const PlanReport report = plan(cluster_of({25}));
  EXPECT_THAT(report.chosen.plan.holders, Each(std::vector{NodeId{1}}));
  EXPECT_EQ(report.next_best->name, "compute node only");
}

TEST(PlannerTest, ShardsByHeadWhereHeadsComeOut) {
  const PlanReport report = plan(cluster_of({25, 25, 25, 25}));
  EXPECT_EQ(report.chosen.name, "heads");
  for (std::uint32_t id = 1; id <= 4; ++id) EXPECT_DOUBLE_EQ(share_of(report, id), 0.25);
}

TEST(PlannerTest, CutsTheHeadsThatAreLeftByContext) {
  PlannerInput input = cluster_of({25, 25});
  input.model.kv_heads = 3;
  input.model.query_heads = 9;
  const PlanReport report = plan(input);
  EXPECT_EQ(report.chosen.name, "heads, then context");
  EXPECT_EQ(std::ranges::count_if(report.chosen.plan.holders, [](const auto& pattern) { return pattern.size() == 1; }), 2);
  EXPECT_NEAR(share_of(report, 1), 0.5, 0.02);
}

TEST(PlannerTest, UsesMoreNodesThanThereAreHeads) {
  PlannerInput input = cluster_of({25, 25, 25, 25, 25});
  input.model.kv_heads = 2;
  input.model.query_heads = 12;
  const PlanReport report = plan(input);
  for (std::uint32_t id = 1; id <= 5; ++id) EXPECT_NEAR(share_of(report, id), 0.2, 0.03) << id;
}

TEST(PlannerTest, GivesANodeTenTimesSlowerAnEleventh) {
  PlannerInput input = cluster_of({25, 2.5});
  for (const ShardMode mode : {ShardMode::kAuto, ShardMode::kContext}) {
    input.mode = mode;
    const PlanReport report = plan(input);
    EXPECT_NEAR(share_of(report, 2), 1.0 / 11, 0.03) << to_string(mode);  // cuts are powers of two of leaves
    const double ideal = 1022.0 * static_cast<double>(leaf_bytes(input.model)) / 27.5e9;
    EXPECT_LE(cost_of(report, 1)->read_seconds, 1.05 * ideal);
    EXPECT_LE(cost_of(report, 2)->read_seconds, 1.05 * ideal);
  }
}

TEST(PlannerTest, HalvesTheShareOfANodeThatIsSlowedDown) {
  const double before = share_of(plan(cluster_of({25, 25, 25})), 3);
  const double after = share_of(plan(cluster_of({25, 25, 12.5})), 3);
  EXPECT_NEAR(before, 1.0 / 3, 0.02);
  EXPECT_NEAR(after, 1.0 / 5, 0.02);
}

TEST(PlannerTest, LeavesOutANodeTooSlowForTheSmallestCut) {
  const PlanReport report = plan(cluster_of({25, 0.001}));
  EXPECT_EQ(cost_of(report, 2), nullptr);
}

TEST(PlannerTest, GivesATinyNodeNoMoreThanItHolds) {
  PlannerInput input = cluster_of({25, 25});
  input.nodes[2].memory_bytes = kGiB;
  const PlanReport report = plan(input);
  EXPECT_TRUE(report.chosen.cost.fits);
  EXPECT_LE(cost_of(report, 2)->bytes_held, kGiB);
  EXPECT_GT(cost_of(report, 2)->bytes_held, kGiB / 2);
}

TEST(PlannerTest, LeavesOutANodeWithoutMemory) {
  PlannerInput input = cluster_of({25, 25});
  input.nodes[2].memory_bytes = 0;
  EXPECT_EQ(cost_of(plan(input), 2), nullptr);
  input.nodes[1].memory_bytes = 0;
  EXPECT_FALSE(plan(input).chosen.plan.has_holders());
}

TEST(PlannerTest, UsesAllMemoryWhereItIsShort) {
  PlannerInput input = cluster_of({25, 25});
  input.workload.sequences = 100;
  input.nodes[1].memory_bytes = 30 * kGiB;
  input.nodes[2].memory_bytes = 10 * kGiB;
  const PlanReport report = plan(input);
  EXPECT_FALSE(report.chosen.cost.fits);
  EXPECT_NEAR(share_of(report, 1), 0.75, 0.02);
  EXPECT_THAT(report.why, HasSubstr("fits in no plan"));
}

TEST(PlannerTest, CutsNoHeadByContextInModeHeads) {
  PlannerInput input = cluster_of({25, 25, 20});
  input.mode = ShardMode::kHeads;
  EXPECT_THAT(plan(input).chosen.plan.holders, Each(SizeIs(1)));
}

TEST(PlannerTest, CutsEveryHeadTheSameWayInModeContext) {
  PlannerInput input = cluster_of({25, 25, 20});
  input.mode = ShardMode::kContext;
  const PlanReport report = plan(input);
  EXPECT_THAT(report.chosen.plan.holders, Each(report.chosen.plan.holders[0]));
  EXPECT_EQ(report.chosen.plan.nodes().size(), 3u);
}

TEST(PlannerTest, DoesNotDependOnTheOrderOfNodes) {
  PlannerInput input = cluster_of({25, 17, 9, 31});
  const PlacementPlan first = plan(input).chosen.plan;
  std::ranges::reverse(input.nodes);
  EXPECT_EQ(plan(input).chosen.plan.holders, first.holders);
}

TEST(PlannerTest, CarriesTheGeneration) {
  PlannerInput input = cluster_of({25});
  input.generation = PlanGeneration{12};
  EXPECT_EQ(plan(input).chosen.plan.generation, PlanGeneration{12});
}

TEST(PlannerTest, RefusesWhatItCannotPlan) {
  PlannerInput input = cluster_of({25, 25});
  input.nodes[2].read_bytes_per_second = 0;
  EXPECT_THAT(make_plan(input).error().message, HasSubstr("attention-2"));
  input = cluster_of({25, 25});
  input.nodes[2].id = NodeId{1};
  EXPECT_THAT(make_plan(input).error().message, HasSubstr("same id 1"));
  input = cluster_of({25});
  input.nodes.erase(input.nodes.begin());
  EXPECT_EQ(make_plan(input).error().code, ErrorCode::kInvalidArgument);
  input = cluster_of({25});
  input.model.kv_heads = 5;
  EXPECT_EQ(make_plan(input).error().code, ErrorCode::kInvalidArgument);
  input = cluster_of({25});
  input.workload.sequences = 0;
  EXPECT_EQ(make_plan(input).error().code, ErrorCode::kInvalidArgument);
}

TEST(PlannerTest, ReadsShardModes) {
  EXPECT_EQ(parse_shard_mode("context").value(), ShardMode::kContext);
  EXPECT_EQ(parse_shard_mode("best").error().code, ErrorCode::kInvalidArgument);
}

TEST(PlannerTest, ExplainsItself) {
  const std::string text = render(plan(cluster_of({25, 25, 12.5})));
  for (const char* part : {"plan 0: heads, then context", "compute-0", "attention-3", "next best: ", "loss re-runs",
                           "room for", "KV heads 0-2 on node 1"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(PlannerTest, LeavesNodesIdleThatOnlyShareTheCoresOfOthersAndSaysSo) {
  PlannerInput input = cluster_of({25, 25, 25, 25});
  input.model.kv_heads = 3;
  input.model.query_heads = 9;
  for (NodeDescriptor& node : input.nodes) node.cores = "one box";
  const PlanReport report = plan(input);
  ASSERT_THAT(report.idle, SizeIs(1));
  EXPECT_EQ(report.idle[0].name, "attention-4");
  EXPECT_THAT(report.idle[0].why, HasSubstr("it shares its cores with nodes in use"));
  EXPECT_THAT(render(report), HasSubstr("idle: attention-4: it shares"));
  // The cost model agrees: with the same plan spread over all four, a step takes longer.
  PlacementPlan spread = report.chosen.plan;
  spread.holders[2] = {NodeId{3}, NodeId{4}};
  EXPECT_GT(predict(spread, input.model, input.workload, input.nodes).attention_seconds,
            report.chosen.cost.attention_seconds);
}

TEST(PlannerTest, UsesNodesBeyondTheKvHeadsThatBringTheirOwnCores) {
  PlannerInput input = cluster_of({25, 25, 25, 25});
  input.model.kv_heads = 3;
  input.model.query_heads = 9;
  EXPECT_THAT(plan(input).idle, SizeIs(0));
}

TEST(PlannerTest, SaysWhyANodeWithoutMemoryIsIdle) {
  PlannerInput input = cluster_of({25, 25});
  input.nodes[2].memory_bytes = 0;
  const PlanReport report = plan(input);
  ASSERT_THAT(report.idle, SizeIs(1));
  EXPECT_EQ(report.idle[0].why, "it gives no memory to KV");
}

TEST(PlannerTest, SaysThatSharesFollowUnequalBandwidths) {
  EXPECT_THAT(plan(cluster_of({30, 10})).why,
              HasSubstr("shares follow read bandwidth: attention-1 reads 30 GB/s, attention-2 reads 10 GB/s"));
  EXPECT_THAT(plan(cluster_of({30, 30})).why, testing::Not(HasSubstr("shares follow")));
}

}  // namespace
}  // namespace longshore::placement
