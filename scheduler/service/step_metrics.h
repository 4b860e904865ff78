#pragma once

#include <cstdint>
#include <optional>

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/result.h"
#include "runtime/plan/step_timing_metrics.h"
#include "scheduler/batching/batcher.h"

namespace longshore::service {

// When the milestones of one sequence were.
struct SequenceTimes {
  TimePoint arrived;
  std::optional<TimePoint> scheduled;   // first rows in a batch
  std::optional<TimePoint> last_token;
};

// The instruments of the step loop, by the names in scheduler/README.md. Thread-safe (as Metrics is).
class StepMetrics {
 public:
  explicit StepMetrics(Metrics& metrics);

  void on_scheduled(SequenceTimes& times, TimePoint now, std::uint32_t prompt_tokens);
  void on_token(SequenceTimes& times, TimePoint now);
  void on_finish(const SequenceTimes& times, TimePoint now, batching::FinishReason reason);
  void on_error(const Error& error);
  void on_cancel();
  void on_step(const StepTiming& timing) { steps_.on_step(timing); }
  void on_load(const batching::BatcherLoad& load, std::uint64_t leaves_used);
  // Totals since the start, of all replicas.
  void on_counts(const batching::BatcherCounts& counts);

 private:
  Metrics& metrics_;
  Gauge& running_;
  Gauge& waiting_;
  Gauge& kv_usage_;
  Counter& prompt_tokens_;
  Counter& generation_tokens_;
  Counter& preemptions_;
  Counter& recomputes_;
  Counter& tokens_recomputed_;
  Counter& prefix_queries_;
  Counter& prefix_hits_;
  Gauge& prefix_leaves_;
  Histogram& time_to_first_token_;
  Histogram& inter_token_;
  Histogram& request_time_;
  Histogram& queue_time_;
  StepTimingMetrics steps_;
};

}  // namespace longshore::service
