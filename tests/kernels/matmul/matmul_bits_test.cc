// The contract: a row's result has the same bits alone or in any batch, on any instruction set, with any threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "runtime/kernels/matmul.h"
#include "tests/kernels/matmul/random_weights.h"

namespace longshore::kernels {
namespace {

constexpr std::size_t kRowsMax = 300;
constexpr std::size_t kRowCounts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17, 37, 131, kRowsMax};

std::vector<float> product(Isa isa, ThreadPool& pool, const PackedMatrix& matrix, const float* values,
                           std::size_t rows) {
  auto x = QuantizedRows::create(rows, matrix.inputs());
  EXPECT_TRUE(x.has_value());
  x->assign(matrix_kernels(isa), pool, values, rows, matrix.inputs(), matrix.inputs());
  std::vector<float> out(rows * matrix.outputs());
  matmul(matrix_kernels(isa), pool, matrix, *x, out.data(), matrix.outputs());
  return out;
}

void expect_same_bits(const std::vector<float>& got, const float* want, std::size_t outputs) {
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(std::memcmp(&got[i], &want[i], sizeof(float)), 0)
        << "row " << i / outputs << " output " << i % outputs << ": " << got[i] << " and " << want[i];
}

// All batches and instruction sets against the portable kernel on the whole batch.
void expect_one_result(WeightFormat format, std::size_t outputs, std::size_t inputs, Weights kind,
                       const std::vector<float>& values) {
  SCOPED_TRACE(testing::Message() << to_string(format) << " N " << outputs << " K " << inputs << " weights "
                                  << static_cast<int>(kind));
  const PackedMatrix matrix =
      packed(format, outputs, inputs, random_weights(format, outputs, inputs, outputs + inputs, kind));
  const auto pool = pool_of(1);
  const std::size_t rows_max = values.size() / inputs;
  const auto want = product(Isa::kPortable, *pool, matrix, values.data(), rows_max);
  for (Isa isa : supported_isas())
    for (std::size_t rows : kRowCounts) {
      if (rows > rows_max) break;
      SCOPED_TRACE(testing::Message() << to_string(isa) << " M " << rows);
      const std::size_t first = (rows_max - rows) / 2;  // rows from the middle of the batch
      expect_same_bits(product(isa, *pool, matrix, values.data() + first * inputs, rows),
                       want.data() + first * outputs, outputs);
    }
}

class MatmulBitsTest : public testing::TestWithParam<WeightFormat> {};

TEST_P(MatmulBitsTest, DependOnTheRowAlone) {
  expect_one_result(GetParam(), 33, 512, Weights::kOrdinary, random_activations(kRowsMax, 512, 1));
  expect_one_result(GetParam(), 70, 1536, Weights::kOrdinary, random_activations(20, 1536, 2));
}

TEST_P(MatmulBitsTest, HoldAtTheExtremesOfCodesAndScales) {
  // Rows of activation codes +127 and -127 alone, alternating, and ordinary ones.
  const std::size_t inputs = 512;
  auto values = random_activations(20, inputs, 3);
  for (std::size_t k = 0; k < inputs; ++k) {
    values[8 * inputs + k] = 1;
    values[9 * inputs + k] = -1;
    values[10 * inputs + k] = k % 2 == 0 ? 1 : -1;
    values[11 * inputs + k] = 0;
  }
  for (Weights kind : {Weights::kAllBitsSet, Weights::kAllBitsZero, Weights::kSubnormal})
    expect_one_result(GetParam(), 32, inputs, kind, values);
}

TEST_P(MatmulBitsTest, DoNotDependOnThreads) {
  const std::size_t outputs = 700, inputs = 256;
  const PackedMatrix matrix = packed(GetParam(), outputs, inputs, random_weights(GetParam(), outputs, inputs, 1));
  for (std::size_t rows : {1u, 20u}) {
    const auto values = random_activations(rows, inputs, 4);
    const auto want = product(detect_isa(), *pool_of(1), matrix, values.data(), rows);
    for (unsigned threads : {2u, 3u})
      expect_same_bits(product(detect_isa(), *pool_of(threads), matrix, values.data(), rows), want.data(), outputs);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, MatmulBitsTest, testing::ValuesIn(kWeightFormats),
                         format_name);

TEST(MatmulPartialRunTest, HoldsForInputsThatAreNotWholeRuns) {
  for (WeightFormat format : kWeightFormats) {
    if (block_elements(format) > 32) continue;
    for (std::size_t inputs : {32u, 96u, 576u})
      expect_one_result(format, 45, inputs, Weights::kOrdinary, random_activations(40, inputs, inputs));
  }
}

}  // namespace
}  // namespace longshore::kernels
