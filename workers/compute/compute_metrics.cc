#include "workers/compute/compute_metrics.h"

namespace longshore::compute {

ComputeMetrics::ComputeMetrics(Metrics& metrics, const std::string& node, CountSteps count_steps)
    : blocks_used_(metrics.gauge("longshore_kv_blocks_used", "KV blocks that the node holds", {{"node", node}})),
      blocks_capacity_(metrics.gauge("longshore_kv_blocks_capacity", "KV blocks that fit into the node's memory",
                                     {{"node", node}})) {
  if (count_steps == CountSteps::kYes) steps_.emplace(metrics);
}

void ComputeMetrics::on_step(const StepTiming& timing) {
  if (steps_) steps_->on_step(timing);
}

void ComputeMetrics::observe(const ComputeNode& node) {
  blocks_used_.set(static_cast<double>(node.store().used()));
  blocks_capacity_.set(static_cast<double>(node.store().capacity()));
}

}  // namespace longshore::compute
