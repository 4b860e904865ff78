#include "cli/roofline.h"

#include <gtest/gtest.h>

namespace longshore::cli {
namespace {

constexpr std::uint32_t kWidth = 32, kFeedForward = 64, kVocabulary = 96;

kernels::PackedMatrix matrix(std::size_t outputs, std::size_t inputs, ThreadPool& pool) {
  const std::vector<std::byte> zeros(outputs * inputs * sizeof(float));
  return kernels::PackedMatrix::pack(kernels::WeightFormat::kF32, outputs, inputs, zeros, pool).value();
}

// Two layers, the second with a window of 100; one KV head of 16, two query heads.
class RooflineTest : public testing::Test {
 protected:
  RooflineTest() {
    config_.layers = 2;
    config_.query_heads = 2;
    config_.kv_heads = 1;
    config_.head_dim = 16;
    config_.window = {0, 100};
    ThreadPool& pool = *pool_;
    for (int layer = 0; layer < 2; ++layer) {
      model::LayerWeights weights;
      weights.query = matrix(32, kWidth, pool);
      weights.key = matrix(32, kWidth, pool);
      weights.value = matrix(32, kWidth, pool);
      weights.attention_output = matrix(kWidth, 32, pool);
      weights.gate = matrix(kFeedForward, kWidth, pool);
      weights.up = matrix(kFeedForward, kWidth, pool);
      weights.down = matrix(kWidth, kFeedForward, pool);
      weights_.layers.push_back(std::move(weights));
    }
    weights_.embedding = matrix(kVocabulary, kWidth, pool);
  }

  StepWork work(std::uint32_t sequences, std::uint32_t position, std::uint32_t tokens, bool logits,
                const HeadPlan& heads = {}) const {
    return step_work(config_, weights_, {Dtype::kF32, 16}, heads, sequences, position, tokens, logits);
  }

  std::unique_ptr<ThreadPool> pool_ = ThreadPool::create(1).value();
  model::ModelConfig config_;
  model::Weights weights_;
};

constexpr double kLayerProducts = 4 * 32 * kWidth + 3 * kFeedForward * kWidth;  // multiply-adds of a row

TEST_F(RooflineTest, ReadsTheMatricesOnceAndMultipliesThemWithEachRow) {
  const StepWork one = work(1, 0, 1, false), eight = work(4, 0, 2, false);
  EXPECT_EQ(one.weight_bytes, 2 * 4 * kLayerProducts);
  EXPECT_EQ(eight.weight_bytes, one.weight_bytes);
  EXPECT_EQ(one.int8_operations, 2 * 2 * kLayerProducts);
  EXPECT_EQ(eight.int8_operations, 8 * one.int8_operations);
  const StepWork logits = work(4, 0, 2, true);  // of the last row of each sequence
  EXPECT_EQ(logits.weight_bytes - eight.weight_bytes, 4 * kVocabulary * kWidth);
  EXPECT_EQ(logits.int8_operations - eight.int8_operations, 2 * 4 * kVocabulary * kWidth);
}

TEST_F(RooflineTest, AttendsOverWhatEachRowSees) {
  const double key_bytes = 2 * 16 * 4, key_operations = 4 * 2 * 16;  // of one layer
  EXPECT_EQ(work(1, 0, 1, false).kv_bytes, 2 * key_bytes);
  // At position 299 the first layer sees 300 keys, the second 100.
  EXPECT_EQ(work(3, 299, 1, false).kv_bytes, 3 * 400 * key_bytes);
  EXPECT_EQ(work(3, 299, 1, false).f32_operations, 3 * 400 * key_operations);
  // Two rows: 300 and 301 keys, 100 and 100; 101 different ones in the window.
  EXPECT_EQ(work(1, 299, 2, false).f32_operations, 801 * key_operations);
  EXPECT_EQ(work(1, 299, 2, false).kv_bytes, (301 + 101) * key_bytes);
}

TEST_F(RooflineTest, APresetsWindowHoldsWhereTheModelHasNone) {
  const double key_bytes = 2 * 16 * 4, key_operations = 4 * 2 * 16;
  const HeadPlan heads{{{4, 50}}};
  EXPECT_EQ(work(1, 299, 1, false, heads).kv_bytes, (54 + 100) * key_bytes);
  EXPECT_EQ(work(1, 299, 1, false, heads).f32_operations, (54 + 100) * key_operations);
  EXPECT_EQ(work(1, 9, 1, false, heads).kv_bytes, 2 * 10 * key_bytes);
}

TEST(LeastSecondsTest, TakesTheSlowerOfMemoryAndArithmeticPerPhase) {
  const StepWork work{.weight_bytes = 100, .int8_operations = 1000, .kv_bytes = 50, .f32_operations = 30};
  EXPECT_EQ(least_seconds(work, {.read_bytes_per_second = 10, .int8_per_second = 1000, .f32_per_second = 10}), 10 + 5);
  EXPECT_EQ(least_seconds(work, {.read_bytes_per_second = 100, .int8_per_second = 10, .f32_per_second = 1}), 100 + 30);
}

}  // namespace
}  // namespace longshore::cli
