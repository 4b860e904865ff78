#pragma once

#include "runtime/base/ids.h"
#include "runtime/plan/step_outcome.h"
#include "runtime/text/incremental_text.h"
#include "runtime/text/stop_matcher.h"
#include "scheduler/gateway/text_model.h"
#include "scheduler/service/generation.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::gateway {

// A token and what a reply may say about it.
struct TokenReport {
  ScoredToken scored;
  bool has_logprob = true;      // false for the first token of a prompt: nothing came before it
  bool is_prompt = false;       // given back by echo
  std::size_t text_offset = 0;  // characters of the reply's text that begin before the token
};

// The next part of one choice.
struct ChoiceDelta {
  std::string text = {};
  std::vector<TokenReport> tokens = {};  // whose text has been given out, or never will be
  std::optional<service::FinishReason> finish = {};

  bool is_empty() const { return text.empty() && tokens.empty() && !finish; }
  void append(ChoiceDelta next);
};

// A prompt as `echo` gives it back.
struct EchoedPrompt {
  std::string text;
  std::vector<std::size_t> offsets;  // of each token, as TokenReport::text_offset
};

// `written` is the text that was tokenized, or nothing where the request had ids: then the text is that of
// the ids, with control tokens by name. Control tokens that tokenizing put around `written` have no width.
EchoedPrompt echo_prompt(const TextModel& text,
                         std::span<const TokenId> prompt,
                         std::optional<std::string_view> written);

// Turns the events of one sequence into text that may be sent: whole characters, ended by the first stop
// string. Tokens wait for their text, so that a client never sees log-probabilities of text that a stop
// string takes back. Control tokens and the end token are tokens of the choice but not part of its text. One
// thread.
class ChoiceText {
 public:
  struct Options {
    std::vector<std::string> stop = {};
    std::vector<TokenId> prompt = {};  // reported before the first token where `echo` is there
    std::optional<EchoedPrompt> echo = {};
  };

  // `text` outlives this.
  ChoiceText(const TextModel& text, Options options);

  // Requires: not finished, event.error is empty.
  ChoiceDelta take(const service::GenerationEvent& event);

  bool finished() const { return finished_; }
  std::uint32_t completion_tokens() const { return completion_tokens_; }

 private:
  void take_echo(const service::GenerationEvent& event, ChoiceDelta& delta);
  void take_token(const service::GenerationEvent& event, ChoiceDelta& delta);
  void append(std::string_view bytes, ChoiceDelta& delta);
  void finish(service::FinishReason reason, ChoiceDelta& delta);
  bool ends(const service::GenerationEvent& event) const;

  const TextModel& text_;
  Options options_;
  text::IncrementalText characters_;
  text::StopMatcher stop_;
  std::vector<TokenReport> waiting_;  // tokens whose text is held back
  std::size_t offset_ = 0;            // of the next token
  std::uint32_t completion_tokens_ = 0;
  bool finished_ = false;
};

}  // namespace longshore::gateway
