#include "runtime/model/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace longshore::model {
namespace {

struct Row {
  Row(const RopeConfig& config, std::uint32_t rotated, std::uint32_t position) : cos(rotated / 2), sin(rotated / 2) {
    RopeTable(config, rotated).fill(position, cos.data(), sin.data());
  }
  std::vector<float> cos, sin;
};

TEST(RopeTableTest, TurnsEachPairByItsFrequency) {
  for (std::uint32_t position : {0u, 1u, 511u, 32767u, 1000000u}) {
    const Row row(RopeConfig{.base = 1e6f}, 128, position);
    for (std::uint32_t pair = 0; pair < 64; ++pair) {
      const double angle = position * std::pow(1e6, -2.0 * pair / 128);
      ASSERT_NEAR(row.cos[pair], std::cos(angle), 6e-8) << position << " pair " << pair;
      ASSERT_NEAR(row.sin[pair], std::sin(angle), 6e-8) << position << " pair " << pair;
    }
  }
}

TEST(RopeTableTest, LinearScalingDividesPositions) {
  const Row scaled(RopeConfig{.scaling = RopeScalingKind::kLinear, .factor = 8}, 64, 800);
  const Row plain(RopeConfig{}, 64, 100);
  EXPECT_EQ(scaled.cos, plain.cos);
  EXPECT_EQ(scaled.sin, plain.sin);
}

TEST(RopeTableTest, FactorsDivideFrequencies) {
  RopeConfig config;
  config.frequency_factors.assign(32, 1.0f);
  config.frequency_factors[7] = 4;
  const Row divided(config, 64, 400), plain(RopeConfig{}, 64, 400), nearer(RopeConfig{}, 64, 100);
  EXPECT_EQ(divided.cos[6], plain.cos[6]);
  EXPECT_EQ(divided.cos[7], nearer.cos[7]);
  EXPECT_EQ(divided.sin[7], nearer.sin[7]);
}

// YaRN for factor 4 over 32768 tokens, base 1e6, 128 dimensions, as the paper's formulas give it by hand: pairs that
// turn more than 32 times over the original context stay, those that turn less than once are divided by 4.
TEST(RopeTableTest, YarnKeepsFastPairsAndInterpolatesSlowOnes) {
  const RopeConfig yarn{
      .base = 1e6f, .scaling = RopeScalingKind::kYarn, .factor = 4, .original_context = 32768, .yarn_beta_fast = 32};
  const double low = std::floor(128 * std::log(32768 / (32 * 2 * M_PI)) / (2 * std::log(1e6)));  // 23
  const double high = std::ceil(128 * std::log(32768 / (2 * M_PI)) / (2 * std::log(1e6)));       // 40
  EXPECT_EQ(low, 23);
  EXPECT_EQ(high, 40);
  const double magnitude = 1 + 0.1 * std::log(4.0);
  const Row row(yarn, 128, 5000);
  for (std::uint32_t pair = 0; pair < 64; ++pair) {
    const double own = std::pow(1e6, -2.0 * pair / 128);
    const double kept = pair <= 23 ? 1 : pair >= 40 ? 0 : 1 - (pair - low) / (high - low);
    const double angle = 5000 * (own / 4 * (1 - kept) + own * kept);
    ASSERT_NEAR(row.cos[pair], std::cos(angle) * magnitude, 1e-7 * magnitude) << pair;
    ASSERT_NEAR(row.sin[pair], std::sin(angle) * magnitude, 1e-7 * magnitude) << pair;
  }
}

TEST(RopeTableTest, MagnitudeMultipliesBoth) {
  const Row row(RopeConfig{.magnitude = 1.5f}, 64, 0);
  EXPECT_EQ(row.cos[0], 1.5f);
  EXPECT_EQ(row.sin[0], 0.0f);
}

}  // namespace
}  // namespace longshore::model
