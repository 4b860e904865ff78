#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/ids.h"

namespace longshore::blocks {

// Which block ids are free, and how often each other one is shared. Knows no memory, so whoever only plans may use it.
// One thread, or locked by the owner.
// Invariant: an id is either free or has at least one holder.
class BlockPool {
 public:
  explicit BlockPool(std::uint32_t capacity);

  // A free id with one holder, lowest of the recently freed first; nothing when none is free.
  std::optional<BlockId> allocate();
  void share(BlockId block);    // one more holder. Requires: allocated
  void release(BlockId block);  // one holder less; the last one frees it. Requires: allocated

  std::uint32_t capacity() const { return static_cast<std::uint32_t>(holders_.size()); }
  std::uint32_t used() const { return used_; }
  std::uint32_t holders(BlockId block) const { return holders_[block.value]; }

 private:
  std::vector<std::uint32_t> holders_;  // [capacity]
  std::vector<BlockId> free_;           // a stack: memory touched last is used first
  std::uint32_t fresh_ = 0;             // ids from here on were never used
  std::uint32_t used_ = 0;
};

}  // namespace longshore::blocks
