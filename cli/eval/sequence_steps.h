#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/plan/head_plan.h"
#include "workers/compute/compute_node.h"

namespace longshore::cli::eval {

// Sequences on a compute node, one run of tokens at a time. Thread: one, which owns the node.
class SequenceSteps {
 public:
  // `node` outlives it.
  explicit SequenceSteps(compute::ComputeNode& node) : node_(node) {}

  // Begins a sequence with the next step: greedy, `prompt_tokens` of it a prompt, at most `tokens_expected` in all.
  SequenceId start(const HeadPlan& heads, std::uint32_t prompt_tokens, std::uint32_t tokens_expected);
  // Computes one run; `entry` as step_batch.h says. Errors: the node's.
  Result<EntryOutcome> step(StepEntry entry);
  // Frees its KV with the next step.
  void end(SequenceId sequence) { releases_.push_back(sequence); }

  compute::ComputeNode& node() { return node_; }

 private:
  compute::ComputeNode& node_;
  std::uint64_t last_id_ = 0;
  StepId last_step_;
  std::vector<SequenceStart> starts_;
  std::vector<SequenceId> releases_;
};

}  // namespace longshore::cli::eval
