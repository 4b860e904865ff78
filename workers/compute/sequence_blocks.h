#pragma once

#include <cstdint>
#include <vector>

#include "runtime/attention/attend.h"
#include "runtime/kv/kv_store.h"
#include "runtime/model/model_config.h"
#include "workers/compute/sequence_state.h"

namespace longshore::compute {

// What happens to the blocks of sequences in this process's store. One thread (the compute thread), but held_leaves,
// which only reads.
class SequenceBlocks {
 public:
  SequenceBlocks(const model::ModelConfig& config, kv::KvStore& store) : config_(config), store_(store) {}

  // Blocks in every layer and head for positions [first, end); those that are there stay. False when the store is
  // full; what was allocated stays with the sequence.
  bool reserve(SequenceState& sequence, std::uint32_t first, std::uint32_t end);

  // The blocks of leaves [0, leaves) of `carrier` that are here are held for `sequence`, too. False, and none are, where
  // some are missing that its next row would see in this process.
  bool adopt(const SequenceState& carrier, std::uint32_t leaves, SequenceState& sequence);

  // Local copies of leaves [1, end), for heads that see all, go back to the store.
  // Requires: end <= sequence.hand_over.acknowledged_end().
  void release_below(SequenceState& sequence, std::uint32_t end);
  // Blocks of heads with a window that no later row can see go back.
  void drop_outside_window(SequenceState& sequence);
  // Blocks of leaves from `first` on go back.
  void release_from(SequenceState& sequence, std::uint32_t first);
  void release_all(SequenceState& sequence) { release_from(sequence, 0); }

  // The leaves of one layer and head that rows from `position` on may need and that lie here: leaf 0, those of T from
  // `first_local` on, up to the row's own leaf. `written` counts positions up to `end`.
  void held_leaves(const SequenceState& sequence, std::uint32_t layer, std::uint32_t kv_head, std::uint32_t position,
                   std::uint32_t end, std::uint32_t first_local, std::vector<attention::HeldLeaf>& held) const;

 private:
  void release(std::optional<BlockId>& block);

  const model::ModelConfig& config_;
  kv::KvStore& store_;
};

}  // namespace longshore::compute
