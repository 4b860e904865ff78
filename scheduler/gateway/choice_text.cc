#include "scheduler/gateway/choice_text.h"

#include "runtime/base/check.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace longshore::gateway {
namespace {

// Characters that begin in these bytes: those that are no UTF-8 continuation (10xxxxxx).
std::size_t characters_begun(std::string_view bytes) {
  return static_cast<std::size_t>(std::count_if(
      bytes.begin(), bytes.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

void ChoiceDelta::append(ChoiceDelta next) {
  text += next.text;
  std::move(next.tokens.begin(), next.tokens.end(), std::back_inserter(tokens));
  if (next.finish) finish = next.finish;
}

EchoedPrompt echo_prompt(const TextModel& text,
                         std::span<const TokenId> prompt,
                         std::optional<std::string_view> written) {
  std::vector<std::string_view> pieces;
  for (const TokenId token : prompt) pieces.push_back(text.token_bytes(token));
  if (written) {
    if (!prompt.empty() && text.is_control(prompt.front()) && !written->starts_with(pieces.front()))
      pieces.front() = {};
    if (!prompt.empty() && text.is_control(prompt.back()) && !written->ends_with(pieces.back()))
      pieces.back() = {};
    // SentencePiece puts a space before a text.
    const auto first =
        std::find_if(pieces.begin(), pieces.end(), [](std::string_view piece) { return !piece.empty(); });
    if (first != pieces.end() && first->starts_with(' ') && !written->starts_with(' '))
      first->remove_prefix(1);
  }
  EchoedPrompt echo;
  text::IncrementalText characters;
  std::size_t offset = 0;
  for (const std::string_view piece : pieces) {
    echo.offsets.push_back(offset);
    offset += characters_begun(piece);
    if (!written) echo.text += characters.append(piece);
  }
  if (written)
    echo.text = *written;
  else
    echo.text += characters.flush();
  return echo;
}

ChoiceText::ChoiceText(const TextModel& text, Options options)
    : text_(text), options_(std::move(options)), stop_(options_.stop) {}

ChoiceDelta ChoiceText::take(const service::GenerationEvent& event) {
  CHECK(!finished_);
  ChoiceDelta delta;
  const bool says_something = !event.prompt_scores.empty() || event.token || event.finish;
  if (options_.echo && says_something) take_echo(event, delta);
  if (event.token) take_token(event, delta);
  if (event.finish && !finished_) finish(*event.finish, delta);
  if (finished_ || !delta.text.empty()) {
    std::move(waiting_.begin(), waiting_.end(), std::back_inserter(delta.tokens));
    waiting_.clear();
  }
  return delta;
}

void ChoiceText::take_echo(const service::GenerationEvent& event, ChoiceDelta& delta) {
  const EchoedPrompt echo = std::move(*options_.echo);
  options_.echo.reset();
  delta.text = echo.text;
  offset_ = characters_begun(echo.text);
  for (std::size_t i = 0; i < options_.prompt.size(); ++i) {
    TokenReport report{.scored = {.token = options_.prompt[i], .logprob = 0, .top = {}},
                       .has_logprob = i > 0 && i - 1 < event.prompt_scores.size(),
                       .is_prompt = true,
                       .text_offset = echo.offsets[i]};
    if (report.has_logprob) report.scored = event.prompt_scores[i - 1];
    delta.tokens.push_back(std::move(report));
  }
}

bool ChoiceText::ends(const service::GenerationEvent& event) const {
  const auto end_tokens = text_.end_tokens();
  return event.finish == service::FinishReason::kStop &&
         std::find(end_tokens.begin(), end_tokens.end(), event.token->token) != end_tokens.end();
}

void ChoiceText::take_token(const service::GenerationEvent& event, ChoiceDelta& delta) {
  ++completion_tokens_;
  const TokenId token = event.token->token;
  waiting_.push_back({.scored = *event.token, .has_logprob = true, .text_offset = offset_});
  if (ends(event) || text_.is_control(token)) return;
  const std::string_view bytes = text_.token_bytes(token);
  offset_ += characters_begun(bytes);
  append(characters_.append(bytes), delta);
}

void ChoiceText::append(std::string_view characters, ChoiceDelta& delta) {
  text::StopMatcher::Output output = stop_.append(characters);
  delta.text += output.text;
  if (!output.matched) return;
  delta.finish = service::FinishReason::kStop;
  finished_ = true;
}

void ChoiceText::finish(service::FinishReason reason, ChoiceDelta& delta) {
  append(characters_.flush(), delta);
  if (finished_) return;
  delta.text += stop_.flush();
  delta.finish = reason;
  finished_ = true;
}

}  // namespace longshore::gateway
