#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/ids.h"

namespace longshore::blocks {

// For one sequence: (leaf, layer, KV head) -> the block of this process that holds it, if one does. One thread.
class BlockTable {
 public:
  BlockTable(std::uint32_t layers, std::uint32_t kv_heads) : layers_(layers), kv_heads_(kv_heads) {}

  std::uint32_t leaves() const { return leaves_; }
  // Leaves in [leaves(), count) appear, holding nothing.
  void grow(std::uint32_t count) {
    if (count <= leaves_) return;
    leaves_ = count;
    entries_.resize(std::size_t{count} * layers_ * kv_heads_);
  }

  // Requires: leaf < leaves().
  std::optional<BlockId>& at(std::uint32_t leaf, std::uint32_t layer, std::uint32_t kv_head) {
    return entries_[index(leaf, layer, kv_head)];
  }
  std::optional<BlockId> at(std::uint32_t leaf, std::uint32_t layer, std::uint32_t kv_head) const {
    return leaf < leaves_ ? entries_[index(leaf, layer, kv_head)] : std::nullopt;
  }

  // Every block held, in order of leaf, layer, head.
  const std::vector<std::optional<BlockId>>& entries() const { return entries_; }

 private:
  std::size_t index(std::uint32_t leaf, std::uint32_t layer, std::uint32_t kv_head) const {
    return (std::size_t{leaf} * layers_ + layer) * kv_heads_ + kv_head;
  }

  std::uint32_t layers_;
  std::uint32_t kv_heads_;
  std::uint32_t leaves_ = 0;
  std::vector<std::optional<BlockId>> entries_;  // [leaves, L, Hkv]
};

}  // namespace longshore::blocks
