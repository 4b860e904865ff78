#include "cli/eval/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace longshore::cli::eval {
namespace {

constexpr double kNormal95 = 1.959963984540054;  // the normal distribution's 97.5 % point

}  // namespace

Mean mean_of(std::span<const Cluster> clusters) {
  double sum = 0, count = 0;
  for (const Cluster& cluster : clusters) {
    sum += cluster.sum;
    count += static_cast<double>(cluster.count);
  }
  if (count == 0) return {std::numeric_limits<double>::quiet_NaN(), std::nullopt};
  Mean mean{sum / count, std::nullopt};
  if (clusters.size() < 2) return mean;
  double squares = 0;
  for (const Cluster& cluster : clusters) {
    const double apart = cluster.sum - mean.value * static_cast<double>(cluster.count);
    squares += apart * apart;
  }
  const auto n = static_cast<double>(clusters.size());
  mean.half = kNormal95 * std::sqrt(squares * n / (n - 1)) / count;
  return mean;
}

Share wilson(std::uint64_t right, std::uint64_t count) {
  if (count == 0) return {std::numeric_limits<double>::quiet_NaN(), 0, 1};
  const auto n = static_cast<double>(count);
  const double p = static_cast<double>(right) / n, z2 = kNormal95 * kNormal95;
  const double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kNormal95 / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  // Exact at the ends, where rounding would leave 1e-17.
  return {p, right == 0 ? 0.0 : std::max(0.0, middle - half), right == count ? 1.0 : std::min(1.0, middle + half)};
}

}  // namespace longshore::cli::eval
