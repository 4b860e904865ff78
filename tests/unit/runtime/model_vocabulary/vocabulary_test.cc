#include "runtime/model/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gguf_builder.h"

namespace longshore::model {
namespace {

using test::GgufBuilder;
using testing::ElementsAre;
using testing::HasSubstr;

Result<text::VocabularyData> read(const GgufBuilder& builder) {
  const auto bytes = builder.build();
  const auto file = GgufFile::parse("m.gguf", bytes);
  EXPECT_TRUE(file);
  return read_vocabulary(**file);
}

void expect_refused(const GgufBuilder& builder, const std::string& reason) {
  const auto data = read(builder);
  ASSERT_FALSE(data);
  EXPECT_THAT(data.error().message, HasSubstr(reason));
}

TEST(ReadVocabularyTest, TakesOverWhatTheFileSays) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "smollm");
  builder.texts("tokenizer.ggml.tokens", {"a", "b"}).texts("tokenizer.ggml.merges", {"a b"});
  builder.array<std::int32_t>("tokenizer.ggml.token_type", GgufType::kInt32, {1, 3});
  builder.uint32("tokenizer.ggml.eos_token_id", 1).boolean("tokenizer.ggml.add_bos_token", false);
  builder.text("tokenizer.chat_template", "{{ x }}");
  const auto data = read(builder);
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->model, "gpt2");
  EXPECT_EQ(data->pre, "smollm");
  EXPECT_THAT(data->tokens, ElementsAre("a", "b"));
  EXPECT_THAT(data->merges, ElementsAre("a b"));
  EXPECT_THAT(data->kinds, ElementsAre(1, 3));
  EXPECT_EQ(data->eos, 1);
  EXPECT_EQ(data->bos, std::nullopt);
  EXPECT_EQ(data->add_bos, false);
  EXPECT_EQ(data->add_eos, std::nullopt);
  EXPECT_EQ(data->chat_template, "{{ x }}");
}

TEST(ReadVocabularyTest, NamesTheKeyThatIsMissingOrOfAnotherType) {
  expect_refused(GgufBuilder().uint32("general.quantization_version", 2), "tokenizer.ggml.model");
  const auto with_model = [] { return GgufBuilder().text("tokenizer.ggml.model", "llama"); };
  expect_refused(with_model().uint32("tokenizer.ggml.tokens", 3), "tokenizer.ggml.tokens");
  expect_refused(with_model().text("tokenizer.ggml.scores", "high"), "tokenizer.ggml.scores");
  expect_refused(with_model().text("tokenizer.ggml.bos_token_id", "<s>"), "tokenizer.ggml.bos_token_id");
  expect_refused(with_model().uint32("tokenizer.ggml.bos_token_id", 0x80000000u), "tokenizer.ggml.bos_token_id");
  expect_refused(with_model().uint32("tokenizer.chat_template", 1), "tokenizer.chat_template");
}

}  // namespace
}  // namespace longshore::model
