#include "scheduler/gateway/choice_text.h"

#include "tests/support/byte_text_model.h"

#include <gtest/gtest.h>

namespace longshore::gateway {
namespace {

using service::FinishReason;
using service::GenerationEvent;
using testing::ByteTextModel;

GenerationEvent token(TokenId id, std::optional<FinishReason> finish = {}) {
  GenerationEvent event;
  event.token = ScoredToken{.token = id, .logprob = -1, .top = {}};
  event.finish = finish;
  return event;
}
GenerationEvent ended(FinishReason reason) {
  GenerationEvent event;
  event.finish = reason;
  return event;
}

class ChoiceTextTest : public ::testing::Test {
 protected:
  // What each byte of `bytes` gives out, in a row with '|' between.
  std::string run(ChoiceText& choice, std::string_view bytes) {
    std::string pieces;
    for (const char byte : bytes) {
      const ChoiceDelta delta = choice.take(token(static_cast<unsigned char>(byte)));
      pieces += delta.text + "|";
      if (delta.finish) return pieces + "stop";
    }
    return pieces;
  }
  ByteTextModel model_;
};

TEST_F(ChoiceTextTest, GivesTextAsTokensCome) {
  ChoiceText choice(model_, {});
  EXPECT_EQ(run(choice, "abc"), "a|b|c|");
  const ChoiceDelta last = choice.take(ended(FinishReason::kLength));
  EXPECT_EQ(last.finish, FinishReason::kLength);
  EXPECT_TRUE(choice.finished());
  EXPECT_EQ(choice.completion_tokens(), 3u);
}

TEST_F(ChoiceTextTest, NeverSplitsACharacter) {
  ChoiceText choice(model_, {});
  EXPECT_EQ(run(choice, "é漢"), "|é|||漢|");
}

TEST_F(ChoiceTextTest, ReplacesWhatIsLeftOfACharacter) {
  ChoiceText choice(model_, {});
  EXPECT_EQ(run(choice, "a\xE6\xBC"), "a|||");
  EXPECT_EQ(choice.take(ended(FinishReason::kLength)).text, "\xEF\xBF\xBD");
}

TEST_F(ChoiceTextTest, EndsAtTheFirstStopStringWithoutIt) {
  ChoiceText choice(model_, {.stop = {"END", "x"}});
  EXPECT_EQ(run(choice, "aENxb"), "a|||EN|stop");
  EXPECT_TRUE(choice.finished());
  EXPECT_EQ(choice.completion_tokens(), 4u);
}

TEST_F(ChoiceTextTest, GivesHeldTextAtTheEnd) {
  ChoiceText choice(model_, {.stop = {"END"}});
  EXPECT_EQ(run(choice, "aEN"), "a|||");
  const ChoiceDelta last = choice.take(ended(FinishReason::kLength));
  EXPECT_EQ(last.text, "EN");
  EXPECT_EQ(last.tokens.size(), 2u) << "tokens come with their text";
}

TEST_F(ChoiceTextTest, CountsTheEndTokenButDoesNotWriteIt) {
  ChoiceText choice(model_, {});
  run(choice, "a");
  const ChoiceDelta last = choice.take(token(ByteTextModel::kEnd, FinishReason::kStop));
  EXPECT_EQ(last.text, "");
  EXPECT_EQ(last.finish, FinishReason::kStop);
  ASSERT_EQ(last.tokens.size(), 1u);
  EXPECT_EQ(last.tokens[0].scored.token, ByteTextModel::kEnd);
  EXPECT_EQ(choice.completion_tokens(), 2u);
}

TEST_F(ChoiceTextTest, OffsetsCountCharacters) {
  ChoiceText choice(model_, {});
  std::vector<std::size_t> offsets;
  for (const char byte : std::string_view("aé漢b"))
    for (const TokenReport& report : choice.take(token(static_cast<unsigned char>(byte))).tokens)
      offsets.push_back(report.text_offset);
  EXPECT_EQ(offsets, (std::vector<std::size_t>{0, 1, 2, 2, 3, 3, 3}));
}

TEST_F(ChoiceTextTest, EchoesThePromptBeforeTheFirstToken) {
  const auto prompt = *model_.tokenize("hé", true, true);
  ChoiceText choice(model_, {.prompt = prompt, .echo = echo_prompt(model_, prompt, "hé")});
  GenerationEvent progress;
  progress.prompt_tokens_done = 2;
  EXPECT_TRUE(choice.take(progress).is_empty()) << "progress says nothing";
  GenerationEvent first = token('!');
  for (std::size_t i = 1; i < prompt.size(); ++i)
    first.prompt_scores.push_back({.token = prompt[i], .logprob = -static_cast<float>(i), .top = {}});
  const ChoiceDelta delta = choice.take(first);
  EXPECT_EQ(delta.text, "hé!");
  ASSERT_EQ(delta.tokens.size(), 5u);
  EXPECT_FALSE(delta.tokens[0].has_logprob);
  EXPECT_EQ(delta.tokens[2].scored.logprob, -2);
  EXPECT_EQ(delta.tokens[4].text_offset, 2u);
  EXPECT_TRUE(delta.tokens[3].is_prompt);
  EXPECT_FALSE(delta.tokens[4].is_prompt);
  EXPECT_EQ(choice.completion_tokens(), 1u);
}

TEST_F(ChoiceTextTest, EchoesAPromptThatOnlyIsScored) {
  const std::vector<TokenId> prompt = {'a', 'b'};
  ChoiceText choice(model_, {.prompt = prompt, .echo = echo_prompt(model_, prompt, std::nullopt)});
  GenerationEvent event = ended(FinishReason::kLength);
  event.prompt_scores = {{.token = 'b', .logprob = -3, .top = {}}};
  const ChoiceDelta delta = choice.take(event);
  EXPECT_EQ(delta.text, "ab");
  EXPECT_EQ(delta.finish, FinishReason::kLength);
  EXPECT_EQ(choice.completion_tokens(), 0u);
}

TEST_F(ChoiceTextTest, EchoOfIdsNamesControlTokensAndOfTextDoesNot) {
  const std::vector<TokenId> prompt = {ByteTextModel::kBegin, 'a', 0xFF};
  const EchoedPrompt ids = echo_prompt(model_, prompt, std::nullopt);
  EXPECT_EQ(ids.text, "<s>a\xEF\xBF\xBD");
  EXPECT_EQ(ids.offsets, (std::vector<std::size_t>{0, 3, 4}));
  const EchoedPrompt text = echo_prompt(model_, *model_.tokenize("ab", true, true), "ab");
  EXPECT_EQ(text.text, "ab");
  EXPECT_EQ(text.offsets, (std::vector<std::size_t>{0, 0, 1}));
  const EchoedPrompt written = echo_prompt(model_, *model_.tokenize("<s>b", false, true), "<s>b");
  EXPECT_EQ(written.text, "<s>b");
  EXPECT_EQ(written.offsets, (std::vector<std::size_t>{0, 3}));
}

}  // namespace
}  // namespace longshore::gateway
