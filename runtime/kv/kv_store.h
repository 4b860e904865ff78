#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/blocks/block_pool.h"
#include "runtime/kv/kv_codec.h"
#include "runtime/tensor/buffer.h"

namespace longshore::kv {

// The memory of all KV blocks of one process, in one arena that transports can register. Hands out block ids and their
// bytes, owns no policy. Nodes of one process share a store: handing a block over is one more holder, not a copy.
// Thread-safe; the bytes of a block belong to whoever allocated it until it is shared, and are constant from then on.
class KvStore {
 public:
  // As many blocks of `layout` as fit into `bytes`. Memory is taken from the system as it is first touched.
  // Errors: kInvalidArgument when not one block fits; kResourceExhausted when the system refuses.
  static Result<std::unique_ptr<KvStore>> create(const KvLayout& layout, std::uint64_t bytes);

  const KvLayout& layout() const { return layout_; }
  // Nothing when the store is full.
  std::optional<BlockId> allocate();
  void share(BlockId block);
  void release(BlockId block);
  // Which allocation of this id it is, from 1; constant as long as somebody holds the block. Requires: somebody does.
  std::uint32_t allocation(BlockId block) const { return allocations_[block.value]; }

  std::byte* block(BlockId block) { return arena_.data() + std::size_t{block.value} * stride_; }
  const std::byte* block(BlockId block) const { return arena_.data() + std::size_t{block.value} * stride_; }
  std::size_t block_offset(BlockId block) const { return std::size_t{block.value} * stride_; }
  // The block whose bytes start `offset` bytes into memory(), if one does.
  std::optional<BlockId> block_at(std::size_t offset) const;

  std::span<std::byte> memory() { return arena_.bytes(); }
  std::uint32_t capacity() const { return capacity_; }
  std::uint32_t used() const;

 private:
  KvStore(const KvLayout& layout, std::uint32_t capacity, Buffer arena);

  KvLayout layout_;
  std::size_t stride_;
  std::uint32_t capacity_;
  Buffer arena_;
  std::vector<std::uint32_t> allocations_;
  mutable std::mutex mutex_;
  blocks::BlockPool pool_;  // guarded by mutex_
};

}  // namespace longshore::kv
