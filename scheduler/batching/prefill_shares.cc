#include "scheduler/batching/prefill_shares.h"

#include <algorithm>
#include <numeric>

namespace longshore::batching {

std::vector<std::uint32_t> prefill_shares(const std::vector<std::uint32_t>& rows_missing, std::uint32_t budget) {
  std::vector<std::uint32_t> shares(rows_missing.size(), 0);
  const auto give = [&](std::size_t i, std::uint32_t most) {
    const std::uint32_t rows = std::min({most, budget, rows_missing[i] - shares[i]});
    shares[i] += rows;
    budget -= rows;
  };
  if (rows_missing.empty()) return shares;

  std::vector<std::size_t> shortest_first(rows_missing.size());
  std::iota(shortest_first.begin(), shortest_first.end(), std::size_t{0});
  std::stable_sort(shortest_first.begin(), shortest_first.end(),
                   [&](std::size_t a, std::size_t b) { return rows_missing[a] < rows_missing[b]; });

  give(0, budget - budget / 2);
  for (const std::size_t i : shortest_first)
    if (i != 0) give(i, budget);
  give(0, budget);
  return shares;
}

}  // namespace longshore::batching
