#include "workers/compute/sequence_blocks.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace longshore::compute {

bool SequenceBlocks::reserve(SequenceState& sequence, std::uint32_t first, std::uint32_t end) {
  sequence.table.grow(leaves_for(end));
  for (std::uint32_t leaf = leaf_of(first); leaf < leaves_for(end); ++leaf)
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer)
      for (std::uint32_t head = 0; head < config_.kv_heads; ++head) {
        std::optional<BlockId>& block = sequence.table.at(leaf, layer, head);
        if (!block) block = store_.allocate();
        if (!block) return false;
      }
  return true;
}

void SequenceBlocks::release(std::optional<BlockId>& block) {
  if (block) store_.release(*block);
  block.reset();
}

void SequenceBlocks::release_below(SequenceState& sequence, std::uint32_t end) {
  for (std::uint32_t leaf = sequence.hand_over.released_end(); leaf < end; ++leaf)
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer)
      for (std::uint32_t head = 0; head < config_.kv_heads; ++head)
        if (sequence.rule(config_, layer, head).sees_all()) release(sequence.table.at(leaf, layer, head));
  sequence.hand_over.on_released(end);
}

bool SequenceBlocks::adopt(const SequenceState& carrier, std::uint32_t leaves, SequenceState& sequence) {
  for (std::uint32_t layer = 0; layer < config_.layers; ++layer)
    for (std::uint32_t head = 0; head < config_.kv_heads; ++head) {
      const HeadRule rule = sequence.rule(config_, layer, head);
      const std::uint32_t first = rule.sees_all() ? carrier.hand_over.released_end()
                                                  : leaf_of(rule.window_begin(std::uint64_t{leaves} * kLeafTokens));
      for (std::uint32_t leaf = 0; leaf < leaves; ++leaf) {
        const bool is_needed = leaf >= first || (leaf == 0 && (rule.sees_all() || rule.sinks > 0));
        if (is_needed && !carrier.table.at(leaf, layer, head)) return false;
      }
    }
  sequence.table.grow(leaves);
  for (std::uint32_t leaf = 0; leaf < leaves; ++leaf)
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer)
      for (std::uint32_t head = 0; head < config_.kv_heads; ++head) {
        const std::optional<BlockId> block = carrier.table.at(leaf, layer, head);
        if (block) store_.share(*block);
        sequence.table.at(leaf, layer, head) = block;
      }
  return true;
}

void SequenceBlocks::drop_outside_window(SequenceState& sequence) {
  // As seen from the first row of the last leaf, so that another sequence may begin with all full leaves of this one.
  const std::uint64_t next = sequence.tokens.size() / kLeafTokens * kLeafTokens;
  for (std::uint32_t layer = 0; layer < config_.layers; ++layer)
    for (std::uint32_t head = 0; head < config_.kv_heads; ++head) {
      const HeadRule rule = sequence.rule(config_, layer, head);
      if (rule.sees_all()) continue;
      const std::uint32_t first = rule.sinks > 0 ? 1 : 0;
      for (std::uint32_t leaf = std::min(leaf_of(rule.window_begin(next)), sequence.table.leaves()); leaf-- > first;) {
        std::optional<BlockId>& block = sequence.table.at(leaf, layer, head);
        if (!block) break;  // everything before went earlier
        release(block);
      }
    }
}

void SequenceBlocks::release_from(SequenceState& sequence, std::uint32_t first) {
  for (std::uint32_t leaf = first; leaf < sequence.table.leaves(); ++leaf)
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer)
      for (std::uint32_t head = 0; head < config_.kv_heads; ++head) release(sequence.table.at(leaf, layer, head));
}

void SequenceBlocks::held_leaves(const SequenceState& sequence, std::uint32_t layer, std::uint32_t kv_head,
                                 std::uint32_t position, std::uint32_t end, std::uint32_t first_local,
                                 std::vector<attention::HeldLeaf>& held) const {
  held.clear();
  const std::uint32_t newest = leaf_of(position);
  const HeadRule rule = sequence.rule(config_, layer, kv_head);
  const auto take = [&](std::uint32_t leaf) {
    const std::optional<BlockId> block = sequence.table.at(leaf, layer, kv_head);
    if (block) held.push_back({leaf, std::min(kLeafTokens, end - leaf * kLeafTokens), store_.block(*block)});
    // else attending says what is missing
  };
  const std::uint32_t first = rule.sees_all() ? std::max(1u, first_local) : leaf_of(rule.window_begin(position));
  if (first > 0 && (rule.sees_all() || rule.sinks > 0)) take(0);
  for (std::uint32_t leaf = first; leaf <= newest; ++leaf) take(leaf);
}

}  // namespace longshore::compute
