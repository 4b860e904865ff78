#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"

namespace longshore {

// Which attention node holds which KV heads and token ranges. Immutable once made; shared as
// std::shared_ptr<const PlacementPlan>. The same placement holds for every layer.
//
// Leaves 1, 2, ... of a sequence, renumbered from 0 (leaf 0 stays on the compute node), are cut into stripes of
// `stripe` leaves, a power of two fixed per sequence when it starts. Stripe s of KV head h lies on node
// holders[h][s mod holders[h].size()]. So a head that one node holds alone has one entry (head shard); a head cut by
// context has several; a node with twice the share of another has twice the entries.
struct PlacementPlan {
  PlanGeneration generation;
  std::vector<std::vector<NodeId>> holders;  // [Hkv][pattern]; empty: the compute node holds everything itself

  bool has_holders() const { return !holders.empty(); }
  // The node that holds a leaf of T (leaf >= 1) of one KV head. Requires: has_holders(), stripe a power of two.
  NodeId holder(std::uint32_t kv_head, std::uint32_t leaf, std::uint32_t stripe) const {
    const std::vector<NodeId>& pattern = holders[kv_head];
    return pattern[((leaf - 1) / stripe) % pattern.size()];
  }
  // Leaves per stripe for a sequence that is expected to reach `tokens`: the largest power of two with which each
  // holder of a context-cut head gets a share.
  std::uint32_t stripe(std::uint64_t tokens) const;
  // All nodes that hold anything, each once, ascending.
  std::vector<NodeId> nodes() const;
};

// Errors: kInvalidArgument unless there are no holders, or one non-empty pattern of at most 64 entries per KV head.
Result<void> validate(const PlacementPlan& plan, std::uint32_t kv_heads);

}  // namespace longshore
