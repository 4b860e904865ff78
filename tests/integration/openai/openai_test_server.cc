// The gateway on a real socket over a model that needs no weights: tokens are bytes, and the prompt says what
// happens. For tests/integration/openai/client_test.py. Prints "ready PORT", serves until its standard input
// ends.
//
// Words in a prompt: "say:TEXT;" answers TEXT and the end token, "slow" waits 2 ms before each token,
// "forever" never ends by itself (5000 tokens a second), "prefill" reports progress for 400 ms before its
// first token, "fail-early" and "fail-late" end with an error before or after two tokens, "full" is refused
// as by a full queue. Anything else is answered with "Hello, world!".

#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "scheduler/gateway/gateway.h"
#include "tests/support/byte_text_model.h"
#include "transport/http/http_server.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace longshore {
namespace {

using namespace std::chrono_literals;
using service::FinishReason;
using service::GenerationEvent;
using testing::ByteTextModel;

constexpr std::uint32_t kContextTokens = 1u << 20;
constexpr std::uint32_t kPrefillReports = 8;

// One thread steps all sequences, one token each, as a step loop does.
class PromptedGeneration final : public service::GenerationService {
 public:
  explicit PromptedGeneration(const ByteTextModel& text) : text_(text), thread_([this] { run(); }) {}
  ~PromptedGeneration() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  Result<SequenceId> start(service::GenerationRequest request,
                           service::GenerationCallback on_event) override {
    const std::string prompt = text_.decode(request.prompt);
    if (prompt.find("full") != std::string::npos)
      return make_error(ErrorCode::kResourceExhausted, "the queue has its 4 requests; retry");
    Sequence sequence{.request = std::move(request), .on_event = std::move(on_event)};
    sequence.script = script(prompt);
    sequence.forever = prompt.find("forever") != std::string::npos;
    sequence.fail_at = prompt.find("fail-early") != std::string::npos  ? 0
                       : prompt.find("fail-late") != std::string::npos ? 2
                                                                       : -1;
    sequence.reports_left = prompt.find("prefill") != std::string::npos ? kPrefillReports : 0;
    if (sequence.forever) sequence.pause = 200us;
    if (prompt.find("slow") != std::string::npos) sequence.pause = 2ms;
    if (sequence.reports_left > 0) sequence.pause = 50ms;
    const std::scoped_lock lock(mutex_);
    sequences_.emplace(++last_, std::move(sequence));
    changed_.notify_all();
    return SequenceId{last_};
  }
  void cancel(SequenceId sequence) override {
    const std::scoped_lock lock(mutex_);
    cancelled_ += sequences_.erase(sequence.value);
  }
  service::GenerationLoad load() const override {
    const std::scoped_lock lock(mutex_);
    return {.running = static_cast<std::uint32_t>(sequences_.size()), .waiting = 0, .kv_used = 0};
  }
  std::uint32_t context_tokens_max() const override { return kContextTokens; }
  std::uint64_t cancelled() const {
    const std::scoped_lock lock(mutex_);
    return cancelled_;
  }

 private:
  struct Sequence {
    service::GenerationRequest request;
    service::GenerationCallback on_event;
    std::vector<TokenId> script = {};
    bool forever = false;
    int fail_at = -1;
    std::uint32_t reports_left = 0;
    std::chrono::microseconds pause{};
    std::size_t produced = 0;
    bool scored = false;
  };

  std::vector<TokenId> script(const std::string& prompt) const {
    const auto begin = prompt.rfind("say:");
    const auto end = begin == std::string::npos ? begin : prompt.find(';', begin);
    const std::string text =
        end == std::string::npos ? "Hello, world!" : prompt.substr(begin + 4, end - begin - 4);
    auto tokens = *text_.tokenize(text, false, false);
    tokens.push_back(ByteTextModel::kEnd);
    return tokens;
  }

  // Events are sent under the lock, so that none comes after cancel has returned.
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (sequences_.empty()) {
        changed_.wait(lock);
        continue;
      }
      std::chrono::microseconds pause{};
      for (auto at = sequences_.begin(); at != sequences_.end();) {
        pause = std::max(pause, at->second.pause);
        at = step(at->second) ? std::next(at) : sequences_.erase(at);
      }
      if (pause > 0us) changed_.wait_for(lock, pause, [&] { return stopping_; });
    }
  }

  // One event; false when the sequence is over.
  static bool step(Sequence& sequence) {
    GenerationEvent event;
    const auto prompt_tokens = static_cast<std::uint32_t>(sequence.request.prompt.size());
    if (sequence.reports_left > 0) {
      --sequence.reports_left;
      event.prompt_tokens_done = prompt_tokens * (kPrefillReports - sequence.reports_left) / kPrefillReports;
      sequence.on_event(event);
      return true;
    }
    event.prompt_tokens_done = prompt_tokens;
    if (sequence.fail_at == static_cast<int>(sequence.produced)) {
      event.error = make_error(ErrorCode::kDataLoss, "attention-1 lost its KV");
      sequence.on_event(event);
      return false;
    }
    if (sequence.request.score_prompt && !std::exchange(sequence.scored, true))
      for (std::size_t i = 1; i < sequence.request.prompt.size(); ++i)
        event.prompt_scores.push_back(scored(sequence.request.prompt[i], sequence.request));
    if (sequence.produced < sequence.request.max_tokens) event.token = next_token(sequence);
    const bool at_end = event.token && event.token->token == ByteTextModel::kEnd;
    if (at_end && !sequence.request.sampling.ignore_eos)
      event.finish = FinishReason::kStop;
    else if (sequence.produced >= sequence.request.max_tokens)
      event.finish = FinishReason::kLength;
    sequence.on_event(event);
    return !event.finish;
  }

  static ScoredToken next_token(Sequence& sequence) {
    const std::size_t i = sequence.produced++;
    if (sequence.forever) return scored('x', sequence.request);
    return scored(sequence.script[std::min(i, sequence.script.size() - 1)], sequence.request);
  }

  static ScoredToken scored(TokenId token, const service::GenerationRequest& request) {
    ScoredToken scored{.token = token, .logprob = -0.25f, .top = {}};
    for (std::uint32_t i = 0; i < request.sampling.top_logprobs; ++i)
      scored.top.push_back({(token + static_cast<TokenId>(i)) % 258, -0.25f - static_cast<float>(i)});
    return scored;
  }

  const ByteTextModel& text_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::uint64_t last_ = 0;
  std::uint64_t cancelled_ = 0;
  std::map<std::uint64_t, Sequence> sequences_;
  std::thread thread_;
};

int run() {
  log::start("openai-test", "warn");
  const ByteTextModel text;
  Metrics metrics;
  const SystemClock clock;
  PromptedGeneration generation(text);
  std::atomic<std::uint64_t> draws{0};
  auto gateway = gateway::Gateway::create({.model = "tiny",
                                           .version = "test",
                                           .numerics = "n0",
                                           .model_sha256 = "feedfacefeedface",
                                           .keep_alive = 100ms},
                                          {.service = generation,
                                           .text = text,
                                           .metrics = metrics,
                                           .clock = clock,
                                           .random = [&draws] { return mix64(++draws); },
                                           .unix_seconds = [] { return std::int64_t{1700000000}; },
                                           .resolve_preset = [](const PresetChoice&) { return Result<HeadPlan>(HeadPlan{}); },
                                           .ready = [] { return Result<void>(); }});
  if (!gateway) return std::cerr << gateway.error().to_string() << '\n', EXIT_FAILURE;

  std::vector<http::Route> routes = (*gateway)->routes();
  routes.push_back({"GET", "/test/cancelled", http::respond([&generation](const http::Request&) {
                      return http::Response{.body = std::to_string(generation.cancelled())};
                    })});
  auto server = http::HttpServer::create({.port = 0,
                                          .connections_max = 64,
                                          .stream_bytes_max = 64u << 10,
                                          .header_timeout = 1s,
                                          .body_timeout = 2s,
                                          .write_timeout = 5s},
                                         std::move(routes), metrics);
  if (!server) return std::cerr << server.error().to_string() << '\n', EXIT_FAILURE;

  std::cout << "ready " << (*server)->port() << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    if (line == "drain") (*gateway)->drain();
  (*gateway)->drain();
  (*server)->stop(2s);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace longshore

int main() { return longshore::run(); }
