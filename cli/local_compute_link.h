#pragma once

#include <optional>
#include <utility>

#include "cli/embedded_cluster.h"
#include "scheduler/service/compute_link.h"

namespace longshore::cli {

// A compute node in the scheduler's own process: the step thread computes, so nothing is handed over.
// One thread.
class LocalComputeLink final : public service::ComputeLink {
 public:
  explicit LocalComputeLink(EmbeddedCluster& cluster) : cluster_(cluster) {}

  Result<void> submit(StepBatch batch) override {
    batch_ = std::move(batch);
    return {};
  }
  Result<StepOutcome> wait(std::chrono::milliseconds) override {
    if (!batch_) return make_error(ErrorCode::kInternal, "no step was submitted");
    StepOutcome outcome = cluster_.compute().execute(*std::exchange(batch_, std::nullopt));
    return outcome;
  }
  std::uint64_t kv_leaf_capacity() const override { return cluster_.kv_leaf_capacity(); }

 private:
  EmbeddedCluster& cluster_;
  std::optional<StepBatch> batch_;
};

}  // namespace longshore::cli
