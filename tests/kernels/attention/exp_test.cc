// exp over the floats of [-88, 0]: a strided subset, and in the long suite every one of them. A wrong last
// bit of the highest coefficient shows in few results and in no other test.

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

#include "runtime/base/thread_pool.h"
#include "tests/kernels/attention/leaf_partial.h"

namespace longshore::attention {
namespace {

constexpr std::uint32_t kMinusZero = 0x80000000u;
constexpr std::uint32_t kMinus88 = 0xc2b00000u;
constexpr std::size_t kBatch = 1 << 16;

// Distance from the true value in units of the result's last place.
double ulps(float result, double truth) {
  const float magnitude = static_cast<float>(truth);
  return std::fabs(result - truth) / (std::nextafter(magnitude, 2.0f) - magnitude);
}

void check_every(std::uint32_t stride, std::size_t accuracy_stride) {
  set_float_environment();
  const auto tables = supported_kernels();
  std::vector<float> x(kBatch);
  std::vector<std::vector<float>> y(tables.size(), std::vector<float>(kBatch));
  double worst = 0;
  for (std::uint64_t first = kMinusZero; first <= kMinus88; first += std::uint64_t{stride} * kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i)
      x[i] = std::bit_cast<float>(
          static_cast<std::uint32_t>(std::min<std::uint64_t>(first + i * stride, kMinus88)));
    for (std::size_t t = 0; t < tables.size(); ++t) tables[t]->exp_nonpositive(x.data(), y[t].data(), kBatch);
    for (std::size_t t = 1; t < tables.size(); ++t)
      ASSERT_TRUE(same_bits(y[0], y[t])) << tables[t]->name << " from " << x[0] << " on";
    for (std::size_t i = 0; i < kBatch; i += accuracy_stride) {
      if (x[i] < -87) {
        ASSERT_EQ(y[0][i], 0.0f) << x[i];
      } else {
        worst = std::max(worst, ulps(y[0][i], std::exp(double{x[i]})));
      }
    }
  }
  EXPECT_LT(worst, 0.884);  // 0.883 is the largest over all floats
}

TEST(ExpTest, AgreesOnEveryTableAndIsAccurate) { check_every(1013, 1); }
TEST(ExpTest, IsExactlyOneAtBothZeros) {
  for (const AttentionKernels* kernels : supported_kernels()) {
    const std::vector<float> x{0.0f, -0.0f, -INFINITY, -87.0f, std::nextafter(-87.0f, -100.0f)};
    std::vector<float> y(x.size());
    kernels->exp_nonpositive(x.data(), y.data(), x.size());
    EXPECT_EQ(y[0], 1.0f);
    EXPECT_EQ(y[1], 1.0f);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(y[2]), 0u);
    EXPECT_GT(y[3], 0.0f);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(y[4]), 0u);
  }
}
TEST(ExpLongTest, EveryFloat) { check_every(1, 1); }

}  // namespace
}  // namespace longshore::attention
