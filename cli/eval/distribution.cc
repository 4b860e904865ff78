#include "cli/eval/distribution.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "runtime/base/check.h"

namespace longshore::cli::eval {
namespace {

// ln of the sum of exp over a row.
double log_partition(std::span<const float> logits, double maximum) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - maximum);
  return maximum + std::log(sum);
}

}  // namespace

RowDistance compare(std::span<const float> dense, std::span<const float> preset, TokenId next) {
  CHECK(!dense.empty() && dense.size() == preset.size() && next >= 0 && static_cast<std::size_t>(next) < dense.size())
      << "rows of " << dense.size() << " and " << preset.size() << " logits, next token " << next;
  const auto dense_top = std::max_element(dense.begin(), dense.end());
  const auto preset_top = std::max_element(preset.begin(), preset.end());
  const double of_dense = log_partition(dense, *dense_top), of_preset = log_partition(preset, *preset_top);
  RowDistance distance;
  for (std::size_t token = 0; token < dense.size(); ++token) {
    const double dense_log = dense[token] - of_dense, preset_log = preset[token] - of_preset;
    const double p = std::exp(dense_log);
    if (p != 0) distance.kl += p * (dense_log - preset_log);  // 0 ln 0 = 0
  }
  if (distance.kl < 0) distance.kl = 0;  // rounding
  distance.same_top = dense_top - dense.begin() == preset_top - preset.begin();
  distance.dense_nll = of_dense - dense[static_cast<std::size_t>(next)];
  distance.preset_nll = of_preset - preset[static_cast<std::size_t>(next)];
  return distance;
}

}  // namespace longshore::cli::eval
