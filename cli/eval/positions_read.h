#pragma once

#include <cstdint>

#include "runtime/model/model_config.h"
#include "runtime/plan/head_plan.h"

namespace longshore::cli::eval {

// How many positions attention reads, summed over rows, layers and KV heads, beside what the dense run of the same model
// reads in the same rows. What an index of keys takes to be read is not among them.
struct PositionsRead {
  double preset = 0;
  double dense = 0;

  void add(const PositionsRead& other) {
    preset += other.preset;
    dense += other.dense;
  }
  double share() const { return dense > 0 ? preset / dense : 1; }
  bool operator==(const PositionsRead&) const = default;
};

// Of the rows [begin, end) of one sequence under a head plan, which selects in rows from `prompt_tokens` on. Layers in which the model itself has a window count with that
// window on both sides. Requires: a plan that fits the model.
PositionsRead positions_read(const model::ModelConfig& config, const HeadPlan& heads, std::uint32_t prompt_tokens,
                             std::uint32_t begin, std::uint32_t end);

}  // namespace longshore::cli::eval
