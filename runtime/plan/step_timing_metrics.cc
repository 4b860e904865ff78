#include "runtime/plan/step_timing_metrics.h"

namespace longshore {

StepTimingMetrics::StepTimingMetrics(Metrics& metrics)
    : steps_(metrics.counter("longshore_steps_total", "Steps computed")) {
  const auto add_phase = [&](const char* phase, double StepTiming::*seconds_of) {
    phases_.emplace_back(&metrics.histogram("longshore_step_phase_seconds", "Time of each phase of a step",
                                            kStepPhaseBuckets, {{"phase", phase}}),
                         seconds_of);
  };
  add_phase("total", &StepTiming::total);
  add_phase("compute", &StepTiming::compute);
  add_phase("attention", &StepTiming::attention);
  add_phase("wait", &StepTiming::wait);
  add_phase("merge", &StepTiming::merge);
  add_phase("transport", &StepTiming::transport);
  add_phase("sample", &StepTiming::sample);
}

void StepTimingMetrics::on_step(const StepTiming& timing) {
  steps_.add();
  for (const auto& [histogram, seconds_of] : phases_) histogram->observe(timing.*seconds_of);
}

}  // namespace longshore
