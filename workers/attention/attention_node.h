#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "runtime/attention/attend.h"
#include "runtime/attention/unit_selection.h"
#include "runtime/base/ids.h"
#include "runtime/base/metrics.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/isa.h"
#include "runtime/kv/kv_store.h"
#include "runtime/retrieval/mean_index.h"
#include "transport/link_metrics.h"
#include "transport/transport.h"
#include "transport/wire/attention_messages.h"
#include "transport/wire/block_messages.h"
#include "transport/wire/session_messages.h"
#include "workers/attention/held_sequences.h"

namespace longshore::attention_node {

// What both sides of the wire must agree on about the model.
struct ServedModel {
  Sha256 model{};
  std::uint32_t layers = 0;  // L
  std::uint32_t kv_heads = 0;
  std::uint32_t group = 0;  // G
  std::uint32_t head_dim = 0;
  float softcap = 0;
};

// One attention node: holds sealed KV blocks and answers queries over them. It pulls every block that it is offered
// into a slot that no reader sees, verifies it, and only then says that it has it.
// Thread: `run` has its own; everything else before or after it, but `stop`.
class AttentionNode final : public transport::Receiver {
 public:
  // The store may be the compute node's own, if the transport shares memory: then a pull is one more hold on a block.
  AttentionNode(std::string name, NodeId id, const ServedModel& model, kernels::Isa isa, ThreadPool& pool,
                kv::KvStore& store, transport::Transport& transport, Metrics& metrics);
  ~AttentionNode() override;

  // Serves until `stop`.
  void run();
  // Thread-safe; `run` returns soon after.
  void stop();
  // Delivers what has arrived and answers it, without waiting: instead of `run`, for a node that shares its thread.
  void progress();

  // What it holds now, over all sequences. Thread-safe.
  struct Holding {
    std::uint64_t sequences = 0, leaves = 0, blocks = 0;
  };
  Holding holding() const;
  // Attention queries answered so far. Thread-safe.
  std::uint64_t queries_answered() const { return static_cast<std::uint64_t>(queries_.value()); }
  const std::string& name() const { return name_; }

 private:
  struct Pull {  // an offer whose blocks are on their way
    transport::PeerId peer;
    wire::BlockOffer offer;
    std::vector<HeldSequences::Placed> blocks;  // own slots, or the peer's own blocks where memory is shared
    std::unique_ptr<transport::Transfer> transfer;
  };
  struct Unit {  // one piece of a query: an item, one of its heads, a part of its leaves
    std::size_t item, head, part;
  };
  struct Answer {  // of one item and head
    std::vector<attention::HeldLeaf> held;
    std::optional<attention::HeldLeaf> previous;  // the leaf before the rows' own, if it is asked for here
    std::vector<std::uint32_t> cuts;              // indices into held, one more than parts in use
    std::vector<attention::NodeList> parts;
    attention::NodeList of_previous;
    std::vector<const std::uint16_t*> means;  // by held leaf, and
    std::vector<float> logits;                // [G, 2 * held]: of a query for scores
  };

  void on_message(transport::PeerId peer, transport::Message message) override;
  void on_peer_lost(transport::PeerId peer, const Error& error) override;
  void on_hello(transport::PeerId peer, std::span<const std::byte> frame);
  void on_query(transport::PeerId peer, std::span<const std::byte> frame);
  void on_offer(transport::PeerId peer, std::span<const std::byte> frame);

  Result<void> begin_pull(Pull& pull);
  void finish_pulls();
  Result<void> take_in(Pull& pull);
  void give_up(Pull& pull);
  void acknowledge(const Pull& pull, std::optional<Error> error);

  std::optional<Error> check(const wire::AttentionQuery& query);
  std::optional<Error> find_leaves(transport::PeerId peer, const wire::AttentionQuery& query, std::size_t item);
  void attend(const wire::AttentionQuery& query, std::vector<std::optional<Error>>& errors);
  void score(const wire::AttentionQuery& query, std::size_t item, std::size_t head);
  Result<void> choose(const wire::AttentionQuery& query, std::size_t item, std::size_t head,
                      attention::UnitSelection& selection);
  Result<void> attend_unit(const wire::AttentionQuery& query, std::size_t unit, unsigned worker);
  void count_read(const wire::QueryItem& item, std::span<const Answer> answers);
  const std::byte* first_block(std::size_t unit) const;
  transport::Message reply(const wire::AttentionQuery& query, const std::vector<std::optional<Error>>& errors);
  void send(transport::PeerId peer, transport::Message message);
  void publish();

  std::string name_;
  NodeId id_;
  ServedModel model_;
  const attention::AttentionKernels& kernels_;
  retrieval::MeanIndex means_;
  ThreadPool& pool_;
  kv::KvStore& store_;
  transport::Transport& transport_;
  HeldSequences held_;
  std::map<transport::PeerId, wire::Hello> peers_;  // that have said hello and agree
  std::list<Pull> pulls_;
  std::vector<attention::AttendScratch> scratch_;        // [threads]
  std::vector<attention::UnitSelection> selections_;      // [threads]
  std::vector<std::vector<Answer>> answers_;       // [items][heads]
  std::vector<Unit> units_;                        // of the query in hand
  std::vector<std::optional<Error>> unit_errors_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex holding_mutex_;
  Holding holding_;  // guarded by holding_mutex_

  transport::LinkMetrics links_;
  Counter& queries_;
  Counter& probes_;
  Counter& bytes_read_;
  Counter& blocks_in_;
  Gauge& blocks_held_;
  Histogram& attend_seconds_;
};

}  // namespace longshore::attention_node
