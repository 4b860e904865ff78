#pragma once

#include <cstdint>
#include <vector>

#include "cli/eval/evaluated_preset.h"
#include "cli/eval/prompt.h"
#include "cli/eval/sample_result.h"
#include "cli/eval/sequence_steps.h"
#include "runtime/base/result.h"
#include "runtime/text/tokenizer.h"

namespace longshore::cli::eval {

// Lets the dense model and each preset answer one question, greedily, and grades what they say. Thread: one, which owns the
// node.
class Answering {
 public:
  // `chunk_tokens`: of one step, at most the node's rows_max. All references outlive it.
  Answering(SequenceSteps& steps, const text::Tokenizer& tokenizer, const std::vector<EvaluatedPreset>& presets,
            std::uint32_t chunk_tokens)
      : steps_(steps), tokenizer_(tokenizer), presets_(presets), chunk_(chunk_tokens) {}

  // Requires: a task with answers. Errors: the node's.
  Result<SampleResult> run(Task task, std::uint32_t index, const Prompt& prompt);

 private:
  Result<RunResult> answer(Task task, const Prompt& prompt, const HeadPlan& heads);
  // At most prompt.generate_max tokens, the first end token not among them.
  Result<std::vector<TokenId>> generate(const Prompt& prompt, const HeadPlan& heads);

  SequenceSteps& steps_;
  const text::Tokenizer& tokenizer_;
  const std::vector<EvaluatedPreset>& presets_;
  std::uint32_t chunk_;
};

}  // namespace longshore::cli::eval
