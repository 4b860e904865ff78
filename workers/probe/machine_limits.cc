#include "workers/probe/machine_limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>

#include "workers/probe/limit_kernels.h"

namespace longshore::probe {
namespace {

constexpr std::uint64_t kRounds = 125000;  // some milliseconds at two vector operations a cycle
constexpr std::uint64_t kPortableRounds = 2500;
constexpr std::size_t kMemory = std::size_t{96} << 20;

double seconds_of(ThreadPool& pool, const std::function<void(unsigned)>& work) {
  const auto start = std::chrono::steady_clock::now();
  pool.run(work);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double peak(ThreadPool& pool, kernels::Isa isa, double (*run)(std::uint64_t)) {
  std::atomic<double> operations{0};
  const std::uint64_t rounds = isa == kernels::Isa::kPortable ? kPortableRounds : kRounds;
  const double seconds = seconds_of(pool, [&](unsigned) { operations.fetch_add(run(rounds)); });
  return operations.load() / seconds;
}

}  // namespace

double int8_peak(ThreadPool& pool, kernels::Isa isa) { return peak(pool, isa, limit_kernels(isa).run_int8); }
double f32_peak(ThreadPool& pool, kernels::Isa isa) { return peak(pool, isa, limit_kernels(isa).run_f32); }

double read_bandwidth(ThreadPool& pool, kernels::Isa isa, std::span<const std::byte> memory, std::size_t* position) {
  constexpr std::size_t kPage = 4096;
  const std::size_t window = std::min<std::size_t>(memory.size(), std::size_t{32} << 20) / kPage * kPage;
  if (*position + window > memory.size()) *position = 0;
  const std::byte* const from = memory.data() + *position;
  *position += window;
  const auto read = limit_kernels(isa).read;
  // Chunks are taken as they come, like the tiles of a product.
  constexpr std::size_t kChunk = 64 * kPage;
  std::atomic<std::size_t> next{0};
  const double seconds = seconds_of(pool, [&](unsigned) {
    for (std::size_t begin; (begin = next.fetch_add(kChunk)) < window;) {
      volatile std::int32_t keep = read(from + begin, std::min(kChunk, window - begin));
      (void)keep;
    }
  });
  return static_cast<double>(window) / seconds;
}

Result<LimitProbe> LimitProbe::create(ThreadPool& pool, kernels::Isa isa) {
  Result<Buffer> memory = Buffer::allocate(kMemory);
  if (!memory) return memory.error();
  std::memset(memory->data(), 1, memory->size());  // untouched pages would all be one
  return LimitProbe(pool, isa, std::move(*memory));
}

MachineLimits LimitProbe::measure() {
  return {read_bandwidth(*pool_, isa_, memory_.bytes(), &position_), int8_peak(*pool_, isa_), f32_peak(*pool_, isa_)};
}

}  // namespace longshore::probe
