#pragma once

#include "runtime/base/result.h"
#include "runtime/plan/step_batch.h"
#include "runtime/plan/step_outcome.h"
#include "transport/message.h"

#include <span>

// The scheduler's orders and the compute node's answers.
namespace longshore::wire {

// Requires: limits of limits.h (the batcher's budgets are far below).
transport::Message encode(const StepBatch& batch, transport::MessagePool& pool);
transport::Message encode(const StepOutcome& outcome,
                          PlanGeneration generation,
                          transport::MessagePool& pool);
// Errors: those of open_frame; kInvalidArgument naming the field and its limit. Sampling parameters are
// checked with validate(SamplingParams).
Result<StepBatch> decode_step_batch(std::span<const std::byte> frame);
Result<StepOutcome> decode_step_outcome(std::span<const std::byte> frame);

}  // namespace longshore::wire
