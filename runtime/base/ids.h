#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace longshore {

// An integer that cannot be passed for another kind of id.
template <typename Tag, typename Integer>
struct StrongId {
  Integer value = 0;
  auto operator<=>(const StrongId&) const = default;
};

using NodeId = StrongId<struct NodeTag, std::uint32_t>;          // a registered node; 0 is the compute node of a group
using SequenceId = StrongId<struct SequenceTag, std::uint64_t>;  // unique for the life of the scheduler
using SequenceEpoch = StrongId<struct EpochTag, std::uint32_t>;  // grows when a sequence is recomputed or moved
using PlanGeneration = StrongId<struct PlanTag, std::uint64_t>;  // grows with each PlacementPlan
using StepId = StrongId<struct StepTag, std::uint64_t>;
using BlockId = StrongId<struct BlockTag, std::uint32_t>;  // a slot of one process's KvStore
using TokenId = std::int32_t;                              // index into the vocabulary; the field's plain integer

}  // namespace longshore

template <typename Tag, typename Integer>
struct std::hash<longshore::StrongId<Tag, Integer>> {
  std::size_t operator()(longshore::StrongId<Tag, Integer> id) const noexcept {
    return std::hash<Integer>()(id.value);
  }
};
