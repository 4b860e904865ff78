#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "scheduler/batching/batcher.h"
#include "tests/sim/compute_model.h"

namespace longshore::sim {

// Everything random about one run, drawn from its seed.
struct BatcherScenario {
  batching::BatcherOptions options;
  std::uint32_t requests = 0;
  std::uint32_t prompt_tokens_max = 0, output_tokens_max = 0;
  double arrival = 0;       // chance of a request per opportunity; there are two per step
  double cancel = 0;        // chance of a cancel per opportunity
  double node_loss = 0;     // chance per step
  double room_change = 0;   // chance per step
  FaultRates faults;        // per entry
  // Steps after which nothing breaks any more: a node that is lost more often than a prompt takes serves nobody.
  std::uint64_t faults_end_step = 2000;

  static BatcherScenario draw(std::uint64_t seed);
};

class BatcherWorld;

// One invariant. Says what is wrong; the world knows when and from which seed.
class BatcherChecker {
 public:
  virtual ~BatcherChecker() = default;
  virtual void on_batch(const BatcherWorld&, const StepBatch&) {}   // before the node sees it
  virtual void on_computed(const BatcherWorld&, const StepBatch&, const StepOutcome&) {}
  virtual void on_node_lost(const BatcherWorld&) {}
  virtual void on_event(const BatcherWorld&, const batching::SequenceEvent&) {}
  virtual void at_end(const BatcherWorld&) {}
  const std::vector<std::string>& violations() const { return violations_; }

 protected:
  template <typename... Parts>
  void violated(const Parts&... parts) {
    violations_.push_back(make_error(ErrorCode::kInternal, parts...).message);
  }

 private:
  std::vector<std::string> violations_;
};

// One batcher, one model compute node, clients that come and go, faults: on one thread, from one seed. Runs until all
// clients are served, or a checker objects.
class BatcherWorld {
 public:
  explicit BatcherWorld(std::uint64_t seed);
  // Returns what the checkers found, with the last events before it; empty if nothing.
  std::vector<std::string> run();

  const BatcherScenario& scenario() const { return scenario_; }
  const batching::BatcherOptions& options() const { return scenario_.options; }  // kv_leaves: as of now
  const batching::Batcher& batcher() const { return batcher_; }
  const ComputeModel& node() const { return node_; }
  // All requests that were accepted, and those of them that have neither ended nor been cancelled.
  const std::map<SequenceId, batching::SequenceRequest>& accepted() const { return accepted_; }
  const std::set<SequenceId>& alive() const { return alive_; }
  std::uint64_t steps() const { return steps_; }
  // Of what the faults of this run did, to see that a run tested something.
  std::uint64_t cancels() const { return cancels_; }
  std::uint64_t node_losses() const { return node_losses_; }
  // Sequences that began with leaves of one that ran.
  std::uint64_t shared_while_running() const { return shared_while_running_; }

 private:
  void clients_act();
  void submit();
  void step();
  void take(const std::vector<batching::SequenceEvent>& events);
  template <typename... Parts>
  void note(const Parts&... parts) {
    notes_.push_back(make_error(ErrorCode::kInternal, parts...).message);
    if (notes_.size() > kNotesMax) notes_.pop_front();
  }
  static constexpr std::size_t kNotesMax = 50;

  BatcherScenario scenario_;
  Random random_;
  batching::Batcher batcher_;
  ComputeModel node_;
  std::vector<std::unique_ptr<BatcherChecker>> checkers_;
  std::map<SequenceId, batching::SequenceRequest> accepted_;
  std::set<SequenceId> alive_;
  std::uint64_t last_id_ = 0, steps_ = 0, cancels_ = 0, node_losses_ = 0, shared_while_running_ = 0;
  std::uint32_t requests_left_;
  std::deque<std::string> notes_;  // the last of them
};

std::vector<std::unique_ptr<BatcherChecker>> all_batcher_checkers();

}  // namespace longshore::sim
