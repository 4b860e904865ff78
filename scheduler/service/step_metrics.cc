#include "scheduler/service/step_metrics.h"

#include <string>

namespace longshore::service {
namespace {

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

constexpr std::string_view kFinishedHelp = "Requests that ended, by reason: stop, length, abort (cancelled), error";

}  // namespace

StepMetrics::StepMetrics(Metrics& metrics)
    : metrics_(metrics),
      running_(metrics.gauge("longshore_requests_running", "Sequences admitted to a batch")),
      waiting_(metrics.gauge("longshore_requests_waiting", "Sequences that wait, new or paused")),
      kv_usage_(metrics.gauge("longshore_kv_usage_ratio", "Share of the KV room of all nodes that is in use")),
      prompt_tokens_(metrics.counter("longshore_prompt_tokens_total", "Prompt tokens of sequences that began to run")),
      generation_tokens_(metrics.counter("longshore_generation_tokens_total", "Tokens produced")),
      preemptions_(metrics.counter("longshore_preemptions_total", "Sequences paused for want of KV room")),
      recomputes_(metrics.counter("longshore_recomputed_sequences_total", "Sequences run again because KV was lost")),
      tokens_recomputed_(metrics.counter("longshore_recomputed_tokens_total",
                                         "Positions computed before that were discarded by a pause or a loss")),
      prefix_queries_(metrics.counter("longshore_prefix_cache_queries_total",
                                      "Tokens of sequences that were looked up in the prefix cache")),
      prefix_hits_(metrics.counter("longshore_prefix_cache_hits_total",
                                   "Tokens of sequences that were taken over from the prefix cache")),
      prefix_leaves_(metrics.gauge("longshore_prefix_cache_leaves",
                                   "Leaves of 128 tokens in the prefix cache, in use or not")),
      time_to_first_token_(metrics.histogram("longshore_time_to_first_token_seconds",
                                             "From arrival to the first token", kTimeToFirstTokenBuckets)),
      inter_token_(metrics.histogram("longshore_inter_token_latency_seconds", "Between tokens of one sequence",
                                     kInterTokenBuckets)),
      request_time_(metrics.histogram("longshore_e2e_request_latency_seconds", "From arrival to the end",
                                      kRequestBuckets)),
      queue_time_(metrics.histogram("longshore_request_queue_time_seconds", "From arrival to the first step",
                                    kRequestBuckets)),
      steps_(metrics) {
  // All label values exist from the start, so that rates over them do.
  for (const char* reason : {"stop", "length", "abort", "error"})
    metrics_.counter("longshore_request_success_total", kFinishedHelp, {{"finished_reason", reason}});
}

void StepMetrics::on_scheduled(SequenceTimes& times, TimePoint now, std::uint32_t prompt_tokens) {
  if (times.scheduled) return;
  times.scheduled = now;
  queue_time_.observe(seconds(now - times.arrived));
  prompt_tokens_.add(prompt_tokens);
}

void StepMetrics::on_token(SequenceTimes& times, TimePoint now) {
  generation_tokens_.add();
  if (times.last_token)
    inter_token_.observe(seconds(now - *times.last_token));
  else
    time_to_first_token_.observe(seconds(now - times.arrived));
  times.last_token = now;
}

void StepMetrics::on_finish(const SequenceTimes& times, TimePoint now, batching::FinishReason reason) {
  request_time_.observe(seconds(now - times.arrived));
  metrics_
      .counter("longshore_request_success_total", kFinishedHelp,
               {{"finished_reason", reason == batching::FinishReason::kStop ? "stop" : "length"}})
      .add();
}

void StepMetrics::on_error(const Error& error) {
  metrics_.counter("longshore_request_success_total", kFinishedHelp, {{"finished_reason", "error"}}).add();
  metrics_
      .counter("longshore_request_errors_total", "Requests that ended with an error, by its code",
               {{"code", std::string(to_string(error.code))}})
      .add();
}

void StepMetrics::on_cancel() {
  metrics_.counter("longshore_request_success_total", kFinishedHelp, {{"finished_reason", "abort"}}).add();
}

void StepMetrics::on_load(const batching::BatcherLoad& load, std::uint64_t leaves_used) {
  running_.set(load.running);
  waiting_.set(load.waiting);
  prefix_leaves_.set(static_cast<double>(load.leaves_cached));
  kv_usage_.set(load.leaves_capacity == 0 ? 0
                                          : static_cast<double>(leaves_used) / static_cast<double>(load.leaves_capacity));
}

void StepMetrics::on_counts(const batching::BatcherCounts& counts) {
  const auto raise = [](Counter& counter, std::uint64_t total) {
    counter.add(static_cast<double>(total) - counter.value());
  };
  raise(preemptions_, counts.pauses);
  raise(recomputes_, counts.recomputes);
  raise(tokens_recomputed_, counts.tokens_discarded);
  raise(prefix_queries_, counts.prefix_queries);
  raise(prefix_hits_, counts.prefix_hits);
}

}  // namespace longshore::service
