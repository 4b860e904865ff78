#include "cli/eval/paired_test.h"

#include <algorithm>
#include <cmath>

namespace longshore::cli::eval {

double mcnemar(std::uint32_t lost, std::uint32_t gained) {
  const double n = static_cast<double>(lost) + gained;
  double sum = 0;
  // In logarithms: 2^n and the coefficients do not fit a double from some thousand samples on.
  for (std::uint32_t k = 0; k <= std::min(lost, gained); ++k)
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1) - n * std::log(2.0));
  return std::min(1.0, 2 * sum);
}

}  // namespace longshore::cli::eval
