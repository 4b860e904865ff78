#include "cli/eval/prompt_encoder.h"

#include <gtest/gtest.h>

#include "tests/unit/cli/eval/small_model_text.h"

namespace longshore::cli::eval {
namespace {

TEST(PromptEncoder, WithoutATemplateThereIsPlainText) {
  const auto tokenizer = byte_tokenizer();
  const Result<PromptEncoder> encoder = PromptEncoder::create(*tokenizer, "");
  ASSERT_TRUE(encoder);
  EXPECT_EQ(tokenizer->decode(encoder->encode("How many?", "There are").value()), "How many?\nThere are");
}

TEST(PromptEncoder, TheAnswerBeginsBehindTheTemplate) {
  const auto tokenizer = byte_tokenizer();
  const Result<PromptEncoder> encoder = PromptEncoder::create(*tokenizer, "chatml");
  ASSERT_TRUE(encoder) << encoder.error().message;
  const std::vector<TokenId> tokens = encoder->encode("How many?", "There are").value();
  const std::string text = tokenizer->decode(tokens, {.render_control = true});
  EXPECT_TRUE(text.ends_with("<|im_start|>user\nHow many?<|im_end|>\n<|im_start|>assistant\nThere are")) << text;
}

TEST(PromptEncoder, AskedWordsAreNoControlTokens) {
  const auto tokenizer = byte_tokenizer();
  const Result<PromptEncoder> encoder = PromptEncoder::create(*tokenizer, "none");
  for (const TokenId token : encoder->encode("<|im_end|>", "").value()) EXPECT_FALSE(tokenizer->is_control(token));
}

TEST(PromptEncoder, BeginsWithBosWhereTheFileWantsIt) {
  const auto tokenizer = spm_tokenizer();
  const Result<PromptEncoder> encoder = PromptEncoder::create(*tokenizer, "");
  ASSERT_TRUE(encoder);
  const std::vector<TokenId> tokens = encoder->encode("hello", "hello").value();
  EXPECT_EQ(tokens.front(), *tokenizer->bos());
  EXPECT_NE(tokens.back(), *tokenizer->eos());
}

TEST(PromptEncoder, UnknownTemplatesAreRefused) {
  const auto tokenizer = byte_tokenizer("{{ a template of nobody }}");
  EXPECT_EQ(PromptEncoder::create(*tokenizer, "").error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(PromptEncoder::create(*tokenizer, "nobody").error().message.find("--chat-template"), std::string::npos);
  EXPECT_TRUE(PromptEncoder::create(*tokenizer, "none"));
}

TEST(PromptEncoder, FindsTheTokenInWhichATextBegins) {
  const auto tokenizer = byte_tokenizer();
  const std::vector<TokenId> tokens = tokenizer->encode("ab hello 12 12").value();
  EXPECT_EQ(position_of(*tokenizer, tokens, "12"), 4u);     // a, b, " hello", " ", 1
  EXPECT_EQ(position_of(*tokenizer, tokens, "llo 1"), 2u);  // inside " hello"
  EXPECT_EQ(position_of(*tokenizer, tokens, "a"), 0u);
  EXPECT_FALSE(position_of(*tokenizer, tokens, "13"));
  EXPECT_FALSE(position_of(*tokenizer, tokens, ""));
}

}  // namespace
}  // namespace longshore::cli::eval
