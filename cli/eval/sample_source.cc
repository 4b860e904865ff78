#include "cli/eval/sample_source.h"

#include <algorithm>
#include <utility>

#include "cli/eval/induction_prompt.h"
#include "cli/eval/prose.h"
#include "cli/eval/retrieval_prompt.h"

namespace longshore::cli::eval {

Result<SampleSource> SampleSource::create(const text::Tokenizer& tokenizer, SampleOptions options,
                                          const std::vector<Task>& tasks) {
  if (options.context < kContextMin)
    return make_error(ErrorCode::kInvalidArgument, "--context is ", options.context, "; it must be at least ", kContextMin);
  SampleSource source(tokenizer, std::move(options));
  const SampleOptions& given = source.options_;
  for (const Task task : tasks) {
    if (task == Task::kText && given.text) {
      Result<std::vector<TokenId>> tokens = tokenizer.encode(*given.text, {.add_special = false});
      if (!tokens) return make_error(tokens.error().code, "--text: ", tokens.error().message);
      if (tokens->size() < source.tokens_of_window())
        return make_error(ErrorCode::kInvalidArgument, "--text holds ", tokens->size(), " tokens; one window has ",
                          source.tokens_of_window(), ": give a longer text or a smaller --context");
      source.text_ = std::move(*tokens);
    }
    if (has_answers(task) && task != Task::kInduction && !source.encoder_) {
      Result<PromptEncoder> encoder = PromptEncoder::create(tokenizer, given.chat_template);
      if (!encoder) return encoder.error();
      source.encoder_.emplace(std::move(*encoder));
    }
  }
  return source;
}

std::optional<std::uint32_t> SampleSource::windows() const {
  if (text_.empty()) return std::nullopt;
  return static_cast<std::uint32_t>(text_.size() / tokens_of_window());
}

Result<std::vector<TokenId>> SampleSource::window(std::uint32_t index) const {
  const std::size_t count = tokens_of_window();
  std::vector<TokenId> window;
  if (begin()) window.push_back(*begin());
  if (!text_.empty()) {
    const auto first = text_.begin() + static_cast<std::ptrdiff_t>(index * count);
    window.insert(window.end(), first, first + static_cast<std::ptrdiff_t>(count));
    return window;
  }
  constexpr std::size_t kBytesOfToken = 6;  // more than a token of English has; a vocabulary of words may need another round
  for (std::size_t bytes = kBytesOfToken * count;; bytes *= 2) {
    const Result<std::vector<TokenId>> tokens =
        tokenizer_.encode(Prose(options_.seed, random_stream(Task::kText, index)).text(bytes), {.add_special = false});
    if (!tokens) return tokens.error();
    if (tokens->size() < count) continue;
    window.insert(window.end(), tokens->begin(), tokens->begin() + static_cast<std::ptrdiff_t>(count));
    return window;
  }
}

Result<Prompt> SampleSource::prompt(Task task, std::uint32_t index) const {
  if (task == Task::kInduction) return induction_prompt(options_.seed, index, options_.context, options_.ordinary, begin());
  return retrieval_prompt(task, options_.seed, index, options_.context, *encoder_);
}

}  // namespace longshore::cli::eval
