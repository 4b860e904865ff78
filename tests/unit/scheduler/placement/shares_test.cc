#include "scheduler/placement/shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace longshore::placement {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

constexpr NodeId kA{1}, kB{2}, kC{3};

TEST(IdealSharesTest, FollowBandwidth) {
  EXPECT_THAT(ideal_shares({{kA, 10, 9}, {kB, 30, 9}}), ElementsAre(DoubleNear(0.25, 1e-12), DoubleNear(0.75, 1e-12)));
}

TEST(IdealSharesTest, StayBelowMemoryAndPassTheRestOn) {
  EXPECT_THAT(ideal_shares({{kA, 10, 9}, {kB, 10, 0.1}, {kC, 20, 9}}),
              ElementsAre(DoubleNear(0.3, 1e-12), DoubleNear(0.1, 1e-12), DoubleNear(0.6, 1e-12)));
}

TEST(IdealSharesTest, FillOneNodeAfterTheOther) {
  EXPECT_THAT(ideal_shares({{kA, 50, 0.2}, {kB, 40, 0.5}, {kC, 1, 9}}),
              ElementsAre(DoubleNear(0.2, 1e-12), DoubleNear(0.5, 1e-12), DoubleNear(0.3, 1e-12)));
}

TEST(IdealSharesTest, FollowMemoryWhereItIsShort) {
  EXPECT_THAT(ideal_shares({{kA, 10, 0.2}, {kB, 1, 0.6}}), ElementsAre(DoubleNear(0.25, 1e-12), DoubleNear(0.75, 1e-12)));
}

TEST(PatternTest, IsOneEntryForOneNode) { EXPECT_THAT(pattern_of({{kA, 1, 0}}), ElementsAre(kA)); }

TEST(PatternTest, IsShortForEqualNodes) { EXPECT_THAT(pattern_of({{kA, 0.5, 0}, {kB, 0.5, 0}}), ElementsAre(kA, kB)); }

TEST(PatternTest, GivesTwiceTheEntriesToANodeTwiceAsFast) {
  const auto pattern = pattern_of({{kA, 2.0 / 3, 0}, {kB, 1.0 / 3, 0}});
  EXPECT_EQ(pattern.size(), 3u);
  EXPECT_EQ(std::ranges::count(pattern, kA), 2);
}

TEST(PatternTest, IgnoresNoiseInAMeasurement) {
  EXPECT_THAT(pattern_of({{kA, 0.505, 0}, {kB, 0.495, 0}}), testing::SizeIs(2));
}

TEST(PatternTest, LeavesOutWhoWouldBeOverloadedByTheSmallestEntry) {
  const auto pattern = pattern_of({{kA, 0.999, 0}, {kB, 0.001, 0}});
  EXPECT_THAT(pattern, ElementsAre(kA));
}

TEST(PatternTest, SpreadsTheEntriesOfEachNode) {
  const auto pattern = pattern_of({{kA, 0.75, 0}, {kB, 0.25, 0}});
  EXPECT_THAT(pattern, testing::SizeIs(4));
  EXPECT_NE(pattern.front(), kB);
  EXPECT_NE(pattern.back(), kB);
}

TEST(PatternTest, WeighsWhatANodeHoldsElsewhere) {
  // A has three heads already and wants 3.5; a quarter of a head more or less hardly changes its time.
  const auto pattern = pattern_of({{kA, 0.5, 3}, {kB, 0.5, 0}});
  EXPECT_GE(std::ranges::count(pattern, kA), std::ranges::count(pattern, kB));
}

}  // namespace
}  // namespace longshore::placement
