#include "cli/eval/induction_prompt.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "cli/eval/task.h"
#include "tests/unit/cli/eval/small_model_text.h"

namespace longshore::cli::eval {
namespace {

std::vector<TokenId> tokens_from(TokenId first, std::size_t count) {
  std::vector<TokenId> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

TEST(InductionPrompt, TheAnswerFollowsTheKeyAtItsDepthOnly) {
  const std::vector<TokenId> ordinary = tokens_from(3, 2000);
  for (std::uint32_t index = 0; index < 3 * kDepths; ++index) {
    const Prompt prompt = induction_prompt(5, index, 512, ordinary, std::nullopt).value();
    ASSERT_EQ(prompt.tokens.size() + prompt.generate_max, 512u);
    const TokenId key = prompt.tokens.back();
    EXPECT_EQ(std::count(prompt.tokens.begin(), prompt.tokens.end(), key), 2);
    ASSERT_EQ(prompt.expected_tokens.size(), kInductionTokens);
    EXPECT_EQ(prompt.tokens[prompt.answer_position - 1], key);
    for (std::uint32_t v = 0; v < kInductionTokens; ++v) {
      EXPECT_EQ(prompt.tokens[prompt.answer_position + v], prompt.expected_tokens[v]);
      EXPECT_EQ(std::count(prompt.tokens.begin(), prompt.tokens.end(), prompt.expected_tokens[v]), 1);
    }
    EXPECT_NEAR(prompt.answer_position / 506.0, depth_of(index), 0.02);
    for (const TokenId token : prompt.tokens) EXPECT_TRUE(token >= 3 && token < 2003) << token;
  }
}

TEST(InductionPrompt, IsAFunctionOfItsSeedAndIndex) {
  const std::vector<TokenId> ordinary = tokens_from(0, 100);
  EXPECT_EQ(induction_prompt(1, 2, 64, ordinary, std::nullopt).value().tokens,
            induction_prompt(1, 2, 64, ordinary, std::nullopt).value().tokens);
  EXPECT_NE(induction_prompt(1, 2, 64, ordinary, std::nullopt).value().tokens,
            induction_prompt(1, 13, 64, ordinary, std::nullopt).value().tokens);
}

TEST(InductionPrompt, BeginsWithTheTokenThatTheModelWants) {
  const std::vector<TokenId> ordinary = tokens_from(10, 100);
  const Prompt prompt = induction_prompt(1, 0, 64, ordinary, 1).value();
  EXPECT_EQ(prompt.tokens.front(), 1);
  EXPECT_EQ(prompt.tokens.size() + prompt.generate_max, 64u);
  EXPECT_EQ(prompt.answer_position, 2u);
}

TEST(InductionPrompt, SaysWhatIsTooFew) {
  EXPECT_EQ(induction_prompt(1, 0, 64, tokens_from(0, 22), std::nullopt).error().message,
            "--task induction needs 23 ordinary tokens; the model has 22");
  EXPECT_EQ(induction_prompt(1, 0, 14, tokens_from(0, 23), std::nullopt).error().message,
            "--context 14 is too short for --task induction: it takes more than 14 tokens");
  EXPECT_TRUE(induction_prompt(1, 0, 15, tokens_from(0, 23), std::nullopt));
}

TEST(InductionPrompt, OrdinaryTokensAreThoseOfText) {
  const auto tokenizer = byte_tokenizer();
  const std::vector<TokenId> of_bpe = ordinary_tokens(text::small_bpe(), *tokenizer);
  EXPECT_EQ(of_bpe, tokens_from(0, 264)) << "neither markers nor words of the user nor padding";
  const auto spm = spm_tokenizer();
  const std::vector<TokenId> of_spm = ordinary_tokens(text::small_spm(), *spm);
  EXPECT_EQ(of_spm.front(), 259) << "neither unknown, BOS and EOS nor bytes";
  for (const TokenId token : of_spm) EXPECT_FALSE(spm->is_control(token));
}

}  // namespace
}  // namespace longshore::cli::eval
