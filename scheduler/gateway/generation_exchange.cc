#include "scheduler/gateway/generation_exchange.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace longshore::gateway {

void GenerationExchange::begin(GenerationPlan plan,
                               service::GenerationService& service,
                               const TextModel& text,
                               const Clock& clock,
                               std::shared_ptr<http::Reply> reply) {
  const std::shared_ptr<GenerationExchange> self(
      new GenerationExchange(std::move(plan), service, text, clock, std::move(reply)));
  self->reply_->post([self] { start(self); });
}

GenerationExchange::GenerationExchange(GenerationPlan plan,
                                       service::GenerationService& service,
                                       const TextModel& text,
                                       const Clock& clock,
                                       std::shared_ptr<http::Reply> reply)
    : plan_(std::move(plan)),
      service_(service),
      clock_(clock),
      started_(clock.now()),
      writer_(plan_.head, text),
      reply_(std::move(reply)),
      unfinished_(plan_.choices.size()) {
  for (GenerationPlan::Choice& choice : plan_.choices)
    choices_.emplace_back(text, std::move(choice.text), choice.prompt);
}

void GenerationExchange::start(const std::shared_ptr<GenerationExchange>& self) {
  // The reply drops its callbacks when it is over, and with them this.
  self->reply_->on_abandoned([self](http::Abandoned reason) { self->on_abandoned(reason); });
  for (std::size_t i = 0; i < self->choices_.size() && !self->over_; ++i) {
    const auto sequence = self->service_.start(
        std::move(self->plan_.choices[i].request), [self, i](const service::GenerationEvent& event) {
          self->reply_->post([self, i, event] { self->on_event(i, event); });
        });
    if (!sequence) return self->fail(http::to_api_error(sequence.error()));
    self->choices_[i].sequence = *sequence;
    self->choices_[i].running = true;
  }
  if (self->plan_.stream && !self->over_)
    self->reply_->on_idle(self->plan_.keep_alive, [self] { self->on_idle(); });
}

void GenerationExchange::on_event(std::size_t index, const service::GenerationEvent& event) {
  Choice& choice = choices_[index];
  if (event.finish || event.error) choice.running = false;
  if (over_ || choice.text.finished()) return;  // it was posted before the sequence was cancelled
  if (event.error) return fail(http::to_api_error(*event.error));

  choice.cached_tokens = std::max(choice.cached_tokens, event.cached_tokens);
  if (plan_.return_progress && plan_.stream) write_progress(index, event);
  ChoiceDelta delta = choice.text.take(event);
  if (!plan_.stream) {
    choice.whole.append(std::move(delta));
  } else if (!delta.is_empty()) {
    open_stream();
    reply_->write(sse_event(writer_.chunk(static_cast<std::uint32_t>(index), delta)));
  }
  if (!choice.text.finished()) return;
  if (std::exchange(choice.running, false)) service_.cancel(choice.sequence);  // a stop string ended it
  if (--unfinished_ == 0) complete();
}

void GenerationExchange::write_progress(std::size_t index, const service::GenerationEvent& event) {
  Choice& choice = choices_[index];
  if (event.prompt_tokens_done <= choice.prompt_tokens_done) return;
  choice.prompt_tokens_done = event.prompt_tokens_done;
  const Progress progress{
      .total = static_cast<std::uint32_t>(plan_.prompts[choice.prompt].size()),
      .cached = choice.cached_tokens,
      .processed = event.prompt_tokens_done,
      .time_ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - started_).count()};
  open_stream();
  reply_->write(sse_event(writer_.progress_chunk(static_cast<std::uint32_t>(index), progress)));
}

void GenerationExchange::open_stream() {
  if (std::exchange(streaming_, true)) return;
  // Some proxies hold back what they may cache or compress.
  reply_->begin({.status = 200,
                 .content_type = "text/event-stream; charset=utf-8",
                 .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}},
                 .body = {}});
  const bool has_first_chunk = writer_.head().api == Api::kChat || writer_.head().token_ids;
  for (std::size_t i = 0; has_first_chunk && i < choices_.size(); ++i)
    reply_->write(
        sse_event(writer_.first_chunk(static_cast<std::uint32_t>(i), plan_.prompts[choices_[i].prompt])));
}

void GenerationExchange::on_idle() {
  if (over_) return;
  open_stream();
  reply_->write(std::string(kSseKeepAlive));
}

void GenerationExchange::on_abandoned(http::Abandoned reason) {
  if (over_) return;
  if (reason == http::Abandoned::kStopping)
    return fail(
        {.status = 503, .message = "the server stops; send the request again", .code = "unavailable"});
  over_ = true;
  cancel_all();
}

void GenerationExchange::complete() {
  over_ = true;
  if (plan_.stream) {
    if (plan_.include_usage) reply_->write(sse_event(writer_.usage_chunk(usage())));
    reply_->write(std::string(kSseDone));
    return reply_->end();
  }
  std::vector<ReplyWriter::Choice> whole;
  for (Choice& choice : choices_) whole.push_back({std::move(choice.whole), plan_.prompts[choice.prompt]});
  reply_->send({.status = 200, .body = writer_.whole(whole, usage())});
}

void GenerationExchange::fail(const http::ApiError& error) {
  over_ = true;
  cancel_all();
  if (!streaming_) return reply_->send(http::error_response(error));
  reply_->write(sse_event(http::error_json(error)));
  reply_->write(std::string(kSseDone));
  reply_->end();
}

void GenerationExchange::cancel_all() {
  for (Choice& choice : choices_)
    if (std::exchange(choice.running, false)) service_.cancel(choice.sequence);
}

Usage GenerationExchange::usage() const {
  Usage usage;
  std::size_t prompts_seen = 0;  // choices of one prompt are neighbours, and its tokens count once
  for (const Choice& choice : choices_) {
    usage.completion_tokens += choice.text.completion_tokens();
    if (choice.prompt < prompts_seen) continue;
    prompts_seen = choice.prompt + 1;
    usage.prompt_tokens += plan_.prompts[choice.prompt].size();
    usage.cached_tokens += choice.cached_tokens;
  }
  return usage;
}

}  // namespace longshore::gateway
