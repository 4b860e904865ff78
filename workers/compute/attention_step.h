#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/attention/attend.h"
#include "runtime/attention/unit_selection.h"
#include "runtime/model/activations.h"
#include "runtime/model/model_config.h"
#include "runtime/base/thread_pool.h"
#include "workers/compute/holders.h"
#include "workers/compute/sequence_blocks.h"
#include "workers/compute/step_rows.h"

namespace longshore::compute {

// A row group with its sequence, as attention needs it. `remote_end`: leaves [1, remote_end) are attended by their
// holders, the others here; 1 where all are here.
struct AttendedGroup {
  // Who chooses what the group's one row reads, in heads that see all: nobody, as it reads all; this process; or the holders,
  // each for its heads, none of which has to know of another.
  enum class Choice { kNone, kHere, kHolders };

  RowGroup rows;
  SequenceState* sequence = nullptr;
  std::uint32_t remote_end = 1;
  Choice choice = Choice::kNone;    // AttentionStep::begin sets it
  std::optional<Error> error = {};  // set when its attention failed in some layer; it is skipped from then on
};

// The attention of one step, layer by layer: queries out, own partials, others' partials in, merged along the fixed
// tree. Which work is cut into how many pieces follows the number of threads and changes no bit.
// Thread: the compute thread; spreads over the pool.
class AttentionStep {
 public:
  // `holders` is null where no attention node can be asked.
  AttentionStep(const model::ModelConfig& config, kernels::Isa isa, ThreadPool& pool, kv::KvStore& store,
                SequenceBlocks& blocks, Holders* holders, Duration reply_deadline);

  void begin(StepId step, std::vector<AttendedGroup> groups);
  std::span<const AttendedGroup> groups() const { return groups_; }
  // Whether anyone is to be asked in this layer.
  bool has_remote(std::uint32_t layer) const { return has_remote_ && !config_.windowed(layer); }

  // Sends a.queries of this layer to the holders. Requires: has_remote(layer).
  void send_queries(std::uint32_t layer, model::Activations& a);
  // Appends a.keys and a.values, attends over what is here, waits for the others, and writes a.attended. Rows of
  // failed groups become zeros.
  void attend(std::uint32_t layer, model::Activations& a);

  // Partials with keys in them that holders have returned since the start, by layer: how tests see that attention was
  // really remote.
  const std::vector<std::uint64_t>& remote_partials() const { return remote_partials_; }

 private:
  struct Unit {  // one piece of local work: a group, a head, and a part of the leaves of T
    std::uint32_t group, head, part;
  };
  struct Asked {
    NodeId node;
    std::uint64_t ask;
    std::vector<std::uint32_t> groups;  // by item
  };
  struct Worker {
    attention::AttendScratch scratch;
    attention::RowPartials partials;  // of a unit that needs nothing else
    std::vector<attention::HeldLeaf> held;
  };

  // For whom a round of queries is: all, or those that have chosen since.
  enum class Round { kFirst, kChosen };
  void ask(std::uint32_t layer, Round round, model::Activations& a);
  void append(std::uint32_t layer, const model::Activations& a);
  void select(std::uint32_t layer, model::Activations& a);
  Result<void> choose(std::uint32_t layer, const AttendedGroup& group, std::uint32_t head, const model::Activations& a,
                      std::vector<attention::HeldLeaf>& held, attention::UnitSelection& selection);
  void attend_here(std::uint32_t layer, model::Activations& a);
  void run_unit(std::uint32_t layer, const Unit& unit, model::Activations& a, Worker& worker);
  void receive(std::uint32_t layer);
  void take_reply(std::uint32_t layer, const Asked& asked);
  void merge(std::uint32_t layer, model::Activations& a);
  void zero_failed(model::Activations& a) const;
  attention::AttendShape shape(HeadRule rule) const;
  attention::Queries queries(const AttendedGroup& group, std::uint32_t head, const model::Activations& a) const;
  // What holders are asked about: leaves [1, this).
  static std::uint32_t remote_end(const AttendedGroup& group) {
    return std::min(group.remote_end, leaf_of(group.rows.position));
  }
  std::size_t index(std::uint32_t group, std::uint32_t head) const { return std::size_t{group} * config_.kv_heads + head; }
  bool is_whole(std::uint32_t layer, std::uint32_t group) const {
    return parts_ == 1 && (groups_[group].remote_end <= 1 || config_.windowed(layer));
  }

  const model::ModelConfig& config_;
  const attention::AttentionKernels& kernels_;
  retrieval::MeanIndex means_;
  ThreadPool& pool_;
  kv::KvStore& store_;
  SequenceBlocks& blocks_;
  Holders* holders_;
  Duration reply_deadline_;

  StepId step_;
  bool has_remote_ = false, has_choice_ = false;
  std::vector<AttendedGroup> groups_;
  std::vector<std::optional<Error>> unit_errors_, head_errors_;
  std::vector<Unit> units_;
  std::uint32_t parts_ = 1;
  std::vector<Worker> workers_;                           // [threads]
  std::vector<attention::RowPartials> partials_;          // [groups, Hkv]
  std::vector<attention::NodeList> parts_nodes_;          // [groups, Hkv, parts - 1]
  std::vector<std::vector<attention::TreeNode>> others_;  // [groups, Hkv]
  std::vector<attention::UnitSelection> selections_;                 // [groups, Hkv], where a row selects
  std::vector<Asked> asked_;
  std::vector<transport::Message> replies_;               // what others_ points into
  std::vector<std::uint64_t> remote_partials_;            // [L]
};

}  // namespace longshore::compute
