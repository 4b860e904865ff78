#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/base/result.h"
#include "workers/compute/compute_node.h"

namespace longshore::cli {

// Drives sequences of random tokens through a compute node, for measurements; times are those of the steps alone, in
// seconds. Thread: one, which owns the node.
class StepDriver {
 public:
  // `chunk`: tokens of a prefill step, at most the node's rows_max. `heads`: what the rows see.
  StepDriver(compute::ComputeNode& node, std::uint32_t chunk, HeadPlan heads = {})
      : node_(node), chunk_(chunk), heads_(std::move(heads)) {}

  // Begins `batch` sequences with the next step.
  void start(std::uint32_t batch, std::uint64_t tokens_expected, std::uint32_t prompt_tokens);
  // Feeds `tokens` to every sequence, one sequence after the other; seconds of each step.
  Result<std::vector<double>> prefill(std::uint32_t tokens);
  // Waits until holders have every block that they were offered, so that what follows is as remote as the plan says.
  // Errors: kDeadlineExceeded.
  Result<void> await_holders();
  // One token for every sequence, `tokens` times; seconds of each step.
  Result<std::vector<double>> decode(std::uint32_t tokens);
  // Releases the sequences.
  Result<void> finish();

  // Where the time of the steps since the last call went, and how many there were.
  struct Account {
    model::StageSeconds stages;
    double seconds = 0;
    std::uint32_t steps = 0;
  };
  Account take_account() { return std::exchange(account_, {}); }

 private:
  struct Sequence {
    SequenceId id;
    std::uint32_t position;
  };

  StepEntry entry(Sequence& sequence, std::uint32_t tokens, bool sample);
  Result<double> execute(std::vector<StepEntry> entries);

  compute::ComputeNode& node_;
  std::uint32_t chunk_;
  HeadPlan heads_;
  Random random_{1};
  std::uint64_t last_id_ = 0;
  std::uint64_t last_step_ = 0;
  std::vector<Sequence> sequences_;
  std::vector<SequenceStart> starts_;
  std::vector<SequenceId> releases_;
  Account account_;
};

}  // namespace longshore::cli
