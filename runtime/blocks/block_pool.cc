#include "runtime/blocks/block_pool.h"

#include "runtime/base/check.h"

namespace longshore::blocks {

BlockPool::BlockPool(std::uint32_t capacity) : holders_(capacity, 0) { free_.reserve(capacity); }

std::optional<BlockId> BlockPool::allocate() {
  BlockId block;
  if (!free_.empty()) {
    block = free_.back();
    free_.pop_back();
  } else if (fresh_ < capacity()) {
    block = BlockId{fresh_++};
  } else {
    return std::nullopt;
  }
  holders_[block.value] = 1;
  ++used_;
  return block;
}

void BlockPool::share(BlockId block) {
  CHECK(block.value < capacity() && holders_[block.value] > 0) << "block " << block.value << " is not allocated";
  ++holders_[block.value];
}

void BlockPool::release(BlockId block) {
  CHECK(block.value < capacity() && holders_[block.value] > 0) << "block " << block.value << " is not allocated";
  if (--holders_[block.value] == 0) {
    free_.push_back(block);
    --used_;
  }
}

}  // namespace longshore::blocks
