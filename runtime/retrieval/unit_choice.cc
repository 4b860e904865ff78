#include "runtime/retrieval/unit_choice.h"

#include <algorithm>
#include <numeric>

namespace longshore::retrieval {
namespace {

constexpr std::uint32_t kLanes = 16;

float sum_in_lanes(std::span<const float> values) {
  float lane[kLanes] = {};
  for (std::size_t i = 0; i < values.size(); ++i) lane[i % kLanes] += values[i];
  for (std::uint32_t half = kLanes / 2; half > 0; half /= 2)
    for (std::uint32_t l = 0; l < half; ++l) lane[l] += lane[l + half];
  return lane[0];
}

}  // namespace

std::span<const std::uint32_t> UnitChoice::choose(const MeanKernels& kernels, const float* logits,
                                                  std::uint32_t rows, std::uint32_t units, std::uint32_t count) {
  order_.resize(units);
  std::iota(order_.begin(), order_.end(), 0u);
  if (count >= units) return order_;
  exps_.resize(units);
  shares_.assign(units, 0.0f);
  for (std::uint32_t r = 0; r < rows; ++r) {
    const float* of_row = logits + std::size_t{r} * units;
    const float largest = *std::max_element(of_row, of_row + units);
    for (std::uint32_t u = 0; u < units; ++u) exps_[u] = of_row[u] - largest;
    kernels.exp_nonpositive(exps_.data(), exps_.data(), units);
    const float weight = sum_in_lanes(exps_);
    for (std::uint32_t u = 0; u < units; ++u) shares_[u] += exps_[u] / weight;
  }
  for (float& share : shares_)
    if (!(share >= 0)) share = 0;  // what is no number has no order; such a row's output says what is wrong
  const auto first = [this](std::uint32_t a, std::uint32_t b) {
    return shares_[a] != shares_[b] ? shares_[a] > shares_[b] : a < b;
  };
  std::nth_element(order_.begin(), order_.begin() + count, order_.end(), first);
  order_.resize(count);
  std::sort(order_.begin(), order_.end());
  return order_;
}

}  // namespace longshore::retrieval
