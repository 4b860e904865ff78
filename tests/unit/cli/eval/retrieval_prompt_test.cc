#include "cli/eval/retrieval_prompt.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/unit/cli/eval/small_model_text.h"

namespace longshore::cli::eval {
namespace {

class RetrievalPromptTest : public testing::TestWithParam<Task> {
 protected:
  Prompt make(std::uint64_t seed, std::uint32_t index, std::uint32_t context = 3000) {
    return retrieval_prompt(GetParam(), seed, index, context, encoder_).value();
  }
  std::string text(const Prompt& prompt) { return tokenizer_->decode(prompt.tokens); }

  std::unique_ptr<text::Tokenizer> tokenizer_ = byte_tokenizer();
  PromptEncoder encoder_ = PromptEncoder::create(*tokenizer_, "").value();
};

TEST_P(RetrievalPromptTest, IsAFunctionOfItsSeedAndIndex) {
  EXPECT_EQ(make(1, 3).tokens, make(1, 3).tokens);
  EXPECT_NE(make(1, 3).tokens, make(1, 4).tokens);
  EXPECT_NE(make(1, 3).expected, make(2, 3).expected);
}

TEST_P(RetrievalPromptTest, TheAnswerStandsOnceAndWhereItIsSaidTo) {
  for (std::uint64_t seed = 0; seed < 5; ++seed)
    for (std::uint32_t index = 0; index < kDepths; ++index) {
      const Prompt prompt = make(seed, index);
      const std::string whole = text(prompt);
      const std::size_t found = whole.find(prompt.expected);
      ASSERT_NE(found, std::string::npos);
      EXPECT_EQ(whole.find(prompt.expected, found + 1), std::string::npos) << whole;
      // Where it stands in the text follows the depth.
      EXPECT_NEAR(static_cast<double>(found) / static_cast<double>(whole.size()), prompt.depth, 0.15);
      EXPECT_TRUE(tokenizer_->piece(prompt.tokens[prompt.answer_position]).starts_with(prompt.expected.substr(0, 1)));
    }
}

TEST_P(RetrievalPromptTest, FitsTheContextWithItsAnswer) {
  for (std::uint32_t context = 700; context < 2000; context += 97) {
    const Prompt prompt = make(1, 5, context);
    EXPECT_LE(prompt.tokens.size() + prompt.generate_max, context);
    EXPECT_GT(prompt.tokens.size() + prompt.generate_max + 200, context);
  }
}

TEST_P(RetrievalPromptTest, AShortContextIsAnError) {
  EXPECT_EQ(retrieval_prompt(GetParam(), 1, 0, 40, encoder_).error().code, ErrorCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, RetrievalPromptTest, testing::Values(Task::kPasskey, Task::kNeedle, Task::kKv),
                         [](const auto& of) { return std::string(to_string(of.param)); });

TEST(RetrievalPrompt, KeysAndValuesAreAJsonObject) {
  const auto tokenizer = byte_tokenizer();
  const PromptEncoder encoder = PromptEncoder::create(*tokenizer, "").value();
  const Prompt prompt = retrieval_prompt(Task::kKv, 1, 4, 4000, encoder).value();
  const std::string whole = tokenizer->decode(prompt.tokens);
  const std::size_t begin = whole.find('{'), end = whole.find('}');
  const boost::json::value object = boost::json::parse(whole.substr(begin, end + 1 - begin));
  EXPECT_GT(object.as_object().size(), 50u);
  const std::size_t asked = whole.find("key \"", end) + 5;
  EXPECT_EQ(object.at(whole.substr(asked, 8)).as_string(), prompt.expected);
}

}  // namespace
}  // namespace longshore::cli::eval
