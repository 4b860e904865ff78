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
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {
      if (config_.windowed(layer)) continue;
      for (std::uint32_t head = 0; head < config_.kv_heads; ++head) release(sequence.table.at(leaf, layer, head));
    }
  sequence.hand_over.on_released(end);
}

// The first leaf of a windowed layer that a row at `position` sees: it sees positions from position - (window - 1) on.
std::uint32_t SequenceBlocks::first_windowed(std::uint32_t layer, std::uint64_t position) const {
  const std::uint64_t window = config_.window[layer];
  return position + 1 <= window ? 0 : leaf_of(position + 1 - window);
}

bool SequenceBlocks::adopt(const SequenceState& carrier, std::uint32_t leaves, SequenceState& sequence) {
  for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {
    const std::uint32_t first = config_.windowed(layer) ? first_windowed(layer, std::uint64_t{leaves} * kLeafTokens)
                                                        : carrier.hand_over.released_end();
    for (std::uint32_t leaf = 0; leaf < leaves; ++leaf) {
      const bool is_needed = leaf >= first || (leaf == 0 && !config_.windowed(layer));
      if (is_needed && !carrier.table.at(leaf, layer, 0)) return false;
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
  for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {
    if (!config_.windowed(layer)) continue;
    const std::uint32_t end = first_windowed(layer, next);
    for (std::uint32_t leaf = std::min(end, sequence.table.leaves()); leaf-- > 0;) {
      if (!sequence.table.at(leaf, layer, 0)) break;  // everything before went earlier
      for (std::uint32_t head = 0; head < config_.kv_heads; ++head) release(sequence.table.at(leaf, layer, head));
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
  const std::uint32_t window = config_.window[layer];
  const std::uint32_t first_seen = window == 0 || position + 1 <= window ? 0 : leaf_of(position + 1 - window);
  for (std::uint32_t leaf = first_seen; leaf <= newest; ++leaf) {
    const bool is_remote = leaf >= 1 && leaf < first_local && window == 0;
    if (is_remote) continue;
    const std::optional<BlockId> block = sequence.table.at(leaf, layer, kv_head);
    if (!block) continue;  // attending says what is missing
    held.push_back({leaf, std::min(kLeafTokens, end - leaf * kLeafTokens), store_.block(*block)});
  }
}

}  // namespace longshore::compute
