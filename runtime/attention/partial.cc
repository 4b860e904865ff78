#include "runtime/attention/partial.h"

#include <algorithm>
#include <limits>

namespace longshore::attention {

PartialSpan partial_in(float* floats, std::uint32_t rows, std::uint32_t d) {
  float* max = floats + std::size_t{rows} * d;
  return {floats, max, max + rows};
}

PartialView partial_in(const float* floats, std::uint32_t rows, std::uint32_t d) {
  const float* max = floats + std::size_t{rows} * d;
  return {floats, max, max + rows};
}

PartialView rows_from(PartialView partial, std::uint32_t begin, std::uint32_t d) {
  return {partial.sum + std::size_t{begin} * d, partial.max + begin, partial.weight + begin};
}

PartialSpan rows_from(PartialSpan partial, std::uint32_t begin, std::uint32_t d) {
  return {partial.sum + std::size_t{begin} * d, partial.max + begin, partial.weight + begin};
}

void set_identity(PartialSpan partial, std::uint32_t rows, std::uint32_t d) {
  std::fill_n(partial.sum, std::size_t{rows} * d, 0.0f);
  std::fill_n(partial.max, rows, -std::numeric_limits<float>::infinity());
  std::fill_n(partial.weight, rows, 0.0f);
}

void AttentionPartial::resize(std::uint32_t rows, std::uint32_t d) {
  floats_.resize(std::max(floats_.size(), partial_floats(rows, d)));
  rows_ = rows;
  d_ = d;
}

}  // namespace longshore::attention
