#include "workers/probe/attention_rate.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>
#include <vector>

#include "runtime/plan/leaf.h"
#include "runtime/tensor/buffer.h"

namespace longshore::probe {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kMemoryBytes = std::size_t{96} << 20;  // beyond the caches that one process gets
constexpr std::size_t kLeavesPerPart = 8;                    // as holders cut their work
constexpr std::size_t kPartsOfLarge = 16;                    // 128 leaves: 4 KV heads at 4,000 tokens
constexpr int kRegionsMin = 5;                               // of each size, however slow the machine is

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Walks through memory in parallel regions, as the layers of a step do.
class Walk {
 public:
  Walk(const attention::AttentionKernels& kernels, const attention::AttendShape& shape, ThreadPool& pool, Buffer memory)
      : kernels_(kernels),
        shape_(shape),
        pool_(pool),
        memory_(std::move(memory)),
        blocks_(memory_.size() / shape.layout.block_bytes()),
        queries_(std::size_t{shape.group} * shape.layout.d, 0.5f),
        scratch_(pool.threads()),
        nodes_(pool.threads()) {
    std::memset(memory_.data(), 0, memory_.size());  // touched, so that the pages are memory of their own
    for (attention::AttendScratch& scratch : scratch_) scratch.reserve(shape);
  }

  std::size_t blocks() const { return blocks_; }

  // Seconds of one region of `parts` pieces with `leaves` leaves each, at the blocks that come next.
  Result<double> region(std::size_t parts, std::size_t leaves) {
    std::atomic<bool> failed{false};
    const auto start = SteadyClock::now();
    pool_.for_each(parts, 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
      for (std::size_t part = begin; part < end; ++part)
        if (!attend(next_ + part * leaves, leaves, worker)) failed = true;
    });
    const double seconds = std::chrono::duration<double>(SteadyClock::now() - start).count();
    next_ = (next_ + parts * leaves) % blocks_;
    if (failed) return make_error(ErrorCode::kInternal, "the attention kernel failed while it was measured");
    return seconds;
  }

 private:
  bool attend(std::size_t first, std::size_t leaves, unsigned worker) {
    attention::HeldLeaf held[kLeavesPerPart];
    for (std::size_t leaf = 0; leaf < leaves; ++leaf)
      held[leaf] = {static_cast<std::uint32_t>(leaf + 1), kLeafTokens,
                    memory_.data() + (first + leaf) % blocks_ * shape_.layout.block_bytes()};
    // Leaves 1 on are of the tree for a token this far behind them.
    const attention::Queries rows{queries_.data(), queries_.size(),
                                  static_cast<std::uint32_t>((leaves + 3) * kLeafTokens), 1};
    nodes_[worker].reset(shape_.group, shape_.layout.d);
    return attention::attend_range(kernels_, shape_, rows, {held, leaves}, nodes_[worker], scratch_[worker]).has_value();
  }

  const attention::AttentionKernels& kernels_;
  attention::AttendShape shape_;
  ThreadPool& pool_;
  Buffer memory_;
  std::size_t blocks_;
  std::size_t next_ = 0;
  std::vector<float> queries_;                   // [G, d]
  std::vector<attention::AttendScratch> scratch_;  // [threads]
  std::vector<attention::NodeList> nodes_;         // [threads]
};

}  // namespace

Result<AttentionRate> attention_rate(const attention::AttentionKernels& kernels, const attention::AttendShape& shape,
                                     std::uint32_t kv_heads, ThreadPool& pool, std::chrono::milliseconds duration) {
  const std::size_t block = shape.layout.block_bytes();
  Result<Buffer> memory = Buffer::allocate(std::max(kMemoryBytes, 2 * kPartsOfLarge * kLeavesPerPart * block));
  if (!memory) return memory.error();
  Walk walk(kernels, shape, pool, std::move(*memory));
  std::vector<double> large, small;
  const auto end = SteadyClock::now() + duration;
  while (large.size() < kRegionsMin || SteadyClock::now() < end) {
    const Result<double> of_large = walk.region(kPartsOfLarge, kLeavesPerPart);
    if (!of_large) return of_large.error();
    const Result<double> of_small = walk.region(kv_heads, 1);
    if (!of_small) return of_small.error();
    large.push_back(*of_large);
    small.push_back(*of_small);
  }
  const double large_bytes = static_cast<double>(kPartsOfLarge * kLeavesPerPart * block);
  const double small_bytes = static_cast<double>(kv_heads * block);
  const double large_seconds = median(std::move(large)), small_seconds = median(std::move(small));
  AttentionRate rate;
  // A model with more KV heads than the large region has leaves, or an interrupted measurement, leaves no line to draw.
  if (large_bytes > 2 * small_bytes && large_seconds > small_seconds)
    rate.bytes_per_second = (large_bytes - small_bytes) / (large_seconds - small_seconds);
  else
    rate.bytes_per_second = large_bytes / large_seconds;
  rate.query_seconds = std::max(0.0, small_seconds - small_bytes / rate.bytes_per_second);
  return rate;
}

}  // namespace longshore::probe
