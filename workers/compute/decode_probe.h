#pragma once

#include <chrono>

#include "runtime/base/result.h"
#include "workers/compute/compute_node.h"

namespace longshore::compute {

// What a decode step takes on this node but for attention over a context: `step_seconds` for one sequence, `row_seconds` for
// each further one. Weights, dispatch, logits and sampling are in it, as they are in a step.
struct DecodeRate {
  double step_seconds = 0;
  double row_seconds = 0;
};

// Runs real steps of made-up sequences at their first positions, for about `duration` and at least three of each kind, and
// takes medians. `sequences_max`: how many may be in a step and have room for a leaf; below five, row_seconds stays 0.
// Errors: those of a step. Thread: the compute thread, between two steps.
Result<DecodeRate> decode_rate(ComputeNode& node, std::uint32_t sequences_max, std::chrono::milliseconds duration);

}  // namespace longshore::compute
