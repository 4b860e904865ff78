#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/base/metrics.h"
#include "runtime/plan/step_outcome.h"
#include "workers/compute/compute_node.h"

namespace longshore::compute {

// Who counts steps and their phases: the step loop, where it is in the same process.
enum class CountSteps { kNo, kYes };

// What a compute node does, by the names in workers/README.md. Thread: the compute thread.
class ComputeMetrics {
 public:
  // `node`: its name. `metrics` outlives it.
  ComputeMetrics(Metrics& metrics, const std::string& node, CountSteps count_steps);

  // A step was computed.
  void on_step(const StepTiming& timing);
  // KV blocks as they are now. (Holders counts the bytes over each link.)
  void observe(const ComputeNode& node);

 private:
  Gauge& blocks_used_;
  Gauge& blocks_capacity_;
  Counter* steps_ = nullptr;  // null, and no phases, where others count them
  std::vector<std::pair<Histogram*, double StepTiming::*>> phases_;
};

}  // namespace longshore::compute
