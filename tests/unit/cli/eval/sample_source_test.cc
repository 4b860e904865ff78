#include "cli/eval/sample_source.h"

#include <gtest/gtest.h>

#include "tests/unit/cli/eval/small_model_text.h"

namespace longshore::cli::eval {
namespace {

TEST(SampleSource, GeneratedWindowsAreAsLongAsAskedAndDiffer) {
  const auto tokenizer = byte_tokenizer();
  const SampleSource source = SampleSource::create(*tokenizer, {.seed = 1, .context = 2000}, {Task::kText}).value();
  EXPECT_FALSE(source.windows());
  const std::vector<TokenId> first = source.window(0).value();
  EXPECT_EQ(first.size(), 2000u);
  EXPECT_EQ(first, source.window(0).value());
  EXPECT_NE(first, source.window(1).value());
}

TEST(SampleSource, WindowsOfATextFollowEachOther) {
  const auto tokenizer = byte_tokenizer();
  std::string text;
  for (int i = 0; i < 350; ++i) text += static_cast<char>('A' + i % 26);
  const SampleSource source = SampleSource::create(*tokenizer, {.context = 100, .text = text}, {Task::kText}).value();
  ASSERT_EQ(source.windows(), 3u);
  std::string together;
  for (std::uint32_t index = 0; index < 3; ++index) together += tokenizer->decode(source.window(index).value());
  EXPECT_EQ(together, text.substr(0, 300));
}

TEST(SampleSource, WindowsBeginWithBosWhereTheModelWantsIt) {
  const auto tokenizer = spm_tokenizer();
  const std::string text(250, 'e');
  const SampleSource source = SampleSource::create(*tokenizer, {.context = 100, .text = text}, {Task::kText}).value();
  for (std::uint32_t index = 0; index < *source.windows(); ++index) {
    const std::vector<TokenId> window = source.window(index).value();
    EXPECT_EQ(window.size(), 100u);
    EXPECT_EQ(window.front(), *tokenizer->bos());
  }
}

TEST(SampleSource, SaysWhatIsTooShort) {
  const auto tokenizer = byte_tokenizer();
  const auto refusal = [&](SampleOptions options) {
    return SampleSource::create(*tokenizer, std::move(options), {Task::kText}).error().message;
  };
  EXPECT_EQ(refusal({.context = 63}), "--context is 63; it must be at least 64");
  EXPECT_EQ(refusal({.context = 100, .text = std::string(99, 'e')}),
            "--text holds 99 tokens; one window has 100: give a longer text or a smaller --context");
}

TEST(SampleSource, ATemplateThatNobodyKnowsMattersToQuestionsOnly) {
  const auto tokenizer = byte_tokenizer("{{ a template of nobody }}");
  EXPECT_TRUE(SampleSource::create(*tokenizer, {.context = 100}, {Task::kText, Task::kInduction}));
  EXPECT_FALSE(SampleSource::create(*tokenizer, {.context = 100}, {Task::kText, Task::kNeedle}));
}

TEST(SampleSource, MakesAPromptOfEachTask) {
  const auto tokenizer = byte_tokenizer();
  const std::vector<Task> tasks = {Task::kPasskey, Task::kNeedle, Task::kKv, Task::kInduction};
  SampleOptions options{.context = 1000};
  for (TokenId token = 0; token < 100; ++token) options.ordinary.push_back(token);
  const SampleSource source = SampleSource::create(*tokenizer, std::move(options), tasks).value();
  for (const Task task : tasks) {
    const Prompt prompt = source.prompt(task, 3).value();
    EXPECT_LE(prompt.tokens.size() + prompt.generate_max, 1000u);
    EXPECT_EQ(prompt.depth, depth_of(3));
  }
}

}  // namespace
}  // namespace longshore::cli::eval
