#include "cli/eval/teacher_forcing.h"

#include "tests/unit/cli/eval/tiny_node.h"

namespace longshore::cli::eval {
namespace {

class TeacherForcingTest : public TinyNode {
 protected:
  SampleResult run(std::span<const TokenId> window, std::uint32_t chunk) {
    return TeacherForcing(*steps_, *pool_, presets_, chunk).run(3, window).value();
  }

  std::vector<EvaluatedPreset> presets_ = {{"full", {}}, {"window", {{HeadRule{0, 16}}}}};
};

TEST_F(TeacherForcingTest, TheDenseRunIsItselfAndAWindowIsNot) {
  const std::vector<TokenId> window = random_tokens(400, 1);
  const SampleResult result = run(window, 512);
  EXPECT_EQ(result.task, Task::kText);
  EXPECT_EQ(result.index, 3u);
  EXPECT_EQ(result.prompt_tokens, 200u);
  ASSERT_EQ(result.presets.size(), 2u);
  std::uint32_t rows = 0;
  double windowed = 0;
  for (std::size_t r = 0; r < result.presets[0].rows.size(); ++r) {
    const RunOfRows &full = result.presets[0].rows[r], &narrow = result.presets[1].rows[r];
    EXPECT_EQ(full.kl, 0);
    EXPECT_EQ(full.agreements, full.rows);
    EXPECT_EQ(full.dense_nll, full.preset_nll);
    EXPECT_EQ(full.dense_nll, narrow.dense_nll);
    EXPECT_EQ(full.rows, narrow.rows);
    EXPECT_TRUE(std::isfinite(narrow.kl));
    rows += full.rows;
    windowed += narrow.kl;
  }
  EXPECT_EQ(rows, 199u) << "the last token is followed by none";
  EXPECT_GT(windowed, 0);
  EXPECT_EQ(result.presets[0].positions, result.dense.positions);
  EXPECT_EQ(result.presets[1].positions.preset, 2 * 2 * 16 * 199);
}

TEST_F(TeacherForcingTest, ChunksChangeNoBit) {
  for (const std::size_t tokens : {4u, 5u, 301u}) {
    const std::vector<TokenId> window = random_tokens(tokens, tokens);
    const SampleResult whole = run(window, 512);
    for (const std::uint32_t chunk : {1u, 64u, 100u}) EXPECT_EQ(run(window, chunk), whole) << tokens << ' ' << chunk;
  }
}

TEST_F(TeacherForcingTest, FreesWhatItUsed) {
  const std::vector<TokenId> window = random_tokens(300, 2);
  for (int i = 0; i < 3; ++i) run(window, 512);
  EXPECT_EQ(node_->sequences(), 3u) << "those of the last window, which the next step frees";
}

TEST_F(TeacherForcingTest, WhatTheNodeRefusesIsAnError) {
  presets_[1].heads.rules.resize(3);  // neither one nor one for each head
  EXPECT_EQ(TeacherForcing(*steps_, *pool_, presets_, 512).run(0, random_tokens(100, 1)).error().code,
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace longshore::cli::eval
