#include "cli/eval/positions_read.h"

#include <gtest/gtest.h>

namespace longshore::cli::eval {
namespace {

model::ModelConfig model_of(std::vector<std::uint32_t> windows, std::uint32_t kv_heads) {
  model::ModelConfig config;
  config.layers = static_cast<std::uint32_t>(windows.size());
  config.kv_heads = kv_heads;
  config.window = std::move(windows);
  return config;
}

TEST(PositionsRead, DenseReadsAll) {
  const PositionsRead read = positions_read(model_of({0, 0}, 3), {}, 0, 10, 12);
  EXPECT_EQ(read.dense, 2 * 3 * (11 + 12));
  EXPECT_EQ(read.share(), 1);
}

TEST(PositionsRead, CountsWhatARuleLetsARowSee) {
  const HeadPlan plan{{HeadRule{4, 100}}};
  // The window of row 399 is 300 to 399; row 150's begins in leaf 0 and sees all of it.
  EXPECT_EQ(positions_read(model_of({0}, 1), plan, 0, 399, 400).preset, 104);
  EXPECT_EQ(positions_read(model_of({0}, 1), plan, 0, 150, 151).preset, 151);
  EXPECT_EQ(positions_read(model_of({0}, 1), plan, 0, 399, 400).dense, 400);
}

TEST(PositionsRead, AModelsOwnWindowIsNoSaving) {
  const HeadPlan plan{{HeadRule{0, 10}}};
  const PositionsRead read = positions_read(model_of({50, 0}, 1), plan, 0, 1000, 1001);
  EXPECT_EQ(read.dense, 50 + 1001);
  EXPECT_EQ(read.preset, 50 + 10);
}

TEST(PositionsRead, CountsWhatARowOfTheOutputChooses) {
  const HeadPlan plan{{}, {384 + 2 * 64}};
  EXPECT_EQ(positions_read(model_of({0}, 1), plan, 1000, 999, 1000).preset, 1000) << "a row of the prompt";
  EXPECT_EQ(positions_read(model_of({0}, 1), plan, 1000, 1000, 1001).preset, 2 * 128 + 1000 % 128 + 1 + 2 * 64);
  EXPECT_EQ(positions_read(model_of({50}, 1), plan, 0, 1000, 1001).preset, 50) << "the model's own window";
}

TEST(PositionsRead, TakesEachHeadsRule) {
  const HeadPlan plan{{HeadRule{0, 10}, HeadRule{}}};
  EXPECT_DOUBLE_EQ(positions_read(model_of({0}, 2), plan, 0, 99, 100).share(), 110.0 / 200);
  EXPECT_EQ(positions_read(model_of({0}, 2), plan, 0, 5, 5).share(), 1) << "of no rows";
}

}  // namespace
}  // namespace longshore::cli::eval
