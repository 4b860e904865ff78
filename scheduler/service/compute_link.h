#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "runtime/base/result.h"
#include "runtime/plan/step_batch.h"
#include "runtime/plan/step_outcome.h"

namespace longshore::service {

// The scheduler's view of one compute node: a batch goes in, its outcome comes out. One batch is in flight at a time.
// In one process it is a pair of queues to the compute thread; between processes, the data plane.
//
// After kUnavailable from either call the scheduler starts every sequence again under a new epoch and releases none: a
// node that comes back must have forgotten all it held.
class ComputeLink {
 public:
  virtual ~ComputeLink() = default;
  // Errors: kUnavailable when the node is gone.
  virtual Result<void> submit(StepBatch batch) = 0;
  // Waits for the outcome of the submitted batch. Errors: kDeadlineExceeded after `timeout` (nothing is lost, ask
  // again), kUnavailable when the node is gone.
  virtual Result<StepOutcome> wait(std::chrono::milliseconds timeout) = 0;
  // Whole-model leaves of KV that fit, over the compute node and all attention nodes of its plan; 0 while there is no
  // node. Asked before each step: must not block.
  virtual std::uint64_t kv_leaf_capacity() const = 0;
};

}  // namespace longshore::service
