#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/attention/attention_kernels.h"
#include "runtime/base/metrics.h"
#include "runtime/base/result.h"
#include "runtime/kv/kv_store.h"
#include "runtime/model/decoder.h"
#include "runtime/plan/link_report.h"
#include "runtime/plan/placement_plan.h"
#include "runtime/plan/step_batch.h"
#include "runtime/plan/step_outcome.h"
#include "runtime/sampling/sampler.h"
#include "transport/transport.h"
#include "workers/compute/attention_step.h"
#include "workers/compute/block_push.h"
#include "workers/compute/holders.h"
#include "workers/compute/sequence_blocks.h"
#include "workers/compute/sequence_state.h"

namespace longshore::compute {

struct ComputeOptions {
  std::size_t rows_max = 512 + 64;  // tokens of one step: the chunk budget and a token of each running sequence
  std::chrono::milliseconds reply_deadline{5000};  // the lease: a holder that is silent for longer is lost
  std::string name = "compute-0";
};

// Sees the logits of every row whose logits were wanted, before anything is drawn. [V].
using LogitObserver = std::function<void(SequenceId, std::uint32_t position, std::span<const float> logits)>;

// One compute node: weights, the hot tail of every sequence, attention dispatch, merge, sampling. Executes one
// StepBatch at a time. Thread: one, which also owns the transport.
class ComputeNode {
 public:
  // `transport` is null where there are no attention nodes. The store may be shared with attention nodes of the
  // process. `model` is the SHA-256 of the model file. All references outlive the node.
  // Errors: kResourceExhausted, and those of registering the store's memory.
  static Result<std::unique_ptr<ComputeNode>> create(const model::Decoder& decoder, kv::KvStore& store,
                                                     const Sha256& model, transport::Transport* transport,
                                                     const ComputeOptions& options, Metrics& metrics,
                                                     const Clock& clock);
  ~ComputeNode();

  // Attention nodes of this process that have no thread of their own: see Holders::share_thread. Requires: a transport.
  void share_thread(std::function<void()> turn) { holders_->share_thread(std::move(turn)); }

  // Meets an attention node that plans may name from here on, waits for it, and measures the link to it (some 10 ms).
  // Errors: those of Holders::connect and measure_link.
  Result<void> connect(const NodeDescriptor& node);
  // Likewise without waiting; take_met, which measures, tells how it ended. Silence ends it after the reply deadline.
  Result<void> meet(const NodeDescriptor& node);
  std::vector<Holders::Met> take_met();
  bool knows(NodeId node) const { return holders_ != nullptr && holders_->knows(node); }
  // Whom it has met or is meeting.
  std::vector<NodeDescriptor> known_nodes() const {
    return holders_ ? holders_->known() : std::vector<NodeDescriptor>();
  }
  // Measures all links again, between two steps. Errors: as connect; a node that fails is lost.
  Result<void> measure_links();
  // Of the attention nodes that are connected, as measured last.
  const std::map<NodeId, LinkReport>& links() const { return links_; }
  bool is_connected(NodeId node) const { return holders_ != nullptr && holders_->is_connected(node); }
  // The cluster has given the node up: what it held is lost, and it is not listened to any more.
  void lose(NodeId node);
  // Sequences that start from here on are placed by this plan. Errors: kInvalidArgument when it does not fit the model,
  // kFailedPrecondition when it names a node that is not connected.
  Result<void> set_plan(std::shared_ptr<const PlacementPlan> plan);
  const PlacementPlan& plan() const { return *plan_; }

  // Requires: at most rows_max tokens in all. An entry that cannot be computed carries its error in the outcome; the
  // others are not touched by it.
  StepOutcome execute(const StepBatch& batch);

  // As if every sequence had been released: whoever gives the orders begins anew.
  void forget_all();

  // Takes in acknowledgements and losses between steps; `execute` does the same.
  void poll();
  void observe_logits(LogitObserver observer) { observer_ = std::move(observer); }

  const model::ModelConfig& config() const { return decoder_.config(); }
  const std::vector<std::uint64_t>& remote_partials() const { return attention_.remote_partials(); }
  // Leaves of a sequence that only its holders have: [1, this).
  std::uint32_t released_end(SequenceId sequence) const;
  // Blocks of full leaves that wait for a holder's answer.
  std::size_t open_offers() const { return push_ ? push_->open_offers() : 0; }
  std::size_t sequences() const { return sequences_.size(); }
  const kv::KvStore& store() const { return store_; }
  // Where the time of the last step went.
  const model::StageSeconds& stage_seconds() const { return activations_.stages.seconds(); }

 private:
  struct Running {  // a sequence and what sampling needs of it
    SequenceState state;
    sampling::TokenHistory history;
    bool lost = false;   // a node that had the only copy of some leaf is gone
    bool ended = false;  // it is kept for others to begin from
    std::optional<Error> refused;  // it could not begin from the prefix that it names
  };

  ComputeNode(const model::Decoder& decoder, kv::KvStore& store, const Sha256& model, transport::Transport* transport,
              const ComputeOptions& options, Metrics& metrics, const Clock& clock, model::Activations activations);

  Result<void> open_link(NodeId node);
  Result<void> measure(NodeId node);
  void start(const SequenceStart& start);
  Result<void> start_from_prefix(const SequenceStart& start);
  void release(SequenceId sequence);
  void keep(const SequenceKeep& keep);
  void tell_holders(const SequenceState& state, std::uint32_t from_leaf);
  std::optional<Error> admit(const StepEntry& entry);
  bool make_room(Running& running, std::uint32_t first, std::uint32_t end);
  std::vector<AttendedGroup> attended_groups(const StepBatch& batch, const StepRows& rows);
  void compute_layers(const StepRows& rows);
  void finish_entries(const StepBatch& batch, StepOutcome& outcome);
  void sample(const StepBatch& batch, const StepRows& rows, StepOutcome& outcome);
  void score_row(const StepBatch& batch, const LogitRow& row, std::span<const float> logits, unsigned worker,
                 EntryOutcome& outcome);

  const model::Decoder& decoder_;
  kv::KvStore& store_;
  ComputeOptions options_;
  const Clock& clock_;
  model::Activations activations_;
  SequenceBlocks blocks_;
  std::unique_ptr<Holders> holders_;
  std::map<NodeId, LinkReport> links_;
  transport::MemoryRegion region_;
  std::unique_ptr<BlockPush> push_;
  AttentionStep attention_;
  std::shared_ptr<const PlacementPlan> plan_;
  std::unordered_map<SequenceId, Running> sequences_;
  std::vector<sampling::Sampler> samplers_;  // [threads]
  std::vector<float> logits_;                // [kLogitRows, V]
  LogitObserver observer_;
};

}  // namespace longshore::compute
