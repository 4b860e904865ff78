// Merging two partials and dividing at the root, on every instruction set.

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "runtime/base/thread_pool.h"
#include "tests/kernels/attention/leaf_partial.h"

namespace longshore::attention {
namespace {

constexpr std::uint32_t kD = 48;

class MergeTest : public testing::Test {
 protected:
  void SetUp() override { set_float_environment(); }
};

AttentionPartial random_partial(std::uint32_t rows, std::uint64_t seed) {
  AttentionPartial partial;
  partial.resize(rows, kD);
  const PartialSpan span = partial.span();
  const std::vector<float> floats = random_floats(partial_floats(rows, kD), 4.0f, seed);
  std::copy_n(floats.begin(), rows * kD, span.sum);
  for (std::uint32_t r = 0; r < rows; ++r) {
    span.max[r] = floats[rows * kD + r] * 10;
    span.weight[r] = 1.0f + std::fabs(floats[rows * kD + rows + r]);
  }
  return partial;
}

std::vector<float> floats_of(const AttentionPartial& partial) {
  return {partial.view().sum, partial.view().sum + partial_floats(partial.rows(), kD)};
}

AttentionPartial merged(const AttentionKernels& kernels,
                        const AttentionPartial& a,
                        const AttentionPartial& b) {
  AttentionPartial out;
  out.resize(a.rows(), kD);
  kernels.merge(a.rows(), kD, out.span(), a.view(), b.view());
  return out;
}

TEST_F(MergeTest, FollowsItsDefinitionInDoubles) {
  const AttentionPartial a = random_partial(37, 1), b = random_partial(37, 2);
  const AttentionPartial out = merged(*supported_kernels()[0], a, b);
  for (std::uint32_t r = 0; r < 37; ++r) {
    const double max = std::fmax(a.view().max[r], b.view().max[r]);
    const double of_a = std::exp(a.view().max[r] - max), of_b = std::exp(b.view().max[r] - max);
    EXPECT_EQ(out.view().max[r], max);
    EXPECT_NEAR(out.view().weight[r], of_a * a.view().weight[r] + of_b * b.view().weight[r], 3e-6);
    for (std::uint32_t c = r * kD; c < (r + 1) * kD; ++c)
      EXPECT_NEAR(out.view().sum[c], of_a * a.view().sum[c] + of_b * b.view().sum[c], 3e-6);
  }
}

TEST_F(MergeTest, CommutesAndIsTheSameOnEveryTableAndInPlace) {
  for (std::uint32_t rows : {1u, 2u, 15u, 16u, 17u, 48u}) {
    const AttentionPartial a = random_partial(rows, rows), b = random_partial(rows, rows + 100);
    const std::vector<float> first = floats_of(merged(*supported_kernels()[0], a, b));
    for (const AttentionKernels* kernels : supported_kernels()) {
      EXPECT_TRUE(same_bits(first, floats_of(merged(*kernels, a, b)))) << kernels->name;
      EXPECT_TRUE(same_bits(first, floats_of(merged(*kernels, b, a)))) << kernels->name;
      AttentionPartial in_a = a, in_b = b;
      kernels->merge(rows, kD, in_a.span(), in_a.view(), b.view());
      kernels->merge(rows, kD, in_b.span(), a.view(), in_b.view());
      EXPECT_TRUE(same_bits(first, floats_of(in_a))) << kernels->name;
      EXPECT_TRUE(same_bits(first, floats_of(in_b))) << kernels->name;
    }
  }
}

TEST_F(MergeTest, TheIdentityLeavesTheOtherSideAsItIsAndIsNeverRead) {
  const AttentionPartial a = random_partial(5, 9);
  AttentionPartial nothing;
  nothing.resize(5, kD);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::fill_n(nothing.span().sum, partial_floats(5, kD), nan);
  std::fill_n(nothing.span().weight, 5, 0.0f);
  AttentionPartial empty;
  empty.resize(5, kD);
  set_identity(empty.span(), 5, kD);
  for (const AttentionKernels* kernels : supported_kernels()) {
    EXPECT_TRUE(same_bits(floats_of(a), floats_of(merged(*kernels, a, nothing))));
    EXPECT_TRUE(same_bits(floats_of(a), floats_of(merged(*kernels, nothing, a))));
    EXPECT_TRUE(same_bits(floats_of(empty), floats_of(merged(*kernels, empty, empty))));
    AttentionPartial in_place = nothing;
    kernels->merge(5, kD, in_place.span(), in_place.view(), a.view());
    EXPECT_TRUE(same_bits(floats_of(a), floats_of(in_place)));
  }
}

TEST_F(MergeTest, RowsFurtherApartThanFloatsRangeKeepTheLarger) {
  AttentionPartial a = random_partial(1, 3), b = random_partial(1, 4);
  a.span().max[0] = 3e38f;
  b.span().max[0] = -3e38f;
  for (const AttentionKernels* kernels : supported_kernels())
    EXPECT_TRUE(same_bits(floats_of(a), floats_of(merged(*kernels, a, b)))) << kernels->name;
}

TEST_F(MergeTest, NormalisingDividesAndGivesZerosForARowWithoutKeys) {
  const AttentionPartial a = random_partial(1, 5);
  for (const AttentionKernels* kernels : supported_kernels()) {
    std::vector<float> out(kD, -1.0f);
    kernels->normalise(kD, a.view().sum, a.view().weight[0], out.data());
    for (std::uint32_t c = 0; c < kD; ++c) EXPECT_EQ(out[c], a.view().sum[c] / a.view().weight[0]);
    kernels->normalise(kD, a.view().sum, 0.0f, out.data());
    EXPECT_EQ(out, std::vector<float>(kD, 0.0f));
  }
}

}  // namespace
}  // namespace longshore::attention
