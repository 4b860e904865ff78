#include "runtime/retrieval/block_means.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "tests/kernels/attention/filled_leaves.h"

namespace longshore::retrieval {
namespace {

using attention::FilledLeaves;
using attention::random_floats;

std::vector<const MeanKernels*> supported() {
  std::vector<const MeanKernels*> all;
  for (const kernels::Isa isa : {kernels::Isa::kPortable, kernels::Isa::kAvx2, kernels::Isa::kAvx512})
    if (kernels::is_supported(isa)) all.push_back(&mean_kernels(isa));
  return all;
}

double value_of_f16(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits >> 15 ? -magnitude : magnitude;
}

class BlockMeansTest : public testing::TestWithParam<kv::KvLayout> {};

TEST_P(BlockMeansTest, AreTheMeansOfTheStoredKeys) {
  const kv::KvLayout layout = GetParam();
  const FilledLeaves leaves(layout, 3 * kLeafTokens, 7);
  for (const MeanKernels* kernels : supported()) {
    for (const attention::HeldLeaf& held : leaves.held()) {
      std::vector<std::uint16_t> means(mean_values(layout.d));
      kernels->means(layout, held.block, means.data());
      for (std::uint32_t c = 0; c < layout.d; ++c) {
        for (std::uint32_t m = 0; m < kMeans; ++m) {
          double mean = 0;
          for (std::uint32_t j = 0; j < 32; ++j)
            mean += leaves.keys()[(std::size_t{held.leaf} * kLeafTokens + 16 * m + j) * layout.d + c] / 32.0;
          ASSERT_NEAR(value_of_f16(means[c * kMeanLanes + m]), mean, 1e-3 * std::abs(mean) + 1e-6) << kernels->name;
        }
        ASSERT_EQ(means[c * kMeanLanes + kMeans], 0);
      }
    }
  }
}

TEST_P(BlockMeansTest, EveryInstructionSetGivesTheSameBits) {
  const kv::KvLayout layout = GetParam();
  for (const std::uint32_t count : {1u, 2u, 5u}) {
    const FilledLeaves leaves(layout, count * kLeafTokens, count);
    for (const std::uint32_t rows : {1u, 2u, 3u, 6u, 8u, 17u}) {
      const std::vector<float> q = random_floats(std::size_t{rows} * layout.d, 2, rows);
      std::vector<std::vector<std::uint16_t>> means;
      std::vector<float> logits;
      for (const MeanKernels* kernels : supported()) {
        std::vector<std::vector<std::uint16_t>> of_leaves;
        std::vector<const std::uint16_t*> at;
        for (const attention::HeldLeaf& held : leaves.held()) {
          of_leaves.emplace_back(mean_values(layout.d));
          kernels->means(layout, held.block, of_leaves.back().data());
        }
        for (const auto& one : of_leaves) at.push_back(one.data());
        std::vector<float> scored(std::size_t{rows} * kUnitsOfLeaf * count);
        kernels->score(at.data(), count, layout.d, q.data(), rows, scored.data());
        if (kernels->name == "portable") {
          means = of_leaves;
          logits = scored;
        }
        ASSERT_EQ(of_leaves, means) << kernels->name;
        for (std::size_t i = 0; i < scored.size(); ++i)
          ASSERT_EQ(std::bit_cast<std::uint32_t>(scored[i]), std::bit_cast<std::uint32_t>(logits[i])) << kernels->name << ' ' << i;
      }
    }
  }
}

// The largest of the four means that touch a unit, in double precision.
TEST_P(BlockMeansTest, ScoresAreTheLargestOfFourMeans) {
  const kv::KvLayout layout = GetParam();
  constexpr std::uint32_t kLeaves = 3, kRows = 4;
  const FilledLeaves leaves(layout, kLeaves * kLeafTokens, 11);
  const std::vector<float> q = random_floats(std::size_t{kRows} * layout.d, 2, 12);
  const MeanKernels& kernels = *supported().back();
  std::vector<std::vector<std::uint16_t>> means(kLeaves, std::vector<std::uint16_t>(mean_values(layout.d)));
  std::vector<const std::uint16_t*> at;
  for (const attention::HeldLeaf& held : leaves.held()) {
    kernels.means(layout, held.block, means[held.leaf].data());
    at.push_back(means[held.leaf].data());
  }
  std::vector<float> logits(std::size_t{kRows} * kUnitsOfLeaf * kLeaves);
  kernels.score(at.data(), kLeaves, layout.d, q.data(), kRows, logits.data());
  for (std::uint32_t r = 0; r < kRows; ++r)
    for (std::uint32_t unit = 0; unit < kUnitsOfLeaf * kLeaves; ++unit) {
      double largest = -INFINITY, size = 0;
      for (std::uint32_t m = 0; m < kMeans; ++m) {
        const std::uint32_t begin = 16 * m, of_unit = kUnitTokens * (unit % kUnitsOfLeaf);
        if (begin + 32 <= of_unit || begin >= of_unit + kUnitTokens) continue;
        double dot = 0;
        for (std::uint32_t c = 0; c < layout.d; ++c) {
          const double term = q[r * layout.d + c] * value_of_f16(means[unit / kUnitsOfLeaf][c * kMeanLanes + m]);
          dot += term;
          size += std::abs(term);
        }
        largest = std::max(largest, dot);
      }
      ASSERT_NEAR(logits[r * kUnitsOfLeaf * kLeaves + unit], largest, 1e-6 * size) << r << ' ' << unit;
    }
}

INSTANTIATE_TEST_SUITE_P(Layouts, BlockMeansTest,
                         testing::Values(kv::KvLayout{Dtype::kF32, 16}, kv::KvLayout{Dtype::kF16, 64},
                                         kv::KvLayout{Dtype::kF16, 128}, kv::KvLayout{Dtype::kBF16, 96},
                                         kv::KvLayout{Dtype::kQ8_0, 128}, kv::KvLayout{Dtype::kF16, 256}),
                         [](const auto& tested) { return attention::layout_name(tested.param); });

}  // namespace
}  // namespace longshore::retrieval
