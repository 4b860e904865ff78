#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cli/eval/distribution.h"
#include "cli/eval/evaluated_preset.h"
#include "cli/eval/sample_result.h"
#include "cli/eval/sequence_steps.h"
#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"

namespace longshore::cli::eval {

// Runs a window of text through the dense model and through presets, side by side, and compares what each says about the
// next token in every row of the second half; the first half is the prompt. The logits of one chunk of two runs are in
// memory at a time. What comes out does not depend on the size of the chunks. Thread: one, which owns the node.
class TeacherForcing {
 public:
  // `chunk_tokens`: of one step, at most the node's rows_max. All references outlive it.
  TeacherForcing(SequenceSteps& steps, ThreadPool& pool, const std::vector<EvaluatedPreset>& presets,
                 std::uint32_t chunk_tokens);

  // `window`: at least 4 tokens. Errors: the node's.
  Result<SampleResult> run(std::uint32_t index, std::span<const TokenId> window);

 private:
  Result<void> prefill(SequenceId sequence, std::span<const TokenId> tokens);
  // Logits [rows, V] of the rows [begin, begin + rows), each of which is followed by a token of the window.
  Result<void> score(SequenceId sequence, std::span<const TokenId> window, std::uint32_t begin, std::uint32_t rows,
                     std::vector<float>& logits);
  void compare_rows(std::span<const TokenId> window, std::uint32_t begin, std::uint32_t rows);

  SequenceSteps& steps_;
  ThreadPool& pool_;
  const std::vector<EvaluatedPreset>& presets_;
  std::uint32_t chunk_;                              // tokens of a step of the prompt
  std::uint32_t scored_;                             // and of one whose logits are wanted
  std::vector<float> dense_logits_, preset_logits_;  // [scored_, V]
  std::vector<RowDistance> distances_;               // [scored_]
};

}  // namespace longshore::cli::eval
