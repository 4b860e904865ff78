#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "scheduler/batching/batcher.h"
#include "scheduler/service/compute_link.h"
#include "scheduler/service/generation.h"
#include "scheduler/service/step_metrics.h"

namespace longshore::service {

struct StepLoopOptions {
  batching::BatcherOptions batcher;  // per compute node; kv_leaves is read from the link
  // How long sequences wait for a compute node that is gone, if no other replica takes them, before they end with an
  // error: one lease and the time to start and register again.
  std::chrono::milliseconds compute_gone_max{10'000};
  // How often a gone node is tried again, and how long one wait for an outcome lasts before a stop is noticed.
  std::chrono::milliseconds retry_interval{100};
  // A node that has not answered a step by then is taken for gone, whatever its lease says: no step is that long.
  std::chrono::milliseconds step_max{600'000};
  // How long stop() waits for a step that runs.
  std::chrono::milliseconds stop_max{5'000};
};

// Errors: kInvalidArgument naming the option.
Result<void> validate(const StepLoopOptions& options);

// Carries out the batcher's decisions: one thread per compute node (replica), each with a batcher of its own, that
// submits a batch, waits for its outcome and hands out the events. A new sequence goes to the replica with the most
// room; it stays there unless that node is lost.
//
// Thread-safe. One lock guards all batchers; it is held while batches are made and callbacks run (microseconds), never
// while a step is computed. Callbacks run under it: hence no event after cancel() has returned.
class StepLoop final : public GenerationService {
 public:
  // `links` are borrowed and must outlive the loop; so must metrics and clock. Starts the threads. A link without room
  // (kv_leaf_capacity 0) is a node that is not there yet.
  // Errors: kInvalidArgument (an option; no links).
  static Result<std::unique_ptr<StepLoop>> create(const StepLoopOptions& options, std::vector<ComputeLink*> links,
                                                  Metrics& metrics, const Clock& clock);
  ~StepLoop() override;  // stop()

  Result<SequenceId> start(GenerationRequest request, GenerationCallback on_event) override;
  void cancel(SequenceId sequence) override;
  GenerationLoad load() const override;
  // The model's context length, or all KV room if that is less.
  std::uint32_t context_tokens_max() const override;

  // Refuses new sequences and waits until the running ones have ended; those that have not within `limit` end with
  // kUnavailable. Returns true if none had to be ended so.
  bool drain(std::chrono::milliseconds limit);
  // Ends everything at the next step boundary (sequences still alive get kCancelled) and joins the threads. Idempotent.
  void stop();

  // For batches from now on; a plan is switched only between steps.
  void set_generation(PlanGeneration generation);
  // There is a node behind this link (an index into create's `links`): it is given sequences again, as one that answers.
  void on_node(std::size_t link);
  // Compute nodes that answered last time they were asked.
  std::uint32_t compute_nodes_alive() const;

 private:
  struct Replica;
  struct Client {
    GenerationCallback on_event;
    Replica* replica = nullptr;
    SequenceTimes times;
  };

  StepLoop(const StepLoopOptions& options, std::vector<ComputeLink*> links, Metrics& metrics, const Clock& clock);
  void run(Replica& replica);
  void step(Replica& replica, std::unique_lock<std::mutex>& lock);
  Result<StepOutcome> await_outcome(Replica& replica, StepId id);
  void on_lost(Replica& replica, const Error& error, batching::BatchSeen seen);
  void move_sequences(Replica& from);
  Replica* choose(std::size_t rows, std::span<const Sha256> leaf_names);
  void deliver(std::vector<batching::SequenceEvent> events);
  void end_all(const Error& error);
  bool is_idle() const;
  void refresh_metrics();

  const StepLoopOptions options_;
  const Clock& clock_;
  StepMetrics metrics_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;     // work or a stop for the replicas' threads
  std::condition_variable drained_;  // for drain(): everything is idle
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::map<SequenceId, Client> clients_;
  SequenceId last_sequence_{0};
  bool draining_ = false;
  std::optional<TimePoint> stopping_since_;
  std::mutex joining_;  // one stop() at a time
};

}  // namespace longshore::service
