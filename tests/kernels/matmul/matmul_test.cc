#include "runtime/kernels/matmul.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/kernels/reference/dequantize.h"
#include "tests/kernels/matmul/random_weights.h"

namespace longshore::kernels {
namespace {

// Against double products of the same quantised activations the kernels differ by their float roundings only: one in each
// of K / 32 steps of an accumulator, a few in each t. Measured at most 4e-7 of sum |x w| on these sizes.
constexpr double kRelativeError = 1e-6;

// What the kernels multiply: quantised and put back, or the values themselves for plain floats.
std::vector<float> seen_activations(WeightFormat format, const QuantizedRows& x) {
  std::vector<float> values(x.rows() * x.columns());
  for (std::size_t m = 0; m < x.rows(); ++m)
    for (std::size_t k = 0; k < x.columns(); ++k) {
      const ActivationRun& run = x.runs()[k / 256 * x.rows() + m];
      values[m * x.columns() + k] = is_float(format)
                                        ? x.values()[m * x.values_ld() + k]
                                        : run.scale[k % 256 / 32] * static_cast<float>(run.code[k % 256]);
    }
  return values;
}

class MatmulFormatTest : public testing::TestWithParam<WeightFormat> {};

TEST_P(MatmulFormatTest, EqualsProductsInDoubleWithinItsRoundings) {
  const std::size_t rows = 13, outputs = 45, inputs = 1536;
  const auto bytes = random_weights(GetParam(), outputs, inputs, 11);
  const PackedMatrix matrix = packed(GetParam(), outputs, inputs, bytes);
  const auto values = random_activations(rows, inputs, 12);
  const auto pool = pool_of(2);
  std::vector<float> weights(outputs * inputs);
  reference::dequantize(GetParam(), bytes.data(), weights.size(), weights.data());
  for (Isa isa : supported_isas()) {
    auto x = QuantizedRows::create(rows, inputs);
    ASSERT_TRUE(x.has_value());
    x->assign(matrix_kernels(isa), *pool, values.data(), rows, inputs, inputs);
    const auto seen = seen_activations(GetParam(), *x);
    std::vector<float> out(rows * outputs);
    matmul(matrix_kernels(isa), *pool, matrix, *x, out.data(), outputs);
    for (std::size_t m = 0; m < rows; ++m)
      for (std::size_t n = 0; n < outputs; ++n) {
        double magnitude;
        const double want = reference::dot(&seen[m * inputs], &weights[n * inputs], inputs, &magnitude);
        ASSERT_NEAR(out[m * outputs + n], want, kRelativeError * magnitude)
            << to_string(isa) << " row " << m << " output " << n;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, MatmulFormatTest, testing::ValuesIn(kWeightFormats),
                         format_name);

TEST(MatmulTest, MultipliesSeveralMatricesAsEachAlone) {
  const std::size_t rows = 5, inputs = 512;
  const auto pool = pool_of(2);
  const MatrixKernels& kernels = matrix_kernels(detect_isa());
  const auto values = random_activations(rows, inputs, 1);
  auto x = QuantizedRows::create(rows, inputs);
  ASSERT_TRUE(x.has_value());
  x->assign(kernels, *pool, values.data(), rows, inputs, inputs);
  const WeightFormat formats[] = {WeightFormat::kQ4_K, WeightFormat::kQ5_0, WeightFormat::kQ6_K, WeightFormat::kF16};
  const std::size_t outputs[] = {320, 33, 70, 1};
  std::vector<PackedMatrix> matrices;
  std::vector<MatmulTarget> targets;
  std::vector<float> together(rows * 424, -1.0f), alone(rows * 424, -1.0f);
  for (std::size_t i = 0, column = 0; i < 4; column += outputs[i++]) {
    matrices.push_back(packed(formats[i], outputs[i], inputs, random_weights(formats[i], outputs[i], inputs, i)));
    matmul(kernels, *pool, matrices[i], *x, alone.data() + column, 424);
  }
  for (std::size_t i = 0, column = 0; i < 4; column += outputs[i++])
    targets.push_back({&matrices[i], together.data() + column, 424});
  matmul_all(kernels, *pool, targets, *x);
  EXPECT_EQ(together, alone);
}

TEST(MatmulTest, WritesOnlyItsOwnColumns) {
  const std::size_t inputs = 256, outputs = 45, ld = 77;
  const auto pool = pool_of(1);
  for (WeightFormat format : kWeightFormats)
    for (std::size_t rows : {1u, 3u, 16u})
      for (Isa isa : supported_isas()) {
        const PackedMatrix matrix = packed(format, outputs, inputs, random_weights(format, outputs, inputs, 3));
        const auto values = random_activations(rows, inputs, 1);
        auto x = QuantizedRows::create(rows, inputs);
        ASSERT_TRUE(x.has_value());
        x->assign(matrix_kernels(isa), *pool, values.data(), rows, inputs, inputs);
        std::vector<float> out((rows + 1) * ld, 12345.0f);
        matmul(matrix_kernels(isa), *pool, matrix, *x, out.data(), ld);
        for (std::size_t i = 0; i < out.size(); ++i)
          if (i % ld >= outputs || i / ld >= rows) {
            ASSERT_EQ(out[i], 12345.0f) << to_string(format) << " at " << i;
          }
      }
}

TEST(MatmulTest, GivesNanForARowThatIsNotFinite) {
  const std::size_t inputs = 256, outputs = 33;
  const auto pool = pool_of(1);
  for (WeightFormat format : {WeightFormat::kQ4_K, WeightFormat::kQ8_0, WeightFormat::kF16}) {
    const PackedMatrix matrix = packed(format, outputs, inputs, random_weights(format, outputs, inputs, 3));
    auto values = random_activations(2, inputs, 1);
    values[100] = INFINITY;
    values[101] = -INFINITY;
    for (Isa isa : supported_isas()) {
      auto x = QuantizedRows::create(2, inputs);
      ASSERT_TRUE(x.has_value());
      x->assign(matrix_kernels(isa), *pool, values.data(), 2, inputs, inputs);
      std::vector<float> out(2 * outputs);
      matmul(matrix_kernels(isa), *pool, matrix, *x, out.data(), outputs);
      for (std::size_t n = 0; n < outputs; ++n) {
        EXPECT_FALSE(std::isfinite(out[n]));
        EXPECT_TRUE(std::isfinite(out[outputs + n]));
      }
    }
  }
}

TEST(IsaTest, ParsesItsNames) {
  EXPECT_EQ(*parse_isa("auto"), detect_isa());
  EXPECT_EQ(*parse_isa("portable"), Isa::kPortable);
  EXPECT_EQ(parse_isa("sse2").error().code, ErrorCode::kInvalidArgument);
  for (Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    const auto parsed = parse_isa(to_string(isa));
    ASSERT_EQ(parsed.has_value(), is_supported(isa));
    if (!parsed.has_value()) {
      EXPECT_EQ(parsed.error().code, ErrorCode::kFailedPrecondition);
    }
  }
}

}  // namespace
}  // namespace longshore::kernels
