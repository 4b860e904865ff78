#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/eval/prompt.h"
#include "cli/eval/prompt_encoder.h"
#include "cli/eval/task.h"
#include "runtime/base/result.h"
#include "runtime/text/tokenizer.h"

namespace longshore::cli::eval {

struct SampleOptions {
  std::uint64_t seed = 1;
  std::uint32_t context = 0;             // tokens of a window, or of a prompt with its answer
  std::optional<std::string> text = {};  // for kText; none: generated prose
  std::string chat_template = {};        // as PromptEncoder::create takes it
  std::vector<TokenId> ordinary{};       // for kInduction
};

// Makes the samples of one evaluation: each a pure function of the options, its task and its index. Thread: one.
class SampleSource {
 public:
  static constexpr std::uint32_t kContextMin = 64;

  // Only what `tasks` need is made. `tokenizer` outlives it. Errors: kInvalidArgument for a context below kContextMin or a
  // text that is shorter than one window, and those of PromptEncoder::create.
  static Result<SampleSource> create(const text::Tokenizer& tokenizer, SampleOptions options,
                                     const std::vector<Task>& tasks);

  // How many windows the text has; none: as many as are asked for.
  std::optional<std::uint32_t> windows() const;
  // Window `index` of kText: `context` tokens, BOS first where the model wants it; windows of a given text do not overlap.
  // Requires: index < windows(). Errors: those of the tokenizer.
  Result<std::vector<TokenId>> window(std::uint32_t index) const;
  // Requires: a task with answers that `create` was told of. Errors: those of retrieval_prompt and induction_prompt.
  Result<Prompt> prompt(Task task, std::uint32_t index) const;

 private:
  SampleSource(const text::Tokenizer& tokenizer, SampleOptions options)
      : tokenizer_(tokenizer), options_(std::move(options)) {}
  std::optional<TokenId> begin() const { return tokenizer_.adds_bos() ? tokenizer_.bos() : std::nullopt; }
  std::uint32_t tokens_of_window() const { return options_.context - (begin() ? 1 : 0); }

  const text::Tokenizer& tokenizer_;
  SampleOptions options_;
  std::vector<TokenId> text_;  // of the given text
  std::optional<PromptEncoder> encoder_;
};

}  // namespace longshore::cli::eval
