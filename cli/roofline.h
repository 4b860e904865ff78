#pragma once

#include <cstdint>

#include "runtime/kv/kv_codec.h"
#include "runtime/model/model_config.h"
#include "runtime/model/weights.h"
#include "runtime/plan/head_plan.h"
#include "workers/probe/machine_limits.h"

namespace longshore::cli {

// What steps read and compute at least, whatever the kernels: the matrices once per step, the KV of each sequence once per
// step. In bytes and operations (a multiply-add is two).
struct StepWork {
  double weight_bytes = 0;
  double int8_operations = 0;  // matrix products
  double kv_bytes = 0;
  double f32_operations = 0;   // attention

  void add(const StepWork& other);
};

// One step in which `sequences`, all at `position`, take `tokens` each; logits for the last of each if `logits`. One token is a
// decode row, more are of a prompt.
StepWork step_work(const model::ModelConfig& config, const model::Weights& weights, const kv::KvLayout& layout,
                   const HeadPlan& heads, std::uint32_t sequences, std::uint32_t position, std::uint32_t tokens, bool logits);

// The time that a machine needs for it at its limits: the products, then attention, each by whichever of memory and
// arithmetic takes longer (Williams et al. 2009, "Roofline"; here per phase, since the phases follow each other).
double least_seconds(const StepWork& work, const probe::MachineLimits& limits);

}  // namespace longshore::cli
