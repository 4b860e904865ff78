#include "runtime/plan/placement_plan.h"

#include <algorithm>
#include <bit>
#include <set>

#include "runtime/plan/leaf.h"

namespace longshore {

std::uint32_t PlacementPlan::stripe(std::uint64_t tokens) const {
  std::size_t longest = 1;
  for (const auto& pattern : holders) longest = std::max(longest, pattern.size());
  // Leaf 0, the newest full leaf and the open leaf are never handed over.
  const std::uint64_t leaves = tokens / kLeafTokens;
  const std::uint64_t handed_over = leaves > 2 ? leaves - 2 : 0;
  const std::uint64_t stripe = std::bit_floor(std::max<std::uint64_t>(1, handed_over / longest));
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(stripe, 1u << 20));
}

std::vector<NodeId> PlacementPlan::nodes() const {
  std::set<NodeId> all;
  for (const auto& pattern : holders) all.insert(pattern.begin(), pattern.end());
  return {all.begin(), all.end()};
}

Result<void> validate(const PlacementPlan& plan, std::uint32_t kv_heads) {
  if (plan.holders.empty()) return {};
  if (plan.holders.size() != kv_heads)
    return make_error(ErrorCode::kInvalidArgument, "placement plan ", plan.generation.value, " names holders for ",
                      plan.holders.size(), " KV heads; the model has ", kv_heads);
  for (std::size_t head = 0; head < plan.holders.size(); ++head)
    if (plan.holders[head].empty() || plan.holders[head].size() > 64)
      return make_error(ErrorCode::kInvalidArgument, "placement plan ", plan.generation.value, ": KV head ", head,
                        " has ", plan.holders[head].size(), " entries in its pattern; 1 to 64 are legal");
  return {};
}

}  // namespace longshore
