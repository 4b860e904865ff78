#include "cli/eval/interval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "runtime/base/random.h"

namespace longshore::cli::eval {
namespace {

TEST(Interval, WilsonIsAsPublished) {
  // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
  const auto near = [](std::uint64_t right, std::uint64_t count, double low, double high) {
    const Share share = wilson(right, count);
    EXPECT_NEAR(share.low, low, 5e-5);
    EXPECT_NEAR(share.high, high, 5e-5);
  };
  near(81, 263, 0.2553, 0.3662);
  near(15, 148, 0.0624, 0.1605);
  near(0, 20, 0, 0.1611);
  near(1, 29, 0.0061, 0.1718);
}

TEST(Interval, WilsonHoldsItsShare) {
  for (std::uint64_t count = 1; count < 60; ++count)
    for (std::uint64_t right = 0; right <= count; ++right) {
      const Share share = wilson(right, count);
      EXPECT_LE(0, share.low);
      EXPECT_LE(share.low, share.value);
      EXPECT_LE(share.value, share.high);
      EXPECT_LE(share.high, 1);
    }
  EXPECT_TRUE(std::isnan(wilson(0, 0).value));
}

TEST(Interval, MeanOfClustersIsTheMeanOfAll) {
  const std::vector<Cluster> clusters = {{6, 3}, {1, 1}, {9, 2}};
  EXPECT_DOUBLE_EQ(mean_of(clusters).value, 16.0 / 6);
  EXPECT_FALSE(mean_of(std::vector<Cluster>{{6, 3}}).half);
  EXPECT_TRUE(std::isnan(mean_of({}).value));
  EXPECT_EQ(mean_of(std::vector<Cluster>{{6, 3}, {2, 1}, {4, 2}}).half, 0);
}

TEST(Interval, HoldsTheTruthNineteenTimesOfTwenty) {
  // Values of a cluster are equal: whoever takes them for independent gets an interval an eighth as wide.
  int held = 0;
  constexpr int kTrials = 1000;
  for (int trial = 0; trial < kTrials; ++trial) {
    Random random(7, static_cast<std::uint64_t>(trial));
    std::vector<Cluster> clusters;
    for (int c = 0; c < 60; ++c) clusters.push_back({64 * random.uniform(), 64});
    const Mean mean = mean_of(clusters);
    if (std::abs(mean.value - 0.5) <= *mean.half) ++held;
  }
  EXPECT_GT(held, 0.93 * kTrials);
  EXPECT_LT(held, 0.97 * kTrials);
}

}  // namespace
}  // namespace longshore::cli::eval
