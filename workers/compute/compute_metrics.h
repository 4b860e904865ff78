#pragma once

#include <optional>
#include <string>

#include "runtime/base/metrics.h"
#include "runtime/plan/step_timing_metrics.h"
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
  std::optional<StepTimingMetrics> steps_;  // none where others count them
};

}  // namespace longshore::compute
