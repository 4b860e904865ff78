#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "runtime/kernels/packed_matrix.h"
#include "runtime/kernels/reference/dequantize.h"
#include "tests/kernels/matmul/random_weights.h"

namespace longshore::kernels {
namespace {

class PackedMatrixTest : public testing::TestWithParam<WeightFormat> {};

std::vector<float> dequantized(const PackedMatrix& matrix) {
  std::vector<float> values(matrix.outputs() * matrix.inputs());
  for (std::size_t n = 0; n < matrix.outputs(); ++n) matrix.dequantize_row(n, values.data() + n * matrix.inputs());
  return values;
}

std::vector<float> by_definition(WeightFormat format, const std::vector<std::byte>& bytes, std::size_t count) {
  std::vector<float> values(count);
  reference::dequantize(format, bytes.data(), count, values.data());
  return values;
}

void expect_same_bits(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
        << "element " << i << ": " << got[i] << " and " << want[i];
}

TEST_P(PackedMatrixTest, HoldsExactlyTheWeightsOfTheFile) {
  for (Weights kind : {Weights::kOrdinary, Weights::kSubnormal, Weights::kAllBitsSet, Weights::kAllBitsZero})
    for (std::size_t outputs : {1u, 32u, 45u})
      for (std::size_t inputs : {256u, 1536u}) {
        const auto bytes = random_weights(GetParam(), outputs, inputs, 7 * outputs + inputs, kind);
        expect_same_bits(dequantized(packed(GetParam(), outputs, inputs, bytes)),
                         by_definition(GetParam(), bytes, outputs * inputs));
      }
}

TEST_P(PackedMatrixTest, HasTheSizeOfTheFile) {
  const auto bytes = random_weights(GetParam(), 64, 512, 1);
  EXPECT_EQ(packed(GetParam(), 64, 512, bytes).bytes(), bytes.size());
}

TEST_P(PackedMatrixTest, RefusesAShapeThatTheFormatCannotHave) {
  const auto pool = pool_of(1);
  const auto bytes = random_weights(GetParam(), 2, 512, 1);
  EXPECT_EQ(PackedMatrix::pack(GetParam(), 2, 520, bytes, *pool).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(PackedMatrix::pack(GetParam(), 3, 512, bytes, *pool).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(PackedMatrix::pack(GetParam(), 0, 512, {}, *pool).error().code, ErrorCode::kInvalidArgument);
  const std::span<const std::byte> short_bytes(bytes.data(), bytes.size() - 1);
  EXPECT_EQ(PackedMatrix::pack(GetParam(), 2, 512, short_bytes, *pool).error().code, ErrorCode::kInvalidArgument);
}

TEST_P(PackedMatrixTest, RefusesInfiniteScalesByRow) {
  const auto pool = pool_of(2);
  auto bytes = random_weights(GetParam(), 40, 256, 1, Weights::kAllBitsZero);
  // All bits set are a NaN wherever a scale (or a float weight) lies.
  const std::size_t row_bytes = bytes.size() / 40;
  std::memset(bytes.data() + 37 * row_bytes, 0xff, row_bytes);
  const auto refused = PackedMatrix::pack(GetParam(), 40, 256, bytes, *pool);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kDataLoss);
  EXPECT_NE(refused.error().message.find("row 37 "), std::string::npos) << refused.error().message;
}

INSTANTIATE_TEST_SUITE_P(Formats, PackedMatrixTest, testing::ValuesIn(kWeightFormats),
                         format_name);

TEST(PackedMatrixShapeTest, TakesAnyWholeNumberOfBlocks) {
  for (WeightFormat format : kWeightFormats) {
    if (block_elements(format) > 32) continue;
    const auto bytes = random_weights(format, 33, 576, 5);
    expect_same_bits(dequantized(packed(format, 33, 576, bytes)), by_definition(format, bytes, 33 * 576));
  }
}

// Records of tests/golden/dequant/make.py: blocks with the values that the gguf package gives them.
TEST(DequantizeTest, EqualsTheGgufPackage) {
  std::ifstream file("tests/golden/dequant/blocks.bin", std::ios::binary);
  ASSERT_TRUE(file) << "tests/golden/dequant/blocks.bin is missing";
  int formats = 0;
  for (std::uint32_t header[3]; file.read(reinterpret_cast<char*>(header), sizeof header); ++formats) {
    const auto format = weight_format_from_ggml(header[0]);
    ASSERT_TRUE(format.has_value());
    std::vector<std::byte> bytes(header[1]);
    std::vector<float> values(header[2]);
    file.read(reinterpret_cast<char*>(bytes.data()), header[1]);
    file.read(reinterpret_cast<char*>(values.data()), header[2] * sizeof(float));
    ASSERT_TRUE(file);
    SCOPED_TRACE(to_string(*format));
    expect_same_bits(by_definition(*format, bytes, values.size()), values);
    expect_same_bits(dequantized(packed(*format, 1, values.size(), bytes)), values);
  }
  EXPECT_EQ(formats, 10);
}

}  // namespace
}  // namespace longshore::kernels
