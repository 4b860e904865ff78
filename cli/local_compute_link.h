#pragma once

#include <optional>
#include <utility>

#include "cli/embedded_cluster.h"
#include "scheduler/service/compute_link.h"
#include "workers/compute/compute_metrics.h"

namespace longshore::cli {

// A compute node in the scheduler's own process: the step thread computes, so nothing is handed over.
// One thread.
class LocalComputeLink final : public service::ComputeLink {
 public:
  LocalComputeLink(EmbeddedCluster& cluster, Metrics& metrics)
      : cluster_(cluster), metrics_(metrics, "compute-0", compute::CountSteps::kNo) {}

  Result<void> submit(StepBatch batch) override {
    batch_ = std::move(batch);
    return {};
  }
  Result<StepOutcome> wait(std::chrono::milliseconds) override {
    if (!batch_) return make_error(ErrorCode::kInternal, "no step was submitted");
    StepOutcome outcome = cluster_.compute().execute(*std::exchange(batch_, std::nullopt));
    if (outcome.entries.empty()) cluster_.settle();  // the next step may be long in coming
    metrics_.observe(cluster_.compute());
    return outcome;
  }
  std::uint64_t kv_leaf_capacity() const override { return cluster_.kv_leaf_capacity(); }

 private:
  EmbeddedCluster& cluster_;
  compute::ComputeMetrics metrics_;
  std::optional<StepBatch> batch_;
};

}  // namespace longshore::cli
