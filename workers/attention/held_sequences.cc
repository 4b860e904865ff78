#include "workers/attention/held_sequences.h"

#include <algorithm>
#include <utility>

namespace longshore::attention_node {

HeldSequences::~HeldSequences() {
  for (auto& [key, held] : sequences_) free_leaves(held, 0);
}

Result<void> HeldSequences::begin_epoch(transport::PeerId peer, SequenceId sequence, SequenceEpoch epoch) {
  const auto [found, is_new] = sequences_.try_emplace(Key{peer, sequence}, Held{epoch, {layers_, kv_heads_}, {}});
  Held& held = found->second;
  if (epoch < held.epoch)
    return make_error(ErrorCode::kAborted, "sequence ", sequence.value, " is at epoch ", held.epoch.value,
                      "; blocks of epoch ", epoch.value, " come too late");
  if (held.epoch < epoch) {
    free_leaves(held, 0);
    held = Held{epoch, {layers_, kv_heads_}, {}};
  }
  return {};
}

void HeldSequences::insert(transport::PeerId peer, SequenceId sequence, std::uint32_t leaf,
                           std::span<const Placed> blocks) {
  Held& held = sequences_.at(Key{peer, sequence});
  held.table.grow(leaf + 1);
  held.leaf_blocks.resize(std::max<std::size_t>(held.leaf_blocks.size(), leaf + 1));
  for (const Placed& placed : blocks) {
    std::optional<BlockId>& slot = held.table.at(leaf, placed.layer, placed.kv_head);
    if (slot) {
      store_.release(*slot);
    } else {
      ++blocks_;
      if (held.leaf_blocks[leaf]++ == 0) ++leaves_;
    }
    slot = placed.block;
  }
}

void HeldSequences::adopt(transport::PeerId peer, Of sequence, Of carrier, std::uint32_t leaf_end) {
  const auto found = sequences_.find(Key{peer, carrier.sequence});
  if (found == sequences_.end() || found->second.epoch != carrier.epoch || carrier.sequence == sequence.sequence) return;
  if (!begin_epoch(peer, sequence.sequence, sequence.epoch)) return;
  const Held& from = found->second;
  std::vector<Placed> shared;
  for (std::uint32_t leaf = 1; leaf < std::min(leaf_end, from.table.leaves()); ++leaf) {
    shared.clear();
    for (std::uint32_t layer = 0; layer < layers_; ++layer)
      for (std::uint32_t head = 0; head < kv_heads_; ++head)
        if (const std::optional<BlockId> block = from.table.at(leaf, layer, head)) {
          store_.share(*block);
          shared.push_back({layer, head, *block});
        }
    if (!shared.empty()) insert(peer, sequence.sequence, leaf, shared);
  }
}

void HeldSequences::release(transport::PeerId peer, SequenceId sequence, SequenceEpoch epoch,
                            std::uint32_t from_leaf) {
  const auto found = sequences_.find(Key{peer, sequence});
  if (found == sequences_.end() || epoch < found->second.epoch) return;
  free_leaves(found->second, from_leaf);
  if (from_leaf == 0) sequences_.erase(found);
}

void HeldSequences::release_peer(transport::PeerId peer) {
  for (auto held = sequences_.begin(); held != sequences_.end();) {
    if (held->first.first != peer) {
      ++held;
      continue;
    }
    free_leaves(held->second, 0);
    held = sequences_.erase(held);
  }
}

void HeldSequences::free_leaves(Held& held, std::uint32_t from_leaf) {
  for (std::uint32_t leaf = from_leaf; leaf < held.table.leaves(); ++leaf) {
    if (held.leaf_blocks[leaf] == 0) continue;
    for (std::uint32_t layer = 0; layer < layers_; ++layer)
      for (std::uint32_t head = 0; head < kv_heads_; ++head) {
        std::optional<BlockId>& block = held.table.at(leaf, layer, head);
        if (block) store_.release(*block);
        block.reset();
      }
    --leaves_;
    blocks_ -= std::exchange(held.leaf_blocks[leaf], 0u);
  }
}

Result<void> HeldSequences::find(transport::PeerId peer, SequenceId sequence, SequenceEpoch epoch, std::uint32_t layer,
                                 std::uint32_t kv_head, std::uint32_t leaf_end,
                                 std::vector<attention::HeldLeaf>& leaves) const {
  leaves.clear();
  const auto found = sequences_.find(Key{peer, sequence});
  if (found == sequences_.end())
    return make_error(ErrorCode::kNotFound, "no leaf of sequence ", sequence.value, " is held here");
  const Held& held = found->second;
  if (held.epoch != epoch)
    return make_error(ErrorCode::kAborted, "sequence ", sequence.value, " is held here at epoch ", held.epoch.value,
                      ", not ", epoch.value);
  for (std::uint32_t leaf = 1; leaf < std::min(leaf_end, held.table.leaves()); ++leaf)
    if (const std::optional<BlockId> block = held.table.at(leaf, layer, kv_head))
      leaves.push_back({leaf, kLeafTokens, store_.block(*block)});
  return {};
}

}  // namespace longshore::attention_node
