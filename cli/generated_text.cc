#include "cli/generated_text.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/text/incremental_text.h"

namespace longshore::cli {
namespace {

// Events cross from the step thread to the caller's.
struct Mailbox {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<service::GenerationEvent> events;
};

}  // namespace

Result<GeneratedText> generate(LocalService& local, std::vector<TokenId> prompt, std::uint32_t max_tokens,
                               const SamplingParams& sampling, const HeadPlan& heads, const std::atomic<bool>& stop,
                               const std::function<void(std::string_view)>& on_text) {
  const text::Tokenizer& tokenizer = *local.model().tokenizer;
  const TimePoint begin = local.clock().now();
  const auto elapsed = [&] { return std::chrono::duration<double>(local.clock().now() - begin).count(); };
  service::GenerationRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling = sampling;
  request.heads = heads;
  request.sampling.end_tokens.assign(tokenizer.end_tokens().begin(), tokenizer.end_tokens().end());
  const auto mailbox = std::make_shared<Mailbox>();
  const Result<SequenceId> sequence =
      local.loop().start(std::move(request), [mailbox](const service::GenerationEvent& event) {
        std::lock_guard lock(mailbox->mutex);
        mailbox->events.push_back(event);
        mailbox->changed.notify_one();
      });
  if (!sequence) return sequence.error();

  GeneratedText result;
  text::IncrementalText characters;
  const auto give = [&](const std::string& piece) {
    if (piece.empty()) return;
    result.text += piece;
    on_text(piece);
  };
  for (;;) {
    std::optional<service::GenerationEvent> event;
    {
      std::unique_lock lock(mailbox->mutex);
      mailbox->changed.wait_for(lock, std::chrono::milliseconds(50), [&] { return !mailbox->events.empty(); });
      if (!mailbox->events.empty()) {
        event = std::move(mailbox->events.front());
        mailbox->events.pop_front();
      }
    }
    if (stop.load()) {
      local.loop().cancel(*sequence);
      result.interrupted = true;
      break;
    }
    if (!event) continue;
    if (event->error) return *event->error;
    if (event->token) {
      if (result.tokens++ == 0) result.first_token_seconds = elapsed();
      if (!tokenizer.is_control(event->token->token)) give(characters.append(tokenizer.piece(event->token->token)));
    }
    if (event->finish) break;
  }
  give(characters.flush());
  result.seconds = elapsed();
  return result;
}

}  // namespace longshore::cli
