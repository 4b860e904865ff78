#include "workers/probe/read_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <vector>

namespace longshore::probe {

double read_bandwidth(ThreadPool& pool, std::chrono::milliseconds duration) {
  using SteadyClock = std::chrono::steady_clock;
  constexpr std::size_t kWords = (std::size_t{256} << 20) / sizeof(std::uint64_t);
  constexpr std::size_t kChunk = (std::size_t{1} << 20) / sizeof(std::uint64_t);
  std::vector<std::uint64_t> words(kWords, 1);
  std::atomic<std::uint64_t> sum{0};  // so that no read can be left out
  double best = 0;
  const auto end = SteadyClock::now() + duration;
  do {
    const auto begin = SteadyClock::now();
    pool.for_each(kWords, kChunk, [&](std::size_t first, std::size_t last, unsigned) {
      sum += std::accumulate(words.begin() + static_cast<std::ptrdiff_t>(first),
                             words.begin() + static_cast<std::ptrdiff_t>(last), std::uint64_t{0});
    });
    const double seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count();
    best = std::max(best, static_cast<double>(kWords * sizeof(std::uint64_t)) / seconds);
  } while (SteadyClock::now() < end);
  return sum > 0 ? best : 0;
}

}  // namespace longshore::probe
