#include "runtime/plan/placement_plan.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>

namespace longshore {
namespace {

PlacementPlan two_heads() { return {PlanGeneration{1}, {{NodeId{1}}, {NodeId{1}, NodeId{2}, NodeId{2}}}}; }

TEST(PlacementPlanTest, StripesGoRoundAPattern) {
  const PlacementPlan plan = two_heads();
  std::map<std::uint32_t, int> leaves;
  for (std::uint32_t leaf = 1; leaf <= 12; ++leaf) {
    EXPECT_EQ(plan.holder(0, leaf, 2), NodeId{1});
    ++leaves[plan.holder(1, leaf, 2).value];
  }
  EXPECT_EQ(leaves[1], 4);
  EXPECT_EQ(leaves[2], 8);
  EXPECT_EQ(plan.holder(1, 2, 2), NodeId{1});
  EXPECT_EQ(plan.holder(1, 3, 2), NodeId{2});
}

TEST(PlacementPlanTest, AStripeIsAPowerOfTwoThatGivesEachEntryAShare) {
  const PlacementPlan plan = two_heads();
  for (std::uint64_t tokens : {0ull, 100ull, 2050ull, 40000ull, 1ull << 30}) {
    const std::uint32_t stripe = plan.stripe(tokens);
    EXPECT_TRUE(std::has_single_bit(stripe)) << tokens;
    EXPECT_TRUE(stripe == 1 || stripe * 3 <= tokens / 128) << tokens;
  }
}

TEST(PlacementPlanTest, IsRefusedUnlessEveryHeadHasAHolder) {
  EXPECT_TRUE(validate(two_heads(), 2));
  EXPECT_TRUE(validate(PlacementPlan{}, 2));
  EXPECT_EQ(validate(two_heads(), 3).error().code, ErrorCode::kInvalidArgument);
  PlacementPlan empty_pattern = two_heads();
  empty_pattern.holders[1].clear();
  EXPECT_EQ(validate(empty_pattern, 2).error().code, ErrorCode::kInvalidArgument);
  PlacementPlan long_pattern = two_heads();
  long_pattern.holders[1].assign(65, NodeId{1});
  EXPECT_EQ(validate(long_pattern, 2).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace longshore
