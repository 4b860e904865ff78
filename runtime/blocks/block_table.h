#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
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
    if (count > room_) make_room(std::max(count, 2 * room_));
    leaves_ = std::max(leaves_, count);
  }

  // Requires: leaf < leaves().
  std::optional<BlockId>& at(std::uint32_t leaf, std::uint32_t layer, std::uint32_t kv_head) {
    return entries_[index(leaf, layer, kv_head)];
  }
  std::optional<BlockId> at(std::uint32_t leaf, std::uint32_t layer, std::uint32_t kv_head) const {
    return leaf < leaves_ ? entries_[index(leaf, layer, kv_head)] : std::nullopt;
  }

 private:
  std::size_t index(std::uint32_t leaf, std::uint32_t layer, std::uint32_t kv_head) const {
    return (std::size_t{layer} * kv_heads_ + kv_head) * room_ + leaf;
  }
  void make_room(std::uint32_t leaves) {
    std::vector<std::optional<BlockId>> wider(std::size_t{layers_} * kv_heads_ * leaves);
    for (std::size_t run = 0; run < std::size_t{layers_} * kv_heads_; ++run)
      std::copy_n(entries_.begin() + static_cast<std::ptrdiff_t>(run * room_), leaves_,
                  wider.begin() + static_cast<std::ptrdiff_t>(run * leaves));
    entries_ = std::move(wider);
    room_ = leaves;
  }

  std::uint32_t layers_;
  std::uint32_t kv_heads_;
  std::uint32_t leaves_ = 0;
  std::uint32_t room_ = 0;  // leaves that fit into entries_
  std::vector<std::optional<BlockId>> entries_;  // [L, Hkv, room_]: a step reads the leaves of one layer and head
};

}  // namespace longshore::blocks
