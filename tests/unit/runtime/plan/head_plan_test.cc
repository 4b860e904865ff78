#include "runtime/plan/head_plan.h"

#include <gtest/gtest.h>

namespace longshore {
namespace {

TEST(HeadPlanTest, AWindowBeginsWhereItIsSeen) {
  EXPECT_EQ((HeadRule{4, 0}).window_begin(1000000), 0u);
  EXPECT_EQ((HeadRule{0, 100}).window_begin(99), 0u);
  EXPECT_EQ((HeadRule{0, 100}).window_begin(100), 1u);
  EXPECT_EQ((HeadRule{0, 100}).window_begin(std::uint64_t{1} << 40), (std::uint64_t{1} << 40) - 99);
  EXPECT_EQ((HeadRule{4, 100}).window_begin(226), 0u) << "leaf 0 is seen whole as long as the window reaches into it";
  EXPECT_EQ((HeadRule{4, 100}).window_begin(227), 128u);
}

TEST(HeadPlanTest, KnowsARuleForEachHead) {
  const HeadPlan dense, one{{{4, 100}}}, each{{{0, 0}, {4, 100}, {0, 7}, {0, 0}}};
  EXPECT_TRUE(dense.sees_all());
  EXPECT_FALSE(dense.is_narrow());
  EXPECT_TRUE(one.is_narrow());
  EXPECT_FALSE(each.sees_all() || each.is_narrow());
  EXPECT_EQ(dense.rule(3, 1, 2), HeadRule{});
  EXPECT_EQ(one.rule(3, 1, 2), (HeadRule{4, 100}));
  EXPECT_EQ(each.rule(0, 1, 2), (HeadRule{4, 100}));
  EXPECT_EQ(each.rule(1, 0, 2), (HeadRule{0, 7}));
}

TEST(HeadPlanTest, RefusesWhatNoModelHas) {
  EXPECT_TRUE(validate({}, 2, 2));
  EXPECT_TRUE(validate({{{4, 100}}}, 2, 2));
  EXPECT_TRUE(validate({{{}, {}, {}, {}}}, 2, 2));
  EXPECT_FALSE(validate({{{}, {}, {}}}, 2, 2));
  EXPECT_FALSE(validate({{{129, 100}}}, 2, 2));
  EXPECT_FALSE(validate({{{1, 0}}}, 2, 2));
  EXPECT_TRUE(validate({{}, {448}}, 2, 2));
  EXPECT_FALSE(validate({{}, {447}}, 2, 2));
}

TEST(SelectionRuleTest, LeavesOutOnlyWhatItHasNoUnitsFor) {
  const SelectionRule none, two{384 + 2 * 64 + 63};
  EXPECT_EQ(two.units(), 2u);
  EXPECT_EQ(none.positions_read(100'000), 100'001u);
  EXPECT_FALSE(two.leaves_out_at(4 * 128 - 1)) << "one leaf between, two units";
  EXPECT_EQ(two.positions_read(4 * 128 - 1), 4 * 128u);
  EXPECT_TRUE(two.leaves_out_at(4 * 128));
  EXPECT_EQ(two.positions_read(4 * 128), 2 * 128 + 1 + 2 * 64u);
  EXPECT_EQ(two.positions_read(100 * 128 + 127), 384 + 2 * 64u);
  for (std::uint64_t position = 0; position < 2000; ++position)
    EXPECT_LE(two.positions_read(position), std::max<std::uint64_t>(two.budget, 0)) << position;
}

TEST(HeadPlanTest, DifferentPlansNameDifferentBlocks) {
  EXPECT_EQ(to_text({}), "full");
  EXPECT_EQ(to_text({{{0, 0}, {0, 0}}}), "full");
  EXPECT_EQ(to_text({{{4, 100}}}), "heads 4+100");
  EXPECT_NE(to_text({{{4, 100}, {0, 0}}}), to_text({{{0, 0}, {4, 100}}}));
  EXPECT_EQ(to_text({{}, {2048}}), "full") << "rows of the prompt read all";
  EXPECT_EQ(decode_text({}), "");
  EXPECT_EQ(decode_text({{}, {2048}}), decode_text({{}, {2048 + 63}})) << "equal units, equal bits";
  EXPECT_NE(decode_text({{}, {2048}}), decode_text({{}, {2048 + 64}}));
}

}  // namespace
}  // namespace longshore
