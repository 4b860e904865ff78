#include "runtime/retrieval/unit_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "runtime/base/random.h"
#include "tests/kernels/attention/filled_leaves.h"

namespace longshore::retrieval {
namespace {

std::vector<std::uint32_t> chosen(const std::vector<float>& logits, std::uint32_t rows, std::uint32_t count,
                                  const MeanKernels& kernels) {
  UnitChoice choice;
  const auto units = choice.choose(kernels, logits.data(), rows, static_cast<std::uint32_t>(logits.size() / rows), count);
  return {units.begin(), units.end()};
}

std::vector<std::uint32_t> chosen(const std::vector<float>& logits, std::uint32_t rows, std::uint32_t count) {
  const std::vector<std::uint32_t> first = chosen(logits, rows, count, kMeanKernelsPortable);
  for (const kernels::Isa isa : {kernels::Isa::kAvx2, kernels::Isa::kAvx512}) {
    if (!kernels::is_supported(isa)) continue;
    EXPECT_EQ(chosen(logits, rows, count, mean_kernels(isa)), first) << to_string(isa);
  }
  return first;
}

TEST(UnitChoiceTest, TakesTheLargestAndTheLowerOfEqualOnes) {
  EXPECT_EQ(chosen({1, 5, 2, 5, 5, 0}, 1, 2), (std::vector<std::uint32_t>{1, 3}));
  EXPECT_EQ(chosen({0, 0, 0, 0}, 1, 3), (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(chosen({3, 1}, 1, 2), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(chosen({3, 1}, 1, 9), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(chosen({}, 1, 4), (std::vector<std::uint32_t>{}));
}

// Each head's share counts, not its logits: the second row's are larger and all alike.
TEST(UnitChoiceTest, AddsSharesNotLogits) {
  EXPECT_EQ(chosen({0, 0, 9, 0, 100, 100, 100, 100}, 2, 1), (std::vector<std::uint32_t>{2}));
}

TEST(UnitChoiceTest, WhatIsNoNumberComesLast) {
  const float nan = std::nanf("");
  EXPECT_EQ(chosen({nan, nan, nan, nan}, 1, 2), (std::vector<std::uint32_t>{0, 1}));
}

TEST(UnitChoiceTest, AgreesWithDoublePrecision) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const auto rows = static_cast<std::uint32_t>(1 + random.below(8));
    const auto units = static_cast<std::uint32_t>(1 + random.below(300));
    const auto count = static_cast<std::uint32_t>(1 + random.below(units));
    const std::vector<float> logits = attention::random_floats(std::size_t{rows} * units, 8, seed);
    std::vector<double> shares(units);
    for (std::uint32_t r = 0; r < rows; ++r) {
      double weight = 0;
      for (std::uint32_t u = 0; u < units; ++u) weight += std::exp(logits[r * units + u]);
      for (std::uint32_t u = 0; u < units; ++u) shares[u] += std::exp(logits[r * units + u]) / weight;
    }
    const std::vector<std::uint32_t> got = chosen(logits, rows, count);
    ASSERT_EQ(got.size(), count);
    ASSERT_TRUE(std::is_sorted(got.begin(), got.end()));
    std::vector<double> sorted = shares;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (const std::uint32_t u : got) ASSERT_GE(shares[u], sorted[count - 1] * (1 - 1e-5)) << seed;
  }
}

}  // namespace
}  // namespace longshore::retrieval
