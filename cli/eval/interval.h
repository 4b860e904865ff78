#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace longshore::cli::eval {

// Values that belong together, such as those of neighbouring positions, which are not independent of each other.
struct Cluster {
  double sum = 0;
  std::uint64_t count = 0;
};

struct Mean {
  double value = 0;            // NaN without values
  std::optional<double> half;  // half of the 95 % interval; none below two clusters
};

// Mean over all values, with the interval that the spread between clusters gives: 1.96 times the standard error of a ratio
// of sums over n clusters, the squares divided by n - 1. Summed in the given order.
// Source: Cochran 1977, "Sampling Techniques", section 6.3 (ratio estimate), clusters as the sampled units.
Mean mean_of(std::span<const Cluster> clusters);

struct Share {
  double value = 0, low = 0, high = 1;  // the 95 % interval; value NaN and [0, 1] of nothing
};

// A share of right answers. Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
// Requires: right <= count.
Share wilson(std::uint64_t right, std::uint64_t count);

}  // namespace longshore::cli::eval
