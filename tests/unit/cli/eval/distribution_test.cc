#include "cli/eval/distribution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "runtime/base/random.h"

namespace longshore::cli::eval {
namespace {

std::vector<float> random_logits(std::size_t count, Random& random) {
  std::vector<float> logits(count);
  for (float& logit : logits) logit = static_cast<float>(20 * random.uniform() - 10);
  return logits;
}

TEST(Distribution, EqualRowsAreExactlyTheSame) {
  Random random(1);
  for (const std::size_t size : {1u, 2u, 1000u, 49152u}) {
    const std::vector<float> logits = random_logits(size, random);
    const RowDistance distance = compare(logits, logits, 0);
    EXPECT_EQ(distance.kl, 0);
    EXPECT_TRUE(distance.same_top);
    EXPECT_EQ(distance.dense_nll, distance.preset_nll);
  }
}

TEST(Distribution, IsWhatTheDefinitionGives) {
  // p = 1/2, 1/4, 1/4; q = 1/4, 1/2, 1/4: the logits may have any offset.
  const float half = static_cast<float>(std::log(0.5)), quarter = static_cast<float>(std::log(0.25));
  const RowDistance distance =
      compare(std::vector{half + 7, quarter + 7, quarter + 7}, std::vector{quarter, half, quarter}, 1);
  EXPECT_NEAR(distance.kl, 0.5 * std::log(2) - 0.25 * std::log(2), 1e-6);
  EXPECT_FALSE(distance.same_top);
  EXPECT_NEAR(distance.dense_nll, std::log(4), 1e-6);
  EXPECT_NEAR(distance.preset_nll, std::log(2), 1e-6);
}

TEST(Distribution, AgreesWithPlainSumsOnRandomRows) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    const std::size_t size = 1 + random.below(300);
    const std::vector<float> dense = random_logits(size, random), preset = random_logits(size, random);
    const auto next = static_cast<TokenId>(random.below(size));
    long double of_dense = 0, of_preset = 0, kl = 0;
    for (std::size_t t = 0; t < size; ++t) {
      of_dense += std::exp(static_cast<long double>(dense[t]));
      of_preset += std::exp(static_cast<long double>(preset[t]));
    }
    for (std::size_t t = 0; t < size; ++t)
      kl += std::exp(static_cast<long double>(dense[t])) / of_dense *
            (dense[t] - std::log(of_dense) - preset[t] + std::log(of_preset));
    const RowDistance distance = compare(dense, preset, next);
    EXPECT_NEAR(distance.kl, static_cast<double>(kl), 1e-11) << "seed " << seed;
    EXPECT_GE(distance.kl, 0);
    EXPECT_NEAR(distance.dense_nll, static_cast<double>(std::log(of_dense) - dense[static_cast<std::size_t>(next)]), 1e-11);
  }
}

TEST(Distribution, TokensThatCannotComeDoNotCount) {
  const float never = -std::numeric_limits<float>::infinity();
  EXPECT_NEAR(compare(std::vector{0.0f, never}, std::vector{0.0f, 0.0f}, 0).kl, std::log(2), 1e-12);
  EXPECT_TRUE(std::isinf(compare(std::vector{0.0f, 0.0f}, std::vector{0.0f, never}, 0).kl));
}

TEST(Distribution, LogitsThatAreNoNumbersShow) {
  EXPECT_TRUE(std::isnan(compare(std::vector{0.0f, 1.0f}, std::vector{0.0f, std::nanf("")}, 0).kl));
}

TEST(Distribution, TiesGoToTheLowerToken) {
  EXPECT_FALSE(compare(std::vector{1.0f, 1.0f}, std::vector{0.0f, 1.0f}, 0).same_top);
  EXPECT_TRUE(compare(std::vector{1.0f, 1.0f}, std::vector{1.0f, 0.0f}, 0).same_top);
}

}  // namespace
}  // namespace longshore::cli::eval
