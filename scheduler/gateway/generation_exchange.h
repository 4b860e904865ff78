#pragma once

#include "runtime/base/clock.h"
#include "scheduler/gateway/choice_text.h"
#include "scheduler/gateway/openai_reply.h"
#include "scheduler/gateway/text_model.h"
#include "scheduler/service/generation.h"
#include "transport/http/reply.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace longshore::gateway {

// A generation request, read, checked and tokenized.
struct GenerationPlan {
  struct Choice {
    std::size_t prompt = 0;  // index into prompts
    service::GenerationRequest request;
    ChoiceText::Options text;
  };
  ReplyHead head;
  std::vector<std::vector<TokenId>> prompts;
  std::vector<Choice> choices;  // at least one
  bool stream = false;
  bool include_usage = false;
  bool return_progress = false;
  Duration keep_alive{};
};

// One generation request from its start to its last byte: starts a sequence per choice, writes what they say,
// and frees them as soon as nobody listens. A failure before the first byte is an HTTP status, after it an
// error event and the end marker. Thread: the reply's I/O thread.
class GenerationExchange {
 public:
  // From any thread: posts the start. Lives until the reply is complete or abandoned. The services outlive
  // the server.
  static void begin(GenerationPlan plan,
                    service::GenerationService& service,
                    const TextModel& text,
                    const Clock& clock,
                    std::shared_ptr<http::Reply> reply);

 private:
  struct Choice {
    Choice(const TextModel& model, ChoiceText::Options options, std::size_t prompt_index)
        : text(model, std::move(options)), prompt(prompt_index) {}
    ChoiceText text;
    std::size_t prompt;
    SequenceId sequence;
    bool running = false;  // the service knows it
    ChoiceDelta whole;     // of an answer that is not streamed
    std::uint32_t cached_tokens = 0;
    std::uint32_t prompt_tokens_done = 0;
  };

  GenerationExchange(GenerationPlan plan,
                     service::GenerationService& service,
                     const TextModel& text,
                     const Clock& clock,
                     std::shared_ptr<http::Reply> reply);
  static void start(const std::shared_ptr<GenerationExchange>& self);

  void on_event(std::size_t index, const service::GenerationEvent& event);
  void on_abandoned(http::Abandoned reason);
  void on_idle();
  void open_stream();
  void write_progress(std::size_t index, const service::GenerationEvent& event);
  void complete();
  void fail(const http::ApiError& error);
  void cancel_all();
  Usage usage() const;

  GenerationPlan plan_;
  service::GenerationService& service_;
  const Clock& clock_;
  const TimePoint started_;
  ReplyWriter writer_;
  std::shared_ptr<http::Reply> reply_;
  std::vector<Choice> choices_;
  std::size_t unfinished_ = 0;
  bool streaming_ = false;  // the status has been sent
  bool over_ = false;
};

}  // namespace longshore::gateway
