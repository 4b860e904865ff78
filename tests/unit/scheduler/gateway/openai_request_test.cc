#include "scheduler/gateway/openai_request.h"

#include <gtest/gtest.h>

#include <limits>

namespace longshore::gateway {
namespace {

constexpr std::uint32_t kVocabulary = 1000;
constexpr std::string_view kMessages = R"("messages":[{"role":"user","content":"hi"}])";

Parsed<ChatRequest> chat(std::string_view more) {
  return parse_chat_request(
      "{" + std::string(kMessages) + (more.empty() ? "" : ",") + std::string(more) + "}", kVocabulary);
}
Parsed<CompletionRequest> completion(std::string_view body) {
  return parse_completion_request(body, kVocabulary);
}

template <typename T>
const T& good(const Parsed<T>& parsed) {
  const auto* error = std::get_if<http::ApiError>(&parsed);
  EXPECT_EQ(error, nullptr) << error->message;
  return std::get<T>(parsed);
}
template <typename T>
http::ApiError refused(const Parsed<T>& parsed) {
  const auto* error = std::get_if<http::ApiError>(&parsed);
  EXPECT_NE(error, nullptr);
  return error == nullptr ? http::ApiError{} : *error;
}

TEST(ChatRequestTest, HasTheDefaultsOfTheApi) {
  const ChatRequest request = good(chat(""));
  EXPECT_EQ(request.messages.size(), 1u);
  EXPECT_EQ(request.messages[0].role, "user");
  EXPECT_EQ(request.messages[0].content, "hi");
  EXPECT_EQ(request.fields.sampling.temperature, 1);
  EXPECT_EQ(request.fields.sampling.top_p, 1);
  EXPECT_EQ(request.fields.n, 1u);
  EXPECT_FALSE(request.fields.seed);
  EXPECT_FALSE(request.fields.max_tokens);
  EXPECT_FALSE(request.fields.stream);
}

TEST(ChatRequestTest, ReadsEveryField) {
  const ChatRequest request =
      good(chat(R"("model":"m","max_tokens":5,"max_completion_tokens":7,"temperature":0.5,"top_p":0.9,
    "top_k":40,"min_p":0.05,"n":2,"stop":["a","b"],"seed":-3,"logprobs":true,"top_logprobs":4,"logit_bias":{"12":-100,"13":1.5},
    "presence_penalty":1,"frequency_penalty":-1,"repetition_penalty":1.1,"stream":true,"stream_options":{"include_usage":true},
    "ignore_eos":true,"min_tokens":3,"user":"u","return_token_ids":true,"return_tokens_as_token_ids":true,"return_progress":true)"));
  const GenerationFields& fields = request.fields;
  EXPECT_EQ(fields.model, "m");
  EXPECT_EQ(fields.max_tokens, 7u) << "the newer name wins";
  EXPECT_EQ(fields.sampling.temperature, 0.5f);
  EXPECT_EQ(fields.sampling.top_p, 0.9f);
  EXPECT_EQ(fields.sampling.top_k, 40u);
  EXPECT_EQ(fields.sampling.min_p, 0.05f);
  EXPECT_EQ(fields.n, 2u);
  EXPECT_EQ(fields.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(fields.seed, -3);
  EXPECT_TRUE(fields.sampling.report_logprobs);
  EXPECT_EQ(fields.sampling.top_logprobs, 4u);
  EXPECT_EQ(fields.sampling.logit_bias, (std::vector<std::pair<TokenId, float>>{{12, -100.0f}, {13, 1.5f}}));
  EXPECT_EQ(fields.sampling.presence_penalty, 1);
  EXPECT_EQ(fields.sampling.frequency_penalty, -1);
  EXPECT_EQ(fields.sampling.repetition_penalty, 1.1f);
  EXPECT_TRUE(fields.stream && fields.include_usage && fields.return_progress);
  EXPECT_TRUE(fields.sampling.ignore_eos);
  EXPECT_EQ(fields.sampling.min_tokens, 3u);
  EXPECT_TRUE(fields.return_token_ids && fields.return_tokens_as_token_ids);
  EXPECT_TRUE(validate(fields.sampling));
}

TEST(ChatRequestTest, JoinsTextParts) {
  const auto request = parse_chat_request(
      R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]})",
      kVocabulary);
  EXPECT_EQ(good(request).messages[0].content, "ab");
}

TEST(ChatRequestTest, IgnoresWhatNobodyKnowsAndNulls) {
  good(chat(
      R"("foo":1,"temperature":null,"tools":null,"tool_choice":"none","response_format":{"type":"text"},"store":true)"));
  good(chat(R"("tools":[],"best_of":1,"suffix":"","echo":false,"modalities":["text"])"));
}

TEST(ChatRequestTest, NamesWhatIsKnownAndNotSupported) {
  for (const auto& [field, value] :
       std::vector<std::pair<std::string, std::string>>{{"tools", R"([{"type":"function"}])"},
                                                        {"tool_choice", R"("auto")"},
                                                        {"functions", "[{}]"},
                                                        {"audio", R"({"voice":"x"})"},
                                                        {"response_format", R"({"type":"json_object"})"},
                                                        {"response_format", "1"},
                                                        {"best_of", "2"},
                                                        {"suffix", R"("x")"},
                                                        {"echo", "true"},
                                                        {"guided_json", R"({"a":1})"},
                                                        {"stop_token_ids", "[1]"},
                                                        {"modalities", R"(["audio"])"}}) {
    const http::ApiError error = refused(chat("\"" + field + "\":" + value));
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.param, field);
    EXPECT_NE(error.message.find(field), std::string::npos) << error.message;
  }
}

TEST(ChatRequestTest, NamesFieldValueAndRange) {
  const http::ApiError error = refused(chat(R"("temperature":101)"));
  EXPECT_EQ(error.param, "temperature");
  EXPECT_NE(error.message.find("101"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("[0, 100]"), std::string::npos) << error.message;
}

TEST(ChatRequestTest, RefusesValuesOutOfRangeOrType) {
  for (const std::string field : {R"("temperature":-0.1)",
                                  R"("temperature":"hot")",
                                  R"("temperature":1e999)",
                                  R"("top_p":0)",
                                  R"("top_p":1.01)",
                                  R"("top_k":-2)",
                                  R"("top_k":1.5)",
                                  R"("min_p":2)",
                                  R"("n":0)",
                                  R"("n":129)",
                                  R"("n":true)",
                                  R"("seed":1.5)",
                                  R"("seed":99999999999999999999)",
                                  R"("max_tokens":-1)",
                                  R"("max_tokens":"many")",
                                  R"("stop":1)",
                                  R"("stop":"")",
                                  R"("stop":[1])",
                                  R"("stop":["a",""])",
                                  R"("logprobs":3)",
                                  R"("top_logprobs":2)",
                                  R"("logprobs":true,"top_logprobs":21)",
                                  R"("logit_bias":[])",
                                  R"("logit_bias":{"x":1})",
                                  R"("logit_bias":{"1000":1})",
                                  R"("logit_bias":{"-1":1})",
                                  R"("logit_bias":{"1":101})",
                                  R"("logit_bias":{"1":"a"})",
                                  R"("presence_penalty":3)",
                                  R"("frequency_penalty":-3)",
                                  R"("repetition_penalty":0)",
                                  R"("stream":1)",
                                  R"("stream_options":{"include_usage":true})",
                                  R"("stream":true,"stream_options":{"include_usage":1})",
                                  R"("stream":true,"stream_options":3)",
                                  R"("ignore_eos":"no")",
                                  R"("max_tokens":2,"min_tokens":3)",
                                  R"("user":5)",
                                  R"("model":5)"}) {
    const http::ApiError error = refused(chat(field));
    EXPECT_EQ(error.status, 400) << field;
    ASSERT_FALSE(error.param.empty()) << field;
    EXPECT_NE(field.find(error.param), std::string::npos) << field << " blamed on " << error.param;
  }
}

TEST(ChatRequestTest, LimitsStops) {
  std::string stops;
  for (std::size_t i = 0; i < kStopStringsMax + 1; ++i) stops += (i ? ",\"s\"" : "\"s\"");
  EXPECT_EQ(refused(chat("\"stop\":[" + stops + "]")).param, "stop");
  EXPECT_EQ(refused(chat("\"stop\":\"" + std::string(kStopBytesMax + 1, 'a') + "\"")).param, "stop");
  good(chat("\"stop\":\"" + std::string(kStopBytesMax, 'a') + "\""));
}

TEST(ChatRequestTest, NamesTheMessageThatIsWrong) {
  const auto message = [](const std::string& one) {
    return refused(parse_chat_request("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}," + one + "]}",
                                      kVocabulary))
        .message;
  };
  EXPECT_NE(message("1").find("messages[1]"), std::string::npos);
  EXPECT_NE(message(R"({"content":"a"})").find("messages[1].role"), std::string::npos);
  EXPECT_NE(message(R"({"role":"user"})").find("messages[1].content"), std::string::npos);
  EXPECT_NE(message(R"({"role":"user","content":5})").find("messages[1].content"), std::string::npos);
  EXPECT_NE(message(R"({"role":"user","content":[{"type":"image_url"}]})").find("messages[1].content"),
            std::string::npos);
  EXPECT_NE(message(R"({"role":"assistant","content":"","tool_calls":[{}]})").find("tool_calls"),
            std::string::npos);
  EXPECT_EQ(refused(parse_chat_request("{}", kVocabulary)).param, "messages");
  EXPECT_EQ(refused(parse_chat_request(R"({"messages":[]})", kVocabulary)).param, "messages");
}

TEST(RequestBodyTest, MustBeAJsonObjectInUtf8) {
  for (const std::string_view body :
       {"", "{", "[]", "1", "null", "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":1}x", "{'a':1}",
        "{\"a\":\"\xFF\"}", "{\"a\":\"\xED\xA0\x80\"}", "{\"a\":\"\\ud800\"}"})
    EXPECT_EQ(refused(parse_tokenize_request(body)).code, "invalid_json") << body;
}

TEST(RequestBodyTest, HasLimitsOfDepthAndNumber) {
  const auto nested = [](std::size_t depth) {
    return "{\"content\":\"a\",\"x\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  good(parse_tokenize_request(nested(kJsonDepthMax - 1)));
  EXPECT_EQ(refused(parse_tokenize_request(nested(kJsonDepthMax))).code, "json_too_deep");
  EXPECT_EQ(refused(parse_tokenize_request(nested(100000))).code, "json_too_deep");
  EXPECT_EQ(refused(parse_tokenize_request("[" + std::string(kJsonValuesMax, ',') + "]")).code,
            "body_too_large");
  good(parse_tokenize_request("{\"content\":\"" + std::string(kJsonValuesMax, ',') + "\"}"));
}

TEST(CompletionRequestTest, TakesEveryShapeOfPrompt) {
  using Tokens = std::vector<TokenId>;
  EXPECT_EQ(good(completion(R"({"prompt":"a"})")).prompts, (std::vector<Prompt>{"a"}));
  EXPECT_EQ(good(completion(R"({"prompt":["a","b"]})")).prompts, (std::vector<Prompt>{"a", "b"}));
  EXPECT_EQ(good(completion(R"({"prompt":[1,2]})")).prompts, (std::vector<Prompt>{Tokens{1, 2}}));
  EXPECT_EQ(good(completion(R"({"prompt":[[1,2],[3]]})")).prompts,
            (std::vector<Prompt>{Tokens{1, 2}, Tokens{3}}));
  EXPECT_EQ(good(completion(R"({"prompt":["a",[3]]})")).prompts, (std::vector<Prompt>{"a", Tokens{3}}));
  for (const std::string_view bad :
       {R"({})", R"({"prompt":[]})", R"({"prompt":5})", R"({"prompt":[1,"a"]})", R"({"prompt":[1.5]})",
        R"({"prompt":[1000]})", R"({"prompt":[-1]})", R"({"prompt":[[]]})", R"({"prompt":[[1],2]})",
        R"({"prompt":{"a":1}})", R"({"prompt":[true]})"})
    EXPECT_EQ(refused(completion(bad)).param, "prompt") << bad;
}

TEST(CompletionRequestTest, ReadsItsOwnFields) {
  const CompletionRequest request =
      good(completion(R"({"prompt":"a","echo":true,"logprobs":0,"add_special_tokens":false})"));
  EXPECT_TRUE(request.echo);
  EXPECT_FALSE(request.add_special_tokens);
  EXPECT_TRUE(request.fields.sampling.report_logprobs) << "0 asks for the token's own";
  EXPECT_EQ(request.fields.sampling.top_logprobs, 0u);
  EXPECT_FALSE(good(completion(R"({"prompt":"a"})")).fields.sampling.report_logprobs);
  EXPECT_EQ(refused(completion(R"({"prompt":"a","logprobs":21})")).param, "logprobs");
  EXPECT_EQ(refused(completion(R"({"prompt":"a","logprobs":true})")).param, "logprobs");
  EXPECT_EQ(refused(completion(R"({"prompt":"a","suffix":"b"})")).param, "suffix");
}

TEST(TokenizeRequestTest, FollowsTheServerWhoseNameIsUsed) {
  EXPECT_FALSE(good(parse_tokenize_request(R"({"content":"a"})")).add_special);
  EXPECT_TRUE(good(parse_tokenize_request(R"({"prompt":"a"})")).add_special);
  EXPECT_TRUE(good(parse_tokenize_request(R"({"content":"a","add_special":true})")).add_special);
  EXPECT_FALSE(good(parse_tokenize_request(R"({"prompt":"a","add_special_tokens":false})")).add_special);
  EXPECT_FALSE(good(parse_tokenize_request(R"({"content":"a","parse_special":false})")).parse_special);
  EXPECT_EQ(refused(parse_tokenize_request("{}")).param, "content");
  EXPECT_EQ(refused(parse_tokenize_request(R"({"content":["a"]})")).param, "content");
}

TEST(DetokenizeRequestTest, ChecksIds) {
  EXPECT_EQ(good(parse_detokenize_request(R"({"tokens":[1,2]})", 3)).tokens, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(refused(parse_detokenize_request(R"({"tokens":[3]})", 3)).param, "tokens");
  EXPECT_EQ(refused(parse_detokenize_request(R"({"tokens":1})", 3)).param, "tokens");
  EXPECT_EQ(refused(parse_detokenize_request("{}", 3)).param, "tokens");
}

}  // namespace
}  // namespace longshore::gateway
