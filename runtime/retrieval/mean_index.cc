#include "runtime/retrieval/mean_index.h"

#include <thread>
#include <utility>

#include "runtime/base/check.h"

namespace longshore::retrieval {

Result<std::unique_ptr<MeanIndex>> MeanIndex::create(const kv::KvStore& store, const MeanKernels& kernels) {
  Result<Buffer> memory =
      Buffer::allocate(store.capacity() * mean_values(store.layout().d) * sizeof(std::uint16_t));
  if (!memory) return memory.error();
  return std::unique_ptr<MeanIndex>(new MeanIndex(store, kernels, std::move(*memory)));
}

MeanIndex::MeanIndex(const kv::KvStore& store, const MeanKernels& kernels, Buffer memory)
    : store_(store), kernels_(kernels), memory_(std::move(memory)), state_(store.capacity()) {}

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
