#include "cli/eval/haystack.h"

#include <gtest/gtest.h>

#include "tests/unit/cli/eval/small_model_text.h"

namespace longshore::cli::eval {
namespace {

Haystack letters() {
  Haystack haystack;
  haystack.before = '[';
  haystack.straw = [letter = 'a']() mutable { return std::string(1, letter == 'z' ? letter = 'a' : letter++); };
  haystack.separator = ',';
  haystack.needle = "=77";
  haystack.after = ']';
  haystack.answer_begin = '=';
  haystack.expected = "77";
  return haystack;
}

TEST(Haystack, IsAsLongAsFits) {
  const auto tokenizer = byte_tokenizer();
  const PromptEncoder encoder = PromptEncoder::create(*tokenizer, "").value();
  for (std::uint32_t context = 20; context < 200; ++context) {
    const Prompt prompt = fill(letters(), encoder, context, 5, 0.5).value();
    EXPECT_LE(prompt.tokens.size() + 5, context);
    EXPECT_GT(prompt.tokens.size() + 5 + 2, context) << "a straw and its separator would have fitted";
  }
}

TEST(Haystack, TheNeedleStandsAtItsDepth) {
  const auto tokenizer = byte_tokenizer();
  const PromptEncoder encoder = PromptEncoder::create(*tokenizer, "").value();
  const auto text = [&](double depth) { return tokenizer->decode(fill(letters(), encoder, 24, 5, depth).value().tokens); };
  EXPECT_EQ(text(0), "[=77,a,b,c,d,e,f]\n=");
  EXPECT_EQ(text(0.5), "[a,b,c,=77,d,e,f]\n=");
  EXPECT_EQ(text(1), "[a,b,c,d,e,f,=77]\n=");
  const Prompt prompt = fill(letters(), encoder, 24, 5, 0.5).value();
  EXPECT_EQ(prompt.answer_position, 8u);
  EXPECT_EQ(prompt.tokens[prompt.answer_position], '7');
}

TEST(Haystack, AShortContextIsAnErrorThatSaysHowMuchIsNeeded) {
  const auto tokenizer = byte_tokenizer();
  const PromptEncoder encoder = PromptEncoder::create(*tokenizer, "").value();
  EXPECT_EQ(fill(letters(), encoder, 10, 5, 0.5).error().message,
            "--context 10 is too short for this task: a question takes 14 tokens with its answer");
  EXPECT_TRUE(fill(letters(), encoder, 14, 5, 0.5));
}

}  // namespace
}  // namespace longshore::cli::eval
