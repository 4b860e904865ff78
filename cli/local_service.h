#pragma once

#include <cstdint>
#include <memory>

#include "cli/cluster_flags.h"
#include "cli/embedded_cluster.h"
#include "cli/loaded_model.h"
#include "cli/local_compute_link.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "scheduler/service/step_loop.h"

namespace longshore::cli {

// A model that produces tokens in this process: what serve, complete and chat share. Parts end in reverse order.
class LocalService {
 public:
  // `queue`: sequences that may wait. Errors: those of flags, model and cluster.
  static Result<std::unique_ptr<LocalService>> create(const ClusterFlags& flags, std::uint32_t queue);

  const LoadedModel& model() const { return model_; }
  EmbeddedCluster& cluster() { return *cluster_; }
  service::StepLoop& loop() { return *loop_; }
  Metrics& metrics() { return metrics_; }
  const Clock& clock() const { return clock_; }
  kernels::Isa isa() const { return model_.decoder->kernels().isa; }

 private:
  LocalService() = default;

  SystemClock clock_;
  Metrics metrics_;
  LoadedModel model_;
  std::unique_ptr<EmbeddedCluster> cluster_;
  std::unique_ptr<LocalComputeLink> link_;
  std::unique_ptr<service::StepLoop> loop_;
};

}  // namespace longshore::cli
