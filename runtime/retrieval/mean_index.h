#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/kv/kv_store.h"
#include "runtime/retrieval/block_means.h"
#include "runtime/tensor/buffer.h"

namespace longshore::retrieval {

// The means of the blocks of one store, each computed when it is first wanted (or before, off the critical path). Takes d *
// 16 bytes beside each block, from the system as they are first touched: 3 % of f16 blocks.
class MeanIndex {
 public:
  MeanIndex(const kv::KvStore& store, const MeanKernels& kernels) : store_(store), kernels_(kernels) {}

  // Takes address space for all blocks; nothing if it has. Errors: kResourceExhausted. Not to be called beside `of`.
  Result<void> open();

  // [d][8] f16, valid while somebody holds the block. Requires: open() went well; a full block of the store that nobody
  // writes any more. Thread-safe.
  const std::uint16_t* of(const std::byte* block);

  const MeanKernels& kernels() const { return kernels_; }

 private:
  const kv::KvStore& store_;
  const MeanKernels& kernels_;
  Buffer memory_;
  // Of which allocation of the block the means are, times 2, and 1 more while they are being computed.
  std::vector<std::atomic<std::uint64_t>> state_;
};

}  // namespace longshore::retrieval
