#include "runtime/kv/kv_store.h"

#include <algorithm>
#include <utility>

namespace longshore::kv {

Result<std::unique_ptr<KvStore>> KvStore::create(const KvLayout& layout, std::uint64_t bytes) {
  const std::uint64_t stride = layout.block_bytes();
  const std::uint64_t count = std::min<std::uint64_t>(bytes / stride, UINT32_MAX);
  if (count == 0)
    return make_error(ErrorCode::kInvalidArgument, "KV memory of ", bytes, " bytes holds not one block of ", stride,
                      " bytes; give more memory");
  Result<Buffer> arena = Buffer::allocate(count * stride);
  if (!arena) return arena.error();
  return std::unique_ptr<KvStore>(new KvStore(layout, static_cast<std::uint32_t>(count), std::move(*arena)));
}

KvStore::KvStore(const KvLayout& layout, std::uint32_t capacity, Buffer arena)
    : layout_(layout), stride_(layout.block_bytes()), capacity_(capacity), arena_(std::move(arena)),
      allocations_(capacity), pool_(capacity) {}

std::optional<BlockId> KvStore::allocate() {
  std::lock_guard lock(mutex_);
  const std::optional<BlockId> block = pool_.allocate();
  if (block) ++allocations_[block->value];
  return block;
}

void KvStore::share(BlockId block) {
  std::lock_guard lock(mutex_);
  pool_.share(block);
}

void KvStore::release(BlockId block) {
  std::lock_guard lock(mutex_);
  pool_.release(block);
}

std::optional<BlockId> KvStore::block_at(std::size_t offset) const {
  if (offset % stride_ != 0 || offset / stride_ >= capacity_) return std::nullopt;
  return BlockId{static_cast<std::uint32_t>(offset / stride_)};
}

std::uint32_t KvStore::used() const {
  std::lock_guard lock(mutex_);
  return pool_.used();
}

}  // namespace longshore::kv
