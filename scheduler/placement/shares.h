#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/ids.h"

namespace longshore::placement {

// A node that may hold KV, as far as its share goes.
struct Holder {
  NodeId node;
  double bandwidth = 0;  // > 0; only its ratio to the others' matters
  double share_max = 0;  // that its memory allows, > 0; may exceed 1
};

// Shares that sum to 1, follow bandwidth, and stay below share_max where the sum of those is at least 1 (else they
// follow share_max, so that all memory is used to the same degree). The largest time share / bandwidth is the least possible.
std::vector<double> ideal_shares(const std::vector<Holder>& holders);

// Who wants how much of one KV head. `elsewhere` is what the node holds of other heads (in heads).
struct HeadWeight {
  NodeId node;
  double weight = 0;     // of this head; the weights of a head sum to 1
  double elsewhere = 0;
};

// What validate(PlacementPlan) allows.
inline constexpr std::uint32_t kPatternEntriesMax = 64;

// The shortest pattern of at most 64 entries with which no node's load exceeds what it wants by more than 3 % above the
// least possible. Entries of one node are spread over the pattern, so that any run of it is balanced.
std::vector<NodeId> pattern_of(const std::vector<HeadWeight>& weights);

}  // namespace longshore::placement
