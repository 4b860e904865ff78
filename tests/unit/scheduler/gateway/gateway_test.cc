#include "scheduler/gateway/gateway.h"

#include "scheduler/gateway/openai_request.h"
#include "tests/support/byte_text_model.h"
#include "tests/support/recorded_reply.h"
#include "tests/support/scripted_generation.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace longshore::gateway {
namespace {

namespace json = boost::json;
using service::FinishReason;
using testing::ByteTextModel;
using testing::RecordedReply;
using testing::ScriptedGeneration;

// Knows a preset "window".
Result<HeadPlan> resolve_preset(const PresetChoice& choice) {
  if (choice.preset.empty()) return HeadPlan{};
  if (choice.preset != "window") return make_error(ErrorCode::kNotFound, "there is no preset \"", choice.preset, "\" here");
  const auto window = choice.parameters.find("window");
  return HeadPlan{{{4, window == choice.parameters.end() ? 1024 : window->second}}};
}

// A gateway over a service that answers when the test says so.
class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest() {
    auto created = Gateway::create({.model = "tiny",
                                    .aliases = {"gpt"},
                                    .version = "1",
                                    .numerics = "n1",
                                    .model_sha256 = "0123456789abcdef",
                                    .created = 3,
                                    .choices_max = 4},
                                   {.service = service_,
                                    .text = text_,
                                    .metrics = metrics_,
                                    .clock = clock_,
                                    .random = [this] { return ++random_ << 11; },
                                    .unix_seconds = [] { return 1700000000; },
                                    .resolve_preset = resolve_preset,
                                    .ready = [this] { return ready_; }});
    gateway_ = std::move(*created);
  }
  // As a server that stops: what still runs lets go of its reply.
  ~GatewayTest() override {
    for (const auto& reply : replies_)
      if (!reply->over()) reply->abandon(http::Abandoned::kClientLeft);
  }
  std::shared_ptr<RecordedReply> request(std::string method, std::string path, std::string body = {}) {
    auto reply = std::make_shared<RecordedReply>();
    replies_.push_back(reply);
    for (const http::Route& route : gateway_->routes())
      if (route.method == method && route.path == path)
        route.handler({.method = method, .path = path, .body = std::move(body)}, reply);
    return reply;
  }
  std::shared_ptr<RecordedReply> chat(const std::string& more = {}) {
    return request("POST", "/v1/chat/completions",
                   R"({"messages":[{"role":"user","content":"q"}])" + more + "}");
  }
  std::shared_ptr<RecordedReply> complete(const std::string& fields) {
    return request("POST", "/v1/completions", "{" + fields + "}");
  }
  static json::value body(const std::shared_ptr<RecordedReply>& reply) {
    return reply->sent ? json::parse(reply->sent->body) : json::value();
  }
  static std::string error_code(const std::shared_ptr<RecordedReply>& reply) {
    return std::string(body(reply).at("error").at("code").as_string());
  }
  static std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
  }

  ByteTextModel text_;
  ScriptedGeneration service_;
  Metrics metrics_;
  ManualClock clock_;
  std::uint64_t random_ = 0;
  std::vector<std::shared_ptr<RecordedReply>> replies_;
  Result<void> ready_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(GatewayTest, AnswersAChat) {
  const auto reply = chat(R"(,"max_tokens":5)");
  ASSERT_EQ(service_.requests.size(), 1u);
  EXPECT_EQ(text_.decode(service_.requests[0].prompt), "<s>user:q\n");
  EXPECT_EQ(service_.requests[0].max_tokens, 5u);
  EXPECT_EQ(service_.requests[0].sampling.end_tokens, std::vector<TokenId>{ByteTextModel::kEnd});
  service_.emit_token(0, 'h');
  EXPECT_FALSE(reply->sent);
  service_.emit_token(0, 'i');
  service_.emit_token(0, ByteTextModel::kEnd, FinishReason::kStop);
  const json::value answer = body(reply);
  EXPECT_EQ(answer.at("choices").at(0).at("message").at("content"), "hi");
  EXPECT_EQ(answer.at("choices").at(0).at("finish_reason"), "stop");
  EXPECT_EQ(answer.at("usage").at("prompt_tokens"), 8);
  EXPECT_EQ(answer.at("usage").at("completion_tokens"), 3);
  EXPECT_EQ(answer.at("system_fingerprint"), "longshore-n1-0123456789ab");
  EXPECT_FALSE(reply->holds_callbacks());
  EXPECT_TRUE(service_.cancelled.empty());
}

TEST_F(GatewayTest, ChoosesAMissingSeedAndSaysWhich) {
  const auto chosen = chat();
  service_.emit_token(0, 'a', FinishReason::kLength);
  EXPECT_EQ(body(chosen).at("seed").as_int64(),
            static_cast<std::int64_t>(service_.requests[0].sampling.seed));
  const auto given = chat(R"(,"seed":-7)");
  service_.emit_token(1, 'a', FinishReason::kLength);
  EXPECT_EQ(body(given).at("seed"), -7);
  EXPECT_EQ(service_.requests[1].sampling.seed, static_cast<std::uint64_t>(-7));
}

TEST_F(GatewayTest, StreamsRoleContentFinishUsageDone) {
  const auto reply = chat(R"(,"stream":true,"stream_options":{"include_usage":true})");
  EXPECT_FALSE(reply->begun) << "an error could still be a status";
  service_.emit_token(0, 'h');
  ASSERT_TRUE(reply->begun);
  EXPECT_EQ(reply->begun->status, 200);
  EXPECT_EQ(reply->begun->content_type, "text/event-stream; charset=utf-8");
  service_.emit_token(0, 'i', FinishReason::kLength);
  EXPECT_TRUE(reply->ended);
  const auto role = reply->stream.find(R"("role":"assistant")"),
             first = reply->stream.find(R"("content":"h")");
  const auto finish = reply->stream.find(R"("finish_reason":"length")"),
             usage = reply->stream.find(R"("total_tokens":10)");
  EXPECT_TRUE(role < first && first < finish && finish < usage) << reply->stream;
  EXPECT_TRUE(reply->stream.ends_with("\n\ndata: [DONE]\n\n"));
  EXPECT_EQ(count(reply->stream, "data: "), 5u);
}

TEST_F(GatewayTest, GivesEachChoiceItsIndexAndDraws) {
  const auto reply = chat(R"(,"n":2,"stream":true)");
  ASSERT_EQ(service_.requests.size(), 2u);
  EXPECT_EQ(service_.requests[0].sampling.choice, 0u);
  EXPECT_EQ(service_.requests[1].sampling.choice, 1u);
  EXPECT_EQ(service_.requests[0].sampling.seed, service_.requests[1].sampling.seed);
  service_.emit_token(1, 'b', FinishReason::kLength);
  EXPECT_FALSE(reply->ended);
  service_.emit_token(0, 'a', FinishReason::kLength);
  EXPECT_TRUE(reply->ended);
  EXPECT_EQ(count(reply->stream, "[DONE]"), 1u);
}

TEST_F(GatewayTest, AStopStringEndsTheSequence) {
  const auto reply = chat(R"(,"stop":"END")");
  for (const char byte : std::string_view("aEND")) service_.emit_token(0, byte);
  EXPECT_EQ(body(reply).at("choices").at(0).at("message").at("content"), "a");
  EXPECT_EQ(body(reply).at("choices").at(0).at("finish_reason"), "stop");
  EXPECT_EQ(service_.cancelled, std::set<std::uint64_t>{0});
}

TEST_F(GatewayTest, AClientThatLeavesFreesAllItsSequences) {
  for (const std::string more : {R"(,"n":2)", R"(,"n":2,"stream":true)"}) {
    service_.cancelled.clear();
    const std::size_t before = service_.requests.size();
    const auto reply = chat(more);
    service_.emit_token(before, 'a');
    reply->abandon(http::Abandoned::kClientLeft);
    EXPECT_EQ(service_.cancelled, (std::set<std::uint64_t>{before, before + 1}));
  }
}

TEST_F(GatewayTest, AnErrorBeforeTheFirstByteIsAStatus) {
  const auto reply = chat(R"(,"stream":true,"n":2)");
  service_.emit_error(1, make_error(ErrorCode::kDataLoss, "attention-1 lost its KV"));
  ASSERT_TRUE(reply->sent);
  EXPECT_EQ(reply->sent->status, 500);
  EXPECT_EQ(error_code(reply), "data_loss");
  EXPECT_EQ(service_.cancelled, std::set<std::uint64_t>{0});
}

TEST_F(GatewayTest, AnErrorAfterTheFirstByteIsAnEventAndTheEndMarker) {
  const auto reply = chat(R"(,"stream":true)");
  service_.emit_token(0, 'a');
  service_.emit_error(0, make_error(ErrorCode::kDataLoss, "attention-1 lost its KV"));
  EXPECT_TRUE(reply->stream.ends_with(
      "data: {\"error\":{\"message\":\"attention-1 lost its KV\",\"type\":\"server_error\",\"param\":null,"
      "\"code\":\"data_loss\"}}\n\ndata: [DONE]\n\n"))
      << reply->stream;
  EXPECT_TRUE(reply->ended);
}

TEST_F(GatewayTest, AFullQueueIs429AndLeavesNothingRunning) {
  service_.refusal = make_error(ErrorCode::kResourceExhausted, "the queue has its 256 requests");
  service_.refuse_after = 1;
  const auto reply = chat(R"(,"n":2,"stream":true)");
  ASSERT_TRUE(reply->sent);
  EXPECT_EQ(reply->sent->status, 429);
  EXPECT_EQ(reply->sent->headers, (http::Headers{{"Retry-After", "1"}}));
  EXPECT_EQ(service_.cancelled, std::set<std::uint64_t>{0});
}

TEST_F(GatewayTest, SilenceIsFilledWithComments) {
  const auto reply = chat(R"(,"stream":true)");
  reply->idle();
  EXPECT_TRUE(reply->begun);
  EXPECT_TRUE(reply->stream.ends_with("\n\n: keep-alive\n\n"));
  service_.emit_error(0, make_error(ErrorCode::kInternal, "x"));
  EXPECT_TRUE(reply->stream.ends_with("data: [DONE]\n\n")) << "no status can be sent any more";
}

TEST_F(GatewayTest, ProgressIsReportedWhereItIsWanted) {
  service::GenerationEvent event;
  event.prompt_tokens_done = 4;
  event.cached_tokens = 2;
  const auto wanted = chat(R"(,"stream":true,"return_progress":true)"), other = chat(R"(,"stream":true)");
  clock_.advance(std::chrono::milliseconds(30));
  service_.emit(0, event);
  service_.emit(1, event);
  EXPECT_NE(wanted->stream.find(R"("prompt_progress":{"total":8,"cache":2,"processed":4,"time_ms":30})"),
            std::string::npos)
      << wanted->stream;
  EXPECT_FALSE(other->begun);
  for (const std::size_t choice : {0u, 1u}) service_.emit_token(choice, 'a', FinishReason::kLength);
}

TEST_F(GatewayTest, AServerThatStopsSaysSo) {
  const auto waiting = chat(), streaming = chat(R"(,"stream":true)");
  service_.emit_token(1, 'a');
  waiting->abandon(http::Abandoned::kStopping);
  streaming->abandon(http::Abandoned::kStopping);
  EXPECT_EQ(waiting->sent->status, 503);
  EXPECT_TRUE(streaming->stream.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(service_.cancelled, (std::set<std::uint64_t>{0, 1}));
}

TEST_F(GatewayTest, CompletesTextsAndIds) {
  const auto reply = complete(R"("prompt":["ab",[99]],"n":2,"return_token_ids":true)");
  ASSERT_EQ(service_.requests.size(), 4u);
  EXPECT_EQ(service_.requests[0].max_tokens, 16u);
  EXPECT_EQ(text_.decode(service_.requests[1].prompt), "<s>ab");
  EXPECT_EQ(text_.decode(service_.requests[3].prompt), "c") << "ids are taken as they are";
  for (std::uint64_t i = 0; i < 4; ++i)
    service_.emit_token(i, static_cast<TokenId>('0' + i), FinishReason::kLength);
  const json::value answer = body(reply);
  EXPECT_EQ(answer.at("choices").at(3).at("text"), "3");
  EXPECT_EQ(answer.at("choices").at(3).at("prompt_token_ids"), json::value({99}));
  EXPECT_EQ(answer.at("choices").at(0).at("token_ids"), json::value({48}));
  EXPECT_EQ(answer.at("usage").at("prompt_tokens"), 4) << "a prompt counts once, whatever n is";
  EXPECT_EQ(answer.at("usage").at("completion_tokens"), 4);
}

TEST_F(GatewayTest, EchoScoresThePrompt) {
  const auto reply = complete(R"("prompt":[97,98],"echo":true,"logprobs":1,"max_tokens":0)");
  ASSERT_EQ(service_.requests.size(), 1u);
  EXPECT_TRUE(service_.requests[0].score_prompt);
  EXPECT_EQ(service_.requests[0].max_tokens, 0u);
  service::GenerationEvent event;
  event.prompt_scores = {{.token = 'b', .logprob = -0.75f, .top = {{'c', -0.25f}}}};
  event.finish = FinishReason::kLength;
  service_.emit(0, event);
  const json::value choice = body(reply).at("choices").at(0);
  EXPECT_EQ(choice.at("text"), "ab");
  EXPECT_EQ(json::serialize(choice.at("logprobs").at("tokens")), R"(["a","b"])");
  EXPECT_TRUE(choice.at("logprobs").at("token_logprobs").at(0).is_null());
  EXPECT_EQ(choice.at("logprobs").at("token_logprobs").at(1), -0.75);
  EXPECT_EQ(json::serialize(choice.at("logprobs").at("text_offset")), "[0,1]");
}

TEST_F(GatewayTest, RefusesWhatTheModelCannotDo) {
  const auto status = [](const std::shared_ptr<RecordedReply>& reply) {
    return reply->sent ? reply->sent->status : 0;
  };
  EXPECT_EQ(status(chat(R"(,"model":"other")")), 404);
  EXPECT_EQ(error_code(chat(R"(,"model":"other")")), "model_not_found");
  EXPECT_EQ(status(chat(R"(,"max_tokens":93)")), 400);
  EXPECT_EQ(error_code(chat(R"(,"max_tokens":93)")), "context_length_exceeded");
  EXPECT_EQ(error_code(complete("\"prompt\":\"" + std::string(200, 'a') + "\"")), "context_length_exceeded");
  EXPECT_EQ(error_code(complete(R"("prompt":["a","b","c"],"n":2)")), "too_many_choices");
  EXPECT_EQ(error_code(complete(R"("prompt":"","add_special_tokens":false)")), "invalid_argument");
  text_.has_template = false;
  EXPECT_EQ(status(chat()), 400);
  EXPECT_EQ(error_code(chat()), "failed_precondition");
  EXPECT_TRUE(service_.requests.empty());
}

TEST_F(GatewayTest, TakesTheAttentionThatARequestAsksFor) {
  chat();
  EXPECT_TRUE(service_.requests[0].heads.sees_all());
  chat(R"(,"attention":{"preset":"window","window":2048})");
  EXPECT_EQ(service_.requests[1].heads, (HeadPlan{{{4, 2048}}}));
  complete(R"("prompt":"a","attention":{"preset":"window"})");
  EXPECT_EQ(service_.requests[2].heads, (HeadPlan{{{4, 1024}}}));
  for (const char* wrong : {R"(,"attention":{"preset":"other"})", R"(,"attention":{"window":1})", R"(,"attention":"window")",
                            R"(,"attention":{"preset":"window","window":-1})",
                            R"(,"attention":{"preset":"window","window":"many"})"}) {
    const auto reply = chat(wrong);
    ASSERT_TRUE(reply->sent) << wrong;
    EXPECT_EQ(reply->sent->status, 400) << wrong;
    EXPECT_EQ(body(reply).at("error").at("param"), "attention") << wrong;
  }
  EXPECT_EQ(service_.requests.size(), 3u);
}

TEST_F(GatewayTest, TakesAliasesAndTheWholeContext) {
  const auto reply = chat(R"(,"model":"gpt","max_tokens":92)");
  service_.emit_token(0, 'a', FinishReason::kLength);
  EXPECT_EQ(body(reply).at("model"), "gpt");
  chat();
  EXPECT_EQ(service_.requests[1].max_tokens, 92u) << "chat may use what the context leaves";
}

TEST_F(GatewayTest, ListsItsModels) {
  const json::value models = body(request("GET", "/v1/models"));
  EXPECT_EQ(models.at("data").at(0).at("id"), "tiny");
  EXPECT_EQ(models.at("data").at(1).at("id"), "gpt");
  EXPECT_EQ(models.at("data").at(0).at("max_model_len"), 100);
  EXPECT_EQ(body(request("GET", "/v1/models/gpt")).at("id"), "gpt");
}

TEST_F(GatewayTest, TokenizesAndBack) {
  EXPECT_EQ(json::serialize(body(request("POST", "/tokenize", R"({"content":"<s>a"})")).at("tokens")),
            "[256,97]");
  EXPECT_EQ(
      json::serialize(
          body(request("POST", "/tokenize", R"({"content":"<s>","parse_special":false})")).at("tokens")),
      "[60,115,62]");
  EXPECT_EQ(body(request("POST", "/tokenize", R"({"prompt":"a"})")).at("count"), 2);
  EXPECT_EQ(body(request("POST", "/detokenize", R"({"tokens":[104,105,255]})")).at("content"),
            "hi\xEF\xBF\xBD");
  EXPECT_EQ(request("POST", "/detokenize", R"({"tokens":[258]})")->sent->status, 400);
}

TEST_F(GatewayTest, DrainsByRefusingWhatIsNew) {
  const auto running = chat();
  EXPECT_EQ(request("GET", "/readyz")->sent->status, 200);
  clock_.advance(std::chrono::seconds(6));
  gateway_->drain();
  EXPECT_EQ(chat()->sent->status, 503);
  EXPECT_EQ(error_code(chat()), "draining");
  EXPECT_EQ(request("GET", "/readyz")->sent->status, 503);
  EXPECT_EQ(request("GET", "/livez")->sent->status, 200);
  service_.emit_token(0, 'a', FinishReason::kLength);
  EXPECT_EQ(running->sent->status, 200) << "what runs goes on";
}

TEST_F(GatewayTest, SaysHowLoadedItIs) {
  chat();
  EXPECT_EQ(body(request("GET", "/load")).at("server_load"), 1);
}

TEST_F(GatewayTest, DescribesExactlyItsRoutes) {
  const json::value document = body(request("GET", "/openapi.json"));
  std::set<std::string> described, served;
  for (const auto& [path, methods] : document.at("paths").as_object())
    for (const auto& [method, operation] : methods.as_object())
      described.insert(std::string(method) + " " + std::string(path));
  for (const http::Route& route : gateway_->routes()) {
    std::string method = route.method == "GET" ? "get" : "post";
    served.insert(method + " " + (route.path.starts_with("/v1/models/") ? "/v1/models/{model}" : route.path));
  }
  EXPECT_EQ(described, served);
}

TEST_F(GatewayTest, DocumentsTheLimitsItHas) {
  const json::value document = body(request("GET", "/openapi.json"));
  const json::value& fields = document.at("components").at("schemas").at("Generation").at("properties");
  EXPECT_EQ(fields.at("stop").at("oneOf").at(1).at("maxItems"), kStopStringsMax);
  EXPECT_EQ(document.at("components")
                .at("schemas")
                .at("ChatRequest")
                .at("allOf")
                .at(1)
                .at("properties")
                .at("messages")
                .at("maxItems"),
            kMessagesMax);
}

TEST_F(GatewayTest, NeedsAName) {
  const auto nameless = Gateway::create({}, {.service = service_,
                                             .text = text_,
                                             .metrics = metrics_,
                                             .clock = clock_,
                                             .random = {},
                                             .unix_seconds = {},
                                             .resolve_preset = {},
                                             .ready = {}});
  EXPECT_FALSE(nameless);
}

}  // namespace
}  // namespace longshore::gateway
