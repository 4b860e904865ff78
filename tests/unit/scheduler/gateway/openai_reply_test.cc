#include "scheduler/gateway/openai_reply.h"

#include "tests/support/byte_text_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace longshore::gateway {
namespace {

using testing::ByteTextModel;

TEST(JsonWriterTest, WritesNumbersThatReadBackAsTheSame) {
  JsonWriter json;
  json.begin_array();
  json.number(0.1f).number(-1.25f).number(1e-7f).number(std::numeric_limits<float>::max()).number(1.0 / 3);
  json.number(std::numeric_limits<std::int64_t>::min());
  json.number(std::numeric_limits<float>::quiet_NaN()).number(-std::numeric_limits<double>::infinity());
  json.end_array();
  EXPECT_EQ(json.text(), "[0.1,-1.25,1e-07,3.4028235e+38,0.3333333333333333,-9223372036854775808,null,null]");
}

TEST(JsonWriterTest, PutsCommasBetweenValues) {
  JsonWriter json;
  json.begin_object()
      .key("a")
      .begin_array()
      .end_array()
      .key("b")
      .begin_object()
      .key("c")
      .null()
      .key("d")
      .boolean(true);
  json.end_object().key("e").string("x").end_object();
  EXPECT_EQ(json.text(), R"({"a":[],"b":{"c":null,"d":true},"e":"x"})");
}

class ReplyWriterTest : public ::testing::Test {
 protected:
  static ReplyHead head(Api api) {
    return {.api = api, .id = "id-1", .created = 7, .model = "m", .system_fingerprint = "f", .seed = 5};
  }
  ReplyWriter writer(ReplyHead head) { return ReplyWriter(std::move(head), model_); }
  // "a" with the alternative "\xC3", which is half of a character.
  static ChoiceDelta delta() {
    ChoiceDelta delta{.text = "a"};
    delta.tokens.push_back(
        {.scored = {.token = 'a', .logprob = -0.5f, .top = {{'a', -0.5f}, {0xC3, -1.5f}}}, .text_offset = 3});
    return delta;
  }
  static constexpr std::string_view kChunk =
      R"({"id":"id-1","object":"chat.completion.chunk","created":7,"model":"m","system_fingerprint":"f","seed":5,)";
  static constexpr std::string_view kText =
      R"({"id":"id-1","object":"text_completion","created":7,"model":"m","system_fingerprint":"f","seed":5,)";
  ByteTextModel model_;
};

TEST_F(ReplyWriterTest, FirstChatChunkCarriesTheRole) {
  EXPECT_EQ(
      writer(head(Api::kChat)).first_chunk(1, {}),
      std::string(kChunk) +
          R"("choices":[{"index":1,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]})");
}

TEST_F(ReplyWriterTest, ContentAndFinishChunks) {
  EXPECT_EQ(writer(head(Api::kChat)).chunk(0, delta()),
            std::string(kChunk) +
                R"("choices":[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}]})");
  ChoiceDelta last{.finish = service::FinishReason::kLength};
  EXPECT_EQ(writer(head(Api::kChat)).chunk(0, last),
            std::string(kChunk) +
                R"("choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]})");
  EXPECT_EQ(
      writer(head(Api::kCompletion)).chunk(0, delta()),
      std::string(kText) + R"("choices":[{"index":0,"text":"a","logprobs":null,"finish_reason":null}]})");
}

TEST_F(ReplyWriterTest, ChatLogprobsHaveExactBytes) {
  ReplyHead with = head(Api::kChat);
  with.logprobs = true;
  EXPECT_EQ(
      writer(with).chunk(0, delta()),
      std::string(kChunk) +
          R"("choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a",)" +
          R"("logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]},)" +
          "{\"token\":\"\xEF\xBF\xBD\",\"logprob\":-1.5,\"bytes\":[195]}]}]},\"finish_reason\":null}]}");
}

TEST_F(ReplyWriterTest, CompletionLogprobsAreFourLists) {
  ReplyHead with = head(Api::kCompletion);
  with.logprobs = true;
  with.tokens_as_ids = true;
  ChoiceDelta two = delta();
  two.tokens.insert(two.tokens.begin(),
                    {.scored = {.token = 256, .logprob = 0, .top = {}}, .has_logprob = false});
  EXPECT_EQ(
      writer(with).chunk(0, two),
      std::string(kText) +
          R"("choices":[{"index":0,"text":"a","logprobs":{"tokens":["token_id:256","token_id:97"],)" +
          R"("token_logprobs":[null,-0.5],"top_logprobs":[null,{"token_id:97":-0.5,"token_id:195":-1.5}],)" +
          R"("text_offset":[0,3]},"finish_reason":null}]})");
}

TEST_F(ReplyWriterTest, TheTokenItselfIsAmongTheAlternativesOnce) {
  ReplyHead with = head(Api::kCompletion);
  with.logprobs = true;
  ChoiceDelta one;
  one.tokens.push_back({.scored = {.token = 'b', .logprob = -2, .top = {{'a', -0.5f}}}});
  one.tokens.push_back({.scored = {.token = 0xFF, .logprob = -3, .top = {{0xFE, -0.25f}}}});
  const std::string text = writer(with).chunk(0, one);
  EXPECT_NE(text.find(R"("top_logprobs":[{"a":-0.5,"b":-2},)"), std::string::npos) << text;
  EXPECT_NE(text.find("{\"\xEF\xBF\xBD\":-0.25}]"), std::string::npos)
      << "one text, the likelier token: " << text;
}

TEST_F(ReplyWriterTest, ImpossibleTokensHaveAFiniteLogprob) {
  ReplyHead with = head(Api::kCompletion);
  with.logprobs = true;
  ChoiceDelta one;
  one.tokens.push_back(
      {.scored = {.token = 'b', .logprob = -std::numeric_limits<float>::infinity(), .top = {}}});
  EXPECT_NE(writer(with).chunk(0, one).find("\"token_logprobs\":[-9999]"), std::string::npos);
}

TEST_F(ReplyWriterTest, UsageChunkIsTheOnlyOneWithUsage) {
  ReplyHead with = head(Api::kChat);
  with.usage_in_chunks = true;
  EXPECT_TRUE(writer(with).chunk(0, delta()).ends_with(R"(],"usage":null})"));
  EXPECT_EQ(writer(with).usage_chunk({.prompt_tokens = 3, .completion_tokens = 2, .cached_tokens = 1}),
            std::string(kChunk) +
                R"("choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,)" +
                R"("prompt_tokens_details":{"cached_tokens":1}}})");
}

TEST_F(ReplyWriterTest, ProgressHasTheShapeOfLlamaCpp) {
  EXPECT_EQ(writer(head(Api::kCompletion))
                .progress_chunk(0, {.total = 9, .cached = 2, .processed = 5, .time_ms = 12}),
            std::string(kText) +
                R"("choices":[{"index":0,"text":"","logprobs":null,"finish_reason":null}],)" +
                R"("prompt_progress":{"total":9,"cache":2,"processed":5,"time_ms":12}})");
}

TEST_F(ReplyWriterTest, WholeAnswersHaveMessagesOrTexts) {
  const std::vector<TokenId> prompt = {256, 'q'};
  ReplyHead chat = head(Api::kChat);
  chat.token_ids = true;
  std::vector<ReplyWriter::Choice> choices;
  choices.push_back({delta(), prompt});
  choices[0].whole.finish = service::FinishReason::kStop;
  const std::string whole = writer(chat).whole(choices, {.prompt_tokens = 2, .completion_tokens = 1});
  EXPECT_NE(whole.find(R"("object":"chat.completion",)"), std::string::npos) << whole;
  EXPECT_NE(
      whole.find(
          R"("prompt_token_ids":[256,113],"choices":[{"index":0,"message":{"role":"assistant","content":"a"},)"),
      std::string::npos)
      << whole;
  EXPECT_NE(whole.find(R"("token_ids":[97],"finish_reason":"stop"}],"usage":{"prompt_tokens":2,)"),
            std::string::npos)
      << whole;
  ReplyHead text = head(Api::kCompletion);
  text.token_ids = true;
  EXPECT_NE(writer(text)
                .whole(choices, {})
                .find(R"("choices":[{"prompt_token_ids":[256,113],"index":0,"text":"a",)"),
            std::string::npos);
}

TEST(SseTest, AnEventIsOneDataLine) { EXPECT_EQ(sse_event("{}"), "data: {}\n\n"); }

}  // namespace
}  // namespace longshore::gateway
