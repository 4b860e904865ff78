#pragma once

#include <utility>
#include <vector>

#include "runtime/base/metrics.h"
#include "runtime/plan/step_outcome.h"

namespace longshore {

// How many steps were computed, and where their time went: longshore_steps_total and longshore_step_phase_seconds.
// One of a process has them. Thread-safe (as Metrics is).
class StepTimingMetrics {
 public:
  // `metrics` outlives it.
  explicit StepTimingMetrics(Metrics& metrics);

  void on_step(const StepTiming& timing);

 private:
  Counter& steps_;
  std::vector<std::pair<Histogram*, double StepTiming::*>> phases_;
};

}  // namespace longshore
