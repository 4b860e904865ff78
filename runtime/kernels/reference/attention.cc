#include "runtime/kernels/reference/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace longshore::kernels::reference {

AttentionRow attention_row(const float* q,
                           const float* keys,
                           const float* values,
                           std::uint32_t n,
                           std::uint32_t d,
                           double softcap) {
  std::vector<double> logits(n, 0.0);
  AttentionRow row{std::vector<double>(d, 0.0), std::vector<double>(d, 0.0),
                   -std::numeric_limits<double>::infinity(), 0};
  for (std::uint32_t j = 0; j < n; ++j) {
    for (std::uint32_t i = 0; i < d; ++i) logits[j] += double{q[i]} * double{keys[std::size_t{j} * d + i]};
    if (softcap != 0) logits[j] = softcap * std::tanh(logits[j] / softcap);
    row.max = std::max(row.max, logits[j]);
  }
  for (std::uint32_t j = 0; j < n; ++j) {
    const double p = std::exp(logits[j] - row.max);
    row.weight += p;
    for (std::uint32_t c = 0; c < d; ++c) {
      row.output[c] += p * double{values[std::size_t{j} * d + c]};
      row.absolute[c] += p * std::fabs(double{values[std::size_t{j} * d + c]});
    }
  }
  for (std::uint32_t c = 0; c < d && n > 0; ++c) {
    row.output[c] /= row.weight;
    row.absolute[c] /= row.weight;
  }
  return row;
}

}  // namespace longshore::kernels::reference
