#include "workers/compute/compute_metrics.h"

namespace longshore::compute {

ComputeMetrics::ComputeMetrics(Metrics& metrics, const std::string& node, CountSteps count_steps)
    : blocks_used_(metrics.gauge("longshore_kv_blocks_used", "KV blocks that the node holds", {{"node", node}})),
      blocks_capacity_(metrics.gauge("longshore_kv_blocks_capacity", "KV blocks that fit into the node's memory",
                                     {{"node", node}})) {
  if (count_steps == CountSteps::kNo) return;
  steps_ = &metrics.counter("longshore_steps_total", "Steps computed");
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

void ComputeMetrics::on_step(const StepTiming& timing) {
  if (steps_ != nullptr) steps_->add();
  for (const auto& [histogram, seconds_of] : phases_) histogram->observe(timing.*seconds_of);
}

void ComputeMetrics::observe(const ComputeNode& node) {
  blocks_used_.set(static_cast<double>(node.store().used()));
  blocks_capacity_.set(static_cast<double>(node.store().capacity()));
}

}  // namespace longshore::compute
