#include "runtime/kernels/quantized_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/kernels/matrix_kernels.h"
#include "tests/kernels/matmul/random_weights.h"

namespace longshore::kernels {
namespace {

// Copies of the records, [K / 256][M].
std::vector<ActivationRun> quantized(Isa isa, const std::vector<float>& x, std::size_t rows, unsigned threads = 1) {
  const std::size_t columns = x.size() / rows;
  auto quantized_rows = QuantizedRows::create(rows, columns);
  EXPECT_TRUE(quantized_rows.has_value());
  // Stale bytes must not survive in a partial run.
  std::memset(const_cast<ActivationRun*>(quantized_rows->runs()), 0x55, rows * ((columns + 255) / 256) * sizeof(ActivationRun));
  quantized_rows->assign(matrix_kernels(isa), *pool_of(threads), x.data(), rows, columns, columns);
  return {quantized_rows->runs(), quantized_rows->runs() + rows * ((columns + 255) / 256)};
}

bool same_bytes(const std::vector<ActivationRun>& a, const std::vector<ActivationRun>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(ActivationRun)) == 0;
}

TEST(QuantizedRowsTest, RoundsToTheNearestOf255Steps) {
  const auto x = random_activations(3, 576, 1);
  const auto runs = quantized(Isa::kPortable, x, 3);
  for (std::size_t m = 0; m < 3; ++m)
    for (std::size_t k = 0; k < 576; ++k) {
      const ActivationRun& run = runs[k / 256 * 3 + m];
      const float s = run.scale[k % 256 / 32];
      ASSERT_NEAR(s * static_cast<float>(run.code[k % 256]), x[m * 576 + k], s * 0.50001f) << m << ", " << k;
    }
}

TEST(QuantizedRowsTest, SumsTheCodesOfGroupsAndHalves) {
  const auto runs = quantized(Isa::kPortable, random_activations(1, 256, 2), 1);
  for (int g = 0; g < 8; ++g) {
    int half[2] = {0, 0};
    for (int i = 0; i < 32; ++i) half[i / 16] += runs[0].code[32 * g + i];
    EXPECT_EQ(runs[0].sum[g], static_cast<float>(half[0] + half[1]));
    EXPECT_EQ(runs[0].negative_sum[g], -half[0] - half[1]);
    EXPECT_EQ(runs[0].negative_half_sum[2 * g], -half[0]);
    EXPECT_EQ(runs[0].negative_half_sum[2 * g + 1], -half[1]);
  }
}

TEST(QuantizedRowsTest, GivesTheSameBytesOnEveryInstructionSetAndInAnyBatch) {
  const auto x = random_activations(300, 480, 3);
  const auto whole = quantized(Isa::kPortable, x, 300);
  for (Isa isa : supported_isas()) {
    SCOPED_TRACE(to_string(isa));
    EXPECT_TRUE(same_bytes(quantized(isa, x, 300, 2), whole));
    const auto one = quantized(isa, {x.begin() + 7 * 480, x.begin() + 8 * 480}, 1);
    EXPECT_TRUE(same_bytes(one, {whole[7], whole[300 + 7]}));
  }
}

TEST(QuantizedRowsTest, RoundsTiesToEven) {
  std::vector<float> x(32, 0.0f);
  x[0] = 127;
  x[1] = 0.5f, x[2] = 1.5f, x[3] = -2.5f, x[4] = -126.5f, x[5] = -127;
  for (Isa isa : supported_isas()) {
    const auto runs = quantized(isa, x, 1);
    EXPECT_EQ(runs[0].scale[0], 1.0f);
    const int want[] = {127, 0, 2, -2, -126, -127};
    for (int i = 0; i < 6; ++i) EXPECT_EQ(runs[0].code[i], want[i]) << to_string(isa) << " " << i;
  }
}

TEST(QuantizedRowsTest, TakesGroupsTooSmallToScaleAsZero) {
  std::vector<float> x(96, 0.0f);
  x[3] = 0x1p-121f, x[40] = -0x1p-149f, x[64] = 0x1p-120f;
  for (Isa isa : supported_isas()) {
    const auto runs = quantized(isa, x, 1);
    EXPECT_EQ(runs[0].scale[0], 0.0f);
    EXPECT_EQ(runs[0].code[3], 0);
    EXPECT_EQ(runs[0].scale[1], 0.0f);
    EXPECT_EQ(runs[0].code[64], 127);
    EXPECT_GT(runs[0].scale[2], 0.0f);
  }
}

TEST(QuantizedRowsTest, MarksGroupsThatAreNotFinite) {
  std::vector<float> x = random_activations(1, 96, 4);
  x[5] = std::numeric_limits<float>::infinity();
  x[60] = -std::numeric_limits<float>::quiet_NaN();
  const auto want = quantized(Isa::kPortable, x, 1);
  EXPECT_TRUE(std::isnan(want[0].scale[0]) && std::isnan(want[0].scale[1]) && std::isfinite(want[0].scale[2]));
  for (int i = 0; i < 64; ++i) EXPECT_EQ(want[0].code[i], 0);
  for (Isa isa : supported_isas()) EXPECT_TRUE(same_bytes(quantized(isa, x, 1), want)) << to_string(isa);
}

}  // namespace
}  // namespace longshore::kernels
