#include "runtime/retrieval/mean_index.h"

#include <thread>
#include <utility>

#include "runtime/base/check.h"

namespace longshore::retrieval {

Result<void> MeanIndex::open() {
  if (memory_.size() > 0) return {};
  Result<Buffer> memory =
      Buffer::allocate(store_.capacity() * mean_values(store_.layout().d) * sizeof(std::uint16_t));
  if (!memory) return memory.error();
  memory_ = std::move(*memory);
  state_ = std::vector<std::atomic<std::uint64_t>>(store_.capacity());
  return {};
}

const std::uint16_t* MeanIndex::of(const std::byte* block) {
  const auto id = store_.block_at(static_cast<std::size_t>(block - store_.block(BlockId{0})));
  CHECK(id) << "not a block of this store";
  auto* const means = reinterpret_cast<std::uint16_t*>(memory_.data()) + id->value * mean_values(store_.layout().d);
  std::atomic<std::uint64_t>& state = state_[id->value];
  const std::uint64_t done = 2 * store_.allocation(*id);
  std::uint64_t seen = state.load(std::memory_order_acquire);
  while (seen != done) {
    if (seen == done + 1) {  // another thread computes them, which takes some microseconds
      std::this_thread::yield();
      seen = state.load(std::memory_order_acquire);
    } else if (state.compare_exchange_weak(seen, done + 1, std::memory_order_acquire)) {
      kernels_.means(store_.layout(), block, means);
      state.store(done, std::memory_order_release);
      return means;
    }
  }
  return means;
}

}  // namespace longshore::retrieval
